/* SPDX-License-Identifier: MIT */
/* shmq, SPSC: the same calls, waiting without limit: they spin for a while, then sleep. */
#include "shmq_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, SHMQ_FOREVER);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv(queue->shmq, message, len, SHMQ_FOREVER);
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return shmq_queue_make(side, queues, SHMQ_SPSC);
}

const struct bench_adapter bench_adapter_wait = {
	.name = "wait",
	.note = "SPSC, shmq_send() and shmq_recv() with SHMQ_FOREVER",
	.can = BENCH_PAIR | BENCH_SLEEPS,
	.make = make,
	.bodies = bodies,
};
