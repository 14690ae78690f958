/* SPDX-License-Identifier: MIT */
/* DPDK's rte_ring, several producers and several consumers: its default mode. */
#include "rte_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return rte_done(
		rte_ring_mp_enqueue_bulk_elem(queue->ring, message, (unsigned)len, 1, NULL));
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (queue->alone)
		return rte_done(rte_ring_sc_dequeue_bulk_elem(queue->ring, message, (unsigned)len,
							      1, NULL));
	return rte_done(
		rte_ring_mc_dequeue_bulk_elem(queue->ring, message, (unsigned)len, 1, NULL));
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return rte_queue_make(side, queues, 0, 0);
}

const struct bench_adapter bench_adapter_rte_mp_mc = {
	.name = "rte_mp_mc",
	.base = "rival",
	.note = "DPDK rte_ring, mp and mc (a crowd's only consumer: sc); holds a message "
		"less; blocks for good when a process is killed within a call",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
