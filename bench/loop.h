/* SPDX-License-Identifier: MIT */
/*
 * The loops that are timed, the same for every queue. Each takes the queue's operations as function pointers that are known at
 * compile time, so that the compiler inlines what can be inlined and a rival loses nothing to an indirect call. C and C++.
 *
 * Operations return 0 or more when done, -EAGAIN when full or empty, and end the measurement with anything else. A message carries
 * its number in its first and in its last word, and the receiver checks both: nothing can be optimised away, and a queue that
 * tears, loses or repeats fails instead of being fast. In a round trip, and when messages are sent by the clock, the number is the time.
 */
#ifndef SHMQ_BENCH_LOOP_H
#define SHMQ_BENCH_LOOP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <shmq/atomic.h>

#include "harness.h"
#include "ticks.h"

#define LOOP_INLINE static inline __attribute__((always_inline))

/* For each function that holds one loop: its registers are its own, as in a program that does nothing else. */
#define LOOP_APART __attribute__((noinline))

/* In place of a number: the end. */
#define LOOP_LAST UINT64_MAX

/* Messages between two looks at the clock, but no more bytes than these */
#define LOOP_STRIDE 4096u
#define LOOP_STRIDE_BYTES ((size_t)1 << 22)

#define LOOP_WORDS (BENCH_LEN_MAX / 8)

/* What is sent and what is received; one of each for a process. */
static uint64_t loop_out[LOOP_WORDS] __attribute__((aligned(4096)));
static uint64_t loop_in[LOOP_WORDS] __attribute__((aligned(4096)));

/** What an adapter keeps of a queue; each has its own. */
struct queue;

typedef int loop_send_fn(struct queue *queue, const uint64_t *message, size_t len);
typedef int loop_recv_fn(struct queue *queue, uint64_t *message, size_t len);

LOOP_INLINE void
loop_stamp(uint64_t *message, uint64_t number, size_t len)
{
	message[0] = number;
	message[len / 8 - 1] = number;
}

LOOP_INLINE int
loop_check(const uint64_t *message, uint64_t number, size_t len)
{
	return message[0] == number && message[len / 8 - 1] == number ? 0 : -EBADMSG;
}

/*
 * PAUSEs before the next try where a queue was full or empty: of a queue that has none of its own, as any
 * user's loop would have. Set before a loop begins.
 */
static int loop_pauses;

LOOP_INLINE void
loop_pause(void)
{
	for (int i = 0; i < loop_pauses; i++)
		shmq_pause();
}

LOOP_INLINE int
loop_send(loop_send_fn *send, struct queue *queue, const uint64_t *message, size_t len)
{
	int err;

	while ((err = send(queue, message, len)) == -EAGAIN)
		loop_pause();
	return err < 0 ? err : 0;
}

LOOP_INLINE int
loop_recv(loop_recv_fn *recv, struct queue *queue, uint64_t *message, size_t len)
{
	int err;

	while ((err = recv(queue, message, len)) == -EAGAIN)
		loop_pause();
	return err < 0 ? err : 0;
}

LOOP_INLINE uint32_t
loop_stride(size_t len)
{
	return len * LOOP_STRIDE <= LOOP_STRIDE_BYTES ? LOOP_STRIDE
						      : (uint32_t)(LOOP_STRIDE_BYTES / len);
}

/* Laps: the second meets pages and lines that have been used before; of a big ring one is enough. */
LOOP_INLINE uint64_t
loop_laps(const struct bench_side *side)
{
	uint64_t capacity = side->what.capacity;

	return capacity * side->what.len > (UINT64_C(1) << 24) ? capacity + capacity / 4
							       : 2 * capacity;
}

/** Send for side->what.seconds, at least a lap, then the end. */
LOOP_INLINE int
loop_produce(struct bench_side *side, loop_send_fn *send, struct queue *queue, size_t len)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t least = loop_laps(side), sequence = 1;
	uint32_t stride = loop_stride(len);

	do {
		for (uint32_t i = 0; i < stride; i++, sequence++) {
			loop_stamp(loop_out, sequence, len);
			int err = loop_send(send, queue, loop_out, len);

			if (__builtin_expect(err, 0))
				return err;
		}
	} while (bench_now_ns() < end || sequence < least);
	loop_stamp(loop_out, LOOP_LAST, len);
	return loop_send(send, queue, loop_out, len);
}

/** Receive `count` messages, from *sequence + 1 on; 1: the end came instead. */
LOOP_INLINE int
loop_consume_some(loop_recv_fn *recv, struct queue *queue, size_t len, uint64_t *sequence,
		  uint64_t count)
{
	uint64_t seen = *sequence;

	for (uint64_t last = seen + count; seen != last;) {
		int err = loop_recv(recv, queue, loop_in, len);

		if (__builtin_expect(err, 0))
			return err;
		if (__builtin_expect(loop_check(loop_in, ++seen, len), 0))
			return loop_check(loop_in, LOOP_LAST, len) ? -EBADMSG
								   : (*sequence = seen - 1, 1);
	}
	*sequence = seen;
	return 0;
}

/** Receive to the end; count and time what comes after the first lap. */
LOOP_INLINE int
loop_consume(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len)
{
	uint64_t sequence = 0, begin;
	int err = loop_consume_some(recv, queue, len, &sequence, side->what.capacity);

	begin = bench_now_ns();
	if (!err)
		err = loop_consume_some(recv, queue, len, &sequence, UINT64_MAX / 2);
	side->shared->ns = bench_now_ns() - begin;
	side->shared->count = sequence - side->what.capacity;
	return err == 1 ? 0 : err;
}

