/* SPDX-License-Identifier: MIT */
/*
 * The single-producer single-consumer ring: one body, used by the library and by <shmq/inline.h>.
 *
 * After FastForward (Giacomoni, Moseley, Vachharajani, PPoPP 2008: the slot itself tells whether it
 * is full) with the consumer's index published apart and cached by the producer (Rigtorp; Álvarez
 * Rosa), so that a slot's cache line flows one way only.
 *
 * Shared words and the one writer of each
 *   slot.word   {turn:32, length:32}   the producer
 *   slot bytes                         the producer
 *   *head                              the consumer: the first position it has not released
 *
 * Invariants (positions are compared by difference only; S slots, capacity N <= S)
 *   I1  head <= tail <= head + N, where tail, private to the producer, is the next position to
 *       publish
 *   I2  slot.word.turn == low32(p + 1) in the slot of p, for every published p in [tail - S, tail);
 *       so, for p in [head, head + N),
 *       the turn matches exactly when p < tail. S <= 2^31 keeps turns a lap apart different.
 *   I3  the bytes and length of the slots of [head, tail) do not change
 *
 * Edges
 *   PUBLISH   send: store of slot.word -> receive: load of slot.word; carries the message (I2, I3),
 *             and all the sender did before
 *   RECYCLE   receive: store of *head -> send: load of *head; carries that the consumer is done
 *             reading the slots before it
 *
 * Progress: wait-free on both sides, a bounded number of steps each.
 *
 * On a crash. The producer, anywhere before PUBLISH: the message does not exist, its slot is
 * written again by the next producer; after: it is sent. The consumer, anywhere before RECYCLE: the
 * message comes again to the next consumer; after: it is received. The next producer finds tail by
 * I2 (shmq_spsc_find_tail()), the next consumer finds head in *head.
 *
 * Trust: slot.word and *head are loaded once, checked against private geometry, then used. A broken
 * peer costs its own messages or -EBADMSG, never an access outside the slots.
 */
#ifndef SHMQ_RING_SPSC_H
#define SHMQ_RING_SPSC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <shmq/atomic.h>

struct shmq_slot {
	uint64_t word; /* length in the low half, turn in the high half; the bytes follow */
};

/*
 * Pauses before a caller may ask again: the line is fought over otherwise. After an empty look one
 * pause is enough: it takes 13 to 43 ns, about as long as a line between two cores that share a
 * cache, and what is longer makes the next look late: a consumer that let the producer get ahead
 * after a burst made messages wait for microseconds at half load (docs/design.md).
 */
#define SHMQ_SPSC_FULL_PAUSES 32
#define SHMQ_SPSC_EMPTY_PAUSES 1

/** One handle's private view of a ring. Either end uses its own half. */
struct shmq_spsc {
	unsigned char *slots;
	uint64_t mask; /* slots - 1 */
	uint64_t slot_bytes;
	uint64_t capacity;
	uint64_t msg_max;
	uint64_t *shared_head;
	/* the producer */
	uint64_t tail; /* the next position to publish */
	uint64_t seen; /* the last head seen; older than the shared one, never newer */
	/* the consumer */
	uint64_t head; /* the next position to receive */
};

SHMQ_INLINE struct shmq_slot *
shmq_spsc_slot(const struct shmq_spsc *ring, uint64_t position)
{
	return (struct shmq_slot *)(void *)(ring->slots +
					    (position & ring->mask) * ring->slot_bytes);
}

SHMQ_INLINE unsigned char *
shmq_spsc_bytes(struct shmq_slot *slot)
{
	return (unsigned char *)(slot + 1);
}

/** The turn that a slot shows once the message at `position` is in it. */
SHMQ_INLINE uint32_t
shmq_spsc_turn(uint64_t position)
{
	return (uint32_t)(position + 1);
}

SHMQ_INLINE void
shmq_spsc_pause(int times)
{
	while (times-- > 0)
		shmq_pause();
}

/** Whether the ring looks full. By difference, so that an old `seen` can never look like room. */
SHMQ_INLINE bool
shmq_spsc_looks_full(const struct shmq_spsc *ring)
{
	return ring->tail - ring->seen >= ring->capacity;
}

/** Read the consumer's head again. 0: there is room; -EAGAIN: full; -EBADMSG: it is no head. */
SHMQ_INLINE int
shmq_spsc_refresh(struct shmq_spsc *ring)
{
	/* RECYCLE, acquire: the consumer is done with every slot before this head. */
	uint64_t head = shmq_load_acquire_u64(ring->shared_head);

	/* Not behind what we saw, not beyond our tail, and never a lap behind it (I1). */
	if (head - ring->seen > ring->tail - ring->seen || ring->tail - head > ring->capacity)
		return -EBADMSG;
	ring->seen = head;
	if (!shmq_spsc_looks_full(ring))
		return 0;
	shmq_spsc_pause(SHMQ_SPSC_FULL_PAUSES);
	return -EAGAIN;
}

/** Find room for the next message. 0, -EAGAIN, -EBADMSG. */
SHMQ_INLINE int
shmq_spsc_claim(struct shmq_spsc *ring, struct shmq_slot **slot)
{
	if (__builtin_expect(shmq_spsc_looks_full(ring), 0)) {
		int err = shmq_spsc_refresh(ring);

		if (err)
			return err;
	}
	*slot = shmq_spsc_slot(ring, ring->tail);
	return 0;
}

