/* SPDX-License-Identifier: MIT */
/*
 * The lossy ring of variable-length records: one writer that never waits, any number of readers
 * that write nothing at all.
 *
 * Records lie as in ring_records.h, and their headers are the same; but nobody's head stops the
 * writer. Instead it says in one word, `intent`, how far it may have written. Where that is more
 * than a period beyond a record, the record is gone. A reader looks at `intent` after each header
 * that it reads, before it believes the length, and again after the copy. The writer raises it by
 * LOSSY_RECORDS_STEP more than it needs, so that this word, which every reader keeps looking at,
 * seldom changes; the ring has as much room beyond its capacity.
 *
 * Shared words and the one writer of each: the writer, all of them
 *   header, bytes  as in ring_records.h
 *   *tail          the position after the last record, or one record less
 *   *sent          messages before *tail: a hint of the upper half of a number
 *   *intent        the position before which bytes may have been written
 *   *oldest        the position of the first record that is not to be overwritten below *intent
 *
 * Invariants (positions count bytes since creation, are multiples of 8, and are compared by
 * difference only)
 *   B1  oldest <= tail <= intent; tail + 8 <= intent once something was begun
 *   B2  intent - oldest <= period; while intent - p <= period, nothing at or after position p, of
 *       what is before the tail, is written again; nor is the header at the tail, until it is
 *       published
 *   B3  the headers at tail, and at the beginning of any record that is not gone, tell the low half
 *       of the number of the message (ring_records.h, R2)
 *   B4  the last `capacity` bytes of records, the one being written included, are not gone
 *
 * Edges
 *   RECORD     publish: store of a header -> look: load of it, then a fence; carries the record, the
 *              next header, and all the sender did before
 *   OVERWRITE  begin: fence between the store of *intent and the bytes -> look, recv: fence between
 *              header or bytes and the load of *intent; who saw something of a later lap sees the
 *              intent
 *   START      publish, raise: store of *tail, *oldest -> open, catching up: load of it; carries
 *              the header there
 *
 * Progress: wait-free on both sides. The writer walks over the headers of what it is about to
 * overwrite: at most (LOSSY_RECORDS_STEP + cost of the message) / 8 of them in one send. A reader
 * that is lapped LOSSY_RECORDS_TRIES times in one call gives up with -EAGAIN.
 *
 * On a crash. The writer, before RECORD: the message does not exist, what its intent covers is
 * gone, as it would have been. Between RECORD and the store of *tail: it is sent; the next writer
 * steps over it. A reader: nothing.
 *
 * Trust: as in ring_records.h, for readers; the writer checks what its predecessor left, and goes
 * on with an empty past if a header that it walks over is broken.
 *
 * After Aeron's broadcast buffer (its tail intent counter).
 */
#ifndef SHMQ_RING_LOSSY_RECORDS_H
#define SHMQ_RING_LOSSY_RECORDS_H

#include "racy.h"
#include "ring_records.h"

/* How often one call begins again after it was lapped; and how often a newcomer does. */
#ifndef LOSSY_RECORDS_TRIES /* a model has fewer, and less room */
#define LOSSY_RECORDS_STEP FORMAT_LOSSY_SLACK
#define LOSSY_RECORDS_TRIES 4
#define LOSSY_RECORDS_OPEN_TRIES 1000
#endif

/* A record's beginning. */
struct lossy_records_place {
	uint64_t position, offset;
	uint64_t sequence; /* of the message there, or to come there */
};

/** One handle's private view. Either end uses its own half. */
struct shmqi_lossy_records {
	unsigned char *bytes; /* shmqi_lossy_records_bytes() of them */
	uint64_t capacity;    /* of summed cost */
	uint64_t msg_max;     /* below 2^31, and format_record_cost(msg_max) <= capacity */
	/* Two lines: readers look at the second only, which changes seldom. */
	uint64_t *shared_tail, *shared_sent;
	uint64_t *shared_intent, *shared_oldest;
	uint64_t period;
	/* the writer */
	struct lossy_records_place tail, oldest;
	uint64_t intent;
	/* a reader */
	struct lossy_records_place head;
	uint64_t sequence; /* of the message received last */
	uint64_t lost;	   /* messages passed over since it began */
};

