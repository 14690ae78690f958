/* SPDX-License-Identifier: MIT */
/*
 * The multi-producer multi-consumer ring: claims are made in the slot itself, so that at every
 * instant memory says who owns what. Recovery, blame, taps: ring_mpmc_recover.h; words
 * and hints: ring_mpmc_word.h; looking: ring_mpmc_look.h.
 *
 * After Vyukov's bounded queue and FastForward (the slot tells its turn), with ownership in the
 * word and the counters demoted to hints, as LCRQ and wCQ let slots decide.
 *
 * A slot: {word, meta, bytes}. There are exactly `capacity` of them, position p is served by slot
 * p % capacity, N below.
 *   word  {turn:48, state:4, owner:12}; owner = participant index + 1
 *     FREE(t)         position t can be claimed
 *     SKIPPED(t)      the same; position t - N held no message that is still to be seen
 *     CLAIMED(t, o)   o writes the message of position t
 *     FULL(t)         it is there
 *     TAKEN(t, o)     o reads a message of an earlier lap; t is the next position that this slot
 *                     would serve
 *     ORPHAN(t, d)    the same message, whose last taker died; delivered d times
 *   meta  {length:32, sender:16, deliveries:16}
 *
 * Shared words and the writers of each
 *   slot.word        anybody, by CAS from the very word seen; from CLAIMED by its owner alone (a
 *                    store), or by who has proof of the owner's death
 *   slot.meta, bytes the owner, while CLAIMED; deliveries: the owner, while TAKEN
 *   *shared_tail,    hints: anybody helps them forward, by CAS, every few positions
 *   *shared_head
 *   *orphan_events   whoever may have made orphans adds one
 *
 * Invariants (turns are compared by signed difference of 48 bits)
 *   M1  a slot's turn never falls, and each word is there once only: a CAS from a word that was
 *       seen proves that nothing happened since
 *   M2  a position is claimed, or its turn raised away (passed over), only by who knows that all
 *       positions before it are
 *   M3  a position is taken only by who knows that all positions before it are taken or void
 *   M4  guesses and hints of the tail never exceed the first position that is neither claimed nor
 *       void; of the head, the first that is neither taken nor void
 *   M5  with M2: that T - N was claimed or void means that all before it are. That position T is
 *       claimed means that T - N, and so (M2) all before it, are taken or void; hence turn T in a
 *       slot lets a producer jump to T - N + 1, a consumer to T - 2N + 1
 *
 * Edges
 *   PUBLISH   commit: store of FULL -> recv, take, tap: load of the word; carries the message, and
 *             all that the sender did before
 *   RECYCLE   recv, release, recovery: CAS to FREE or SKIPPED -> claim: load of the word; carries
 *             that the bytes were read for the last time
 *   PASSED    CAS of a hint, take, passing over -> load of the hint or word by whoever goes on from
 *             there; carries what its writer knew of all positions before (M4)
 *   ORPHANS   add to *orphan_events -> a consumer's load; carries the orphans made before
 *   TAP       claim: fence between CAS and bytes -> tap and refusals: fence between bytes and the
 *             second look at the word; whoever read new bytes sees that the word has changed
 *
 * Progress: lock-free; a receiver waits for the claim at the head, nobody for a held message: a
 * producer raises the turn of a slot that is TAKEN or ORPHAN and passes on. Loops are bounded; when
 * others keep winning, -EAGAIN.
 *
 * On a crash. A producer before its CAS: nothing; before PUBLISH: recovery voids its claim (never
 * FREE of the same turn: a late walker would put a message behind ones received); after: it is
 * sent. A consumer of a short message: before its only CAS nothing happened, after it is received.
 * Of a long one, or a held one: TAKEN tells who; recovery makes it an orphan or SKIPPED.
 *
 * Trust: words, meta and hints are loaded once and checked against private geometry, or only
 * compared. A broken peer costs messages, room or -EBADMSG, never an access outside the slots.
 */
#ifndef SHMQ_RING_MPMC_H
#define SHMQ_RING_MPMC_H

#include <errno.h>
#include <string.h>

#include <shmq/ring_spsc.h>

