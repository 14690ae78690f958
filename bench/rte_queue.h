/* SPDX-License-Identifier: MIT */
/*
 * What the adapters of DPDK's rte_ring have in common: the ring in shared memory, without the
 * rest of DPDK. Its size is a power of two and it holds one message less: RING_F_EXACT_SZ would
 * make it hold all, and take twice the memory for it.
 */
#ifndef SHMQ_BENCH_RTE_QUEUE_H
#define SHMQ_BENCH_RTE_QUEUE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_config.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "bench.h"

/* What is longer goes in place. */
#define RTE_LINE 64

struct queue {
	struct rte_ring *ring;
	int alone; /* 1: one receiver */
	/* Of peer_rte_bulk.c: */
	unsigned char *room; /* for a batch */
	unsigned batch;
	unsigned at, filled; /* the next message, of how many */
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	*queue = (struct queue){
		.ring = (struct rte_ring *)(void *)bench_queue_memory(side, i),
		.alone = side->what.consumers == 1,
		.room = calloc(side->what.batch + 1, side->what.len),
		.batch = side->what.batch,
	};
	return queue->room ? 0 : -ENOMEM;
}

static size_t
bytes(const struct bench_what *what)
{
	ssize_t size = rte_ring_get_memsize_elem((unsigned)what->len, (unsigned)what->capacity);

	return size > 0 ? (size_t)size : 0;
}

/* Producers' and consumers' flags; a crowd's only consumer uses what is made for one. */
static int
rte_queue_make(struct bench_side *side, unsigned queues, unsigned sends, unsigned receives)
{
	unsigned flags = sends | (side->what.consumers == 1 ? RING_F_SC_DEQ : receives);
	int err = 0;

	for (unsigned i = 0; i < queues && !err; i++)
		err = rte_ring_init((struct rte_ring *)(void *)bench_queue_memory(side, i), "bench",
				    (unsigned)side->what.capacity, flags);
	return err;
}

static inline int
rte_done(unsigned n)
{
	return n ? 0 : -EAGAIN;
}

/*
 * In place, with memcpy(): the ring's own copying, words of four bytes for all lengths but 8 and 16,
 * takes three times as long from 256 bytes on (measured). Only ST and HTS can do it.
 */
static inline int
rte_send_in_place(struct queue *queue, const uint64_t *message, size_t len)
{
	struct rte_ring_zc_data data;

	if (!rte_ring_enqueue_zc_bulk_elem_start(queue->ring, (unsigned)len, 1, &data, NULL))
		return -EAGAIN;
	memcpy(data.ptr1, message, len);
	rte_ring_enqueue_zc_elem_finish(queue->ring, 1);
	return 0;
}

static inline int
rte_recv_in_place(struct queue *queue, uint64_t *message, size_t len)
{
	struct rte_ring_zc_data data;

	if (!rte_ring_dequeue_zc_bulk_elem_start(queue->ring, (unsigned)len, 1, &data, NULL))
		return -EAGAIN;
	memcpy(message, data.ptr1, len);
	rte_ring_dequeue_zc_elem_finish(queue->ring, 1);
	return 0;
}

#endif
