/* SPDX-License-Identifier: MIT */
/* shmq, SPSC: inlined, shmq/inline.h. */
#include <shmq/inline.h>

#include "shmq_make.h"

struct queue {
	struct shmq_port port;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	struct shmq *shmq;
	unsigned role = end == BENCH_SENDS ? SHMQ_PRODUCER : SHMQ_CONSUMER;
	int err = bench_attach_fd(&shmq, side->fds[i], role | SHMQ_POPULATE);

	return err ? err : shmq_port_open(&queue->port, shmq);
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_port_send(&queue->port, message, len);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_port_recv(&queue->port, message, len);
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return shmq_queue_make(side, queues, SHMQ_SPSC);
}

const struct bench_adapter bench_adapter_inline = {
	.name = "inline",
	.note = "SPSC, shmq_port_send() and shmq_port_recv() of shmq/inline.h",
	.can = BENCH_PAIR,
	.make = make,
	.bodies = bodies,
};
