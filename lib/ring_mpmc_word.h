/* SPDX-License-Identifier: MIT */
/*
 * The MPMC ring's view, words and hints. What they mean, and every invariant: ring_mpmc.h.
 */
#ifndef SHMQ_RING_MPMC_WORD_H
#define SHMQ_RING_MPMC_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmq/atomic.h>

#include "format.h"

enum mpmc_state {
	MPMC_FREE,
	MPMC_SKIPPED,
	MPMC_CLAIMED,
	MPMC_FULL,
	MPMC_TAKEN,
	MPMC_ORPHAN,
};

#define MPMC_TURN_SHIFT FORMAT_TURN_SHIFT
#define MPMC_STATE_SHIFT 12
#define MPMC_OWNER_MASK UINT64_C(0xfff)

/** Hints are helped once in so many positions: a CAS of a line that all fight over. */
#define MPMC_HELP UINT64_C(16)

struct shmqi_mpmc_slot {
	uint64_t word;
	uint64_t meta; /* the bytes follow */
};

/** One handle's private view of a ring. */
struct shmqi_mpmc {
	unsigned char *slots;
	uint64_t capacity;
	uint64_t slot_bytes;
	uint64_t msg_max;
	uint64_t *shared_tail;
	uint64_t *shared_head;
	uint64_t *orphan_events;
	uint64_t *voided; /* counts positions passed over; may be NULL */
	unsigned owner;	  /* participant index + 1 */
	bool redeliver;
	unsigned max_deliveries;
	/* set by shmqi_mpmc_open() */
	uint64_t mask; /* capacity - 1 where that is a mask, else UINT64_MAX */
	uint64_t tail; /* guesses (M4) */
	uint64_t head;
	uint64_t orphans_seen; /* all orphans of these events were looked for */
	uint64_t orphans_due;  /* those that are looked for now, */
	uint64_t orphans_left; /* and in how many slots still */
	uint64_t passed;       /* held slots that we have passed over */
	uint64_t probe;	       /* where shmqi_mpmc_blocker() goes on */
};

/** A message in the hands of its producer or consumer. */
struct shmqi_mpmc_place {
	struct shmqi_mpmc_slot *slot;
	uint64_t position;
	uint64_t turn; /* the slot's, when it was claimed or taken */
	size_t length;
	unsigned sender;
	unsigned deliveries; /* before this one */
	bool orphan;	     /* it was found as one */
};

/* Words ------------------------------------------------------------------------------------- */

SHMQ_INLINE uint64_t
mpmc_word(uint64_t turn, enum mpmc_state state, unsigned owner)
{
	return turn << MPMC_TURN_SHIFT | (uint64_t)state << MPMC_STATE_SHIFT | owner;
}

SHMQ_INLINE unsigned
mpmc_state(uint64_t word)
{
	return (unsigned)(word >> MPMC_STATE_SHIFT) & 15;
}

SHMQ_INLINE unsigned
mpmc_owner(uint64_t word)
{
	return (unsigned)(word & MPMC_OWNER_MASK);
}

/** How far the word's turn is ahead of a position; all bits of the turn are `position` + this. */
SHMQ_INLINE int64_t
mpmc_ahead(uint64_t word, uint64_t position)
{
	uint64_t low = (word >> MPMC_TURN_SHIFT) - position;

	return (int64_t)(low << MPMC_TURN_SHIFT) >> MPMC_TURN_SHIFT;
}

/** Whether the word lets position `position` be claimed. */
SHMQ_INLINE bool
mpmc_claimable(uint64_t word, uint64_t position)
{
	/* FREE or SKIPPED: the lowest bit of the state does not matter. */
	return word >> (MPMC_STATE_SHIFT + 1) ==
	       mpmc_word(position, MPMC_FREE, 0) >> (MPMC_STATE_SHIFT + 1);
}

/** Whether somebody holds a message here, or an orphan waits; the turn is still to be claimed. */
SHMQ_INLINE bool
mpmc_held(uint64_t word)
{
	return mpmc_state(word) == MPMC_TAKEN || mpmc_state(word) == MPMC_ORPHAN;
}

SHMQ_INLINE uint64_t
mpmc_meta(size_t length, unsigned sender, unsigned deliveries)
{
	return (uint64_t)deliveries << 48 | (uint64_t)(sender & 0xffff) << 32 | (uint32_t)length;
}

