/* SPDX-License-Identifier: MIT */
/*
 * The loops of a crowd: several senders, several receivers, on two cores. As loop.h in all else.
 *
 * A message says who sent it and which of his it is, in its first and in its last word. A receiver that is alone must see each sender's
 * messages without a gap, one of several must see them in order; what all have received must add up to what was sent. Of a broadcast
 * each receiver must see all without a gap, of a lossy one in order.
 *
 * The rate is what has been received when the time is over. What is left then is taken, and checked, by the first receiver alone: queues
 * in which one waits for another who has lost his core would take seconds for it together.
 *
 * Whoever finds the queue full or empty tries again for a while and then yields the core, as there are more processes than cores: the
 * same for every queue.
 */
#ifndef SHMQ_BENCH_CROWD_H
#define SHMQ_BENCH_CROWD_H

#include <sched.h>

#include <shmq/atomic.h>

#include "loop.h"

/* Attempts before the core is yielded. */
#define CROWD_TRIES 64u

/* Who sent it: above his count. */
#define CROWD_SENDER_SHIFT 48u

/*
 * Messages between two looks at the clock: as many as take little time. Where one who holds the others up has lost his core, each message
 * takes a turn of everybody; sixty-four of them would be seconds.
 */
#define CROWD_STRIDE_MAX 64u
#define CROWD_STRIDE_NS 100000u

LOOP_INLINE void
crowd_wait(unsigned *tries)
{
	if (++*tries >= CROWD_TRIES) {
		sched_yield();
		return;
	}
	shmq_pause();
	loop_pause();
}

LOOP_INLINE int
crowd_send(loop_send_fn *send, struct queue *queue, const uint64_t *message, size_t len)
{
	unsigned tries = 0;
	int err;

	while ((err = send(queue, message, len)) == -EAGAIN)
		crowd_wait(&tries);
	return err < 0 ? err : 0;
}

/** When a crowd's time is over, for all of it. */
LOOP_INLINE uint64_t
crowd_end(const struct bench_side *side)
{
	return side->shared->begin_ns + (uint64_t)(side->what.seconds * 1e9);
}

/* The next stride, after one that took so long. */
LOOP_INLINE uint32_t
crowd_stride(uint32_t stride, uint64_t took_ns)
{
	if (took_ns > CROWD_STRIDE_NS)
		return 1;
	return stride < CROWD_STRIDE_MAX ? stride * 2 : stride;
}

/** Send until the time is over. */
LOOP_INLINE int
crowd_produce(struct bench_side *side, loop_send_fn *send, struct queue *queue, size_t len)
{
	uint64_t begin = bench_now_ns(), now = begin, before, end = crowd_end(side);
	uint64_t number = (uint64_t)side->me << CROWD_SENDER_SHIFT, first = number, sum = 0;
	uint32_t stride = 1;

	do {
		for (uint32_t i = 0; i < stride; i++) {
			int err;

			loop_stamp(loop_out, ++number, len);
			sum += number;
			err = crowd_send(send, queue, loop_out, len);
			if (__builtin_expect(err, 0))
				return err;
		}
		before = now;
		now = bench_now_ns();
		stride = crowd_stride(stride, now - before);
	} while (now < end);
	if (side->what.broadcast)
		side->shared->ns = now - begin;
	shmq_add_relaxed_u64(&side->shared->sent, number - first);
	shmq_add_relaxed_u64(&side->shared->sent_sum, sum);
	/* A receiver that sees that all have finished finds what they have sent. */
	shmq_add_release_u32(&side->shared->finished, 1);
	return 0;
}

/* What a receiver knows. */
struct crowd_seen {
	uint64_t last[BENCH_PARTIES_MAX]; /* of each sender */
	uint64_t count, sum;
	int all; /* every message must come to us */
};

LOOP_INLINE struct crowd_seen
crowd_nothing_seen(int all)
{
	struct crowd_seen seen = {{0}, 0, 0, all};

	for (uint64_t i = 0; i < BENCH_PARTIES_MAX; i++)
		seen.last[i] = i << CROWD_SENDER_SHIFT;
	return seen;
}

