/* SPDX-License-Identifier: MIT */
/*
 * The floor of a broadcast: what one writer and its readers must do at all. A ring of slots, each the message and before it its
 * number, and a line for each reader, in which he says how far he has read. Nobody sleeps, may join, leave or die, nothing
 * is looked at but those numbers.
 *
 * Lossless: the writer looks at the readers' lines when he has used up what they had read when he last looked.
 * Lossy: he looks at nobody; a slot's number is 0 while it is written, and a reader who copied while it changed has read nothing.
 */
#ifndef SHMQ_BENCH_BARE_RING_H
#define SHMQ_BENCH_BARE_RING_H

#include <string.h>

#include <shmq/atomic.h>

#include "loop.h"

struct bare_slot {
	uint64_t number;
	uint64_t words[];
};

struct bare_head {
	uint64_t position;
	uint64_t padding[15];
};

struct bare_ring {
	struct bare_head *heads; /* of all readers */
	unsigned char *slots;
	size_t stride;
	uint64_t mask;
	uint64_t position; /* next to write or read */
	uint64_t read_by_all;
	unsigned readers, me;
};

static inline size_t
bare_ring_stride(const struct bench_what *what)
{
	size_t bytes = sizeof(struct bare_slot) + what->len;

	return what->len < 1024 ? bytes : (bytes + 63) / 64 * 64;
}

/* Long messages begin with a line. */
static inline size_t
bare_ring_lead(const struct bench_what *what)
{
	return what->len < 1024 ? 0 : 64 - sizeof(struct bare_slot);
}

static inline size_t
bare_ring_bytes(const struct bench_what *what)
{
	return what->consumers * sizeof(struct bare_head) + bare_ring_lead(what) +
	       what->capacity * bare_ring_stride(what);
}

static inline struct bare_ring
bare_ring_open(const struct bench_side *side)
{
	const struct bench_what *what = &side->what;
	struct bare_ring ring = {
		.heads = (struct bare_head *)(void *)side->memory,
		.slots = side->memory + what->consumers * sizeof(struct bare_head) +
			 bare_ring_lead(what),
		.stride = bare_ring_stride(what),
		.mask = what->capacity - 1,
		.readers = what->consumers,
		.me = side->me ? side->me - 1 : 0,
	};

	return ring;
}

LOOP_INLINE struct bare_slot *
bare_slot_at(const struct bare_ring *ring)
{
	return (struct bare_slot *)(void *)(ring->slots +
					    (ring->position & ring->mask) * ring->stride);
}

/* How far the slowest reader has read. */
LOOP_INLINE uint64_t
bare_slowest(const struct bare_ring *ring)
{
	uint64_t slowest = ring->position;

	for (unsigned i = 0; i < ring->readers; i++) {
		/* READ: he has copied what he says he has. */
		uint64_t position = shmq_load_acquire_u64(&ring->heads[i].position);

		if (position < slowest)
			slowest = position;
	}
	return slowest;
}

/* Messages have this length: where it is a constant the place of a slot is a shift away. */
LOOP_INLINE int
bare_send(struct bare_ring *ring, const uint64_t *message, size_t len)
{
	struct bare_slot *slot;

	ring->stride = sizeof(*slot) + len;
	if (__builtin_expect(ring->position - ring->read_by_all > ring->mask, 0)) {
		ring->read_by_all = bare_slowest(ring);
		if (ring->position - ring->read_by_all > ring->mask)
			return -EAGAIN;
	}
	slot = bare_slot_at(ring);
	memcpy(slot->words, message, len);
	/* WRITTEN: who sees the number sees the message. */
	shmq_store_release_u64(&slot->number, ++ring->position);
	return 0;
}

LOOP_INLINE int
bare_recv(struct bare_ring *ring, uint64_t *message, size_t len)
{
	struct bare_slot *slot;

	ring->stride = sizeof(*slot) + len;
	slot = bare_slot_at(ring);
	/* WRITTEN: the message is there. */
	if (shmq_load_acquire_u64(&slot->number) != ring->position + 1)
		return -EAGAIN;
	memcpy(message, slot->words, len);
	/* READ: the writer may write over it. */
	shmq_store_release_u64(&ring->heads[ring->me].position, ++ring->position);
	return 0;
}

LOOP_INLINE int
bare_send_lossy(struct bare_ring *ring, const uint64_t *message, size_t len)
{
	struct bare_slot *slot;

	ring->stride = sizeof(*slot) + len;
	slot = bare_slot_at(ring);
	/* Ours: no one else writes it. */
	shmq_store_relaxed_u64(&slot->number, 0);
	/* TORN: who copied a word of the new message sees that the number has changed. */
	shmq_fence_release();
	memcpy(slot->words, message, len);
	/* WRITTEN: who sees the number sees the message. */
	shmq_store_release_u64(&slot->number, ++ring->position);
	return 0;
}

LOOP_INLINE int
bare_recv_lossy(struct bare_ring *ring, uint64_t *message, size_t len)
{
	struct bare_slot *slot;
	uint64_t number;

	ring->stride = sizeof(*slot) + len;
	slot = bare_slot_at(ring);
	/* WRITTEN: the message is there. */
	number = shmq_load_acquire_u64(&slot->number);
	if (number <= ring->position)
		return -EAGAIN;
	memcpy(message, slot->words, len);
	/* TORN: if any word was of a newer message, the number is not the one it was. */
	shmq_fence_acquire();
	if (shmq_load_relaxed_u64(&slot->number) != number)
		return -EAGAIN;
	ring->position = number; /* what lies between is lost */
	return 0;
}

#endif
