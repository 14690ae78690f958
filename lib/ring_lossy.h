/* SPDX-License-Identifier: MIT */
/*
 * The lossy ring: one writer that never waits, any number of readers that write nothing at all.
 *
 * The slots are seqlocks: a slot's word is odd while its message is written, even when it is there,
 * and says which one. A reader copies, then looks whether the word is what it was before; what it
 * copied in vain it does not look at. For broadcast, where a reader wants every message and learns
 * how many it lost, and for the latest value, where it wants the last one only: a value is in a
 * cell of its own, so a writer killed in mid-write leaves the one before.
 *
 * Shared words and the one writer of each: the writer, all of them
 *   slot.word   2 * position + 1 while position is written there, 2 * position + 2 when it is there
 *   slot.length
 *   slot bytes
 *   *tail       the next position to write, or one less
 *
 * Invariants (positions are compared by signed difference only; S slots, capacity N <= S)
 *   L1  slot.word only grows, and tells positions of its own slot only
 *   L2  while slot.word is 2p + 2, length and bytes are those of p; before anything of p + S is
 *       written there, it is 2(p + S) + 1
 *   L3  with *tail = t, all positions before t are there or gone by, and none after t is begun
 *
 * Edges
 *   VALUE      publish: store of slot.word, even -> read: load of it; carries the message (L2) and
 *              all the sender did before
 *   OVERWRITE  begin: fence between the odd word and the bytes -> read: fence between the bytes and
 *              the second load of the word; who saw a byte of the new message sees the odd word
 *   NEWEST     publish: store of *tail -> latest, catching up: load of it; carries L3
 *
 * Progress: wait-free on both sides; a reader that is lapped LOSSY_TRIES times in one call gives up
 * with -EAGAIN.
 *
 * On a crash. The writer, before VALUE: the message does not exist, the one a lap before it is
 * lost, as it would have been; readers go on with -EAGAIN. Between VALUE and the store of *tail: it
 * is sent; the next writer finds it in the slot. A reader: nothing.
 *
 * Trust: every word is loaded once, checked, then used; a length only after OVERWRITE, and for the
 * copy bounded by msg_max. A broken writer costs its own messages or -EBADMSG.
 *
 * After Lamport's and Linux' seqlocks with Boehm's fences ("Can seqlocks get along with programming
 * language memory models?", MSPC 2012), one per slot; cells for the latest value as in iceoryx2.
 */
#ifndef SHMQ_RING_LOSSY_H
#define SHMQ_RING_LOSSY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmq/atomic.h>
#include <shmq/ring_spsc.h>

#include "racy.h"

struct shmqi_lossy_slot {
	uint64_t word;
	uint64_t length; /* the bytes follow */
};

/* How often one call begins again after it was lapped. */
#ifndef LOSSY_TRIES /* a model has fewer */
#define LOSSY_TRIES 8
#endif

/** One handle's private view. Either end uses its own half. */
struct shmqi_lossy {
	unsigned char *slots;
	uint64_t mask; /* slots - 1 */
	uint64_t slot_bytes;
	uint64_t capacity; /* how much of the past a newcomer, or a lapped reader, may begin with */
	uint64_t msg_max;
	uint64_t *shared_tail;
	/* the writer */
	uint64_t tail; /* the next position to write */
	/* a reader */
	uint64_t head;	   /* the next position to read */
	uint64_t sequence; /* the position last read */
	uint64_t lost;	   /* positions passed over since it began */
	uint64_t lapped;   /* calls of shmqi_lossy_latest() that gave up */
};

static inline struct shmqi_lossy_slot *
lossy_slot(const struct shmqi_lossy *l, uint64_t position)
{
	return (struct shmqi_lossy_slot *)(void *)(l->slots + (position & l->mask) * l->slot_bytes);
}

/* The word of a slot in which the message at `position` is. */
static inline uint64_t
lossy_there(uint64_t position)
{
	return 2 * position + 2;
}

/* The writer --------------------------------------------------------------------------------- */