/* 0, or -EBADMSG: torn, out of order, or one is missing. */
LOOP_INLINE int
crowd_check(struct crowd_seen *seen, const uint64_t *message, size_t len)
{
	uint64_t number = message[0], sender = number >> CROWD_SENDER_SHIFT, last;

	if (__builtin_expect(sender >= BENCH_PARTIES_MAX || loop_check(message, number, len), 0))
		return -EBADMSG;
	last = seen->last[sender];
	if (__builtin_expect(seen->all ? number != last + 1 : number <= last, 0))
		return -EBADMSG;
	seen->last[sender] = number;
	seen->count++;
	seen->sum += number;
	return 0;
}

/* 1: all senders have finished, so what is not there now will never be. */
LOOP_INLINE int
crowd_finished(const struct bench_side *side)
{
	/* What they sent before they said so is there. */
	return shmq_load_acquire_u32(&side->shared->finished) == side->what.producers;
}

/** Receive until all senders have finished and nothing is left: a receiver that is to have all. */
LOOP_INLINE int
crowd_consume_all(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len,
		  struct crowd_seen *seen)
{
	int finished = 0;
	unsigned tries = 0;

	for (;;) {
		int err = recv(queue, loop_in, len);

		if (__builtin_expect(err >= 0, 1)) {
			err = crowd_check(seen, loop_in, len);
			tries = 0;
		} else if (err == -EAGAIN && !finished) {
			err = 0;
			finished = crowd_finished(side);
			crowd_wait(&tries);
		}
		if (__builtin_expect(err, 0))
			return err == -EAGAIN ? 0 : err;
	}
}

/* One try: 0 or an error. */
LOOP_INLINE int
crowd_try(loop_recv_fn *recv, struct queue *queue, size_t len, struct crowd_seen *seen,
	  unsigned *tries)
{
	int err = recv(queue, loop_in, len);

	if (__builtin_expect(err >= 0, 1)) {
		*tries = 0;
		return crowd_check(seen, loop_in, len);
	}
	if (err != -EAGAIN)
		return err;
	crowd_wait(tries);
	return 0;
}

/** Receive until the time is over. */
LOOP_INLINE int
crowd_consume_in_time(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len,
		      struct crowd_seen *seen)
{
	uint64_t now = bench_now_ns(), before, end = crowd_end(side);
	uint32_t stride = 1;
	unsigned tries = 0;

	do {
		for (uint32_t i = 0; i < stride; i++) {
			int err = crowd_try(recv, queue, len, seen, &tries);

			if (__builtin_expect(err, 0))
				return err;
		}
		before = now;
		now = bench_now_ns();
		stride = crowd_stride(stride, now - before);
	} while (now < end);
	shmq_add_relaxed_u64(&side->shared->in_time, seen->count);
	return 0;
}

/* Help the senders to end, and leave what is left to another. */
LOOP_INLINE int
crowd_consume_to_end(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len,
		     struct crowd_seen *seen)
{
	unsigned tries = 0;
	int err = 0;

	while (!err && !crowd_finished(side))
		err = crowd_try(recv, queue, len, seen, &tries);
	return err;
}

/** Receive what comes in time and what is left, and tell what came. */
LOOP_INLINE int
crowd_consume(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len)
{
	const struct bench_what *what = &side->what;
	int all = what->broadcast ? !what->lossy : what->consumers == 1;
	struct crowd_seen seen = crowd_nothing_seen(all);
	int err = what->broadcast ? 0 : crowd_consume_in_time(side, recv, queue, len, &seen);

	if (!err && (what->broadcast || side->me == what->producers))
		err = crowd_consume_all(side, recv, queue, len, &seen);
	else if (!err)
		err = crowd_consume_to_end(side, recv, queue, len, &seen);
	shmq_add_relaxed_u64(&side->shared->received, seen.count);
	shmq_add_relaxed_u64(&side->shared->received_sum, seen.sum);
	shmq_max_relaxed_u64(&side->shared->end_ns, bench_now_ns());
	return err;
}

#endif
