/* SPDX-License-Identifier: MIT */
/*
 * What the adapters of shmq have in common: a queue of a kind in a sealed memfd, attached by its descriptor, its pages present.
 */
#ifndef SHMQ_BENCH_SHMQ_QUEUE_H
#define SHMQ_BENCH_SHMQ_QUEUE_H

#include <shmq/shmq.h>

#include "shmq_make.h"

struct queue {
	struct shmq *shmq;
};

static inline int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	unsigned role = end == BENCH_SENDS ? SHMQ_PRODUCER : SHMQ_CONSUMER;

	return bench_attach_fd(&queue->shmq, side->fds[i], role | SHMQ_POPULATE);
}

#endif
