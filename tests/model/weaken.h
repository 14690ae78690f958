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
	TICKET_RELEASE,
	TICKET_ACQUIRE,
	WAKE_RELEASE,
	WAKE_ACQUIRE,
	/* weaken_rings.h */
	RECORD_RELEASE,
	RECORD_ACQUIRE,
	SPACE_RELEASE,
	SPACE_ACQUIRE,
	START_RELEASE,
	START_ACQUIRE,
	VALUE_RELEASE,
	VALUE_ACQUIRE,
	NEWEST_RELEASE,
	NEWEST_ACQUIRE,
	OVERWRITE_WRITER,
	OVERWRITE_READER,
	NO_MARK,  /* a writer that does not say what it is about to write */
	NO_RESET, /* one that leaves the header after its record as it was */
	/* mpmc.h */
	PASSED_RELEASE,
	PASSED_ACQUIRE,
	ORPHANS_RELEASE,
	ORPHANS_ACQUIRE,
	TAP_WRITER,
	TAP_READER,
	CLAIM_ATOMIC,	/* two producers may claim one position */
	RELEASE_ATOMIC, /* a holder that does not see that its turn was raised */
	/* broadcast.h; RECYCLE and PUBLISH as above */
	JOIN_WRITER,	/* fences */
	JOIN_SUCCESSOR, /* of a writer that comes after a dead one */
	JOIN_READER,
	STATE_RELEASE, /* IN, and the head that belongs to it */
	STATE_ACQUIRE,
	FLOOR_RELEASE,
	FLOOR_ACQUIRE,
	EJECT_WRITER, /* fences */
	EJECT_READER,
	EJECT_ATOMIC,	/* a writer that ejects a reader that is no longer what it was */
	NO_SECOND_WALK, /* a writer that believes what it saw before it showed its floor */
	NO_WALK,	/* a successor that believes the floor it finds */
	/* mpsc.h */
	DOOR_RELEASE,
	DOOR_ACQUIRE,
	NO_PATROL,
	NO_FULL_LOOK, /* a consumer that looks where bells are rung only, before it sleeps */
	ROLE_RELEASE,
	ROLE_ACQUIRE,
	ROLE_ATOMIC,
	/* carries_complete.c, carries_removed.c */
	COMPLETE_RELEASE,
	COMPLETE_ACQUIRE,
	REMOVED_RELEASE,
	REMOVED_ACQUIRE,
	COUNT_THEN_TICKET, /* W1: TICKET's release and WAKE's acquire, either of which is enough */
	WOKEN_BEFORE,	   /* W3: a waker that says whom it has woken before it has */
	WOKEN_MORE,	   /* W3: one that says it of tickets drawn after its look */
};

#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

/* The word that tells RECYCLE from PUBLISH: the ring's head. */
static uint64_t model_head;
/* The one that tells TICKET from WAKE; NULL where nobody sleeps. */
static const uint32_t *model_ticket;

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
	bool weak = p == model_ticket ? WEAKEN == TICKET_ACQUIRE
				      : WEAKEN == WAKE_ACQUIRE || WEAKEN == COUNT_THEN_TICKET;

	return weak ? shmq_load_relaxed_u32(p) : shmq_load_acquire_u32(p);
}

static inline uint32_t
weak_add_release_u32(uint32_t *p, uint32_t more)
{
	bool weak = p == model_ticket ? WEAKEN == TICKET_RELEASE || WEAKEN == COUNT_THEN_TICKET
				      : WEAKEN == WAKE_RELEASE;

	uint32_t before;

	if (!weak)
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
