/* SPDX-License-Identifier: MIT */
/* shmq, SPSC: shmq_send() and shmq_recv(), polled. */
#include "shmq_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, 0);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv(queue->shmq, message, len, 0);
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return shmq_queue_make(side, queues, SHMQ_SPSC);
}

const struct bench_adapter bench_adapter_send_recv = {
	.name = "send_recv",
	.note = "SPSC, shmq_send() and shmq_recv() with timeout 0",
	.can = BENCH_PAIR,
	.make = make,
	.bodies = bodies,
};
