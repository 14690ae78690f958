/* SPDX-License-Identifier: MIT */
/* How it ends: peers that hang up, queues that are removed, through shmq or behind its back. */
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

TestSuite(ending, .init = unit_begin, .fini = place_end);

static ssize_t
recv_now(struct shmq *q)
{
	char buf[64];

	return shmq_recv(q, buf, sizeof(buf), 0);
}

static void
come_and_go(const struct place *p, unsigned role, int messages)
{
	struct shmq *q = unit_join(p, role);

	for (int i = 0; i < messages; i++)
		SAME(0, shmq_send(q, "m", 1, 0));
	SAME(0, shmq_detach(q));
}

/* Every receiving call says `want`. */
static void
receivers_say(struct shmq *q, int want, int64_t timeout_ns)
{
	char buf[64];
	struct iovec v = {buf, sizeof(buf)};

	SAME(want, shmq_recv(q, buf, sizeof(buf), timeout_ns));
	SAME(want, shmq_recv_batch(q, &v, 1, timeout_ns));
	SAME(want, shmq_peek(q, &v, timeout_ns));
}

static void
senders_say(struct shmq *q, int want, int64_t timeout_ns)
{
	struct iovec v = {"x", 1};

	SAME(want, shmq_send(q, "x", 1, timeout_ns));
	SAME(want, shmq_send_batch(q, &v, 1, timeout_ns));
	SAME(want, shmq_reserve(q, &v, 1, timeout_ns));
}

/* Hangup, seen by the consumer --------------------------------------------------------------- */

TEST_EACH_SPOT(ending, test_hangup_consumer_drains_then_epipe)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER | SHMQ_HANGUP);

	SAME(-EAGAIN, recv_now(rx)); /* nobody has come yet */
	come_and_go(&p, SHMQ_PRODUCER, 2);
	SAME(1, recv_now(rx));
	SAME(1, recv_now(rx));
	receivers_say(rx, -EPIPE, 0);
	receivers_say(rx, -EPIPE, SHMQ_FOREVER);
	receivers_say(rx, -EPIPE, 1000000);
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

TEST_EACH_SPOT(ending, test_hangup_producer_gone_before_consumer_came_epipe)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *rx;

	come_and_go(&p, SHMQ_PRODUCER, 0); /* an empty file */
	rx = unit_join(&p, SHMQ_CONSUMER | SHMQ_HANGUP);
	SAME(-EPIPE, recv_now(rx));
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

/* An end that a consumer has been told of is no news to the next one. */
TEST_EACH_SPOT(ending, test_hangup_queue_used_twice_ends_twice)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *rx;

	for (int use = 0; use < 3; use++) {
		rx = unit_join(&p, SHMQ_CONSUMER | SHMQ_HANGUP);
		SAME(-EAGAIN, recv_now(rx));
		come_and_go(&p, SHMQ_PRODUCER, 1);
		SAME(1, recv_now(rx));
		SAME(-EPIPE, recv_now(rx));
		SAME(0, shmq_detach(rx));
	}
	place_remove(&p);
}

TEST_EACH_SPOT(ending, test_hangup_next_producer_goes_on)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER | SHMQ_HANGUP), *tx;

	come_and_go(&p, SHMQ_PRODUCER, 0);
	SAME(-EPIPE, recv_now(rx));
	tx = unit_join(&p, SHMQ_PRODUCER);
	SAME(-EAGAIN, recv_now(rx));
	SAME(0, shmq_send(tx, "x", 1, 0));
	SAME(1, recv_now(rx));
	SAME(-EAGAIN, recv_now(rx));
	SAME(0, shmq_detach(tx));
	SAME(-EPIPE, recv_now(rx));
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

TEST_EACH_SPOT(ending, test_hangup_not_asked_for_eagain)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER), *tx;

	come_and_go(&p, SHMQ_PRODUCER, 0);
	receivers_say(rx, -EAGAIN, 0);
	receivers_say(rx, -ETIMEDOUT, 1000000);
	tx = unit_join(&p, SHMQ_PRODUCER);
	SAME(0, shmq_detach(rx));
	SAME(0, shmq_send(tx, "x", 1, 0));
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

/* Hangup, seen by the producer --------------------------------------------------------------- */

TEST_EACH_SPOT(ending, test_hangup_consumer_gone_producer_epipe)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER | SHMQ_HANGUP);

	SAME(0, shmq_send(tx, "x", 1, 0)); /* nobody has come yet */
	come_and_go(&p, SHMQ_CONSUMER, 0);
	senders_say(tx, -EPIPE, 0);
	senders_say(tx, -EPIPE, SHMQ_FOREVER);
	SAME(1, place_stat(&p).sent);
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

