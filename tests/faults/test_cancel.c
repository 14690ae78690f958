/* SPDX-License-Identifier: MIT */
/*
 * A thread whose cancellation is pending all the time: it ends at the first cancellation point that
 * is not protected, wherever in the library that is. No call has one, in no state of a queue: each
 * returns, and what it had to lock or open is free again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "hold.h"
#include "operations.h"
#include "support/process.h"

TestSuite(cancel, .init = place_begin, .fini = place_end, .timeout = 120);

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)

struct doomed {
	void (*body)(void *arg);
	void *arg;
	bool returned;
};

static void *
do_doomed(void *arg)
{
	struct doomed *d = arg;

	SAME(0, pthread_cancel(pthread_self()));
	d->body(d->arg);
	d->returned = true;
	pthread_testcancel();
	return NULL;
}

static void
come_and_go(struct place *place)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, place->attach, SHMQ_OBSERVER));
	SAME(0, shmq_detach(q));
}

static void
with_pending_cancellation(void (*body)(void *arg), void *arg)
{
	struct doomed d = {body, arg, false};
	pthread_t thread;
	void *result = NULL;

	SAME(0, pthread_create(&thread, NULL, do_doomed, &d));
	SAME(0, pthread_join(thread, &result));
	MUST(result == PTHREAD_CANCELED);
	MUST(d.returned);
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* What makes system calls -------------------------------------------------------------------- */

static void
act(void *arg)
{
	struct trial *t = arg;

	t->result = t->operation->act(t);
}

static void
try_it(void *arg)
{
	struct trial *t = arg;

	trial_ready(t);
	with_pending_cancellation(nothing, NULL); /* stacks of threads are kept */
	t->before = leak_count();
	with_pending_cancellation(act, t);
	SAME(0, t->result < 0 ? t->result : 0);
	trial_check(t);
}

static void
try_on(const struct operation *operation, enum place_backend on)
{
	struct trial t;

	trial_begin(&t, operation, on);
	process_join(process_start(try_it, &t));
	trial_end(&t);
}

Test(cancel, test_each_operation_returns)
{
	const struct operation *operation;

	for (unsigned n = 0; (operation = operation_at(n)); n++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			if (operation->on & ON(on))
				try_on(operation, on);
}

/* The rest ----------------------------------------------------------------------------------- */

struct ends {
	struct place place;
	struct shmq *q;
};

static void
call_to_send(struct shmq *q)
{
	struct iovec slot, three[3] = {{"a", 1}, {"b", 1}, {"c", 1}};

	SAME(3, shmq_send_batch(q, three, 3, 0));
	SAME(0, shmq_reserve(q, &slot, 1, 0));
	SAME(0, shmq_abort(q, &slot));
	SAME(0, shmq_send(q, "x", 1, 0));
}

static void
call_to_receive(struct shmq *q)
{
	struct shmq_info info = {.size = sizeof(info)};
	char bytes[2];
	struct iovec message, two[2] = {{bytes, 1}, {bytes + 1, 1}};

	SAME(0, shmq_peek(q, &message, 0));
	SAME(0, shmq_release(q, &message));
	SAME(2, shmq_recv_batch(q, two, 2, 0));
	SAME(1, shmq_recv(q, bytes, 1, 0));
	SAME(0, shmq_info(q, &info));
	SAME(-EAGAIN, shmq_recv(q, bytes, 1, 0));
	SAME(-EAGAIN, shmq_peek(q, &message, 0));
}

static void
call_on_queue(void *arg)
{
	struct ends *e = arg;
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 8, .capacity = 8};

	MUST(shmq_footprint(&opts) > 0);
	MUST(shmq_memlock(1, NULL) <= 0);
	call_to_send(e->q);
	call_to_receive(e->q);
	for (int i = 0; i < 9; i++)
		(void)shmq_send(e->q, "x", 1, 0);
}

static void
call_on_segment(void *arg)
{
	struct place *place = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, place->attach, 0));
	SAME(0, shmq_seg_find(shmq_seg_base(seg), &st));
	SAME(0, shmq_seg_stat(seg, &st));
	MUST(shmq_seg_size(seg) > 0);
	SAME(0, shmq_seg_detach_at(shmq_seg_base(seg)));
}

Test(cancel, test_calls_on_handles_return)
{
	const int kinds[] = {SHMQ_SPSC, SHMQ_MPSC, SHMQ_MPMC, SHMQ_BROADCAST};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place segment = place_segment(on, 1, NULL);

		for (unsigned n = 0; n < sizeof(kinds) / sizeof(*kinds); n++) {
			struct shmq_opts opts = {.size = sizeof(opts),
						 .kind = kinds[n],
						 .msg_max = 8,
						 .capacity = 8};
			struct ends e = {.place = place_queue(on, 0, &opts)};

			SAME(0, shmq_attach(&e.q, e.place.attach, BOTH));
			with_pending_cancellation(call_on_queue, &e);
			come_and_go(&e.place);
			SAME(0, shmq_detach(e.q));
			place_remove(&e.place);
		}
		with_pending_cancellation(call_on_segment, &segment);
		place_remove(&segment);
	}
}

/* Among the dead ----------------------------------------------------------------------------- */