/* When a body that runs for side->what.seconds begins to count, and when it ends. */
struct loop_time {
	uint64_t warm, end;
};

LOOP_INLINE struct loop_time
loop_time_of(const struct bench_side *side)
{
	double ticks = side->what.seconds * 1e9 * bench_ticks_per_ns();
	uint64_t now = bench_ticks();

	struct loop_time time = {now + (uint64_t)(ticks / 8), now + (uint64_t)ticks};

	return time;
}

/** Send the time and wait for it to come back, for side->what.seconds; count every round trip after some. */
LOOP_INLINE int
loop_ping(struct bench_side *side, loop_send_fn *send, loop_recv_fn *recv,
	  struct queue *const queues[2], size_t len)
{
	struct loop_time time = loop_time_of(side);
	uint64_t now, begin;

	do {
		int err;

		begin = bench_ticks();
		loop_stamp(loop_out, begin, len);
		err = loop_send(send, queues[0], loop_out, len);
		if (!err)
			err = loop_recv(recv, queues[1], loop_in, len);
		now = bench_ticks();
		if (err || loop_check(loop_in, begin, len))
			return err ? err : -EBADMSG;
		if (begin > time.warm)
			bench_count(&side->shared->latency, now - begin);
	} while (now < time.end || begin <= time.warm);
	loop_stamp(loop_out, LOOP_LAST, len);
	return loop_send(send, queues[0], loop_out, len);
}

/* Send back what comes, and tell when it came to whoever wants to know. 1: it was the end. */
LOOP_INLINE int
loop_answer(loop_send_fn *send, loop_recv_fn *recv, struct queue *const queues[2], size_t len,
	    uint64_t *arrived)
{
	int err = loop_recv(recv, queues[0], loop_in, len);

	if (err)
		return err;
	if (arrived)
		*arrived = bench_ticks();
	if (!loop_check(loop_in, LOOP_LAST, len))
		return 1;
	return loop_send(send, queues[1], loop_in, len);
}

/** Send back what comes, to the end. */
LOOP_INLINE int
loop_pong(loop_send_fn *send, loop_recv_fn *recv, struct queue *const queues[2], size_t len)
{
	int err;

	do
		err = loop_answer(send, recv, queues, len, NULL);
	while (!err);
	return err < 0 ? err : 0;
}

/* Two cores' clocks may differ by a little. */
LOOP_INLINE uint64_t
loop_since(uint64_t then, uint64_t now)
{
	return (int64_t)(now - then) > 0 ? now - then : 0;
}

/* When a receiver begins to count: by the sender's first message, so that it is while he still sends. */
LOOP_INLINE uint64_t
loop_warm_after(const struct bench_side *side, uint64_t first)
{
	return first + (uint64_t)(side->what.seconds * 1e9 * bench_ticks_per_ns() / 8);
}

/** The same, and count how long each took to come. */
LOOP_INLINE int
loop_pong_timed(struct bench_side *side, loop_send_fn *send, loop_recv_fn *recv,
		struct queue *const queues[2], size_t len)
{
	uint64_t warm = 0, now = 0;
	int err;

	while (!(err = loop_answer(send, recv, queues, len, &now))) {
		if (!warm)
			warm = loop_warm_after(side, loop_in[0]);
		if (now > warm)
			bench_count(&side->shared->latency, loop_since(loop_in[0], now));
	}
	return err < 0 ? err : 0;
}

/**
 * Send when the clock says so, every side->what.interval_ns (0: as fast as can be), and never later than it said because
 * an earlier one was late: the message carries the time at which it was to be sent.
 */
LOOP_INLINE int
loop_pace(struct bench_side *side, loop_send_fn *send, struct queue *queue, size_t len)
{
	struct loop_time time = loop_time_of(side);
	double interval = side->what.interval_ns * bench_ticks_per_ns();
	double next = (double)bench_ticks();
	uint64_t sent = 0, now;
	int err = 0;

	do {
		now = bench_ticks();
		next += interval;
		while (now < (uint64_t)next)
			now = bench_ticks();
		loop_stamp(loop_out, interval > 0 ? (uint64_t)next : now, len);
		err = loop_send(send, queue, loop_out, len);
		sent++;
	} while (!err && now < time.end);
	side->shared->sent = sent;
	loop_stamp(loop_out, LOOP_LAST, len);
	return err ? err : loop_send(send, queue, loop_out, len);
}

/** Time what loop_pace() sends from when it was to be sent. */
LOOP_INLINE int
loop_arrive(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len)
{
	uint64_t received = 0, counted = 0, begin = bench_now_ns(), warm = 0;

	for (;; received++) {
		int err = loop_recv(recv, queue, loop_in, len);
		uint64_t now = bench_ticks();

		if (err)
			return err;
		if (!loop_check(loop_in, LOOP_LAST, len))
			break;
		if (loop_check(loop_in, loop_in[0], len))
			return -EBADMSG;
		if (!received)
			warm = loop_warm_after(side, loop_in[0]);
		if (now <= warm)
			continue;
		if (!counted++)
			begin = bench_now_ns();
		bench_count(&side->shared->latency, loop_since(loop_in[0], now));
	}
	side->shared->received = received;
	side->shared->count = counted;
	side->shared->ns = bench_now_ns() - begin;
	return 0;
}

#endif