TEST_EACH_SPOT(ending, test_hangup_earlier_consumers_are_no_news)
{
	struct place p = spot_ring(*at, 8, 1);
	struct shmq *tx;

	come_and_go(&p, SHMQ_CONSUMER, 0);
	tx = unit_join(&p, SHMQ_PRODUCER | SHMQ_HANGUP);
	SAME(0, shmq_send(tx, "x", 1, 0));
	SAME(-EAGAIN, shmq_send(tx, "x", 1, 0));
	come_and_go(&p, SHMQ_CONSUMER, 0);
	senders_say(tx, -EPIPE, 0);
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

TEST_EACH_SPOT(ending, test_hangup_next_consumer_goes_on)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER | SHMQ_HANGUP), *rx;

	come_and_go(&p, SHMQ_CONSUMER, 0);
	SAME(-EPIPE, shmq_send(tx, "x", 1, 0));
	rx = unit_join(&p, SHMQ_CONSUMER);
	SAME(0, shmq_send(tx, "x", 1, 0));
	SAME(1, recv_now(rx));
	SAME(0, shmq_detach(rx));
	SAME(-EPIPE, shmq_send(tx, "x", 1, 0));
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

/* Asleep when the other is killed -------------------------------------------------------------- */

struct sleeper {
	struct place p;
	unsigned role;
	int ready, want;
	bool full; /* it fills the queue first */
};

/* Attach, say so, and wait forever: for what must come. */
static void
sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct shmq *q = unit_join(&s->p, s->role);

	if (s->full)
		while (shmq_send(q, "x", 1, 0) == 0)
			continue;
	gate_open(s->ready);
	if (s->role & SHMQ_PRODUCER)
		SAME(s->want, shmq_send(q, "x", 1, SHMQ_FOREVER));
	else
		receivers_say(q, s->want, SHMQ_FOREVER);
	SAME(0, shmq_detach(q));
}

static void
hold(void *arg)
{
	struct sleeper *s = arg;

	unit_join(&s->p, s->role ^ (SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_HANGUP));
	gate_open(s->ready);
	for (;;)
		pause();
}

static void
kill_the_other(enum spot at, unsigned role)
{
	struct sleeper s = {
		.p = spot_ring(at, 8, 2),
		.role = role | SHMQ_HANGUP,
		.ready = gate_new(),
		.want = -EPIPE,
		.full = role == SHMQ_PRODUCER,
	};
	pid_t peer = process_start(hold, &s), waiter;

	gate_pass(s.ready);
	waiter = process_start(sleep_on, &s);
	gate_pass(s.ready);
	process_await_call(waiter, PROCESS_FUTEX);
	process_kill(peer);
	process_join(waiter);
	close(s.ready);
	place_remove(&s.p);
}

TEST_EACH_SPOT(ending, test_hangup_producer_killed_while_consumer_sleeps_epipe)
{
	kill_the_other(*at, SHMQ_CONSUMER);
}

TEST_EACH_SPOT(ending, test_hangup_consumer_killed_while_producer_sleeps_epipe)
{
	kill_the_other(*at, SHMQ_PRODUCER);
}

/* Counted twice, it would take the living one with it. */
TEST_EACH_SPOT(ending, test_hangup_dead_producer_is_counted_out_once)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = SHMQ_MPSC,
				       .msg_max = 8,
				       .capacity = 8,
				       .participants = 4};
	struct sleeper s = {
		.p = spot_queue(*at, 0, &opts), .role = SHMQ_CONSUMER, .ready = gate_new()};
	struct shmq *first = unit_join(&s.p, SHMQ_PRODUCER);
	struct shmq *consumer = unit_join(&s.p, SHMQ_CONSUMER | SHMQ_HANGUP);
	pid_t victim = process_start(hold, &s);
	char byte;

	gate_pass(s.ready);
	SAME(0, shmq_detach(first));
	process_kill(victim);
	SAME(-EPIPE, shmq_recv(consumer, &byte, 1, SHMQ_FOREVER));
	first = unit_join(&s.p, SHMQ_PRODUCER);
	come_and_go(&s.p, SHMQ_PRODUCER, 0); /* in the place of the dead one */
	SAME(1, place_stat(&s.p).producers);
	SAME(-ETIMEDOUT, shmq_recv(consumer, &byte, 1, 20000000));
	SAME(0, shmq_detach(first));
	SAME(-EPIPE, shmq_recv(consumer, &byte, 1, SHMQ_FOREVER));
	SAME(0, shmq_detach(consumer));
	close(s.ready);
	place_remove(&s.p);
}