static void
go_on(void *arg)
{
	struct scene *s = arg;

	s->hold->dead(s);
}

/* Who finds a dead participant in the way buries it, whatever call that is. */
Test(cancel, test_calls_that_meet_the_dead_return)
{
	EACH_HOLD(s)
	{
		scene_start(&s, NULL);
		process_kill(s.pid);
		with_pending_cancellation(go_on, &s);
		SAME(scene_own_rows(&s), scene_alive_rows(&s));
		if (s.in)
			SAME(0, shmq_detach(s.in));
		if (s.out)
			SAME(0, shmq_detach(s.out));
		place_remove(&s.place);
	}
}

static void
attach_and_wait(void *arg)
{
	struct scene *s = arg;

	SAME(0, shmq_attach(&s->theirs, s->place.attach, SHMQ_PRODUCER));
	gate_open(s->taken);
	for (;;)
		pause();
}

static void
receive_end(void *arg)
{
	struct scene *s = arg;
	char byte;

	SAME(-EIDRM, shmq_recv(s->in, &byte, 1, 0));
}

/* Before an end is believed the dead are asked, by a call that does not wait, too. */
Test(cancel, test_recv_of_removed_queue_with_dead_returns)
{
	struct shmq_opts opts = {
		.size = sizeof(opts), .kind = SHMQ_MPMC, .msg_max = 8, .capacity = 4};
	struct place other = place_queue(ON_SHM, 1, NULL);

	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene s = {.place = place_queue(on, 0, &opts), .taken = gate_new()};
		pid_t pid = process_start(attach_and_wait, &s);

		gate_pass(s.taken);
		SAME(0, shmq_attach(&s.in, s.place.attach, SHMQ_CONSUMER));
		process_kill(pid);
		place_remove(&s.place);
		with_pending_cancellation(receive_end, &s);
		come_and_go(&other);
		SAME(0, shmq_detach(s.in));
		close(s.taken);
	}
	place_remove(&other);
}

static void
peek_and_wait(void *arg)
{
	struct scene *s = arg;
	struct iovec message;

	SAME(0, shmq_attach(&s->theirs, s->place.attach, SHMQ_CONSUMER));
	SAME(0, shmq_peek(s->theirs, &message, 0));
	gate_open(s->taken);
	for (;;)
		pause();
}

/* It passes over what the dead one holds, and asks about that at once: the first time it ever asks. */
static void
send_a_lap(void *arg)
{
	struct scene *s = arg;
	struct iovec slot;

	SAME(0, shmq_send(s->out, "x", 1, 0));
	for (int i = 0; i < 8; i++)
		if (shmq_reserve(s->out, &slot, 1, 0) == 0)
			SAME(0, shmq_commit(s->out, &slot));
}

Test(cancel, test_send_past_held_by_dead_returns)
{
	struct shmq_opts opts = {
		.size = sizeof(opts), .kind = SHMQ_MPMC, .msg_max = 8, .capacity = 4};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene s = {.place = place_queue(on, 0, &opts), .taken = gate_new()};
		char byte;
		pid_t pid;

		SAME(0, shmq_attach(&s.out, s.place.attach, BOTH));
		for (int i = 0; i < 4; i++)
			SAME(0, shmq_send(s.out, "a", 1, 0));
		pid = process_start(peek_and_wait, &s);
		gate_pass(s.taken);
		process_kill(pid);
		while (shmq_recv(s.out, &byte, 1, 0) == 1)
			continue;
		with_pending_cancellation(send_a_lap, &s);
		come_and_go(&s.place);
		SAME(0, shmq_detach(s.out));
		place_remove(&s.place);
		close(s.taken);
	}
}

/* fork() ------------------------------------------------------------------------------------- */

static void
fork_once(void *arg)
{
	pid_t *pid = arg;

	*pid = fork();
	if (*pid == 0)
		_exit(0);
}

Test(cancel, test_fork_returns)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place segment = place_segment(on, 1, NULL), queue = place_queue(on, 0, NULL);
		struct shmq_seg *seg = NULL;
		struct shmq *q = NULL;
		pid_t pid = -1;

		SAME(0, shmq_seg_attach(&seg, segment.attach, 0));
		SAME(0, shmq_attach(&q, queue.attach, BOTH));
		with_pending_cancellation(fork_once, &pid);
		process_join(pid);
		come_and_go(&queue);
		SAME(0, shmq_detach(q));
		SAME(0, shmq_seg_detach(seg));
		place_remove(&queue);
		place_remove(&segment);
	}
}

/* The child's one thread is asked nothing that its parent's other threads were not: it can be
 * cancelled where they could. */
static void
fork_and_look(void *arg)
{
	pid_t *pid = arg;
	int state = -1;

	*pid = fork();
	if (*pid)
		return;
	SAME(0, pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state));
	SAME(PTHREAD_CANCEL_ENABLE, state);
	_exit(0);
}

Test(cancel, test_fork_leaves_state_as_it_was)
{
	pid_t pid = -1;
	int state = -1;

	with_pending_cancellation(fork_and_look, &pid);
	process_join(pid);
	SAME(0, pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state));
	SAME(PTHREAD_CANCEL_ENABLE, state);
}