#include "racy.h"
#include "ring_mpmc_word.h"

/** Messages up to this are copied before they are taken: none is lost with a killed receiver. */
#define MPMC_SHORT ((size_t)256)

/** Steps beyond two laps of a walk, and tries of a CAS, before the caller is told to try again. */
#define MPMC_PATIENCE UINT64_C(64)

/* Sending ----------------------------------------------------------------------------------- */

/** Slots in a row, from `tail` on, that are held, before one that is not; 0 if that one is full. */
static inline uint64_t
mpmc_held_before(const struct shmqi_mpmc *ring, uint64_t tail)
{
	for (uint64_t k = 1; k < ring->capacity; k++) {
		uint64_t word = mpmc_load(mpmc_slot(ring, tail + k));
		int64_t ahead = mpmc_ahead(word, tail + k);

		if (ahead < 0)
			return 0;
		if (ahead > 0 || !mpmc_held(word))
			return k;
	}
	return 0;
}

/**
 * Walk to the tail and look what is there.
 *
 * 0: *word is FREE or SKIPPED, or is held and *held slots can be passed over; -EAGAIN: full;
 * -EBADMSG: no such slot can be. Bounded: two laps + patience.
 */
static inline int
mpmc_seek_tail(struct shmqi_mpmc *ring, uint64_t *word, uint64_t *held)
{
	uint64_t tail = ring->tail, most = 2 * ring->capacity + MPMC_PATIENCE, steps;
	int64_t ahead = 0;

	*word = 0;
	for (steps = most; steps; steps--) {
		*word = mpmc_load(mpmc_slot(ring, tail));
		ahead = mpmc_ahead(*word, tail);
		if (ahead < 0 || (ahead == 0 && (mpmc_claimable(*word, tail) || mpmc_held(*word))))
			break;
		/* Claimed or passed over (M5). */
		tail = mpmc_later(tail + 1, tail + (uint64_t)ahead - ring->capacity + 1);
		if (steps == most)
			tail = mpmc_guess(tail, ring->shared_tail);
	}
	ring->tail = tail;
	*held = 0;
	if (ahead < 0) {
		if (mpmc_state(*word) != MPMC_FULL && mpmc_state(*word) != MPMC_CLAIMED)
			return -EBADMSG; /* M4: all before our tail was claimed */
		return -EAGAIN;
	}
	if (steps && mpmc_claimable(*word, tail))
		return 0;
	if (steps)
		*held = mpmc_held_before(ring, tail);
	if (*held)
		return 0;
	return -EAGAIN;
}

/** Raise the turns of `held` slots from the tail on, in order (M2); the first shows `word`. */
static inline void
mpmc_pass_over(struct shmqi_mpmc *ring, uint64_t word, uint64_t held)
{
	for (uint64_t k = 0; k < held; k++) {
		struct shmqi_mpmc_slot *slot = mpmc_slot(ring, ring->tail);
		uint64_t next = word + mpmc_word(ring->capacity, MPMC_FREE, 0);

		if (mpmc_ahead(word, ring->tail) != 0 || !mpmc_held(word))
			return; /* it was released, or others have been here */
		/* PASSED, both: all positions before this one are claimed or void, and now it is. */
		if (!shmq_cas_acq_rel_u64(&slot->word, &word, next))
			return;
		ring->passed++;
		if (ring->voided)
			/* Relaxed: a count. */
			shmq_add_relaxed_u64(ring->voided, 1);
		mpmc_advance(&ring->tail, ring->shared_tail, ring->tail + 1);
		word = mpmc_load(mpmc_slot(ring, ring->tail));
	}
}

SHMQ_INLINE bool
mpmc_try_claim(struct shmqi_mpmc *ring, uint64_t word, struct shmqi_mpmc_place *place)
{
	uint64_t tail = ring->tail;
	struct shmqi_mpmc_slot *slot = mpmc_slot(ring, tail);

	/* Relaxed: the word was loaded with acquire, and the CAS proves that it is still there (M1). */
	if (!shmq_cas_relaxed_u64(&slot->word, &word, mpmc_word(tail, MPMC_CLAIMED, ring->owner)))
		return false;
	/* TAP, fence: whoever reads what we write now sees that the word has changed. */
	shmq_fence_release();
	place->slot = slot;
	place->position = tail;
	place->turn = tail;
	place->sender = ring->owner - 1;
	place->deliveries = 0;
	mpmc_advance(&ring->tail, ring->shared_tail, tail + 1);
	return true;
}

