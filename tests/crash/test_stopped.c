/* SPDX-License-Identifier: MIT */
/*
 * A stopped process is not a dead one, however long it is stopped: what it holds stays its own, its
 * role is taken by nobody, who has to wait for it waits, who has not goes on; and when it is
 * continued nothing is lost, repeated or spoilt.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

#define MSG_MAX 300
#define CAPACITY 8
#define FIRST 1000 /* number of the message that the stopped one has in hand */
#define SHORT_NS 2000000

TestSuite(stopped, .init = place_begin, .fini = place_end, .timeout = 300);

/* A process that takes something in hand, is stopped, and ends what it has begun. */
struct holder {
	struct place place;
	unsigned role;
	void (*take)(struct shmq *q, struct iovec *v);
	void (*finish)(struct shmq *q, struct iovec *v);
	int taken, go_on;
	uint64_t deadline_ns;
	uint64_t *next; /* shared: what a reader reads next */
	pid_t pid;
};

/* In hand ------------------------------------------------------------------------------------ */

static void
write_half(struct shmq *q, struct iovec *v)
{
	size_t length = message_length(FIRST, MSG_MAX);

	SAME(0, shmq_reserve(q, v, MSG_MAX, 0));
	message_fill(v->iov_base, FIRST, length);
	memset(v->iov_base, 0x55, length / 2);
}

static void
write_rest(struct shmq *q, struct iovec *v)
{
	size_t length = message_length(FIRST, MSG_MAX);

	message_fill(v->iov_base, FIRST, length);
	v->iov_len = length;
	SAME(0, shmq_commit(q, v));
}

static void
look(struct shmq *q, struct iovec *v)
{
	SAME(0, shmq_peek(q, v, 0));
	message_check(v->iov_base, v->iov_len, FIRST, MSG_MAX);
}

static void
look_again(struct shmq *q, struct iovec *v)
{
	message_check(v->iov_base, v->iov_len, FIRST, MSG_MAX);
	SAME(0, shmq_release(q, v));
}

static void
be_holder(void *arg)
{
	struct holder *h = arg;
	struct shmq *q = NULL;
	struct iovec v = {0};

	SAME(0, shmq_attach(&q, h->place.attach, h->role));
	h->take(q, &v);
	gate_open(h->taken);
	gate_pass(h->go_on);
	h->finish(q, &v);
	SAME(0, shmq_detach(q));
}

static void
await_stop(pid_t pid)
{
	siginfo_t info;

	SAME(0, waitid(P_PID, (id_t)pid, &info, WSTOPPED));
	SAME(CLD_STOPPED, info.si_code);
}

static struct holder
hold(struct place place, unsigned role, void (*take)(struct shmq *, struct iovec *),
     void (*finish)(struct shmq *, struct iovec *))
{
	struct holder h = {.place = place,
			   .role = role,
			   .take = take,
			   .finish = finish,
			   .taken = gate_new(),
			   .go_on = gate_new()};

	h.pid = process_start(be_holder, &h);
	gate_pass(h.taken);
	SAME(0, kill(h.pid, SIGSTOP));
	await_stop(h.pid);
	gate_open(h.go_on);
	h.deadline_ns = clock_now_ns() + STOP_SECONDS * UINT64_C(1000000000);
	return h;
}

static bool
still_stopped(const struct holder *h)
{
	return clock_now_ns() < h->deadline_ns;
}

static void
go_on(struct holder *h)
{
	SAME(0, kill(h->pid, SIGCONT));
	process_join(h->pid);
}

/* The others --------------------------------------------------------------------------------- */

static struct place
queue(int kind, unsigned flags, size_t slow_limit)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = kind,
				       .msg_max = MSG_MAX,
				       .capacity = CAPACITY,
				       .flags = flags,
				       .slow_limit = slow_limit};

	return place_queue(ON_SHM, 0, &opts);
}

static struct shmq *
attach(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, place->attach, role));
	return q;
}

static int
try_send(struct shmq *q, uint64_t sequence, int64_t timeout)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	return shmq_send(q, bytes, length, timeout);
}

