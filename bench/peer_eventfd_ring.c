/* SPDX-License-Identifier: MIT */
/*
 * What a program makes for itself: a ring of its own for one producer and one consumer, with
 * head, tail and places of one length, and two eventfds to sleep on. Who finds nothing says
 * that it sleeps, looks again and reads its eventfd; the other writes it only then. A producer
 * sleeps until half of the ring is free. Nothing here outlives a killed process, nor checks
 * what it finds.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "bench.h"

#define LINE 128

struct ring {
	uint64_t tail __attribute__((aligned(LINE))); /* the producer's */
	uint64_t head __attribute__((aligned(LINE))); /* the consumer's */
	/* The head that a sleeping producer waits for; 1: a consumer sleeps. Else 0. */
	uint64_t producer_waits __attribute__((aligned(LINE)));
	uint64_t consumer_waits __attribute__((aligned(LINE)));
	int room, news; /* eventfds, inherited by these numbers; 0: none */
	unsigned char places[] __attribute__((aligned(LINE)));
};

struct queue {
	struct ring *ring;
	uint64_t mine, other; /* our count, and what we last saw of the other's */
	uint64_t capacity;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	*queue = (struct queue){(struct ring *)(void *)bench_queue_memory(side, i), 0, 0,
				side->what.capacity};
	return 0;
}

static int
rest(int eventfd)
{
	uint64_t count;

	return read(eventfd, &count, sizeof(count)) == sizeof(count) ? 0 : -errno;
}

static int
wake(uint64_t *waits, int eventfd)
{
	shmq_store_relaxed_u64(waits, 0);
	return write(eventfd, &(uint64_t){1}, sizeof(uint64_t)) < 0 ? -errno : 0;
}

static int
sleep_for_room(struct queue *queue)
{
	struct ring *ring = queue->ring;
	int err = 0;

	shmq_store_relaxed_u64(&ring->producer_waits, queue->mine - queue->capacity / 2);
	shmq_fence_seq_cst();
	queue->other = shmq_load_acquire_u64(&ring->head);
	if (queue->mine - queue->other == queue->capacity)
		err = rest(ring->room);
	shmq_store_relaxed_u64(&ring->producer_waits, 0);
	return err ? err : -EAGAIN;
}

static int
sleep_for_news(struct queue *queue)
{
	struct ring *ring = queue->ring;
	int err = 0;

	shmq_store_relaxed_u64(&ring->consumer_waits, 1);
	shmq_fence_seq_cst();
	queue->other = shmq_load_acquire_u64(&ring->tail);
	if (queue->mine == queue->other)
		err = rest(ring->news);
	shmq_store_relaxed_u64(&ring->consumer_waits, 0);
	return err ? err : -EAGAIN;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct ring *ring = queue->ring;

	if (queue->mine - queue->other == queue->capacity) {
		queue->other = shmq_load_acquire_u64(&ring->head);
		if (queue->mine - queue->other == queue->capacity)
			return sleep_for_room(queue);
	}
	memcpy(ring->places + (queue->mine & (queue->capacity - 1)) * len, message, len);
	shmq_store_release_u64(&ring->tail, ++queue->mine);
	/* Either we see that it sleeps, or it sees the tail. */
	shmq_fence_seq_cst();
	if (shmq_load_relaxed_u64(&ring->consumer_waits))
		return wake(&ring->consumer_waits, ring->news);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct ring *ring = queue->ring;
	uint64_t waits;

	if (queue->mine == queue->other) {
		queue->other = shmq_load_acquire_u64(&ring->tail);
		if (queue->mine == queue->other)
			return sleep_for_news(queue);
	}
	memcpy(message, ring->places + (queue->mine & (queue->capacity - 1)) * len, len);
	shmq_store_release_u64(&ring->head, ++queue->mine);
	shmq_fence_seq_cst();
	waits = shmq_load_relaxed_u64(&ring->producer_waits);
	if (waits && queue->mine >= waits)
		return wake(&ring->producer_waits, ring->room);
	return 0;
}

#include "bodies.h"

static size_t
bytes(const struct bench_what *what)
{
	return sizeof(struct ring) + what->capacity * what->len;
}

/* A power of two, for the mask. */
static int
fits(const struct bench_what *what)
{
	return !(what->capacity & (what->capacity - 1));
}

/* A number that is not 0, to be inherited; a negated errno. */
static int
event(void)
{
	int fd = eventfd(0, 0);

	return fd < 0 ? -errno : fd;
}

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++) {
		struct ring *ring = (struct ring *)(void *)bench_queue_memory(side, i);

		ring->room = event();
		if (ring->room < 0)
			return ring->room;
		ring->news = event();
		if (ring->news < 0)
			return ring->news;
	}
	return 0;
}

static void
unmake(struct bench_side *side)
{
	for (unsigned i = 0; side->memory && i < side->queues; i++) {
		struct ring *ring = (struct ring *)(void *)bench_queue_memory(side, i);

		if (ring->room > 0)
			close(ring->room);
		if (ring->news > 0)
			close(ring->news);
	}
}

const struct bench_adapter bench_adapter_eventfd_ring = {
	.name = "eventfd_ring",
	.base = "rival",
	.note = "a ring of its own and two eventfds; sleeps at once; lost with a killed process",
	.can = BENCH_PAIR | BENCH_SLEEPS,
	.fits = fits,
	.bytes = bytes,
	.make = make,
	.unmake = unmake,
	.bodies = bodies,
};