static inline int
mpmc_claim_slow(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	for (uint64_t tries = MPMC_PATIENCE; tries; tries--) {
		uint64_t word, held;
		int err = mpmc_seek_tail(ring, &word, &held);

		if (err == -EAGAIN)
			shmq_spsc_pause(SHMQ_SPSC_FULL_PAUSES);
		if (err)
			return err;
		if (held)
			mpmc_pass_over(ring, word, held);
		else if (mpmc_try_claim(ring, word, place))
			return 0;
	}
	return -EAGAIN;
}

/** Claim the next position. 0, -EAGAIN (full), -EBADMSG. */
SHMQ_INLINE int
shmqi_mpmc_claim(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	uint64_t word = mpmc_load(mpmc_slot(ring, ring->tail));

	if (__builtin_expect(mpmc_claimable(word, ring->tail), 1) &&
	    __builtin_expect(mpmc_try_claim(ring, word, place), 1))
		return 0;
	return mpmc_claim_slow(ring, place);
}

/** Publish the claimed message, which has `length` bytes. */
SHMQ_INLINE void
shmqi_mpmc_commit(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, size_t length)
{
	(void)ring;
	place->length = length;
	/* Relaxed: ours while CLAIMED; PUBLISH carries it. */
	shmq_store_relaxed_u64(&place->slot->meta, mpmc_meta(length, place->sender, 0));
	/* PUBLISH, release: whoever sees FULL sees the bytes. */
	shmq_store_release_u64(&place->slot->word, mpmc_word(place->turn, MPMC_FULL, 0));
}

/** Give a claimed position up: it holds no message, and is never claimed again. */
static inline void
shmqi_mpmc_abort(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	uint64_t word = mpmc_word(place->turn + ring->capacity, MPMC_SKIPPED, 0);

	/* RECYCLE, release: we have written here for the last time. */
	shmq_store_release_u64(&place->slot->word, word);
}

/* Receiving --------------------------------------------------------------------------------- */

/**
 * Walk to the head and look what is there. 0: *word is FULL; -EAGAIN: empty, or claimed; -EBADMSG:
 * no such slot can be. Bounded: two laps + patience.
 */
static inline int
mpmc_seek_head(struct shmqi_mpmc *ring, uint64_t *word)
{
	uint64_t head = ring->head, most = 2 * ring->capacity + MPMC_PATIENCE, steps;
	int64_t ahead = 0;

	*word = 0;
	for (steps = most; steps; steps--) {
		*word = mpmc_load(mpmc_slot(ring, head));
		ahead = mpmc_ahead(*word, head);
		if (ahead <= 0)
			break;
		/* Taken or void (M5). */
		head = mpmc_later(head + 1, head + (uint64_t)ahead - 2 * ring->capacity + 1);
		if (steps == most)
			head = mpmc_guess(head, ring->shared_head);
	}
	ring->head = head;
	if (ahead < 0)
		return -EBADMSG; /* M4: all before our head was passed */
	if (ahead == 0 && mpmc_state(*word) == MPMC_FULL)
		return 0;
	return -EAGAIN;
}

/**
 * Read the length and sender of a message. 0, or why it stays: -EMSGSIZE, -EBADMSG; -ESTALE: it is
 * gone.
 */
SHMQ_INLINE int
mpmc_describe(const struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, uint64_t word,
	      size_t size)
{
	/* Relaxed: after the word by PUBLISH; the CAS that follows, or a second look, finds a race. */
	uint64_t meta = shmq_load_relaxed_u64(&place->slot->meta);

	place->length = (uint32_t)meta;
	place->sender = (unsigned)(meta >> 32) & 0xffff;
	if (__builtin_expect(place->length <= size && place->length <= ring->msg_max, 1))
		return 0;
	if (!mpmc_unchanged(place->slot, word))
		return -ESTALE;
	if (place->length > ring->msg_max)
		return -EBADMSG;
	return -EMSGSIZE;
}