/* Removal ------------------------------------------------------------------------------------ */

TEST_EACH_SPOT(ending, test_removed_sender_eidrm_receiver_drains_first)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *rx = unit_join(&p, SHMQ_CONSUMER);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_send(tx, "1", 1, 0));
	SAME(0, shmq_send(tx, "2", 1, 0));
	SAME(0, shmq_remove(p.attach));
	senders_say(tx, -EIDRM, 0);
	senders_say(tx, -EIDRM, SHMQ_FOREVER);
	SAME(1, recv_now(rx));
	SAME(1, recv_now(rx));
	receivers_say(rx, -EIDRM, 0);
	receivers_say(rx, -EIDRM, SHMQ_FOREVER);
	SAME(0, shmq_qstat(rx, &st));
	SAME(SHMQ_DEST, st.mode & SHMQ_DEST);
	SAME(2, st.received);
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_detach(rx));
	if (p.fd >= 0)
		close(p.fd);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* A reservation made before can still be committed: that message counts as sent before. */
TEST_EACH_SPOT(ending, test_removed_open_reservation_and_peek_end_well)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct iovec slot, msg;

	SAME(0, shmq_send(q, "first", 5, 0));
	SAME(0, shmq_peek(q, &msg, 0));
	SAME(0, shmq_reserve(q, &slot, 6, 0));
	SAME(0, shmq_remove(p.attach));
	memcpy(slot.iov_base, "second", 6);
	SAME(0, shmq_commit(q, &slot));
	SAME(0, memcmp(msg.iov_base, "first", 5));
	SAME(0, shmq_release(q, &msg));
	SAME(6, recv_now(q));
	SAME(-EIDRM, recv_now(q));
	SAME(0, shmq_detach(q));
	if (p.fd >= 0)
		close(p.fd);
}

TEST_EACH_SPOT(ending, test_removed_cannot_be_attached)
{
	struct place p = spot_queue(*at, 0, NULL);
	int want = *at == SPOT_MEMFD ? -EIDRM : *at == SPOT_SYSV_ID ? -EINVAL : -ENOENT;
	struct leak_count before = leak_count();
	struct shmq *q = NULL;

	SAME(0, shmq_remove(p.attach));
	SAME(want, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	SAME(want, shmq_attach(&q, p.attach, SHMQ_OBSERVER));
	MUST(q == NULL);
	leak_none_since(before);
	if (p.fd >= 0)
		close(p.fd);
}

/* As the world removes it, not shmq: unlink() or ipcrm. */
static void
remove_behind_our_back(const struct place *p)
{
	char path[256];

	if (p->on == ON_SYSV) {
		SAME(0, shmctl(object_shmid(p), IPC_RMID, NULL));
		return;
	}
	object_path(path, sizeof(path), p);
	SAME(0, unlink(path));
}

static void
remove_under_sleeper(enum spot at, unsigned role, bool behind)
{
	struct sleeper s = {
		.p = spot_ring(at, 8, 2),
		.role = role,
		.ready = gate_new(),
		.want = -EIDRM,
		.full = role == SHMQ_PRODUCER,
	};
	pid_t waiter;

	if (behind && at == SPOT_MEMFD)
		return; /* has no name to lose */
	waiter = process_start(sleep_on, &s);
	gate_pass(s.ready);
	process_await_call(waiter, PROCESS_FUTEX);
	if (behind)
		remove_behind_our_back(&s.p);
	else
		SAME(0, shmq_remove(s.p.attach));
	process_join(waiter);
	close(s.ready);
	if (s.p.fd >= 0)
		close(s.p.fd);
	SAME(behind && spot_is_sysv(at), shmq_gc(0, NULL, NULL));
}

TEST_EACH_SPOT(ending, test_removed_sleeping_receiver_eidrm)
{
	remove_under_sleeper(*at, SHMQ_CONSUMER, false);
}

TEST_EACH_SPOT(ending, test_removed_sleeping_sender_eidrm)
{
	remove_under_sleeper(*at, SHMQ_PRODUCER, false);
}

TEST_EACH_SPOT(ending, test_removed_behind_our_back_sleeping_receiver_eidrm)
{
	remove_under_sleeper(*at, SHMQ_CONSUMER, true);
}

TEST_EACH_SPOT(ending, test_removed_behind_our_back_sleeping_sender_eidrm)
{
	remove_under_sleeper(*at, SHMQ_PRODUCER, true);
}