static void
receive(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	ssize_t length = shmq_recv(q, bytes, MSG_MAX, SHMQ_FOREVER);

	MUST(length >= 0);
	message_check(bytes, (size_t)length, sequence, MSG_MAX);
}

static void
receive_nothing(struct shmq *q)
{
	unsigned char bytes[MSG_MAX];

	SAME(-EAGAIN, shmq_recv(q, bytes, MSG_MAX, 0));
	SAME(-ETIMEDOUT, shmq_recv(q, bytes, MSG_MAX, SHORT_NS));
}

static uint64_t
send_till_full(struct shmq *q, uint64_t sequence)
{
	int err;

	while ((err = try_send(q, sequence, 0)) == 0)
		sequence++;
	SAME(-EAGAIN, err);
	return sequence;
}

/* No newcomer gets the role. */
static void
must_be_busy(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	SAME(-EBUSY, shmq_attach(&q, place->attach, role));
}

static int
must_be_alive(const struct shmq_participant *row, void *arg)
{
	const struct holder *h = arg;

	MUST(row->pid != h->pid || row->alive == 1);
	return row->pid == h->pid;
}

/* The end: all of it was received once, nothing was dropped, nothing came again. */
static void
end_clean(struct place *place, struct shmq *last)
{
	struct shmq_stat st = place_stat(place);

	SAME(0, shmq_detach(last));
	SAME(0, st.depth);
	SAME(st.sent, st.received);
	SAME(0, st.lost + st.dead + st.redelivered);
	place_remove(place);
}

/* SPSC --------------------------------------------------------------------------------------- */

Test(stopped, test_spsc_producer_stopped_in_reservation_keeps_its_role)
{
	struct place place = queue(SHMQ_SPSC, 0, 0);
	struct holder h = hold(place, SHMQ_PRODUCER, write_half, write_rest);
	struct shmq *in = attach(&place, SHMQ_CONSUMER | SHMQ_HANGUP);

	while (still_stopped(&h)) {
		must_be_busy(&place, SHMQ_PRODUCER);
		receive_nothing(in);
	}
	SAME(1, shmq_participants(place.attach, must_be_alive, &h));
	go_on(&h);
	receive(in, FIRST);
	end_clean(&place, in);
}

Test(stopped, test_spsc_consumer_stopped_in_peek_keeps_its_role)
{
	struct place place = queue(SHMQ_SPSC, 0, 0);
	struct shmq *out = attach(&place, SHMQ_PRODUCER | SHMQ_HANGUP), *in;
	struct holder h;
	uint64_t next;

	SAME(0, try_send(out, FIRST, 0));
	h = hold(place, SHMQ_CONSUMER, look, look_again);
	next = send_till_full(out, FIRST + 1);
	SAME(FIRST + CAPACITY, next);
	while (still_stopped(&h)) {
		must_be_busy(&place, SHMQ_CONSUMER);
		SAME(-ETIMEDOUT, try_send(out, next, SHORT_NS));
	}
	go_on(&h);
	in = attach(&place, SHMQ_CONSUMER);
	for (uint64_t i = FIRST + 1; i < next; i++)
		receive(in, i);
	receive_nothing(in);
	SAME(0, shmq_detach(out));
	end_clean(&place, in);
}

/* MPSC --------------------------------------------------------------------------------------- */

Test(stopped, test_mpsc_producer_stopped_in_reservation_stalls_nobody)
{
	struct place place = queue(SHMQ_MPSC, 0, 0);
	struct holder h = hold(place, SHMQ_PRODUCER, write_half, write_rest);
	struct shmq *in = attach(&place, SHMQ_CONSUMER), *out = attach(&place, SHMQ_PRODUCER);
	uint64_t n = 0;

	for (; still_stopped(&h) || n < 20 * CAPACITY; n++) {
		SAME(0, try_send(out, n, 0));
		receive(in, n);
	}
	receive_nothing(in);
	SAME(1, shmq_participants(place.attach, must_be_alive, &h));
	go_on(&h);
	receive(in, FIRST);
	receive_nothing(in);
	SAME(0, shmq_detach(out));
	SAME(n + 1, place_stat(&place).sent);
	end_clean(&place, in);
}

