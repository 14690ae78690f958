/* SPDX-License-Identifier: MIT */
/*
 * An MPMC ring in plain memory, its edges weaker where that is asked for, and messages that tell who sent them.
 *
 * A slot has one word of message. Taken messages (MODEL_TAKES, peek and release) are read and written without atomics, so that a missing edge is
 * a data race; those that are copied before they are consumed are relaxed words, as in lib/racy.h: a wrong value then.
 */
#ifndef MPMC_H
#define MPMC_H

#include "model.h"

/* The words that tell the edges apart: hints, the count of orphans, and all others are words of slots, or messages. */
static uint64_t model_tail, model_hint_head, model_events;

#ifndef MODEL_TAKES
#define MODEL_TAKES 0
#endif

/* The edge of a word, as the side of it that is weak here. The checker knows no choice of a value by two conditions, hence the bits. */
static inline bool
mpmc_weak(const uint64_t *p, enum weaken hint, enum weaken event, enum weaken word)
{
	unsigned hints = (p == &model_tail) | (p == &model_hint_head);
	unsigned events = p == &model_events;

	if (WEAKEN == hint)
		return hints;
	if (WEAKEN == event)
		return events;
	if (WEAKEN == word)
		return !(hints | events);
	return false;
}

static inline void
mpmc_store_release(uint64_t *p, uint64_t value)
{
	if (WEAKEN == PUBLISH_RELEASE)
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
}

static inline uint64_t
mpmc_load_acquire(const uint64_t *p)
{
	if (mpmc_weak(p, NO_MARK, NO_MARK, PUBLISH_ACQUIRE))
		return shmq_load_relaxed_u64(p);
	if (mpmc_weak(p, PASSED_ACQUIRE, ORPHANS_ACQUIRE, RECYCLE_ACQUIRE))
		return shmq_load_relaxed_u64(p);
	return shmq_load_acquire_u64(p);
}

static inline bool
mpmc_cas_release(uint64_t *p, uint64_t *seen, uint64_t value)
{
	if (mpmc_weak(p, NO_MARK, NO_MARK, RELEASE_ATOMIC)) {
		shmq_store_release_u64(p, value);
		return true;
	}
	if (mpmc_weak(p, PASSED_RELEASE, NO_MARK, RECYCLE_RELEASE))
		return shmq_cas_relaxed_u64(p, seen, value);
	return shmq_cas_release_u64(p, seen, value);
}

/* Claims. */
static inline bool
mpmc_cas_relaxed(uint64_t *p, uint64_t *seen, uint64_t value)
{
	if (WEAKEN != CLAIM_ATOMIC)
		return shmq_cas_relaxed_u64(p, seen, value);
	if (shmq_load_relaxed_u64(p) != *seen)
		return false;
	shmq_store_relaxed_u64(p, value);
	return true;
}

static inline uint64_t
mpmc_add_release(uint64_t *p, uint64_t more)
{
	uint64_t before;

	if (WEAKEN != ORPHANS_RELEASE)
		return shmq_add_release_u64(p, more);
	before = shmq_load_relaxed_u64(p); /* one thread adds in the models that weaken this */
	shmq_store_relaxed_u64(p, before + more);
	return before;
}

static inline void
mpmc_fence_release(void)
{
	if (WEAKEN != TAP_WRITER)
		shmq_fence_release();
}

static inline void
mpmc_fence_acquire(void)
{
	if (WEAKEN != TAP_READER)
		shmq_fence_acquire();
}

static inline void
mpmc_copy(void *to, const void *from, size_t n)
{
	assert(n == sizeof(uint64_t));
	shmq_store_relaxed_u64((uint64_t *)to, shmq_load_relaxed_u64((const uint64_t *)from));
}

#include "racy.h"

#undef shmq_store_release_u64
#undef shmq_load_acquire_u64
#define shmq_store_release_u64 mpmc_store_release
#define shmq_load_acquire_u64 mpmc_load_acquire
#define shmq_cas_release_u64 mpmc_cas_release
#define shmq_cas_relaxed_u64 mpmc_cas_relaxed
#define shmq_add_release_u64 mpmc_add_release
#define shmq_fence_release mpmc_fence_release
#define shmq_fence_acquire mpmc_fence_acquire
#define shmqi_copy_out mpmc_copy

#include "ring_mpmc_look.h"

#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef START
#define START 2 /* the hints are helped at multiples of 16 */
#endif
/* Of mpmc_transfer: how many of each, and how often each consumer looks. */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef RECEIVES
#define RECEIVES 1
#endif
#define SLOT_WORDS 3
#define PEERS 5

