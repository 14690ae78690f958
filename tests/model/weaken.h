/* SPDX-License-Identifier: MIT */
/*
 * Each edge's sides, weaker than they are: compiled with -DWEAKEN=SIDE a model must fail, or it proves nothing about that side.
 *
 * Comes before the code under test, and puts itself between that and <shmq/atomic.h>. A weak read-modify-write is a load and a store here: the
 * models in which one is weakened on purpose have no second writer of that word at that time.
 */
#ifndef WEAKEN_H
#define WEAKEN_H

#include <shmq/atomic.h>

enum weaken {
	NOTHING,
	PUBLISH_RELEASE,
	PUBLISH_ACQUIRE,
	RECYCLE_RELEASE,
	RECYCLE_ACQUIRE,
	SLEEP_PUBLISHER,
	SLEEP_SLEEPER,
	WAKE_RELEASE,
	WAKE_ACQUIRE,
	ROLE_RELEASE,
	ROLE_ACQUIRE,
	ROLE_ATOMIC,
};

#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

/* The word that tells RECYCLE from PUBLISH: the ring's head. */
static uint64_t model_head;

static inline bool
weak_release(const uint64_t *p)
{
	return WEAKEN == (p == &model_head ? RECYCLE_RELEASE : PUBLISH_RELEASE);
}

static inline bool
weak_acquire(const uint64_t *p)
{
	return WEAKEN == (p == &model_head ? RECYCLE_ACQUIRE : PUBLISH_ACQUIRE) ||
	       WEAKEN == ROLE_ACQUIRE;
}

static inline void
weak_store_release_u64(uint64_t *p, uint64_t value)
{
	if (weak_release(p))
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
}

static inline uint64_t
weak_load_acquire_u64(const uint64_t *p)
{
	return weak_acquire(p) ? shmq_load_relaxed_u64(p) : shmq_load_acquire_u64(p);
}

static inline uint32_t
weak_load_acquire_u32(const uint32_t *p)
{
	return WEAKEN == WAKE_ACQUIRE ? shmq_load_relaxed_u32(p) : shmq_load_acquire_u32(p);
}

static inline uint32_t
weak_add_release_u32(uint32_t *p, uint32_t more)
{
	uint32_t before;

	if (WEAKEN != WAKE_RELEASE)
		return shmq_add_release_u32(p, more);
	before = shmq_load_relaxed_u32(p);
	shmq_store_relaxed_u32(p, before + more);
	return before;
}

static inline bool
weak_cas_acq_rel_u64(uint64_t *p, uint64_t *seen, uint64_t value)
{
	uint64_t found;

	if (WEAKEN != ROLE_RELEASE && WEAKEN != ROLE_ACQUIRE && WEAKEN != ROLE_ATOMIC)
		return shmq_cas_acq_rel_u64(p, seen, value);
	found = WEAKEN == ROLE_ACQUIRE ? shmq_load_relaxed_u64(p) : shmq_load_acquire_u64(p);
	if (found != *seen)
		return false;
	if (WEAKEN == ROLE_RELEASE)
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
	return true;
}

/* The sleeper's own fence. */
static inline void
weak_fence_seq_cst(void)
{
	if (WEAKEN != SLEEP_SLEEPER)
		shmq_fence_seq_cst();
}

/*
 * The publisher's. Its compiler barrier together with the sleeper's membarrier() is a pair of full fences: that is what membarrier(2)
 * promises, and all that is assumed of it here.
 */
static inline void
weak_fence_compiler(void)
{
	if (WEAKEN != SLEEP_PUBLISHER)
		shmq_fence_seq_cst();
}

/* A checker knows no instruction for this. */
static inline void
weak_pause(void)
{
}

#define shmq_store_release_u64 weak_store_release_u64
#define shmq_load_acquire_u64 weak_load_acquire_u64
#define shmq_load_acquire_u32 weak_load_acquire_u32
#define shmq_add_release_u32 weak_add_release_u32
#define shmq_cas_acq_rel_u64 weak_cas_acq_rel_u64
#define shmq_fence_seq_cst weak_fence_seq_cst
#define shmq_fence_compiler weak_fence_compiler
#define shmq_pause weak_pause

#endif
