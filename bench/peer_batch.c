/* SPDX-License-Identifier: MIT */
/* shmq, SPSC: shmq_send_batch(), shmq_recv_batch(), polled, what.batch messages for each call. */
#include <sys/uio.h>

#include <shmq/shmq.h>

#include "shmq_make.h"
#include "gather.h"

struct queue {
	struct shmq *shmq;
	struct iovec *messages;
	struct gather gather;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	unsigned role = end == BENCH_SENDS ? SHMQ_PRODUCER : SHMQ_CONSUMER;
	size_t len = side->what.len;

	queue->messages = calloc(side->what.batch, sizeof(struct iovec));
	if (!queue->messages || gather_open(&queue->gather, &side->what))
		return -ENOMEM;
	for (size_t m = 0; m < side->what.batch; m++)
		queue->messages[m] = (struct iovec){gather_words(&queue->gather, m, len), len};
	return bench_attach_fd(&queue->shmq, side->fds[i], role | SHMQ_POPULATE);
}

/* All of them, however often it takes: the loop has been told that they were sent. */
static inline int
queue_flush(struct queue *queue)
{
	size_t sent = 0, all = queue->gather.at;

	while (sent < all) {
		ssize_t n = shmq_send_batch(queue->shmq, queue->messages + sent, all - sent, 0);

		if (n < 0 && n != -EAGAIN)
			return (int)n;
		sent += n > 0 ? (size_t)n : 0;
	}
	queue->gather.at = 0;
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return gather_put(&queue->gather, message, len) ? queue_flush(queue) : 0;
}

/* All messages are of the same length, so each iovec still says how much room there is. */
static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct gather *gather = &queue->gather;

	if (gather->at == gather->filled) {
		ssize_t n = shmq_recv_batch(queue->shmq, queue->messages, gather->batch, 0);

		if (n < 0)
			return (int)n;
		gather->at = 0;
		gather->filled = (size_t)n;
	}
	gather_take(gather, message, len);
	return 0;
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return shmq_queue_make(side, queues, SHMQ_SPSC);
}

const struct bench_adapter bench_adapter_batch = {
	.name = "batch",
	.note = "SPSC, shmq_send_batch() and shmq_recv_batch() with timeout 0",
	.can = BENCH_BATCH,
	.make = make,
	.bodies = bodies,
};
