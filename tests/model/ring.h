/* SPDX-License-Identifier: MIT */
/*
 * A ring in plain memory, its two ends, and messages that tell their position. The message is one 64-bit word, read and written
 * without atomics, so that a missing edge is a data race.
 */
#ifndef RING_H
#define RING_H

#include "model.h"

#include <shmq/ring_spsc.h>

#ifndef CAPACITY
#define CAPACITY 2
#endif
#define MESSAGES 3
#define SLOT_WORDS 2
#define GARBAGE 7

static uint64_t ring_slots[CAPACITY * SLOT_WORDS];

static inline void
ring_reset(void)
{
	for (unsigned i = 0; i < CAPACITY * SLOT_WORDS; i++)
		ring_slots[i] = 0;
	model_head = 0;
}

/* As open_ring() of the library does, for a newcomer to either role. */
static inline void
ring_attach(struct shmq_spsc *ring)
{
	ring->slots = (unsigned char *)ring_slots;
	ring->mask = CAPACITY - 1;
	ring->slot_bytes = sizeof(uint64_t) * SLOT_WORDS;
	ring->capacity = CAPACITY;
	ring->msg_max = sizeof(uint64_t);
	ring->shared_head = &model_head;
	ring->head = shmq_load_acquire_u64(ring->shared_head);
	ring->tail = shmq_spsc_find_tail(ring, ring->head);
	ring->seen = ring->head;
}

static inline uint64_t *
ring_message(struct shmq_slot *slot)
{
	return (uint64_t *)(void *)shmq_spsc_bytes(slot);
}

static inline uint64_t
ring_message_at(uint64_t position)
{
	return position + 1000;
}

static inline struct shmq_slot *
ring_claim(struct shmq_spsc *ring)
{
	struct shmq_slot *slot = NULL;
	unsigned tries = 0;
	int err;

	do {
		err = shmq_spsc_claim(ring, &slot);
		assert(err == 0 || err == -EAGAIN);
	} while (model_again(err == -EAGAIN, ++tries));
	return slot;
}

static inline void
ring_send(struct shmq_spsc *ring)
{
	struct shmq_slot *slot = ring_claim(ring);

	*ring_message(slot) = ring_message_at(ring->tail);
	shmq_spsc_publish(ring, slot, ring->tail, sizeof(uint64_t));
}

static inline struct shmq_slot *
ring_look(const struct shmq_spsc *ring)
{
	struct shmq_slot *slot = NULL;
	unsigned tries = 0;
	int64_t len;

	do {
		len = shmq_spsc_look(ring, ring->head, &slot);
		assert(len == sizeof(uint64_t) || len == -EAGAIN);
	} while (model_again(len == -EAGAIN, ++tries));
	return slot;
}

static inline void
ring_receive(struct shmq_spsc *ring)
{
	struct shmq_slot *slot = ring_look(ring);

	assert(*ring_message(slot) == ring_message_at(ring->head));
	shmq_spsc_release(ring, ring->head + 1);
}

#endif