/** Bytes that the ring and its overflow need. */
static inline uint64_t
shmqi_lossy_records_bytes(uint64_t capacity, uint64_t msg_max)
{
	return format_records_bytes(capacity + LOSSY_RECORDS_STEP, msg_max);
}

static inline uint64_t *
lossy_records_header(const struct shmqi_lossy_records *l, const struct lossy_records_place *at)
{
	return records_header(l->bytes, at->offset);
}

static inline void
lossy_records_advance(const struct shmqi_lossy_records *l, struct lossy_records_place *at,
		      uint64_t length)
{
	uint64_t cost = format_record_cost(length);

	at->position += cost;
	at->offset = records_after(l->period, at->offset, cost);
	at->sequence++;
}

static inline void
lossy_records_set(struct lossy_records_place *at, const struct lossy_records_place *to)
{
	at->position = to->position;
	at->offset = to->offset;
	at->sequence = to->sequence;
}

/* Whether a header is that of the message at its place, complete. */
static inline bool
lossy_records_whole(const struct shmqi_lossy_records *l, uint64_t header, uint64_t sequence)
{
	uint64_t length = records_length(header);

	return header == records_present(sequence, length) && length <= l->msg_max;
}

/* Take a place from a word that tells a record's position. 0, -EBADMSG. */
static inline int
lossy_records_place(const struct shmqi_lossy_records *l, const uint64_t *word,
		    struct lossy_records_place *at)
{
	/* START, acquire: the header there is in place, or overwritten. */
	uint64_t position = shmq_load_acquire_u64(word), header;

	if (position % 8)
		return -EBADMSG;
	at->position = position;
	at->offset = position % l->period;
	/* Relaxed: START carries it; only the number is taken from it. */
	header = shmq_load_relaxed_u64(lossy_records_header(l, at));
	at->sequence = records_sequence(header, shmq_load_relaxed_u64(l->shared_sent));
	return 0;
}

/* The writer --------------------------------------------------------------------------------- */

/* Step over a record that a dead writer published but did not count. 0, -EBADMSG. */
static inline int
lossy_records_step_over(struct shmqi_lossy_records *l)
{
	uint64_t header = shmq_load_relaxed_u64(lossy_records_header(l, &l->tail));

	if (header == records_awaited(l->tail.sequence))
		return 0;
	if (!lossy_records_whole(l, header, l->tail.sequence))
		return -EBADMSG;
	lossy_records_advance(l, &l->tail, records_length(header));
	header = shmq_load_relaxed_u64(lossy_records_header(l, &l->tail));
	if (header != records_awaited(l->tail.sequence))
		return -EBADMSG;
	shmq_store_relaxed_u64(l->shared_sent, l->tail.sequence);
	/* START, release: the header at this tail is in place. */
	shmq_store_release_u64(l->shared_tail, l->tail.position);
	return 0;
}

/** Become the writer: find where the last one stopped. 0, -EBADMSG. */
static inline int
shmqi_lossy_records_open_writer(struct shmqi_lossy_records *l)
{
	int err;

	l->period = format_records_period(l->capacity + LOSSY_RECORDS_STEP);
	err = lossy_records_place(l, l->shared_tail, &l->tail);
	if (!err)
		err = lossy_records_step_over(l);
	if (!err)
		err = lossy_records_place(l, l->shared_oldest, &l->oldest);
	/* Relaxed: only a writer stores it, and the one before is gone. */
	l->intent = shmq_load_relaxed_u64(l->shared_intent);
	/* B1 and B2; nothing may be missing between the two. */
	if (err || l->intent - l->tail.position > l->period ||
	    l->tail.position - l->oldest.position > l->period ||
	    l->intent - l->oldest.position > l->period)
		return -EBADMSG;
	return 0;
}

