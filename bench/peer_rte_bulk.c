/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring, one producer and one consumer, bursts of what.batch messages. As in peer_batch.c
 * the loops know single messages, which are gathered and handed out here: the first and the last
 * word of each are written before it is sent and read after it was received, the library copies
 * all of it, in and out.
 */
#include "loop.h"
#include "rte_queue.h"

static inline uint64_t *
room_of(struct queue *queue, unsigned i, size_t len)
{
	return (uint64_t *)(void *)(queue->room + i * len);
}

/* All of them, however often it takes: the loop has been told that they were sent. */
static inline void
bulk_flush(struct queue *queue, size_t len)
{
	unsigned sent = 0;

	while (sent < queue->at)
		sent += rte_ring_sp_enqueue_burst_elem(queue->ring, room_of(queue, sent, len),
						       (unsigned)len, queue->at - sent, NULL);
	queue->at = 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	loop_stamp(room_of(queue, queue->at++, len), message[0], len);
	if (queue->at == queue->batch || __builtin_expect(message[0] == LOOP_LAST, 0))
		bulk_flush(queue, len);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	const uint64_t *words;

	if (queue->at == queue->filled) {
		queue->at = 0;
		queue->filled = rte_ring_sc_dequeue_burst_elem(queue->ring, queue->room,
							       (unsigned)len, queue->batch, NULL);
		if (!queue->filled)
			return -EAGAIN;
	}
	words = room_of(queue, queue->at++, len);
	message[0] = words[0];
	message[len / 8 - 1] = words[len / 8 - 1];
	return 0;
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	return rte_queue_make(side, queues, RING_F_SP_ENQ, RING_F_SC_DEQ);
}

const struct bench_adapter bench_adapter_rte_bulk = {
	.name = "rte_bulk",
	.base = "rival",
	.note = "DPDK rte_ring, sp and sc, bursts; holds a message less",
	.can = BENCH_BATCH,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
