/* SPDX-License-Identifier: MIT */
/* ck_ring, one producer and one consumer. */
#include "ck_queue.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	switch (len) {
	case 8:
		return ck_ring_enqueue_spsc(queue->ring, queue->entries,
					    (const void *)(uintptr_t)message[0])
			       ? 0
			       : -EAGAIN;
#define SEND(len) CK_SEND(spsc, len)
		CK_LENGTHS(SEND)
	default:
		return -ENOTSUP;
	}
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	switch (len) {
	case 8:
		return ck_ring_dequeue_spsc(queue->ring, queue->entries, message) ? 0 : -EAGAIN;
#define RECV(len) CK_RECV(spsc, len)
		CK_LENGTHS(RECV)
	default:
		return -ENOTSUP;
	}
}

#include "bodies.h"

const struct bench_adapter bench_adapter_ck_spsc = {
	.name = "ck_spsc",
	.base = "rival",
	.note = "ck_ring, enqueue_spsc and dequeue_spsc; holds a message less",
	.can = BENCH_PAIR,
	.fits = fits,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