/** Become the writer: find where the last one stopped. */
static inline void
shmqi_lossy_open_writer(struct shmqi_lossy *l)
{
	/* NEWEST, acquire: what is before this tail is there. */
	l->tail = shmq_load_acquire_u64(l->shared_tail);
	/* VALUE, acquire: and the last one, which its writer had no time to count. */
	if (shmq_load_acquire_u64(&lossy_slot(l, l->tail)->word) != lossy_there(l->tail))
		return;
	l->tail++;
	/* NEWEST, release: it is there. */
	shmq_store_release_u64(l->shared_tail, l->tail);
}

/** Begin the next message: where its bytes go. Without a publish after it: nothing was sent. */
static inline unsigned char *
shmqi_lossy_begin(struct shmqi_lossy *l)
{
	struct shmqi_lossy_slot *slot = lossy_slot(l, l->tail);

	/* Relaxed: the fence keeps it before the bytes, and that is all it is for. */
	shmq_store_relaxed_u64(&slot->word, lossy_there(l->tail) - 1);
	/* OVERWRITE, fence: who sees one of the bytes to come sees the odd word. */
	shmq_fence_release();
	return (unsigned char *)(slot + 1);
}

/** Publish what was begun: `len` <= msg_max bytes, which are written. */
static inline void
shmqi_lossy_publish(struct shmqi_lossy *l, size_t len)
{
	struct shmqi_lossy_slot *slot = lossy_slot(l, l->tail);

	/* Relaxed: carried by VALUE like the bytes. */
	shmq_store_relaxed_u64(&slot->length, len);
	/* VALUE, release: whoever sees this word sees length and bytes. */
	shmq_store_release_u64(&slot->word, lossy_there(l->tail));
	l->tail++;
	/* NEWEST, release: what is before this tail is there. */
	shmq_store_release_u64(l->shared_tail, l->tail);
}

/** Send a message of `len` <= msg_max bytes. */
static inline void
shmqi_lossy_send(struct shmqi_lossy *l, const void *msg, size_t len)
{
	shmqi_copy_in(shmqi_lossy_begin(l), msg, len);
	shmqi_lossy_publish(l, len);
}

/* A reader ----------------------------------------------------------------------------------- */

/* The word that a slot shows before the copy. */
static inline uint64_t
lossy_word(const struct shmqi_lossy *l, uint64_t position)
{
	/* VALUE, acquire: if it is the one for `position`, length and bytes are there. */
	return shmq_load_acquire_u64(&lossy_slot(l, position)->word);
}

/* The first position of the last `capacity` before `tail` that is not gone. */
static inline uint64_t
lossy_oldest(const struct shmqi_lossy *l, uint64_t tail)
{
	uint64_t oldest = tail < l->capacity ? 0 : tail - l->capacity;

	/* Where the slots are no more than the capacity, the one being written takes it away. */
	return (int64_t)(lossy_word(l, oldest) - lossy_there(oldest)) > 0 ? oldest + 1 : oldest;
}

/**
 * Become a reader, of what comes from now on, or from the oldest message that is there. For the
 * latest value begin with the oldest: or the one that is there is not news.
 */
static inline void
shmqi_lossy_open_reader(struct shmqi_lossy *l, bool oldest)
{
	/* NEWEST, acquire: what is before this tail is there, or gone by. */
	uint64_t tail = shmq_load_acquire_u64(l->shared_tail);

	l->head = oldest ? lossy_oldest(l, tail) : tail;
	l->sequence = l->lost = l->lapped = 0;
}

/*
 * Copy the message at `position` out, whose slot showed the right word. Its length; -EMSGSIZE,
 * -EBADMSG; -ESTALE: overwritten meanwhile, the buffer is no message.
 */
static inline int64_t
lossy_copy(const struct shmqi_lossy *l, uint64_t position, void *buf, size_t size)
{
	const struct shmqi_lossy_slot *slot = lossy_slot(l, position);
	/* Relaxed, as the bytes: VALUE orders them after the first load of the word, OVERWRITE
	 * before the second. */
	uint64_t len = shmq_load_relaxed_u64(&slot->length);

	if (len <= size && len <= l->msg_max)
		shmqi_copy_out(buf, slot + 1, (size_t)len);
	/* OVERWRITE, fence: whatever of the copy is too new, the word below is, too. */
	shmq_fence_acquire();
	if (shmq_load_relaxed_u64(&slot->word) != lossy_there(position))
		return -ESTALE;
	if (len > l->msg_max)
		return -EBADMSG;
	return len > size ? -EMSGSIZE : (int64_t)len;
}

