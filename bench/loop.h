/* SPDX-License-Identifier: MIT */
/*
 * The loops that are timed, the same for every queue. Each takes the queue's operations as function pointers that are known at
 * compile time, so that the compiler inlines what can be inlined and a rival loses nothing to an indirect call. C and C++.
 *
 * Operations return 0 or more when done, -EAGAIN when full or empty, and end the measurement with anything else. A message carries
 * its sequence in its first and in its last word, and the receiver checks both: nothing can be optimised away, and a queue that
 * tears, loses or repeats fails instead of being fast.
 */
#ifndef SHMQ_BENCH_LOOP_H
#define SHMQ_BENCH_LOOP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"
#include "ticks.h"

#define LOOP_INLINE static inline __attribute__((always_inline))

/* For each function that holds one loop: its registers are its own, as in a program that does nothing else. */
#define LOOP_APART __attribute__((noinline))

/* In place of a sequence: the end. */
#define LOOP_LAST UINT64_MAX

/* Messages between two looks at the clock, and round trips before counting begins. */
#define LOOP_STRIDE 4096u
#define LOOP_WARM_TRIPS 1000u

LOOP_INLINE void
loop_stamp(uint64_t *message, uint64_t sequence, size_t len)
{
	message[0] = sequence;
	message[len / 8 - 1] = sequence;
}

LOOP_INLINE int
loop_check(const uint64_t *message, uint64_t sequence, size_t len)
{
	return message[0] == sequence && message[len / 8 - 1] == sequence ? 0 : -EBADMSG;
}

LOOP_INLINE int
loop_send(int (*send)(void *, const uint64_t *, size_t), void *queue, const uint64_t *message,
	  size_t len)
{
	int err;

	do
		err = send(queue, message, len);
	while (err == -EAGAIN);
	return err < 0 ? err : 0;
}

LOOP_INLINE int
loop_recv(int (*recv)(void *, uint64_t *, size_t), void *queue, uint64_t *message, size_t len)
{
	int err;

	do
		err = recv(queue, message, len);
	while (err == -EAGAIN);
	return err < 0 ? err : 0;
}

/** Send for side->what.seconds, at least two laps, then the end. */
LOOP_INLINE int
loop_produce(struct bench_side *side, int (*send)(void *, const uint64_t *, size_t), void *queue,
	     size_t len)
{
	uint64_t message[BENCH_WORDS_MAX] __attribute__((aligned(64))) = {0};
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t sequence = 1;

	do {
		for (uint32_t i = 0; i < LOOP_STRIDE; i++, sequence++) {
			loop_stamp(message, sequence, len);
			int err = loop_send(send, queue, message, len);

			if (__builtin_expect(err, 0))
				return err;
		}
	} while (bench_now_ns() < end || sequence < 2 * side->what.capacity);
	loop_stamp(message, LOOP_LAST, len);
	return loop_send(send, queue, message, len);
}

/** Receive `count` messages, from *sequence + 1 on; 1: the end came instead. */
LOOP_INLINE int
loop_consume_some(int (*recv)(void *, uint64_t *, size_t), void *queue, size_t len,
		  uint64_t *sequence, uint64_t count)
{
	uint64_t message[BENCH_WORDS_MAX] __attribute__((aligned(64)));
	uint64_t seen = *sequence;

	for (uint64_t last = seen + count; seen != last;) {
		int err = loop_recv(recv, queue, message, len);

		if (__builtin_expect(err, 0))
			return err;
		if (__builtin_expect(loop_check(message, ++seen, len), 0))
			return loop_check(message, LOOP_LAST, len) ? -EBADMSG
								   : (*sequence = seen - 1, 1);
	}
	*sequence = seen;
	return 0;
}

/** Receive to the end; count and time what comes after the first lap. */
LOOP_INLINE int
loop_consume(struct bench_side *side, int (*recv)(void *, uint64_t *, size_t), void *queue,
	     size_t len)
{
	uint64_t sequence = 0;
	int err = loop_consume_some(recv, queue, len, &sequence, side->what.capacity);
	uint64_t begin = bench_now_ns();

	if (!err)
		err = loop_consume_some(recv, queue, len, &sequence, UINT64_MAX / 2);
	side->shared->ns = bench_now_ns() - begin;
	side->shared->count = sequence - side->what.capacity;
	return err == 1 ? 0 : err;
}

/** Send and wait for the answer, for side->what.seconds; count every round trip after some. */
LOOP_INLINE int
loop_ping(struct bench_side *side, int (*send)(void *, const uint64_t *, size_t),
	  int (*recv)(void *, uint64_t *, size_t), void *const queues[2], size_t len)
{
	uint64_t out[BENCH_WORDS_MAX] __attribute__((aligned(64))) = {0};
	uint64_t back[BENCH_WORDS_MAX] __attribute__((aligned(64))) = {0};
	uint64_t now = bench_ticks();
	uint64_t end = now + (uint64_t)(side->what.seconds * 1e9 * bench_ticks_per_ns());
	uint64_t sequence = 0;
	int err = 0;

	while (now < end || sequence < 2 * LOOP_WARM_TRIPS) {
		uint64_t begin;

		loop_stamp(out, ++sequence, len);
		begin = bench_ticks();
		err = loop_send(send, queues[0], out, len);
		if (!err)
			err = loop_recv(recv, queues[1], back, len);
		now = bench_ticks();
		if (err || loop_check(back, sequence, len))
			return err ? err : -EBADMSG;
		if (sequence > LOOP_WARM_TRIPS)
			bench_count(side->shared->bins, now - begin);
	}
	loop_stamp(out, LOOP_LAST, len);
	return loop_send(send, queues[0], out, len);
}

/** Send back what comes, to the end. */
LOOP_INLINE int
loop_pong(int (*send)(void *, const uint64_t *, size_t), int (*recv)(void *, uint64_t *, size_t),
	  void *const queues[2], size_t len)
{
	uint64_t message[BENCH_WORDS_MAX] __attribute__((aligned(64))) = {0};
	int err;

	for (;;) {
		err = loop_recv(recv, queues[0], message, len);
		if (err || !loop_check(message, LOOP_LAST, len))
			return err;
		err = loop_send(send, queues[1], message, len);
		if (err)
			return err;
	}
}

#endif