static uint64_t mpmc_slots[CAPACITY * SLOT_WORDS];
static bool mpmc_redeliver;

/* What each peer has privately. Not on its stack: the checker's stacks grow into each other when functions are inlined. */
static struct shmqi_mpmc mpmc_ring[PEERS];
static struct shmqi_mpmc_place mpmc_place[PEERS];
static uint64_t mpmc_value[PEERS], mpmc_position[PEERS];

/* What the kernel would say of a participant's lock. */
static uint32_t mpmc_dead[PEERS];

static inline void
mpmc_attach(unsigned index)
{
	struct shmqi_mpmc *ring = &mpmc_ring[index];

	ring->slots = (unsigned char *)mpmc_slots;
	ring->capacity = CAPACITY;
	ring->slot_bytes = sizeof(uint64_t) * SLOT_WORDS;
	ring->msg_max = sizeof(uint64_t);
	ring->shared_tail = &model_tail;
	ring->shared_head = &model_hint_head;
	ring->orphan_events = &model_events;
	ring->owner = index + 1;
	ring->redeliver = mpmc_redeliver;
	ring->max_deliveries = 3;
	shmqi_mpmc_open(ring);
}

static inline void
mpmc_reset(void)
{
	for (unsigned i = 0; i < CAPACITY; i++) {
		uint64_t *slot = &mpmc_slots[(START + i) % CAPACITY * SLOT_WORDS];

		slot[0] = mpmc_word(START + i, MPMC_FREE, 0);
		slot[1] = 0;
		slot[2] = 0;
	}
	for (unsigned i = 0; i < PEERS; i++)
		mpmc_dead[i] = 0;
	model_tail = START;
	model_hint_head = START;
	model_events = 0;
}

static inline uint64_t *
mpmc_message(const struct shmqi_mpmc_place *place)
{
	return (uint64_t *)(void *)shmqi_mpmc_bytes(place->slot);
}

static inline void
mpmc_die(unsigned index)
{
	/* As the kernel's release of the lock. */
	shmq_store_release_u32(&mpmc_dead[index], 1);
}

static inline void
mpmc_write(const struct shmqi_mpmc_place *place, uint64_t value)
{
	if (MODEL_TAKES)
		*mpmc_message(place) = value;
	else
		shmq_store_relaxed_u64(mpmc_message(place), value);
}

/* Send once; whether it was sent. The producer dies after its claim, if it is to. */
static inline bool
mpmc_send(unsigned index, uint64_t value, bool dies)
{
	struct shmqi_mpmc_place *place = &mpmc_place[index];
	int err = shmqi_mpmc_claim(&mpmc_ring[index], place);

	assert(err == 0 || err == -EAGAIN);
	if (err)
		return false;
	if (dies) {
		mpmc_die(index);
		return false;
	}
	mpmc_write(place, value);
	shmqi_mpmc_commit(&mpmc_ring[index], place, sizeof(value));
	return true;
}

/* Take once, and keep it: whether there was something. */
static inline bool
mpmc_take(unsigned index)
{
	int64_t len = shmqi_mpmc_take(&mpmc_ring[index], &mpmc_place[index]);

	assert(len == sizeof(uint64_t) || len == -EAGAIN);
	return len > 0;
}

static inline uint64_t
mpmc_release_taken(unsigned index)
{
	uint64_t value = *mpmc_message(&mpmc_place[index]);

	shmqi_mpmc_release(&mpmc_ring[index], &mpmc_place[index]);
	return value;
}

/* Receive once: the message, 0: none. The consumer dies after its take, if it is to. */
static inline uint64_t
mpmc_receive_once(unsigned index, bool dies)
{
	int64_t len;

	if (!MODEL_TAKES) {
		len = shmqi_mpmc_recv(&mpmc_ring[index], &mpmc_value[index], sizeof(uint64_t),
				      &mpmc_place[index]);
		assert(len == sizeof(uint64_t) || len == -EAGAIN);
		if (len < 0)
			return 0;
		return mpmc_value[index];
	}
	if (!mpmc_take(index))
		return 0;
	if (!dies)
		return mpmc_release_taken(index);
	mpmc_die(index);
	return 0;
}

/* As the queue does for who is blocked: ask whether the owner is dead, and recover its word. */
static inline void
mpmc_unblock(unsigned index, bool sender)
{
	unsigned owner = shmqi_mpmc_blocker(&mpmc_ring[index], sender, &mpmc_position[index]);

	if (owner < PEERS && shmq_load_acquire_u32(&mpmc_dead[owner]))
		(void)shmqi_mpmc_recover(&mpmc_ring[index], mpmc_position[index], owner);
}

#endif
