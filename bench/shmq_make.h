/* SPDX-License-Identifier: MIT */
/* What every adapter of shmq makes in the parent: queues of a kind in sealed memfds. */
#ifndef SHMQ_BENCH_SHMQ_MAKE_H
#define SHMQ_BENCH_SHMQ_MAKE_H

#include <shmq/shmq.h>

#include "bench.h"

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
