/* SPDX-License-Identifier: MIT */
/*
 * What an adapter's processes run, in C. An adapter is a file that defines
 *
 *   struct queue
 *           what one end of a queue needs; each loop has a copy of its own, which can live in registers
 *   static int queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
 *           in a child: attach queue `i` of side, to send or to receive; 0 or a negated errno
 *   static inline int queue_send(struct queue *queue, const uint64_t *message, size_t len)
 *   static inline int queue_recv(struct queue *queue, uint64_t *message, size_t len)
 *           0 or more, -EAGAIN: full or empty, or a negated errno that ends the measurement;
 *           queue_recv() may leave out what lies between the first and the last word where it reads in place
 *
 * and then includes this file, which makes `bodies` of them. Short lengths are constants, as they are in a program
 * that knows its messages.
 */
#ifndef SHMQ_BENCH_BODIES_H
#define SHMQ_BENCH_BODIES_H

#include "bench.h"
#include "crowd.h"
#include "loop.h"

/* Each loop apart, for each length that is a constant ---------------------------------------- */

static LOOP_APART int
produce_8(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_produce(side, queue_send, &queue, 8);
}

static LOOP_APART int
produce_56(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_produce(side, queue_send, &queue, 56);
}

static LOOP_APART int
produce_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_produce(side, queue_send, &queue, side->what.len);
}

static LOOP_APART int
consume_8(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_consume(side, queue_recv, &queue, 8);
}

static LOOP_APART int
consume_56(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_consume(side, queue_recv, &queue, 56);
}

static LOOP_APART int
consume_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_consume(side, queue_recv, &queue, side->what.len);
}

static LOOP_APART int
ping_8(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	return loop_ping(side, queue_send, queue_recv, (struct queue *const[2]){&out, &back}, 8);
}

static LOOP_APART int
ping_56(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	return loop_ping(side, queue_send, queue_recv, (struct queue *const[2]){&out, &back}, 56);
}

static LOOP_APART int
ping_any(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	return loop_ping(side, queue_send, queue_recv, (struct queue *const[2]){&out, &back},
			 side->what.len);
}

static LOOP_APART int
pong_8(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	(void)side;
	return loop_pong(queue_send, queue_recv, (struct queue *const[2]){&out, &back}, 8);
}

static LOOP_APART int
pong_56(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	(void)side;
	return loop_pong(queue_send, queue_recv, (struct queue *const[2]){&out, &back}, 56);
}

static LOOP_APART int
pong_any(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	return loop_pong(queue_send, queue_recv, (struct queue *const[2]){&out, &back},
			 side->what.len);
}

static LOOP_APART int
pong_timed_any(struct bench_side *side, const struct queue opened[2])
{
	struct queue out = opened[0], back = opened[1];

	return loop_pong_timed(side, queue_send, queue_recv, (struct queue *const[2]){&out, &back},
			       side->what.len);
}

static LOOP_APART int
pace_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_pace(side, queue_send, &queue, side->what.len);
}

static LOOP_APART int
arrive_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return loop_arrive(side, queue_recv, &queue, side->what.len);
}

static LOOP_APART int
crowd_produce_8(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_produce(side, queue_send, &queue, 8);
}

static LOOP_APART int
crowd_produce_56(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_produce(side, queue_send, &queue, 56);
}

static LOOP_APART int
crowd_produce_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_produce(side, queue_send, &queue, side->what.len);
}

static LOOP_APART int
crowd_consume_8(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_consume(side, queue_recv, &queue, 8);
}

static LOOP_APART int
crowd_consume_56(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_consume(side, queue_recv, &queue, 56);
}

static LOOP_APART int
crowd_consume_any(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return crowd_consume(side, queue_recv, &queue, side->what.len);
}

/* Bodies ------------------------------------------------------------------------------------ */

/* One queue: open it, and when all are ready run the loop of this length. */
static int
body_one(struct bench_side *side, enum bench_end end,
	 int (*const loops[3])(struct bench_side *, const struct queue *))
{
	struct queue queue;
	int err = queue_open(side, 0, end, &queue);

	if (err)
		return err;
	loop_pauses = side->what.pauses;
	bench_ready(side);
	return loops[side->what.len == 8 ? 0 : side->what.len == 56 ? 1 : 2](side, &queue);
}

/* Two queues: out and back for the one who asks, in and out for the one who answers. */
static int
body_two(struct bench_side *side, unsigned sends,
	 int (*const loops[3])(struct bench_side *, const struct queue[2]))
{
	struct queue queues[2];
	int err = queue_open(side, sends, BENCH_SENDS, &queues[sends]);

	if (!err)
		err = queue_open(side, !sends, BENCH_RECEIVES, &queues[!sends]);
	if (err)
		return err;
	loop_pauses = side->what.pauses;
	bench_ready(side);
	return loops[side->what.len == 8 ? 0 : side->what.len == 56 ? 1 : 2](side, queues);
}

static int
body_produce(struct bench_side *side)
{
	return body_one(side, BENCH_SENDS,
			(int (*const[3])(struct bench_side *, const struct queue *)){
				produce_8, produce_56, produce_any});
}

static int
body_consume(struct bench_side *side)
{
	return body_one(side, BENCH_RECEIVES,
			(int (*const[3])(struct bench_side *, const struct queue *)){
				consume_8, consume_56, consume_any});
}

static int
body_ping(struct bench_side *side)
{
	return body_two(side, 0,
			(int (*const[3])(struct bench_side *,
					 const struct queue[2])){ping_8, ping_56, ping_any});
}

static int
body_pong(struct bench_side *side)
{
	return body_two(side, 1,
			(int (*const[3])(struct bench_side *,
					 const struct queue[2])){pong_8, pong_56, pong_any});
}

static int
body_pong_timed(struct bench_side *side)
{
	return body_two(side, 1,
			(int (*const[3])(struct bench_side *, const struct queue[2])){
				pong_timed_any, pong_timed_any, pong_timed_any});
}

static int
body_pace(struct bench_side *side)
{
	return body_one(side, BENCH_SENDS,
			(int (*const[3])(struct bench_side *,
					 const struct queue *)){pace_any, pace_any, pace_any});
}

static int
body_arrive(struct bench_side *side)
{
	return body_one(side, BENCH_RECEIVES,
			(int (*const[3])(struct bench_side *, const struct queue *)){
				arrive_any, arrive_any, arrive_any});
}

static int
body_crowd_produce(struct bench_side *side)
{
	return body_one(side, BENCH_SENDS,
			(int (*const[3])(struct bench_side *, const struct queue *)){
				crowd_produce_8, crowd_produce_56, crowd_produce_any});
}

static int
body_crowd_consume(struct bench_side *side)
{
	return body_one(side, BENCH_RECEIVES,
			(int (*const[3])(struct bench_side *, const struct queue *)){
				crowd_consume_8, crowd_consume_56, crowd_consume_any});
}

static bench_body *const bodies[BENCH_BODIES] = {
	[BENCH_PRODUCE] = body_produce,
	[BENCH_CONSUME] = body_consume,
	[BENCH_PING] = body_ping,
	[BENCH_PONG] = body_pong,
	[BENCH_PONG_TIMED] = body_pong_timed,
	[BENCH_PACE] = body_pace,
	[BENCH_ARRIVE] = body_arrive,
	[BENCH_CROWD_PRODUCE] = body_crowd_produce,
	[BENCH_CROWD_CONSUME] = body_crowd_consume,
};

#endif
