/* SPDX-License-Identifier: MIT */
/* MPMC: what one holds, a message or a place, when it leaves or dies: who gets it, and how it counts. */
#include "unit.h"

#include <unistd.h>

#define SOON_NS INT64_C(5000000000) /* nobody who goes on needs so long */

TestSuite(held, .init = unit_begin, .fini = place_end);

static struct place
mpmc(enum spot at, unsigned flags)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = SHMQ_MPMC,
				       .msg_max = 8,
				       .capacity = 8,
				       .participants = 6,
				       .flags = flags};

	return spot_queue(at, 0, &opts);
}

static ssize_t
recv_within(struct shmq *q, int64_t timeout_ns)
{
	char buf[8];

	return shmq_recv(q, buf, sizeof(buf), timeout_ns);
}

/* What a process of its own does with the queue. */
struct other {
	struct place p;
	int ready;
};

static void
sleep_in_recv(void *arg)
{
	struct other *o = arg;
	struct shmq *q = unit_join(&o->p, SHMQ_CONSUMER);

	gate_open(o->ready);
	SAME(1, recv_within(q, SOON_NS));
	SAME(0, shmq_detach(q));
}

static void
stay_with(struct other *o)
{
	gate_open(o->ready);
	for (;;)
		pause();
}

static void
hold_message(void *arg)
{
	struct other *o = arg;
	struct shmq *q = unit_join(&o->p, SHMQ_CONSUMER);
	struct iovec msg;

	SAME(0, shmq_peek(q, &msg, 0));
	stay_with(o);
}

static void
hold_place(void *arg)
{
	struct other *o = arg;
	struct shmq *q = unit_join(&o->p, SHMQ_PRODUCER);
	struct iovec slot;

	SAME(0, shmq_reserve(q, &slot, 8, 0));
	stay_with(o);
}

static pid_t
start(struct other *o, void (*body)(void *arg))
{
	pid_t pid = process_start(body, o);

	gate_pass(o->ready);
	return pid;
}

static void
finish(struct other *o)
{
	close(o->ready);
	place_remove(&o->p);
}

/* Given back by a detach ---------------------------------------------------------------------- */

/* Who has looked before, and found nothing, finds it; it was no delivery. */
static void
give_back(enum spot at, unsigned flags)
{
	struct place p = mpmc(at, flags);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *holder = unit_join(&p, SHMQ_CONSUMER);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER);
	struct shmq_info info = {.size = sizeof(info)};
	struct iovec msg;

	SAME(0, shmq_send(tx, "m", 1, 0));
	SAME(0, shmq_peek(holder, &msg, 0));
	SAME(-EAGAIN, recv_within(rx, 0));
	SAME(0, shmq_detach(holder));
	SAME(1, recv_within(rx, 0));
	SAME(0, shmq_info(rx, &info));
	SAME(1, info.deliveries);
	SAME(-EAGAIN, recv_within(rx, 0));
	SAME(1, place_stat(&p).received);
	SAME(0, place_stat(&p).lost + place_stat(&p).redelivered);
	SAME(0, shmq_detach(rx));
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

TEST_EACH_SPOT(held, test_detach_with_peek_another_that_looked_before_gets_it)
{
	give_back(*at, 0);
	give_back(*at, SHMQ_REDELIVER);
}

TEST_EACH_SPOT(held, test_detach_with_peek_sleeping_consumer_gets_it)
{
	struct other o = {.p = mpmc(*at, 0), .ready = gate_new()};
	struct shmq *tx = unit_join(&o.p, SHMQ_PRODUCER);
	struct shmq *holder = unit_join(&o.p, SHMQ_CONSUMER);
	struct iovec msg;
	pid_t sleeper;

	SAME(0, shmq_send(tx, "m", 1, 0));
	SAME(0, shmq_peek(holder, &msg, 0));
	sleeper = start(&o, sleep_in_recv);
	process_await_call(sleeper, PROCESS_FUTEX);
	SAME(0, shmq_detach(holder));
	process_join(sleeper);
	SAME(0, shmq_detach(tx));
	finish(&o);
}