/* Pass over the records that will be gone with this intent. */
static inline void
lossy_records_forget(struct shmqi_lossy_records *l, uint64_t intent)
{
	struct lossy_records_place *at = &l->oldest;

	while (intent - at->position > l->period && at->position != l->tail.position) {
		/* Relaxed: ours, or a predecessor's, which has ended. */
		uint64_t header = shmq_load_relaxed_u64(lossy_records_header(l, at));

		if (!lossy_records_whole(l, header, at->sequence) ||
		    format_record_cost(records_length(header)) > l->tail.position - at->position)
			lossy_records_set(at, &l->tail);
		else
			lossy_records_advance(l, at, records_length(header));
	}
}

/* Raise the intent so far that it covers all before `need`, and some more. */
static inline void
lossy_records_raise(struct shmqi_lossy_records *l, uint64_t need)
{
	l->intent = need + LOSSY_RECORDS_STEP;
	lossy_records_forget(l, l->intent);
	/* START, release: the header there is in place. */
	shmq_store_release_u64(l->shared_oldest, l->oldest.position);
	/* Relaxed: the fence keeps it before the bytes, and that is all it is for. */
	shmq_store_relaxed_u64(l->shared_intent, l->intent);
	/* OVERWRITE, fence: who sees one of the bytes to come sees this intent. */
	shmq_fence_release();
}

/** Begin a message of up to `len` <= msg_max bytes: where they go. Without a publish after it:
 * nothing was sent. */
static inline unsigned char *
shmqi_lossy_records_begin(struct shmqi_lossy_records *l, size_t len)
{
	uint64_t need = l->tail.position + format_record_cost(len) + FORMAT_SLOT_WORD;

	if (__builtin_expect((int64_t)(need - l->intent) > 0, 0))
		lossy_records_raise(l, need);
	return l->bytes + l->tail.offset + FORMAT_SLOT_WORD;
}

/** Publish what was begun: `len` bytes of it, which are written. */
static inline void
shmqi_lossy_records_publish(struct shmqi_lossy_records *l, size_t len)
{
	uint64_t *header = lossy_records_header(l, &l->tail), sequence = l->tail.sequence;

	lossy_records_advance(l, &l->tail, len);
	/* Relaxed: RECORD, below, carries it; no reader that is not lapped looks there before. */
	shmq_store_relaxed_u64(lossy_records_header(l, &l->tail),
			       records_awaited(l->tail.sequence));
	/* RECORD, release: whoever sees this header sees the bytes, and the header after them. */
	shmq_store_release_u64(header, records_present(sequence, len));
	/* Relaxed: a hint of the upper half only. */
	shmq_store_relaxed_u64(l->shared_sent, l->tail.sequence);
	/* START, release: the header at this tail is in place. */
	shmq_store_release_u64(l->shared_tail, l->tail.position);
}

/** Send a message of `len` <= msg_max bytes. */
static inline void
shmqi_lossy_records_send(struct shmqi_lossy_records *l, const void *msg, size_t len)
{
	shmqi_copy_in(shmqi_lossy_records_begin(l, len), msg, len);
	shmqi_lossy_records_publish(l, len);
}

/* A reader ----------------------------------------------------------------------------------- */

/* Whether what was read from this position on, before, may be of a later lap. */
static inline bool
lossy_records_gone(const struct shmqi_lossy_records *l, uint64_t position)
{
	/* OVERWRITE, fence: if one of the words loaded before is too new, so is the intent. */
	shmq_fence_acquire();
	return (int64_t)(shmq_load_relaxed_u64(l->shared_intent) - position - l->period) > 0;
}

/* The same, and prove that the header there was its own. 0, -EAGAIN (lapped), -EBADMSG. */
static inline int
lossy_records_settle_at(const struct shmqi_lossy_records *l, const uint64_t *word,
			struct lossy_records_place *at)
{
	int err = lossy_records_place(l, word, at);

	if (err)
		return err;
	return lossy_records_gone(l, at->position) ? -EAGAIN : 0;
}

