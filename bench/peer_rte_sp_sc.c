/* SPDX-License-Identifier: MIT */
/* DPDK's rte_ring, one producer and one consumer; what is longer than a line in place. */
#include "rte_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	if (len > RTE_LINE)
		return rte_send_in_place(queue, message, len);
	return rte_done(
		rte_ring_sp_enqueue_bulk_elem(queue->ring, message, (unsigned)len, 1, NULL));
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (len > RTE_LINE)
		return rte_recv_in_place(queue, message, len);
	return rte_done(
		rte_ring_sc_dequeue_bulk_elem(queue->ring, message, (unsigned)len, 1, NULL));
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return rte_queue_make(side, queues, RING_F_SP_ENQ, RING_F_SC_DEQ);
}

const struct bench_adapter bench_adapter_rte_sp_sc = {
	.name = "rte_sp_sc",
	.base = "rival",
	.note = "DPDK rte_ring, sp and sc, zero copy above 64 bytes; holds a message less",
	.can = BENCH_PAIR,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