/* MPMC --------------------------------------------------------------------------------------- */

/* Receivers wait for the claim at the head, senders a lap behind it; nobody goes past it. */
Test(stopped, test_mpmc_producer_stopped_in_reservation_is_waited_for)
{
	struct place place = queue(SHMQ_MPMC, 0, 0);
	struct holder h = hold(place, SHMQ_PRODUCER, write_half, write_rest);
	struct shmq *in = attach(&place, SHMQ_CONSUMER), *out = attach(&place, SHMQ_PRODUCER);
	uint64_t next = send_till_full(out, 0);

	SAME(CAPACITY - 1, next);
	while (still_stopped(&h)) {
		receive_nothing(in);
		SAME(-ETIMEDOUT, try_send(out, next, SHORT_NS));
	}
	SAME(1, shmq_participants(place.attach, must_be_alive, &h));
	go_on(&h);
	receive(in, FIRST);
	for (uint64_t i = 0; i < next; i++)
		receive(in, i);
	receive_nothing(in);
	SAME(0, shmq_detach(out));
	SAME(CAPACITY, place_stat(&place).sent);
	end_clean(&place, in);
}

static void
stop_mpmc_consumer(unsigned flags)
{
	struct place place = queue(SHMQ_MPMC, flags, 0);
	struct shmq *in = attach(&place, SHMQ_CONSUMER), *out = attach(&place, SHMQ_PRODUCER);
	struct holder h;
	uint64_t n = 0;

	SAME(0, try_send(out, FIRST, 0));
	h = hold(place, SHMQ_CONSUMER, look, look_again);
	for (; still_stopped(&h) || n < 20 * CAPACITY; n++) {
		SAME(0, try_send(out, n, 0));
		receive(in, n);
		if (n % 100 == 0)
			receive_nothing(in);
	}
	SAME(1, place_stat(&place).depth);
	SAME(1, shmq_participants(place.attach, must_be_alive, &h));
	go_on(&h);
	receive_nothing(in);
	SAME(0, try_send(out, n, 0));
	receive(in, n);
	SAME(0, shmq_detach(out));
	SAME(n + 2, place_stat(&place).sent);
	end_clean(&place, in);
}

Test(stopped, test_mpmc_consumer_stopped_in_peek_stalls_nobody)
{
	stop_mpmc_consumer(0);
}

Test(stopped, test_mpmc_consumer_stopped_in_peek_is_not_redelivered)
{
	stop_mpmc_consumer(SHMQ_REDELIVER);
}

/* Broadcast ---------------------------------------------------------------------------------- */

static void
receive_all(struct shmq *q, struct iovec *v)
{
	(void)v;
	for (uint64_t i = FIRST; i < FIRST + CAPACITY; i++)
		receive(q, i);
}

static void
do_nothing(struct shmq *q, struct iovec *v)
{
	(void)q;
	(void)v;
}

Test(stopped, test_broadcast_reader_stopped_is_waited_for)
{
	struct place place = queue(SHMQ_BROADCAST, 0, 0);
	struct holder h = hold(place, SHMQ_CONSUMER, do_nothing, receive_all);
	struct shmq *out = attach(&place, SHMQ_PRODUCER), *in = attach(&place, SHMQ_CONSUMER);
	uint64_t next = send_till_full(out, FIRST);

	SAME(FIRST + CAPACITY, next);
	receive_all(in, NULL);
	while (still_stopped(&h)) {
		receive_nothing(in);
		SAME(-ETIMEDOUT, try_send(out, next, SHORT_NS));
	}
	SAME(1, shmq_participants(place.attach, must_be_alive, &h));
	go_on(&h);
	SAME(0, try_send(out, next, 0));
	receive(in, next);
	SAME(0, shmq_detach(out));
	end_clean(&place, in);
}