/** Take a message, so that only we may free its slot. 0, or -ESTALE: somebody else was faster. */
static inline int
mpmc_try_take(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, uint64_t word)
{
	struct shmqi_mpmc_slot *slot = place->slot;
	uint64_t length_and_sender;

	place->turn = mpmc_turn(ring, word) + (place->orphan ? 0 : ring->capacity);
	/* PASSED, both: what we know of the positions before goes on to who comes later. */
	if (!shmq_cas_acq_rel_u64(&slot->word, &word,
				  mpmc_word(place->turn, MPMC_TAKEN, ring->owner)))
		return -ESTALE;
	if (place->orphan) {
		/* Relaxed: ours while TAKEN. Who dies before this store had not delivered it. */
		length_and_sender = shmq_load_relaxed_u64(&slot->meta) << 16 >> 16;
		shmq_store_relaxed_u64(&slot->meta,
				       length_and_sender | (uint64_t)place->deliveries << 48);
	} else {
		mpmc_advance(&ring->head, ring->shared_head, place->position + 1);
	}
	return 0;
}

/** Let go of a message that was taken: the state becomes `state`, with `bits` for an owner. */
static inline void
mpmc_let_go(const struct shmqi_mpmc *ring, const struct shmqi_mpmc_place *place,
	    enum mpmc_state state, unsigned bits)
{
	uint64_t word = mpmc_word(place->turn, MPMC_TAKEN, ring->owner);

	/* Others can only raise the turn, once a lap. */
	for (uint64_t tries = MPMC_PATIENCE; tries; tries--) {
		uint64_t turn = word & ~UINT64_C(0xffff);

		/* RECYCLE, release: we have read it for the last time. */
		if (shmq_cas_release_u64(&place->slot->word, &word,
					 turn | mpmc_word(0, state, bits)))
			return;
		if (mpmc_state(word) != MPMC_TAKEN || mpmc_owner(word) != ring->owner)
			return; /* not ours: somebody wrote what may not be */
		if (state == MPMC_FREE)
			state = MPMC_SKIPPED; /* the position before was passed over */
	}
}

/** Be done with a message that was taken. */
static inline void
shmqi_mpmc_release(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	mpmc_let_go(ring, place, place->orphan ? MPMC_SKIPPED : MPMC_FREE, 0);
}

/** Copy a long message out, while it is ours. */
static inline int
mpmc_receive_long(struct shmqi_mpmc *ring, void *buf, struct shmqi_mpmc_place *place, uint64_t word)
{
	int err = mpmc_try_take(ring, place, word);

	if (err)
		return err;
	memcpy(buf, shmqi_mpmc_bytes(place->slot), place->length);
	shmqi_mpmc_release(ring, place);
	return 0;
}

/** Copy a short message out, then consume it. 0, or -ESTALE: somebody else was faster. */
SHMQ_INLINE int
mpmc_receive_short(struct shmqi_mpmc *ring, void *buf, struct shmqi_mpmc_place *place,
		   uint64_t word)
{
	uint64_t next = mpmc_word(place->position + ring->capacity, MPMC_FREE, 0);

	shmqi_copy_out(buf, shmqi_mpmc_bytes(place->slot), place->length);
	if (place->orphan)
		next = mpmc_word(mpmc_turn(ring, word), MPMC_SKIPPED, 0);
	/* RECYCLE, release: we have read it, and it was whole, for nothing has happened since (M1). */
	if (!shmq_cas_release_u64(&place->slot->word, &word, next))
		return -ESTALE;
	if (!place->orphan)
		mpmc_advance(&ring->head, ring->shared_head, place->position + 1);
	return 0;
}

/** Receive the message that `word` shows in place->slot. Its length, or as mpmc_describe(). */
SHMQ_INLINE int64_t
mpmc_receive(struct shmqi_mpmc *ring, void *buf, size_t size, struct shmqi_mpmc_place *place,
	     uint64_t word)
{
	int err = mpmc_describe(ring, place, word, size);

	if (__builtin_expect(err, 0))
		return err;
	if (__builtin_expect(place->length <= MPMC_SHORT, 1))
		err = mpmc_receive_short(ring, buf, place, word);
	else
		err = mpmc_receive_long(ring, buf, place, word);
	if (__builtin_expect(err, 0))
		return err;
	return (int64_t)place->length;
}

