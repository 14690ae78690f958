/* SPDX-License-Identifier: MIT */
/*
 * The loops of ask_latest.c: one writer who replaces a value, readers who look at it. As loop.h in all else. C and C++.
 *
 * A reader is given a place where the whole value is, and which stays as it is until the next look: his own copy, or where it is
 * published. Every word of every value must be the same and none older than the one before.
 */
#ifndef SHMQ_BENCH_LATEST_H
#define SHMQ_BENCH_LATEST_H

#include <sched.h>

#include <shmq/atomic.h>

#include "loop.h"

/* Reads before counting begins. */
#define LATEST_WARM 1000u

/** 0, with the value at *value; -EAGAIN: the writer was in the way. */
typedef int latest_look_fn(struct queue *queue, const uint64_t **value, size_t len);

/** Write the value `number`. */
LOOP_INLINE int
latest_write(loop_send_fn *send, struct queue *queue, uint64_t number, size_t len)
{
	for (size_t i = 0; i < len / 8; i++)
		loop_out[i] = number;
	return send(queue, loop_out, len);
}

/** Write values from 1 on, one every what.interval_ns (which may be infinite), until the first reader has enough. */
LOOP_INLINE int
latest_write_all(struct bench_side *side, loop_send_fn *send, struct queue *queue, size_t len)
{
	double interval = side->what.interval_ns * bench_ticks_per_ns();
	double next = (double)bench_ticks() + interval;
	uint64_t number = 1;
	int err = latest_write(send, queue, number, len);

	while (!err && !shmq_load_relaxed_u32(&side->shared->finished)) {
		if (interval > 0 && (double)bench_ticks() < next) {
			shmq_pause();
			continue;
		}
		err = latest_write(send, queue, ++number, len);
		next += interval;
	}
	side->shared->sent = number;
	side->shared->ns = bench_now_ns() - side->shared->begin_ns;
	return err;
}

LOOP_INLINE int
latest_check(const uint64_t *value, uint64_t *last, size_t len)
{
	uint64_t wrong = 0;

	for (size_t i = 1; i < len / 8; i++)
		wrong |= value[i] ^ value[0];
	if (wrong || value[0] < *last)
		return -EBADMSG;
	*last = value[0];
	return 0;
}

/* Time every look for side->what.seconds. */
LOOP_INLINE int
latest_read_timed(struct bench_side *side, latest_look_fn *look, struct queue *queue, size_t len)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9), last = 0;

	for (uint64_t n = 0; n % 256 || n < 2 * LATEST_WARM || bench_now_ns() < end; n++) {
		uint64_t begin = bench_ticks(), ticks;
		const uint64_t *value;
		int err;

		/* A read that was given up costs until one comes through. */
		while ((err = look(queue, &value, len)) == -EAGAIN)
			side->shared->missed += n >= LATEST_WARM;
		ticks = bench_ticks() - begin;
		if (!err)
			err = latest_check(value, &last, len);
		if (err)
			return err;
		if (n >= LATEST_WARM)
			bench_count(&side->shared->latency, ticks);
	}
	return 0;
}

/* Nobody times these: they are there, and let the first one come, also where nobody takes the core from them (--fifo). */
LOOP_INLINE int
latest_read_along(struct bench_side *side, latest_look_fn *look, struct queue *queue, size_t len)
{
	uint64_t last = 0;

	for (unsigned n = 1; !shmq_load_relaxed_u32(&side->shared->finished); n++) {
		const uint64_t *value;
		int err = look(queue, &value, len);

		if (!err)
			err = latest_check(value, &last, len);
		if (err && err != -EAGAIN)
			return err;
		if (n % 1024 == 0)
			sched_yield();
	}
	return 0;
}

/** Read as what this reader is: the first one times it, and says when he has enough. */
LOOP_INLINE int
latest_read_all(struct bench_side *side, latest_look_fn *look, struct queue *queue, size_t len)
{
	int err;

	if (side->me != 1)
		return latest_read_along(side, look, queue, len);
	err = latest_read_timed(side, look, queue, len);
	/* All others end when they see it; nothing else is told. */
	shmq_store_relaxed_u32(&side->shared->finished, 1);
	return err;
}

#endif