/** Become a reader, of what comes from now on, or from the oldest record there is. 0, -EBADMSG. */
static inline int
shmqi_lossy_records_open_reader(struct shmqi_lossy_records *l, bool oldest)
{
	const uint64_t *word = oldest ? l->shared_oldest : l->shared_tail;
	int err = -EAGAIN;

	l->period = format_records_period(l->capacity + LOSSY_RECORDS_STEP);
	for (unsigned tries = 0; err == -EAGAIN && tries < LOSSY_RECORDS_OPEN_TRIES; tries++)
		err = lossy_records_settle_at(l, word, &l->head);
	l->sequence = l->lost = 0;
	return err == 0 ? 0 : -EBADMSG; /* nobody is lapped that often */
}

/*
 * Pass over what is gone, to the oldest record that is not: the reader then goes on at the writer's
 * own pace, losing as little as it can. On the last try to the tail. 0, -EAGAIN (lapped), -EBADMSG.
 */
static inline int
lossy_records_catch_up(struct shmqi_lossy_records *l, unsigned tries)
{
	struct lossy_records_place to = {0};
	bool last = tries + 1 == LOSSY_RECORDS_TRIES;
	int err = lossy_records_settle_at(l, last ? l->shared_tail : l->shared_oldest, &to);

	if (err)
		return err;
	if ((int64_t)(to.position - l->head.position) <= 0)
		return -EAGAIN; /* seen late */
	if (to.sequence - l->head.sequence - 1 >= (to.position - l->head.position) / 8)
		return -EBADMSG;
	l->lost += to.sequence - l->head.sequence;
	lossy_records_set(&l->head, &to);
	return 0;
}

/*
 * Look at the header of the head. The length of the message there; -EAGAIN (not there), -EBADMSG;
 * -ESTALE: the head is gone.
 */
static inline int64_t
lossy_records_look(const struct shmqi_lossy_records *l)
{
	/* Relaxed: the fence that follows it is RECORD's acquire side, too. */
	uint64_t header = shmq_load_relaxed_u64(lossy_records_header(l, &l->head));

	if (lossy_records_gone(l, l->head.position))
		return -ESTALE;
	if (header == records_awaited(l->head.sequence))
		return -EAGAIN;
	if (!lossy_records_whole(l, header, l->head.sequence))
		return -EBADMSG;
	return (int64_t)records_length(header);
}

/* Copy the message of the head, of `len` bytes. Its length, -EMSGSIZE; -ESTALE: gone meanwhile. */
static inline int64_t
lossy_records_copy(const struct shmqi_lossy_records *l, void *buf, size_t size, int64_t len)
{
	if ((uint64_t)len > size)
		return -EMSGSIZE;
	shmqi_copy_out(buf, l->bytes + l->head.offset + FORMAT_SLOT_WORD, (size_t)len);
	return lossy_records_gone(l, l->head.position) ? -ESTALE : len;
}

/**
 * Receive the next message in order. Its length; -EAGAIN: not there yet, or lapped again and again;
 * -EMSGSIZE: it stays; -EBADMSG. What was passed over is in `lost` then, whatever the result.
 */
static inline int64_t
shmqi_lossy_records_recv(struct shmqi_lossy_records *l, void *buf, size_t size)
{
	for (unsigned tries = 0; tries < LOSSY_RECORDS_TRIES; tries++) {
		int64_t len = lossy_records_look(l);

		if (len == -EAGAIN) {
			shmq_spsc_back_off();
			return -EAGAIN;
		}
		if (len >= 0)
			len = lossy_records_copy(l, buf, size, len);
		if (len >= 0) {
			l->sequence = l->head.sequence;
			lossy_records_advance(l, &l->head, (uint64_t)len);
		}
		if (len != -ESTALE)
			return len;
		if (lossy_records_catch_up(l, tries) == -EBADMSG)
			return -EBADMSG;
	}
	return -EAGAIN;
}

/** Whether there is something for shmqi_lossy_records_recv(): a message, or one that is gone. */
static inline bool
shmqi_lossy_records_readable(const struct shmqi_lossy_records *l)
{
	return lossy_records_look(l) != -EAGAIN;
}

#endif