/* Reads and checks until it is ejected. */
static void
be_slow_reader(void *arg)
{
	struct holder *h = arg;
	struct shmq *q = attach(&h->place, SHMQ_CONSUMER);
	unsigned char bytes[MSG_MAX];
	ssize_t length;

	gate_open(h->taken);
	for (uint64_t next = 0;; next++) {
		/* Relaxed: how far we are. */
		shmq_store_relaxed_u64(h->next, next);
		length = shmq_recv(q, bytes, MSG_MAX, SHMQ_FOREVER);
		if (length < 0)
			break;
		message_check(bytes, (size_t)length, next, MSG_MAX);
	}
	SAME(-ESTALE, length);
	SAME(-ESTALE, shmq_recv(q, bytes, MSG_MAX, 0));
	SAME(0, shmq_detach(q));
}

/* Stop it in the middle of whatever it does, and send laps past it. */
static void
stop_slow_reader(uint64_t *read, uint64_t stop_ns, uint64_t *seed)
{
	struct place place = queue(SHMQ_BROADCAST, 0, CAPACITY - 1);
	struct shmq *out = attach(&place, SHMQ_PRODUCER);
	struct holder h = {.place = place, .taken = gate_new(), .next = read};
	uint64_t n = 0, together = random_below(seed, 2000);

	shmq_store_relaxed_u64(read, 0);
	h.pid = process_start(be_slow_reader, &h);
	gate_pass(h.taken);
	for (; n < together; n++) {
		/* Relaxed: how far it is; so far it is never too far behind. */
		while (n - shmq_load_relaxed_u64(read) > CAPACITY - 2)
			sched_yield();
		SAME(0, try_send(out, n, 0));
	}
	SAME(0, kill(h.pid, SIGSTOP));
	await_stop(h.pid);
	h.deadline_ns = clock_now_ns() + stop_ns;
	for (uint64_t first = n; still_stopped(&h) || n - first < 20 * CAPACITY; n++)
		SAME(0, try_send(out, n, 0));
	go_on(&h);
	SAME(n, place_stat(&place).sent);
	SAME(0, shmq_detach(out));
	close(h.taken);
	place_remove(&place);
}

Test(stopped, test_broadcast_slow_limit_reader_stopped_is_ejected_and_reads_nothing_bad)
{
	uint64_t seed = 3, *read = process_share(sizeof(*read));

	for (unsigned i = 0; i < 50 * STOP_SECONDS; i++)
		stop_slow_reader(read, 1000000, &seed);
	stop_slow_reader(read, STOP_SECONDS * UINT64_C(1000000000), &seed);
}

/* Latest and lossy --------------------------------------------------------------------------- */

static void
stop_writer(int kind, unsigned flags)
{
	struct place place = queue(kind, flags, 0);
	struct shmq *in = NULL, *first = attach(&place, SHMQ_PRODUCER);
	struct holder h;

	in = attach(&place, SHMQ_CONSUMER);
	SAME(0, try_send(first, 0, 0));
	receive(in, 0);
	SAME(0, shmq_detach(first));
	h = hold(place, SHMQ_PRODUCER, write_half, write_rest);
	while (still_stopped(&h)) {
		unsigned char bytes[MSG_MAX];

		must_be_busy(&place, SHMQ_PRODUCER);
		SAME(-ETIMEDOUT, shmq_recv(in, bytes, MSG_MAX, SHORT_NS));
		if (kind == SHMQ_LATEST)
			MUST(shmq_recv(in, bytes, MSG_MAX, 0) >= 0); /* the one before, still */
	}
	go_on(&h);
	receive(in, FIRST);
	SAME(2, place_stat(&place).sent);
	SAME(0, shmq_detach(in));
	place_remove(&place);
}

Test(stopped, test_latest_writer_stopped_in_reservation_readers_have_the_value_before)
{
	stop_writer(SHMQ_LATEST, 0);
}

Test(stopped, test_lossy_writer_stopped_in_reservation_keeps_its_role)
{
	stop_writer(SHMQ_BROADCAST, SHMQ_LOSSY);
}
