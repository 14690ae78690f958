/* SPDX-License-Identifier: MIT */
/*
 * The MPMC ring (ring_mpmc.h) when somebody is dead, and for who only looks.
 *
 * A recoverer has proof that participant `dead` is dead, and that its entry has no new holder. It
 * changes words by CAS from what it saw, so it may die or stop anywhere, and many may recover at
 * once. What the dead one did is visible to who has the proof (docs/ordering.md, Death).
 */
#ifndef SHMQ_RING_MPMC_RECOVER_H
#define SHMQ_RING_MPMC_RECOVER_H

#include <limits.h>

#include "ring_mpmc.h"

enum shmqi_mpmc_recovered {
	SHMQI_MPMC_NOTHING,
	SHMQI_MPMC_VOIDED,	/* a claim: nothing was sent */
	SHMQI_MPMC_LOST,	/* a message that its taker had not released */
	SHMQI_MPMC_ORPHANED,	/* the same; it comes again */
	SHMQI_MPMC_DEAD_LETTER, /* the same; it has come often enough */
};

/** What a sweep did. */
struct shmqi_mpmc_swept {
	uint64_t voided, lost, orphaned, dead_letters;
};

/** What becomes of a claim, or of a taken message, whose owner died: the new word. */
static inline uint64_t
mpmc_bereaved(const struct shmqi_mpmc *ring, uint64_t word, const uint64_t *meta,
	      enum shmqi_mpmc_recovered *what)
{
	uint64_t turn = mpmc_turn(ring, word), deliveries;

	if (mpmc_state(word) == MPMC_CLAIMED) {
		*what = SHMQI_MPMC_VOIDED;
		return mpmc_word(turn + ring->capacity, MPMC_SKIPPED, 0);
	}
	/* Relaxed: its owner is dead. */
	deliveries = (shmq_load_relaxed_u64(meta) >> 48) + 1;
	*what = ring->redeliver ? SHMQI_MPMC_DEAD_LETTER : SHMQI_MPMC_LOST;
	if (!ring->redeliver || deliveries >= ring->max_deliveries || deliveries > MPMC_OWNER_MASK)
		return mpmc_word(turn, MPMC_SKIPPED, 0);
	*what = SHMQI_MPMC_ORPHANED;
	return mpmc_word(turn, MPMC_ORPHAN, (unsigned)deliveries);
}

static inline enum shmqi_mpmc_recovered
mpmc_recover_slot(const struct shmqi_mpmc *ring, struct shmqi_mpmc_slot *slot, unsigned dead)
{
	enum shmqi_mpmc_recovered what = SHMQI_MPMC_VOIDED;

	/* Once more where a producer has raised the turn meanwhile. */
	for (uint64_t tries = MPMC_PATIENCE; tries; tries--) {
		uint64_t word = mpmc_load(slot), next;

		if (mpmc_owner(word) != dead + 1)
			break;
		if (mpmc_state(word) != MPMC_CLAIMED && mpmc_state(word) != MPMC_TAKEN)
			break;
		next = mpmc_bereaved(ring, word, &slot->meta, &what);
		/* RECYCLE, both: the dead one reads and writes here no more. */
		if (shmq_cas_acq_rel_u64(&slot->word, &word, next))
			return what;
	}
	return SHMQI_MPMC_NOTHING;
}

/** Say that there may be orphans. */
static inline void
mpmc_tell_orphans(const struct shmqi_mpmc *ring)
{
	/* ORPHANS, release: who sees this count finds the orphans made before. */
	shmq_add_release_u64(ring->orphan_events, 1);
}

/** Give back a message that we took: it comes again, to anybody, and this was no delivery. */
static inline void
shmqi_mpmc_return(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	mpmc_let_go(ring, place, MPMC_ORPHAN, place->deliveries);
	mpmc_tell_orphans(ring);
}

/** Recover the slot of a position, if participant `dead` owns it. */
static inline enum shmqi_mpmc_recovered
shmqi_mpmc_recover(struct shmqi_mpmc *ring, uint64_t position, unsigned dead)
{
	enum shmqi_mpmc_recovered what = mpmc_recover_slot(ring, mpmc_slot(ring, position), dead);

	if (what == SHMQI_MPMC_ORPHANED)
		mpmc_tell_orphans(ring);
	return what;
}

/**
 * Recover all that participant `dead` owns.
 *
 * Raises the events even when there was no orphan: it may have died between making one and that.
 */