/* The end, when it may come back -------------------------------------------------------------- */

/* The producers have gone, one message is in another one's hands. */
static struct shmq *
consumer_beside(struct other *o, pid_t *holder)
{
	struct shmq *tx = unit_join(&o->p, SHMQ_PRODUCER);
	struct shmq *rx = unit_join(&o->p, SHMQ_CONSUMER | SHMQ_HANGUP);

	SAME(0, shmq_send(tx, "m", 1, 0));
	*holder = start(o, hold_message);
	SAME(0, shmq_detach(tx));
	return rx;
}

TEST_EACH_SPOT(held, test_hangup_message_held_by_a_living_one_is_no_end)
{
	struct other o = {.p = mpmc(*at, SHMQ_REDELIVER), .ready = gate_new()};
	pid_t holder;
	struct shmq *rx = consumer_beside(&o, &holder);

	SAME(-EAGAIN, recv_within(rx, 0));
	SAME(-ETIMEDOUT, recv_within(rx, 1000000));
	process_kill(holder);
	SAME(1, recv_within(rx, SOON_NS));
	SAME(-EPIPE, recv_within(rx, 0));
	SAME(1, place_stat(&o.p).redelivered);
	SAME(0, shmq_detach(rx));
	finish(&o);
}

/* What will not come back, whatever becomes of its holder, is not waited for. */
TEST_EACH_SPOT(held, test_hangup_message_held_without_redelivery_epipe)
{
	struct other o = {.p = mpmc(*at, 0), .ready = gate_new()};
	pid_t holder;
	struct shmq *rx = consumer_beside(&o, &holder);

	SAME(-EPIPE, recv_within(rx, 0));
	process_kill(holder);
	SAME(-EPIPE, recv_within(rx, 0));
	SAME(0, shmq_detach(rx));
	finish(&o);
}

/* A place that was never filled --------------------------------------------------------------- */

/* One message sent, one received, and one place of a dead producer's before it: not a message. */
static void
one_was_sent(struct other *o, struct shmq *tx, struct shmq *rx)
{
	SAME(0, shmq_send(tx, "m", 1, 0));
	SAME(1, recv_within(rx, SOON_NS));
	SAME(1, place_stat(&o->p).sent);
	SAME(1, place_stat(&o->p).received);
	SAME(0, place_stat(&o->p).depth);
	SAME(0, place_stat(&o->p).lost);
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_detach(rx));
	finish(o);
}

/* Who waits for it leaves it out. */
TEST_EACH_SPOT(held, test_dead_producers_place_left_out_by_receiver_is_not_counted)
{
	struct other o = {.p = mpmc(*at, 0), .ready = gate_new()};
	struct shmq *tx = unit_join(&o.p, SHMQ_PRODUCER), *rx = unit_join(&o.p, SHMQ_CONSUMER);

	process_kill(start(&o, hold_place));
	one_was_sent(&o, tx, rx);
}

/* The next holder of its entry does. */
TEST_EACH_SPOT(held, test_dead_producers_place_left_out_by_newcomer_is_not_counted)
{
	struct other o = {.p = mpmc(*at, 0), .ready = gate_new()};
	struct shmq *rx = unit_join(&o.p, SHMQ_CONSUMER), *tx;

	process_kill(start(&o, hold_place));
	tx = unit_join(&o.p, SHMQ_PRODUCER);
	one_was_sent(&o, tx, rx);
}

TEST_EACH_SPOT(held, test_aborted_place_is_not_counted)
{
	struct other o = {.p = mpmc(*at, 0), .ready = gate_new()};
	struct shmq *tx = unit_join(&o.p, SHMQ_PRODUCER), *rx = unit_join(&o.p, SHMQ_CONSUMER);
	struct iovec slot;

	SAME(0, shmq_reserve(tx, &slot, 8, 0));
	SAME(0, shmq_abort(tx, &slot));
	one_was_sent(&o, tx, rx);
}
