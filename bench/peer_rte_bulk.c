/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring, one producer and one consumer, bursts of what.batch messages. As in peer_batch.c
 * the loops know single messages, which are gathered and handed out here: the first and the last
 * word of each are written before it is sent and read after it was received, and all of it is
 * copied, in and out: what is longer than a line with memcpy(), as in peer_rte_sp_sc.c.
 */
#include "loop.h"
#include "rte_queue.h"

static inline uint64_t *
room_of(struct queue *queue, unsigned i, size_t len)
{
	return (uint64_t *)(void *)(queue->room + i * len);
}

static inline unsigned
bulk_send_in_place(struct rte_ring *ring, const unsigned char *from, size_t len, unsigned n)
{
	struct rte_ring_zc_data data;

	n = rte_ring_enqueue_zc_burst_elem_start(ring, (unsigned)len, n, &data, NULL);
	if (!n)
		return 0;
	memcpy(data.ptr1, from, data.n1 * len);
	if (n > data.n1)
		memcpy(data.ptr2, from + data.n1 * len, (n - data.n1) * len);
	rte_ring_enqueue_zc_elem_finish(ring, n);
	return n;
}

static inline unsigned
bulk_recv_in_place(struct rte_ring *ring, unsigned char *to, size_t len, unsigned n)
{
	struct rte_ring_zc_data data;

	n = rte_ring_dequeue_zc_burst_elem_start(ring, (unsigned)len, n, &data, NULL);
	if (!n)
		return 0;
	memcpy(to, data.ptr1, data.n1 * len);
	if (n > data.n1)
		memcpy(to + data.n1 * len, data.ptr2, (n - data.n1) * len);
	rte_ring_dequeue_zc_elem_finish(ring, n);
	return n;
}

static inline unsigned
bulk_send(struct rte_ring *ring, const unsigned char *from, size_t len, unsigned n)
{
	if (len > RTE_LINE)
		return bulk_send_in_place(ring, from, len, n);
	return rte_ring_sp_enqueue_burst_elem(ring, from, (unsigned)len, n, NULL);
}

static inline unsigned
bulk_recv(struct rte_ring *ring, unsigned char *to, size_t len, unsigned n)
{
	if (len > RTE_LINE)
		return bulk_recv_in_place(ring, to, len, n);
	return rte_ring_sc_dequeue_burst_elem(ring, to, (unsigned)len, n, NULL);
}

/* All of them, however often it takes: the loop has been told that they were sent. */
static inline void
bulk_flush(struct queue *queue, size_t len)
{
	unsigned sent = 0;

	while (sent < queue->at)
		sent += bulk_send(queue->ring, queue->room + sent * len, len, queue->at - sent);
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
		queue->filled = bulk_recv(queue->ring, queue->room, len, queue->batch);
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
	.note = "DPDK rte_ring, sp and sc, bursts, zero copy above 64 bytes; holds a message less",
	.can = BENCH_BATCH,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
