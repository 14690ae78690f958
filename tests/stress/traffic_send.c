/* SPDX-License-Identifier: MIT */
/* A sender: every way to send, by chance. */
#include "stress/traffic.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include <shmq/atomic.h>

#include "support/process.h"

#define PLANTED_AT 40 /* the letter that a planted fault is about */

struct sender {
	struct traffic_end end;
	uint64_t sequence; /* the next letter */
};

struct way {
	ssize_t (*send)(struct sender *s, int64_t timeout_ns);
};

static size_t
msg_max(const struct sender *s)
{
	return s->end.ledger->run.kind->opts.msg_max;
}

static size_t
write_letter(const struct sender *s, void *out, uint64_t sequence)
{
	struct letter letter = {
		.sequence = sequence, .sender = s->end.index, .stay = (uint32_t)s->end.me->stays};

	letter_write(out, &letter, msg_max(s));
	return letter_length(s->end.index, sequence, msg_max(s));
}

static ssize_t
by_send(struct sender *s, int64_t timeout_ns)
{
	size_t length = write_letter(s, s->end.room[0], s->sequence);
	int err = shmq_send(s->end.q, s->end.room[0], length, timeout_ns);

	return err ? err : 1;
}

static ssize_t
by_batch(struct sender *s, int64_t timeout_ns)
{
	size_t n = 1 + random_below(&s->end.seed, TRAFFIC_BATCH);
	struct iovec v[TRAFFIC_BATCH];

	if (s->end.ledger->run.kind->no_batch)
		return 0;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct iovec){s->end.room[i],
				      write_letter(s, s->end.room[i], s->sequence + i)};
	return shmq_send_batch(s->end.q, v, n, timeout_ns);
}

/* Reserved is more than is sent, as often as not. */
static ssize_t
by_commit(struct sender *s, int64_t timeout_ns)
{
	size_t length = letter_length(s->end.index, s->sequence, msg_max(s));
	struct iovec slot;
	int err = shmq_reserve(s->end.q, &slot, random_below(&s->end.seed, 2) ? length : msg_max(s),
			       timeout_ns);

	if (err)
		return err;
	MUST(((uintptr_t)slot.iov_base & 7) == 0);
	slot.iov_len = write_letter(s, slot.iov_base, s->sequence);
	SAME(0, shmq_commit(s->end.q, &slot));
	return 1;
}

/* Written and thrown away: nobody may see it. */
static ssize_t
by_abort(struct sender *s, int64_t timeout_ns)
{
	struct iovec slot;
	int err = shmq_reserve(s->end.q, &slot, msg_max(s), timeout_ns);

	if (err)
		return err;
	memset(slot.iov_base, 0xab, slot.iov_len);
	SAME(-EBUSY, shmq_send(s->end.q, s->end.room[0], 0, 0));
	SAME(0, shmq_abort(s->end.q, &slot));
	return 0;
}

static ssize_t
too_long(struct sender *s, int64_t timeout_ns)
{
	int err = shmq_send(s->end.q, s->end.room[0], msg_max(s) + 1, timeout_ns);

	return err == -EMSGSIZE ? 0 : err ? err : -EBADMSG;
}

/* Faults of our own --------------------------------------------------------------------------- */

/* Until every receiver has received `count` letters, so that it meets what comes next. */
static void
await_receivers(const struct sender *s, uint64_t count)
{
	const struct traffic_ledger *l = s->end.ledger;

	/* Relaxed: a count. */
	for (unsigned i = 0; l->run.kind->numbered && i < l->run.receivers; i++)
		while (!traffic_over(l) && shmq_load_relaxed_u64(&l->receivers[i].count) < count)
			sched_yield();
}

static void
send_now(struct sender *s, uint64_t sequence, bool torn)
{
	size_t length = write_letter(s, s->end.room[0], sequence);

	if (torn)
		s->end.room[0][length - 1] ^= 1;
	SAME(0, shmq_send(s->end.q, s->end.room[0], length, SHMQ_FOREVER));
}

