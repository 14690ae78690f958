/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring, head and tail in one word (HTS): one producer, one consumer at a time,
 * others wait for it.
 */
#include "rte_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return rte_send_in_place(queue, message, len);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return rte_recv_in_place(queue, message, len);
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return rte_queue_make(side, queues, RING_F_MP_HTS_ENQ, RING_F_MC_HTS_DEQ);
}

const struct bench_adapter bench_adapter_rte_hts = {
	.name = "rte_hts",
	.base = "rival",
	.note = "DPDK rte_ring, HTS, zero copy (a crowd's only consumer: sc); holds a message less; "
		"blocks for good when a process is killed within a call",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
