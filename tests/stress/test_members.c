/* SPDX-License-Identifier: MIT */
/*
 * Members that come and go while there is traffic, on every kind; and how it ends: the last sender
 * leaves or is killed, the last receiver does, the queue is removed.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "stress/traffic.h"
#include "support/process.h"

#define MESSAGES 5

TestSuite(members, .init = place_begin, .fini = place_end, .timeout = 3600);

static unsigned
at_most(unsigned n, unsigned most)
{
	return n < most ? n : most;
}

/* Coming and going ---------------------------------------------------------------------------- */

static void
run(const struct traffic *common)
{
	static const enum place_backend places[] = {ON_SHM, ON_SYSV, ON_MEMFD};

	for (unsigned i = 0; i < TRAFFIC_KINDS * 3; i++) {
		struct traffic traffic = *common;

		traffic.kind = traffic_kinds[i / 3];
		traffic.on = places[i % 3];
		traffic.senders = at_most(3, traffic.kind->senders);
		traffic.receivers = at_most(3, traffic.kind->receivers);
		traffic.seed += i;
		SAME(TRAFFIC_FINE, traffic_run(&traffic));
	}
}

Test(members, test_members_come_and_go_every_letter_accounted_for)
{
	struct traffic churn = {.quota = 300, .churn = true, .seed = 1};

	for (unsigned i = 0; i < SCALE; i++, churn.seed += 1000)
		run(&churn);
}

Test(members, test_removed_in_traffic_drained_first)
{
	struct traffic removed = {.quota = 300, .remove = true, .seed = 2};

	for (unsigned i = 0; i < SCALE; i++, removed.seed += 1000)
		run(&removed);
}

/* Ends ---------------------------------------------------------------------------------------- */

struct scene {
	const struct traffic_kind *kind;
	struct place place;
	unsigned role;
	int ready, go, leave, drain; /* gates */
};

static struct shmq *
join(const struct scene *s, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, s->place.attach, role));
	return q;
}

/* Send, and be killed, or leave. */
static void
send_and_wait(void *arg)
{
	struct scene *s = arg;
	struct shmq *q = join(s, SHMQ_PRODUCER);
	char c[8] = "message";

	gate_open(s->ready);
	gate_pass(s->go);
	for (int i = 0; i < MESSAGES; i++)
		SAME(0, shmq_send(q, c, sizeof(c), SHMQ_FOREVER));
	gate_open(s->ready);
	gate_pass(s->leave);
	SAME(0, shmq_detach(q));
}

/*
 * Who does not wait asks the kernel only now and then whether a peer was killed; until then it is
 * given the newest value, though it had it before.
 */
static void
ends_soon(const struct scene *s, struct shmq *q, int end)
{
	char buf[600];
	ssize_t n;

	while ((n = shmq_recv(q, buf, sizeof(buf), 0)) == -EAGAIN || (s->kind->newest && n == 8))
		continue;
	SAME(end, n);
}

/* All that is there, then the end, however it is asked for; and it stays the end. */
static void
drain_to_the_end(const struct scene *s, struct shmq *q, unsigned messages, int end)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char buf[600];
	unsigned got = 0;
	ssize_t n;

	while ((n = shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER)) >= 0) {
		SAME(8, n);
		got++;
	}
	SAME(end, n);
	SAME(messages, got);
	ends_soon(s, q, end);
	SAME(end, shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER));
	SAME(0, shmq_qstat(q, &st));
	SAME(0, shmq_detach(q));
}

static void
receive_to_the_end(void *arg)
{
	struct scene *s = arg;
	struct shmq *q = join(s, SHMQ_CONSUMER | SHMQ_HANGUP);
	unsigned messages = s->kind->newest ? 1 : MESSAGES * at_most(2, s->kind->senders);

	gate_open(s->ready);
	gate_pass(s->drain);
	drain_to_the_end(s, q, messages, -EPIPE);
}

static void
open_scene(struct scene *s, const struct traffic_kind *kind, enum place_backend on)
{
	*s = (struct scene){.kind = kind};
	s->ready = gate_new();
	s->go = gate_new();
	s->leave = gate_new();
	s->drain = gate_new();
	s->place = place_queue(on, 0, &kind->opts);
}

static void
close_scene(struct scene *s)
{
	close(s->ready);
	close(s->go);
	close(s->leave);
	close(s->drain);
	place_remove(&s->place);
}

