/* SPDX-License-Identifier: MIT */
/*
 * libqb's ring buffer (what corosync's and pacemaker's messages go through): records in a ring
 * mapped twice, for one writer and one reader, polled: without its semaphore.
 */
#include <errno.h>
#include <stdio.h>

#include <qb/qbrb.h>

#include "bench.h"

#define FLAGS (QB_RB_FLAG_SHARED_PROCESS | QB_RB_FLAG_NO_SEMAPHORE)

/* Words of its own before each record. */
#define OVERHEAD 16u

/* In the parent, which takes them away. */
static qb_ringbuffer_t *made[2];

struct queue {
	qb_ringbuffer_t *ring;
};

static size_t
ring_bytes(const struct bench_what *what)
{
	return what->capacity * (what->len + OVERHEAD);
}

static qb_ringbuffer_t *
open_ring(const struct bench_side *side, unsigned i, uint32_t flags)
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%u", side->name, i);
	return qb_rb_open(name, ring_bytes(&side->what), FLAGS | flags, 0);
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	queue->ring = open_ring(side, i, 0);
	return queue->ring ? 0 : -errno;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	ssize_t n = qb_rb_chunk_write(queue->ring, message, len);

	return n < 0 ? (int)n : 0;
}

/* With nothing there it says -ETIMEDOUT, or, when it has not been written to yet, -EBADMSG. */
static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	ssize_t n = qb_rb_chunk_read(queue->ring, message, len, 0);

	if (n == -ETIMEDOUT || n == -EBADMSG || n == 0)
		return -EAGAIN;
	return n < 0 ? (int)n : 0;
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++) {
		made[i] = open_ring(side, i, QB_RB_FLAG_CREATE);
		if (!made[i])
			return -errno;
	}
	return 0;
}

/* Who made it takes its files away, too. */
static void
unmake(struct bench_side *side)
{
	(void)side;
	for (unsigned i = 0; i < 2; i++) {
		if (made[i])
			qb_rb_close(made[i]);
		made[i] = NULL;
	}
}

const struct bench_adapter bench_adapter_qb = {
	.name = "qb",
	.base = "rival",
	.note = "libqb's ring buffer without a semaphore, polled",
	.can = BENCH_PAIR,
	.make = make,
	.unmake = unmake,
	.bodies = bodies,
};
