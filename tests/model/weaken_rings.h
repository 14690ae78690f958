/* SPDX-License-Identifier: MIT */
/*
 * The same as weaken.h for the edges of the rings in lib/, and writers that die between any two stores. Comes after model.h and before the ring
 * under test.
 *
 * Which edge a word belongs to is told by its address: the models put heads, tails and intent into the variables below, and all other words are
 * headers, or words of slots.
 */
#ifndef WEAKEN_RINGS_H
#define WEAKEN_RINGS_H

#include "model.h"

static uint64_t model_tail, model_sent, model_received, model_intent, model_oldest;

/*
 * The process that dies: after `model_kill` - 1 stores nothing that it stores comes to be. Only one thread at a time is a writer; what consumers
 * store is told by its address.
 */
static bool model_doomed;
static unsigned model_stores;

static inline bool
model_of_consumer(const uint64_t *p)
{
	return p == &model_head || p == &model_received;
}

#ifndef MODEL_CONSUMER_DIES
#define MODEL_CONSUMER_DIES false
#endif

/* Whether this store is one of a dead process. */
static inline bool
model_dead_store(const uint64_t *p)
{
	if (model_of_consumer(p) != MODEL_CONSUMER_DIES || !model_doomed)
		return false;
	return model_kill != 0 && ++model_stores >= model_kill;
}

static inline bool
weak_start(const uint64_t *p)
{
	return p == &model_tail || p == &model_oldest;
}

static inline void
ring_store_release_u64(uint64_t *p, uint64_t value)
{
	bool weak = weak_start(p)      ? WEAKEN == START_RELEASE || WEAKEN == NEWEST_RELEASE
		    : p == &model_head ? WEAKEN == SPACE_RELEASE
				       : WEAKEN == RECORD_RELEASE || WEAKEN == VALUE_RELEASE;

	if (model_dead_store(p))
		return;
	if (weak)
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
}

static inline uint64_t
ring_load_acquire_u64(const uint64_t *p)
{
	bool weak = weak_start(p)      ? WEAKEN == START_ACQUIRE || WEAKEN == NEWEST_ACQUIRE
		    : p == &model_head ? WEAKEN == SPACE_ACQUIRE
				       : WEAKEN == RECORD_ACQUIRE || WEAKEN == VALUE_ACQUIRE;

	return weak ? shmq_load_relaxed_u64(p) : shmq_load_acquire_u64(p);
}

static inline void
ring_store_relaxed_u64(uint64_t *p, uint64_t value)
{
	/* An odd word of a slot, or the intent. */
	if (WEAKEN == NO_MARK && (p == &model_intent || (value & 1)))
		return;
	/* A header that is not there yet, of which the flag and the length are 0. */
	if (WEAKEN == NO_RESET && !model_of_consumer(p) && p != &model_sent && (uint32_t)value == 0)
		return;
	if (!model_dead_store(p))
		shmq_store_relaxed_u64(p, value);
}

static inline void
ring_fence_release(void)
{
	if (WEAKEN != OVERWRITE_WRITER)
		shmq_fence_release();
}

static inline void
ring_fence_acquire(void)
{
	if (WEAKEN != OVERWRITE_READER)
		shmq_fence_acquire();
}

#undef shmq_store_release_u64
#undef shmq_load_acquire_u64
#define shmq_store_release_u64 ring_store_release_u64
#define shmq_load_acquire_u64 ring_load_acquire_u64
#define shmq_store_relaxed_u64 ring_store_relaxed_u64
#define shmq_fence_release ring_fence_release
#define shmq_fence_acquire ring_fence_acquire

#endif
