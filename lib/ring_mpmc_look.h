/* SPDX-License-Identifier: MIT */
/* Looking at an MPMC ring (ring_mpmc.h): readiness, positions, words. Nothing shared changes. */
#ifndef SHMQ_RING_MPMC_LOOK_H
#define SHMQ_RING_MPMC_LOOK_H

#include "ring_mpmc_recover.h"

/** Whether the slot holds a message that is committed and not released. */
static inline bool
shmqi_mpmc_occupied(uint64_t word)
{
	unsigned state = mpmc_state(word);

	return state == MPMC_FULL || state == MPMC_TAKEN || state == MPMC_ORPHAN;
}

/** Whether a tap at a position has something to see: a message, or that it is gone, or was none. */
static inline bool
shmqi_mpmc_to_see(const struct shmqi_mpmc *ring, uint64_t position)
{
	uint64_t word = mpmc_load(mpmc_slot(ring, position));
	int64_t ahead = mpmc_ahead(word, position);

	return ahead > 0 || (ahead == 0 && mpmc_state(word) == MPMC_FULL);
}

/** Whether a position that is gone by never held a message, or one that was not to be seen. */
static inline bool
shmqi_mpmc_void(const struct shmqi_mpmc *ring, uint64_t position)
{
	uint64_t word = mpmc_load(mpmc_slot(ring, position));

	return mpmc_state(word) == MPMC_SKIPPED &&
	       mpmc_ahead(word, position) == (int64_t)ring->capacity;
}

/** Whether anybody holds a message, or one waits to be delivered again. */
static inline bool
shmqi_mpmc_any_taken(const struct shmqi_mpmc *ring)
{
	for (uint64_t i = 0; i < ring->capacity; i++) {
		if (mpmc_held(mpmc_load(mpmc_slot(ring, i))))
			return true;
	}
	return false;
}

/** Who sent the message at a position that a tap has just seen; a hint. */
static inline unsigned
shmqi_mpmc_sender(const struct shmqi_mpmc *ring, uint64_t position)
{
	/* Relaxed: it may be another's by now. */
	return (unsigned)(shmq_load_relaxed_u64(&mpmc_slot(ring, position)->meta) >> 32) & 0xffff;
}

/** The next position to be claimed. */
static inline uint64_t
shmqi_mpmc_tail_now(struct shmqi_mpmc *ring)
{
	uint64_t word, held;

	(void)mpmc_seek_tail(ring, &word, &held);
	return ring->tail;
}

/** The next position to be taken. */
static inline uint64_t
shmqi_mpmc_head_now(struct shmqi_mpmc *ring)
{
	uint64_t word;

	(void)mpmc_seek_head(ring, &word);
	return ring->head;
}

/** Whether a receive could do something: a message, or a reason to fail. */
static inline bool
shmqi_mpmc_readable(struct shmqi_mpmc *ring)
{
	uint64_t word;

	return mpmc_orphans(ring) || mpmc_seek_head(ring, &word) != -EAGAIN;
}

/** Whether a send could do something: room, or a reason to fail. */
static inline bool
shmqi_mpmc_writable(struct shmqi_mpmc *ring)
{
	uint64_t word, held;

	return mpmc_seek_tail(ring, &word, &held) != -EAGAIN;
}

#endif
