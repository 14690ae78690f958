/* SPDX-License-Identifier: MIT */
/*
 * ck_ring, several producers and several consumers; a crowd's only consumer uses what is made
 * for one.
 */
#include "ck_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	switch (len) {
	case 8:
		return ck_ring_enqueue_mpmc(queue->ring, queue->entries,
					    (const void *)(uintptr_t)message[0])
			       ? 0
			       : -EAGAIN;
#define SEND(len) CK_SEND(mpmc, len)
		CK_LENGTHS(SEND)
	default:
		return -ENOTSUP;
	}
}

static inline int
recv_alone(struct queue *queue, uint64_t *message, size_t len)
{
	switch (len) {
	case 8:
		return ck_ring_dequeue_mpsc(queue->ring, queue->entries, message) ? 0 : -EAGAIN;
#define RECV_ALONE(len) CK_RECV(mpsc, len)
		CK_LENGTHS(RECV_ALONE)
	default:
		return -ENOTSUP;
	}
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (queue->alone)
		return recv_alone(queue, message, len);
	switch (len) {
	case 8:
		return ck_ring_dequeue_mpmc(queue->ring, queue->entries, message) ? 0 : -EAGAIN;
#define RECV(len) CK_RECV(mpmc, len)
		CK_LENGTHS(RECV)
	default:
		return -ENOTSUP;
	}
}

#include "bodies.h"

const struct bench_adapter bench_adapter_ck_mpmc = {
	.name = "ck_mpmc",
	.base = "rival",
	.note = "ck_ring, enqueue_mpmc and dequeue_mpmc (a crowd's only consumer: dequeue_mpsc); "
		"holds a message less; blocks for good when a process is killed within a send",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	.fits = fits,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