static inline void
shmqi_mpmc_sweep(struct shmqi_mpmc *ring, unsigned dead, struct shmqi_mpmc_swept *counts)
{
	for (uint64_t i = 0; i < ring->capacity; i++) {
		void *slot = ring->slots + i * ring->slot_bytes;
		enum shmqi_mpmc_recovered what =
			mpmc_recover_slot(ring, (struct shmqi_mpmc_slot *)slot, dead);

		counts->voided += what == SHMQI_MPMC_VOIDED;
		counts->lost += what == SHMQI_MPMC_LOST;
		counts->orphaned += what == SHMQI_MPMC_ORPHANED;
		counts->dead_letters += what == SHMQI_MPMC_DEAD_LETTER;
	}
	if (ring->redeliver)
		mpmc_tell_orphans(ring);
}

/**
 * Who holds what a sender at a full tail waits for: a claim of a lap ago, or, one after the other
 * as it is called again, those who hold messages.
 */
static inline unsigned
mpmc_sender_blocker(struct shmqi_mpmc *ring, uint64_t *position)
{
	uint64_t word = mpmc_load(mpmc_slot(ring, ring->tail));

	*position = ring->tail;
	if (mpmc_state(word) == MPMC_CLAIMED)
		return mpmc_owner(word) - 1;
	for (uint64_t i = 0; i < ring->capacity; i++) {
		*position = ring->tail + ring->probe++ % ring->capacity;
		word = mpmc_load(mpmc_slot(ring, *position));
		if (mpmc_state(word) == MPMC_TAKEN)
			return mpmc_owner(word) - 1;
	}
	return UINT_MAX;
}

/**
 * Who is in the way of a sender (full) or receiver (a claim at the head): a participant's index, or
 * UINT_MAX; the slot is that of *position.
 */
static inline unsigned
shmqi_mpmc_blocker(struct shmqi_mpmc *ring, bool sender, uint64_t *position)
{
	uint64_t word, held;

	if (sender)
		return mpmc_seek_tail(ring, &word, &held) == -EAGAIN
			       ? mpmc_sender_blocker(ring, position)
			       : UINT_MAX;
	if (mpmc_seek_head(ring, &word) != -EAGAIN)
		return UINT_MAX;
	*position = ring->head;
	if (mpmc_ahead(word, ring->head) != 0 || mpmc_state(word) != MPMC_CLAIMED)
		return UINT_MAX;
	return mpmc_owner(word) - 1;
}

/** Whether a slot that showed `before` and shows `word` now still had the bytes of `position`. */
static inline bool
mpmc_tap_holds(const struct shmqi_mpmc *ring, uint64_t position, uint64_t before, uint64_t word)
{
	if (word == before)
		return true;
	return mpmc_ahead(word, position + ring->capacity) == 0 &&
	       mpmc_state(word) != MPMC_CLAIMED && mpmc_state(word) != MPMC_FULL;
}

/**
 * Copy the message at a position without consuming it, whether it was received or not.
 *
 * Its length; -EAGAIN: not there yet; -ENOENT: void, held, or gone by; -EMSGSIZE; -EBADMSG.
 */
static inline int64_t
shmqi_mpmc_tap(const struct shmqi_mpmc *ring, uint64_t position, void *buf, size_t size)
{
	struct shmqi_mpmc_slot *slot = mpmc_slot(ring, position);
	uint64_t word = mpmc_load(slot), length;
	int64_t ahead = mpmc_ahead(word, position);
	bool there = (ahead == 0 && mpmc_state(word) == MPMC_FULL) ||
		     (ahead == (int64_t)ring->capacity && mpmc_state(word) == MPMC_FREE);

	if (!there)
		return ahead <= 0 ? -EAGAIN : -ENOENT;
	/* Relaxed: believed only after the second look. */
	length = (uint32_t)shmq_load_relaxed_u64(&slot->meta);
	if (length <= size && length <= ring->msg_max)
		shmqi_copy_out(buf, shmqi_mpmc_bytes(slot), length);
	/* TAP, fence: what we read was written before any later word. */
	shmq_fence_acquire();
	/* Relaxed: the fence orders it. */
	if (!mpmc_tap_holds(ring, position, word, shmq_load_relaxed_u64(&slot->word)))
		return -ENOENT;
	if (length > ring->msg_max)
		return -EBADMSG;
	return length > size ? -EMSGSIZE : (int64_t)length;
}

#endif