/** Whether there may be orphans that we have not looked for. */
SHMQ_INLINE bool
mpmc_orphans(const struct shmqi_mpmc *ring)
{
	/* ORPHANS, acquire: all that were made before these events will be seen. */
	return shmq_load_acquire_u64(ring->orphan_events) != ring->orphans_seen;
}

/** Find an orphan; a search goes through all slots once, and is gone on with by the next call. */
static inline bool
mpmc_find_orphan(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, uint64_t *word)
{
	/* ORPHANS, acquire: as in mpmc_orphans(). */
	uint64_t events = shmq_load_acquire_u64(ring->orphan_events);

	if (events != ring->orphans_due) {
		ring->orphans_due = events;
		ring->orphans_left = ring->capacity;
	}
	for (; ring->orphans_left; ring->orphans_left--) {
		uint64_t at = (ring->capacity - ring->orphans_left) * ring->slot_bytes;

		place->slot = (struct shmqi_mpmc_slot *)(void *)(ring->slots + at);
		*word = mpmc_load(place->slot);
		if (mpmc_state(*word) == MPMC_ORPHAN) {
			place->orphan = true;
			place->deliveries = mpmc_owner(*word);
			place->position = mpmc_turn(ring, *word) - ring->capacity;
			return true;
		}
	}
	ring->orphans_seen = events;
	return false;
}

/** Find the next message to be had, orphans first. 0, -EAGAIN, -EBADMSG. */
static inline int
mpmc_next(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, uint64_t *word)
{
	int err;

	if (mpmc_orphans(ring) && mpmc_find_orphan(ring, place, word))
		return 0;
	err = mpmc_seek_head(ring, word);
	if (err == -EAGAIN)
		shmq_spsc_back_off();
	place->position = ring->head;
	place->slot = mpmc_slot(ring, ring->head);
	place->orphan = false;
	place->deliveries = 0;
	return err;
}

static inline int64_t
mpmc_receive_slow(struct shmqi_mpmc *ring, void *buf, size_t size, struct shmqi_mpmc_place *place)
{
	for (uint64_t tries = MPMC_PATIENCE; tries; tries--) {
		uint64_t word;
		int64_t len = mpmc_next(ring, place, &word);

		if (len)
			return len;
		len = mpmc_receive(ring, buf, size, place, word);
		if (len != -ESTALE)
			return len;
	}
	return -EAGAIN;
}

/** Receive a message. Its length, -EAGAIN, -EMSGSIZE (it stays), -EBADMSG. */
SHMQ_INLINE int64_t
shmqi_mpmc_recv(struct shmqi_mpmc *ring, void *buf, size_t size, struct shmqi_mpmc_place *place)
{
	uint64_t head = ring->head, word;
	int64_t len;

	place->slot = mpmc_slot(ring, head);
	place->position = head;
	place->orphan = false;
	place->deliveries = 0;
	word = mpmc_load(place->slot);
	if (__builtin_expect(word == mpmc_word(head, MPMC_FULL, 0) && !mpmc_orphans(ring), 1)) {
		len = mpmc_receive(ring, buf, size, place, word);
		if (__builtin_expect(len != -ESTALE, 1))
			return len;
	}
	return mpmc_receive_slow(ring, buf, size, place);
}

/** Take a message, to be released later. Its length, -EAGAIN, -EBADMSG. */
static inline int64_t
shmqi_mpmc_take(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place)
{
	for (uint64_t tries = MPMC_PATIENCE; tries; tries--) {
		uint64_t word;
		int err = mpmc_next(ring, place, &word);

		if (err)
			return err;
		err = mpmc_describe(ring, place, word, SIZE_MAX);
		if (!err)
			err = mpmc_try_take(ring, place, word);
		if (!err)
			return (int64_t)place->length;
		if (err != -ESTALE)
			return err;
	}
	return -EAGAIN;
}

#endif
