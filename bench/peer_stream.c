/* SPDX-License-Identifier: MIT */
/*
 * The floor of throughput: copying from one core to the other. A ring of places, each a number and
 * the message right behind it, so that a short message and its number are one line. The sender
 * copies in and stores the number, the receiver looks for that number and copies out. So that
 * nothing is overwritten before it was read, the receiver says every eighth of the ring how far it
 * is, in a line of its own, and the sender looks there when it has used up what it knows of. No
 * queue does with less.
 *
 * A receiver on the sender's heels takes each line away from it as soon as it is written; one that
 * is further behind lets both cores stream. So how long to wait when there is nothing matters more
 * than anything else, and it is the variant: the number of PAUSEs. The best one counts.
 */
#include <errno.h>
#include <string.h>

#include <shmq/atomic.h>

#include "bench.h"

#define LINE 64

struct place {
	uint64_t number;
	uint64_t words[];
};

struct ring {
	uint64_t taken;
	unsigned char pad[2 * LINE - 8];
	unsigned char places[];
};

struct queue {
	struct ring *ring;
	unsigned char *places, *at, *end; /* the first, the next, and the end of them */
	size_t stride;
	uint64_t number; /* of the last message */
	uint64_t told;	 /* sender: how far it may go; receiver: when to say next how far it is */
	uint64_t capacity, step;
	int pauses;
};

/* Long messages begin with a line: a copy across lines takes half as long again. */
static size_t
lead_of(size_t len)
{
	return len < 1024 ? 0 : LINE - sizeof(struct place);
}

static size_t
stride_of(size_t len)
{
	size_t whole = sizeof(struct place) + len;

	return whole < LINE ? whole : (whole + LINE - 1) / LINE * LINE;
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	struct ring *ring = (struct ring *)(void *)bench_queue_memory(side, i);
	size_t stride = stride_of(side->what.len), capacity = side->what.capacity;
	unsigned char *places = ring->places + lead_of(side->what.len);
	size_t step = capacity < 8 ? 1 : capacity / 8;

	*queue = (struct queue){ring,
				places,
				places,
				places + capacity * stride,
				stride,
				0,
				end == BENCH_SENDS ? capacity : step,
				capacity,
				step,
				side->what.variant};
	return 0;
}

static inline void
queue_next(struct queue *queue)
{
	queue->number++;
	queue->at += queue->stride;
	if (__builtin_expect(queue->at == queue->end, 0))
		queue->at = queue->places;
}

static inline void
queue_wait(const struct queue *queue)
{
	for (int i = 0; i < queue->pauses; i++)
		shmq_pause();
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct place *place = (struct place *)(void *)queue->at;

	if (__builtin_expect(queue->number == queue->told, 0)) {
		/* TAKEN, acquire: the receiver has read what was in these places. */
		queue->told = shmq_load_acquire_u64(&queue->ring->taken) + queue->capacity;
		if (queue->number == queue->told) {
			queue_wait(queue);
			return -EAGAIN;
		}
	}
	memcpy(place->words, message, len);
	/* SENT, release: the message is there. */
	shmq_store_release_u64(&place->number, queue->number + 1);
	queue_next(queue);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct place *place = (struct place *)(void *)queue->at;

	/* SENT, acquire: so is the message. */
	if (shmq_load_acquire_u64(&place->number) != queue->number + 1) {
		queue_wait(queue);
		return -EAGAIN;
	}
	memcpy(message, place->words, len);
	queue_next(queue);
	if (__builtin_expect(queue->number == queue->told, 0)) {
		queue->told += queue->step;
		/* TAKEN, release: we have read all up to here. */
		shmq_store_release_u64(&queue->ring->taken, queue->number);
	}
	return 0;
}

#include "bodies.h"

static size_t
bytes(const struct bench_what *what)
{
	return sizeof(struct ring) + LINE + what->capacity * stride_of(what->len);
}

const struct bench_adapter bench_adapter_stream = {
	.name = "stream",
	.base = "floor",
	.note = "copy in, store a number, see it, copy out: what the two cores can do, not a queue",
	.can = 0,
	.bytes = bytes,
	.bodies = bodies,
};