SHMQ_INLINE struct shmqi_mpmc_slot *
mpmc_slot(const struct shmqi_mpmc *ring, uint64_t position)
{
	/* A ring has slots. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
	uint64_t index = ring->mask == UINT64_MAX ? position % ring->capacity
						  : position & ring->mask;

	return (struct shmqi_mpmc_slot *)(void *)(ring->slots + index * ring->slot_bytes);
}

SHMQ_INLINE unsigned char *
shmqi_mpmc_bytes(struct shmqi_mpmc_slot *slot)
{
	return (unsigned char *)(slot + 1);
}

/** Write what a new ring begins with: each slot is free for its first turn. By the creator. */
static inline void
shmqi_mpmc_format(const struct shmqi_mpmc *ring)
{
	for (uint64_t i = 0; i < ring->capacity; i++) {
		void *slot = ring->slots + i * ring->slot_bytes;

		/* Relaxed: nobody else is there yet. */
		shmq_store_relaxed_u64((uint64_t *)slot, mpmc_word(i, MPMC_FREE, 0));
	}
}

SHMQ_INLINE uint64_t
mpmc_load(const struct shmqi_mpmc_slot *slot)
{
	/* RECYCLE, acquire: a slot that is free was read for the last time. */
	/* PUBLISH, acquire: a message that is there is there whole. */
	/* PASSED, acquire: what the word's writer knew of the positions before. */
	return shmq_load_acquire_u64(&slot->word);
}

/** The word's turn, near to a position that we know: all 64 bits of it. */
SHMQ_INLINE uint64_t
mpmc_turn(const struct shmqi_mpmc *ring, uint64_t word)
{
	return ring->head + (uint64_t)mpmc_ahead(word, ring->head);
}

/** Whether the word is still what it was before we looked at the rest of the slot. */
static inline bool
mpmc_unchanged(const struct shmqi_mpmc_slot *slot, uint64_t word)
{
	/* TAP, fence: what we read of the slot was written before any later word. */
	shmq_fence_acquire();
	/* Relaxed: the fence orders it. */
	return shmq_load_relaxed_u64(&slot->word) == word;
}

/* Hints ------------------------------------------------------------------------------------- */

SHMQ_INLINE uint64_t
mpmc_later(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0 ? a : b;
}

/** The later one of a guess and its hint. */
SHMQ_INLINE uint64_t
mpmc_guess(uint64_t guess, const uint64_t *hint)
{
	/* PASSED, acquire: all slots before the hint show at least that they are passed. */
	return mpmc_later(guess, shmq_load_acquire_u64(hint));
}

/** Help a hint forward to `position`. Who loses the race leaves it to the winner. */
static inline void
mpmc_help(uint64_t *hint, uint64_t position)
{
	/* Relaxed: only compared. */
	uint64_t seen = shmq_load_relaxed_u64(hint);

	if ((int64_t)(position - seen) > 0)
		/* PASSED, release: all that we know of the slots before. */
		shmq_cas_release_u64(hint, &seen, position);
}

/** Our guess is `position` now. */
SHMQ_INLINE void
mpmc_advance(uint64_t *guess, uint64_t *hint, uint64_t position)
{
	*guess = position;
	if (__builtin_expect(position % MPMC_HELP == 0, 0))
		mpmc_help(hint, position);
}

/** Set the private part of a view whose shared part is filled in. */
static inline void
shmqi_mpmc_open(struct shmqi_mpmc *ring)
{
	bool power = (ring->capacity & (ring->capacity - 1)) == 0;

	ring->mask = power ? ring->capacity - 1 : UINT64_MAX;
	/* PASSED, acquire: as in mpmc_guess(). */
	ring->tail = shmq_load_acquire_u64(ring->shared_tail);
	/* PASSED, acquire: the same. */
	ring->head = shmq_load_acquire_u64(ring->shared_head);
	/* Look for orphans once, whatever the count is: relaxed, it is read again then. */
	ring->orphans_seen = shmq_load_relaxed_u64(ring->orphan_events) - 1;
	ring->orphans_due = ring->orphans_seen;
	ring->orphans_left = 0;
	ring->probe = 0;
}

#endif
