/* SPDX-License-Identifier: MIT */
/*
 * What the adapters of shmq have in common: a queue of a kind in a sealed memfd, attached by its descriptor, its pages present.
 */
#ifndef SHMQ_BENCH_SHMQ_QUEUE_H
#define SHMQ_BENCH_SHMQ_QUEUE_H

#include <shmq/shmq.h>

#include "bench.h"

struct queue {
	struct shmq *shmq;
};

static inline int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	unsigned role = end == BENCH_SENDS ? SHMQ_PRODUCER : SHMQ_CONSUMER;

	return bench_attach_fd(&queue->shmq, side->fds[i], role | SHMQ_POPULATE);
}

/* An MPSC queue has a lane for each participant: together they hold what others have in one ring. */
static inline int
shmq_queue_make(struct bench_side *side, unsigned queues, int kind)
{
	unsigned participants = side->what.producers + side->what.consumers;
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = kind,
		.msg_max = side->what.len,
		.capacity = side->what.capacity,
		.participants = participants ? participants : 2,
	};
	int err = 0;

	if (kind == SHMQ_MPSC && side->what.producers)
		opts.capacity /= side->what.producers;
	for (unsigned i = 0; i < queues && !err; i++)
		err = bench_side_queue(side, (int)i, &opts);
	return err;
}

#endif