/* One receiver; one or two senders, all of whom must have gone before it is the end. */
static void
senders_end(const struct traffic_kind *kind, enum place_backend on, bool killed)
{
	unsigned senders = at_most(2, kind->senders);
	pid_t receiver, pids[2];
	struct scene s;

	open_scene(&s, kind, on);
	receiver = process_start(receive_to_the_end, &s);
	gate_pass(s.ready);
	for (unsigned i = 0; i < senders; i++) {
		pids[i] = process_start(send_and_wait, &s);
		gate_pass(s.ready);
	}
	for (unsigned i = 0; i < senders; i++)
		gate_open(s.go);
	for (unsigned i = 0; i < senders; i++)
		gate_pass(s.ready);
	for (unsigned i = 0; i < senders; i++) {
		if (killed)
			process_kill(pids[i]);
		else
			gate_open(s.leave);
	}
	gate_open(s.drain);
	for (unsigned i = 0; !killed && i < senders; i++)
		process_join(pids[i]);
	process_join(receiver);
	close_scene(&s);
}

Test(members, test_hangup_last_sender_left_drained_then_epipe)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			senders_end(traffic_kinds[i], on, false);
}

Test(members, test_hangup_last_sender_killed_drained_then_epipe)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			senders_end(traffic_kinds[i], on, true);
}

/* The end is told to sleepers, too. */
static void
sleep_to_the_end(void *arg)
{
	struct scene *s = arg;
	struct shmq *q = join(s, SHMQ_CONSUMER | SHMQ_HANGUP);

	gate_open(s->ready);
	drain_to_the_end(s, q, 0, -EPIPE);
}

static void
hold(void *arg)
{
	struct scene *s = arg;

	(void)join(s, s->role);
	gate_open(s->ready);
	for (;;)
		pause();
}

Test(members, test_hangup_sender_killed_while_receivers_wait_epipe)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++) {
		const struct traffic_kind *kind = traffic_kinds[i];
		unsigned receivers = at_most(3, kind->receivers);
		pid_t sender, pids[3];
		struct scene s;

		open_scene(&s, kind, ON_SHM);
		s.role = SHMQ_PRODUCER;
		sender = process_start(hold, &s);
		gate_pass(s.ready);
		for (unsigned k = 0; k < receivers; k++) {
			pids[k] = process_start(sleep_to_the_end, &s);
			gate_pass(s.ready);
		}
		process_kill(sender);
		for (unsigned k = 0; k < receivers; k++)
			process_join(pids[k]);
		close_scene(&s);
	}
}

/* Senders -------------------------------------------------------------------------------------- */

static void
send_to_the_end(void *arg)
{
	struct scene *s = arg;
	struct shmq *q = join(s, SHMQ_PRODUCER | SHMQ_HANGUP);
	char c[8] = "message";
	int err;

	gate_open(s->ready);
	gate_pass(s->go);
	while ((err = shmq_send(q, c, sizeof(c), SHMQ_FOREVER)) == 0)
		continue;
	SAME(-EPIPE, err);
	SAME(-EPIPE, shmq_reserve(q, &(struct iovec){0}, sizeof(c), SHMQ_FOREVER));
	SAME(0, shmq_detach(q));
}

/* Two receivers where there can be two; they never receive, so that senders are asleep in a full
 * queue when the last one is killed. */
static void
receivers_end(const struct traffic_kind *kind, enum place_backend on)
{
	unsigned receivers = at_most(2, kind->receivers), senders = at_most(2, kind->senders);
	pid_t holders[2], pids[2];
	struct scene s;

	open_scene(&s, kind, on);
	s.role = SHMQ_CONSUMER;
	for (unsigned i = 0; i < senders; i++) {
		pids[i] = process_start(send_to_the_end, &s);
		gate_pass(s.ready);
	}
	for (unsigned i = 0; i < receivers; i++) {
		holders[i] = process_start(hold, &s);
		gate_pass(s.ready);
	}
	/* One that lives is ejected by the flood; then nobody asks any more whether it still does. */
	for (unsigned i = 0; i < senders && !kind->ejects; i++)
		gate_open(s.go);
	for (unsigned i = 0; i < receivers; i++)
		process_kill(holders[i]);
	for (unsigned i = 0; i < senders && kind->ejects; i++)
		gate_open(s.go);
	for (unsigned i = 0; i < senders; i++)
		process_join(pids[i]);
	close_scene(&s);
}

Test(members, test_hangup_last_receiver_killed_senders_epipe)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			if (traffic_kinds[i]->sender_may_hang)
				receivers_end(traffic_kinds[i], on);
}

Test(members, test_hangup_for_sender_whose_receivers_leave_no_trace_enotsup)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++) {
		struct shmq *q = NULL;
		struct scene s;

		open_scene(&s, traffic_kinds[i], ON_SHM);
		SAME(traffic_kinds[i]->sender_may_hang ? 0 : -ENOTSUP,
		     shmq_attach(&q, s.place.attach, SHMQ_PRODUCER | SHMQ_HANGUP));
		if (q)
			SAME(0, shmq_detach(q));
		close_scene(&s);
	}
}