/*
 * Pass over what is gone: the slot of the head showed `word`, which is beyond it. First to the
 * oldest message that may be there, at each further try with less of the past: the writer is fast.
 */
static inline int
lossy_catch_up(struct shmqi_lossy *l, uint64_t word, unsigned tries)
{
	uint64_t begun = (word - 1) / 2, keep = l->capacity >> tries, head;
	/* NEWEST, acquire: what is before this tail is there, or gone by. */
	uint64_t tail = shmq_load_acquire_u64(l->shared_tail);

	if ((begun - l->head) & l->mask)
		return -EBADMSG; /* L1 */
	/* By L3 the tail is not before what is begun, but we may see it late. */
	if ((int64_t)(tail - begun) < 0)
		tail = begun;
	head = tail - (keep ? keep : 1);
	if ((int64_t)(head - l->head) <= 0)
		head = l->head + 1;
	l->lost += head - l->head;
	l->head = head;
	return 0;
}

/**
 * Receive the next message in order. Its length; -EAGAIN: not there yet, or lapped again and again;
 * -EMSGSIZE: it stays; -EBADMSG. What was passed over is in `lost` then, whatever the result.
 */
static inline int64_t
shmqi_lossy_recv(struct shmqi_lossy *l, void *buf, size_t size)
{
	for (unsigned tries = 0; tries < LOSSY_TRIES; tries++) {
		uint64_t word = lossy_word(l, l->head);
		int64_t len = -ESTALE, beyond = (int64_t)(word - lossy_there(l->head));

		if (beyond < 0) {
			shmq_spsc_back_off();
			return -EAGAIN;
		}
		if (beyond == 0)
			len = lossy_copy(l, l->head, buf, size);
		else if (lossy_catch_up(l, word, tries) < 0)
			return -EBADMSG;
		if (len >= 0)
			l->sequence = l->head++;
		if (len != -ESTALE)
			return len;
	}
	return -EAGAIN;
}

/** Whether there is something for shmqi_lossy_recv(): a message, or one that is gone. */
static inline bool
shmqi_lossy_readable(const struct shmqi_lossy *l)
{
	return (int64_t)(lossy_word(l, l->head) - lossy_there(l->head)) >= 0;
}

/** Whether something was sent after what was read last. */
static inline bool
shmqi_lossy_news(const struct shmqi_lossy *l)
{
	/* NEWEST, acquire: as in shmqi_lossy_latest(), which will follow. */
	return shmq_load_acquire_u64(l->shared_tail) != l->head;
}

/**
 * Read the newest message; with `only_new`, if it was not read before. Its length; -EAGAIN: nothing
 * was sent, nothing new, or the writer lapped every try; -EMSGSIZE, -EBADMSG. Who reads after
 * somebody else has read does not get an older one: both go by *tail.
 */
static inline int64_t
shmqi_lossy_latest(struct shmqi_lossy *l, void *buf, size_t size, bool only_new)
{
	for (unsigned tries = 0; tries < LOSSY_TRIES; tries++) {
		/* NEWEST, acquire: the message before this tail is there, or gone by. */
		uint64_t tail = shmq_load_acquire_u64(l->shared_tail);
		int64_t len = -ESTALE, beyond;

		if (tail == 0 || (only_new && tail == l->head))
			return -EAGAIN;
		beyond = (int64_t)(lossy_word(l, tail - 1) - lossy_there(tail - 1));
		if (beyond < 0 || (int64_t)(tail - l->head) < 0)
			return -EBADMSG; /* L3 */
		if (beyond == 0)
			len = lossy_copy(l, tail - 1, buf, size);
		if (len >= 0) {
			l->sequence = tail - 1;
			l->head = tail;
		}
		if (len != -ESTALE)
			return len;
	}
	l->lapped++;
	return -EAGAIN;
}

#endif