/** Publish the claimed slot of position `at`, the tail, which holds `length` bytes now. */
SHMQ_INLINE void
shmq_spsc_publish(struct shmq_spsc *ring, struct shmq_slot *slot, uint64_t at, size_t length)
{
	uint64_t word = (uint64_t)shmq_spsc_turn(at) << 32 | (uint32_t)length;

	ring->tail = at + 1;
	/* PUBLISH, release: whoever sees this turn sees the bytes. */
	shmq_store_release_u64(&slot->word, word);
}

/** Find the message at `position`. Its length, -EAGAIN (not there), -EBADMSG (longer than a message
 * can be). */
SHMQ_INLINE int64_t
shmq_spsc_look(const struct shmq_spsc *ring, uint64_t position, struct shmq_slot **out)
{
	struct shmq_slot *slot = shmq_spsc_slot(ring, position);
	/* PUBLISH, acquire: with this turn, the bytes are there. */
	uint64_t word = shmq_load_acquire_u64(&slot->word);

	if ((uint32_t)(word >> 32) != shmq_spsc_turn(position))
		return -EAGAIN;
	if ((uint32_t)word > ring->msg_max)
		return -EBADMSG;
	*out = slot;
	return (int64_t)(uint32_t)word;
}

/** Nothing is there: be gentle with the producer before the next look. */
SHMQ_INLINE void
shmq_spsc_back_off(void)
{
	shmq_spsc_pause(SHMQ_SPSC_EMPTY_PAUSES);
}

/** Whether there is something for the consumer: a message, or a reason to fail. */
SHMQ_INLINE bool
shmq_spsc_readable(const struct shmq_spsc *ring)
{
	struct shmq_slot *slot = NULL;

	/* There is a ring. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	return shmq_spsc_look(ring, ring->head, &slot) != -EAGAIN;
}

/** Whether there is something for the producer: room, or a reason to fail. */
SHMQ_INLINE bool
shmq_spsc_writable(const struct shmq_spsc *ring)
{
	if (!shmq_spsc_looks_full(ring))
		return true;
	/* RECYCLE, acquire: as in shmq_spsc_refresh(), which will follow. */
	return shmq_load_acquire_u64(ring->shared_head) + ring->capacity != ring->tail;
}

/** Be done with all messages before position `head`. */
SHMQ_INLINE void
shmq_spsc_release(struct shmq_spsc *ring, uint64_t head)
{
	ring->head = head;
	/* RECYCLE, release: we have read these slots for the last time. */
	shmq_store_release_u64(ring->shared_head, head);
}

/**
 * Find the tail that a producer left, by I2: the first position at or after `head` whose turn is
 * not there. Bounded: log2(capacity) steps; any content gives a position in [head, head +
 * capacity].
 */
SHMQ_INLINE uint64_t
shmq_spsc_find_tail(const struct shmq_spsc *ring, uint64_t head)
{
	uint64_t there = 0, beyond = ring->capacity;
	struct shmq_slot *slot = NULL;

	while (there < beyond) {
		uint64_t middle = there + (beyond - there) / 2;

		if (shmq_spsc_look(ring, head + middle, &slot) != -EAGAIN)
			there = middle + 1;
		else
			beyond = middle;
	}
	return head + there;
}

/** Lengths that shmq_copy() copies without a call of memcpy(). */
#define SHMQ_COPY_SHORT ((size_t)8)
#define SHMQ_COPY_LONG ((size_t)64)
/** Constant lengths up to this are left to the compiler. */
#define SHMQ_COPY_INLINE ((size_t)256)

/*
 * Copy a message. A call of memcpy() with a length that is not known at compile time costs more
 * than the rest of a send; short ones go as overlapping words, all loaded before any is stored
 * (measured: docs/design.md).
 */
SHMQ_INLINE void
shmq_copy(void *to, const void *from, size_t n)
{
	struct word16 {
		uint64_t half[2];
	} a, b, c, d;
	unsigned char *out = (unsigned char *)to;
	const unsigned char *in = (const unsigned char *)from;
	uint64_t first, last;

	if (__builtin_constant_p(n) && n <= SHMQ_COPY_INLINE) {
		memcpy(to, from, n);
	} else if (n - 8 <= 8) {
		memcpy(&first, in, 8);
		memcpy(&last, in + n - 8, 8);
		memcpy(out, &first, 8);
		memcpy(out + n - 8, &last, 8);
	} else if (n - 16 <= 16) {
		memcpy(&a, in, 16);
		memcpy(&b, in + n - 16, 16);
		memcpy(out, &a, 16);
		memcpy(out + n - 16, &b, 16);
	} else if (n - 32 <= 32) {
		memcpy(&a, in, 16);
		memcpy(&b, in + 16, 16);
		memcpy(&c, in + n - 32, 16);
		memcpy(&d, in + n - 16, 16);
		memcpy(out, &a, 16);
		memcpy(out + 16, &b, 16);
		memcpy(out + n - 32, &c, 16);
		memcpy(out + n - 16, &d, 16);
		/* cppcheck-suppress knownConditionTrueFalse; n - 8 wraps */
	} else if (n) {
		/* Not a constant to the compiler: it would make slow string moves of a long one. */
		__asm__("" : "+r"(n));
		memcpy(to, from, n);
	}
}

#endif