/* How many letters are counted as sent. */
static ssize_t
planted(struct sender *s)
{
	enum traffic_verdict plant = s->end.ledger->run.plant;
	uint64_t at = s->sequence;
	bool two = plant == TRAFFIC_DISORDER || plant == TRAFFIC_REPEATED;

	if (plant == TRAFFIC_LOST)
		return 1;
	await_receivers(s, at);
	send_now(s, plant == TRAFFIC_DISORDER ? at + 1 : at, plant == TRAFFIC_TORN);
	await_receivers(s, at + 1);
	if (two)
		send_now(s, at, false);
	await_receivers(s, at + 2); /* or until it is found */
	return plant == TRAFFIC_DISORDER ? 2 : 1;
}

/* The loop ------------------------------------------------------------------------------------ */

static const struct way ways[] = {{by_send}, {by_batch}, {by_commit}, {by_abort}, {too_long}};

static ssize_t
send_somehow(struct sender *s)
{
	enum traffic_verdict plant = s->end.ledger->run.plant;
	size_t way = random_below(&s->end.seed, sizeof(ways) / sizeof(ways[0]));

	if (plant != TRAFFIC_FINE && plant != TRAFFIC_STARVED && s->end.index == 0) {
		if (s->sequence >= PLANTED_AT && s->sequence < PLANTED_AT + TRAFFIC_BATCH)
			return planted(s);
		if (s->sequence < PLANTED_AT)
			await_receivers(s, s->sequence);
		else if (s->sequence < PLANTED_AT + 4 * TRAFFIC_BATCH)
			await_receivers(s, s->sequence - TRAFFIC_BATCH);
	}
	return ways[way].send(s, traffic_timeout(&s->end));
}

static bool
enough(const struct sender *s)
{
	struct traffic_ledger *l = s->end.ledger;

	/* Relaxed: counts. */
	if (shmq_load_relaxed_u64(&l->satisfied) == l->run.senders + l->run.receivers &&
	    !l->run.remove)
		return true;
	if (s->sequence + TRAFFIC_BATCH >= l->run.kind->limit)
		traffic_report(l, TRAFFIC_STARVED, "somebody, says sender", s->end.index);
	return traffic_over(l);
}

/* false: the queue is gone. */
static bool
send_one(struct sender *s)
{
	struct traffic_ledger *l = s->end.ledger;
	ssize_t sent;

	/* Relaxed: the remover waits after this store for longer than any store can take. */
	if (shmq_load_relaxed_u32(&l->removing) == 0)
		shmq_store_relaxed_u64(&s->end.me->safe, s->sequence);
	sent = send_somehow(s);
	if (sent == -EIDRM && l->run.remove)
		return false;
	if (sent == -EAGAIN || sent == -ETIMEDOUT)
		sched_yield();
	else
		SAME(0, sent < 0 ? sent : 0);
	s->sequence += sent > 0 ? (uint64_t)sent : 0;
	traffic_count(&s->end, s->sequence);
	return true;
}

void
traffic_send(void *arg)
{
	struct sender s = {.end = *(struct traffic_end *)arg};
	struct traffic_ledger *l = s.end.ledger;

	s.end.role = SHMQ_PRODUCER;
	MUST(traffic_join(&s.end));
	gate_open(l->arrived);
	gate_pass(l->go);
	while (!enough(&s) && send_one(&s)) {
		if (l->run.churn && random_below(&s.end.seed, 100) == 0) {
			traffic_leave(&s.end);
			/* Relaxed: ours. */
			shmq_store_relaxed_u64(&s.end.me->stays, s.end.me->stays + 1);
			MUST(traffic_join(&s.end));
		}
	}
	traffic_leave(&s.end);
	/* Relaxed: a count; what it says is checked by the kernel's hang-up. */
	shmq_add_relaxed_u64(&l->gone, 1);
}
