/* SPDX-License-Identifier: MIT */
/*
 * Variable-length records packed back to back in a ring of bytes: one writer, which waits for room.
 *
 * A record is a header word and its bytes, padded to a multiple of 8; it costs that much of the
 * capacity. It begins at position % period and may run on beyond the ring's end into an
 * overflow, so its bytes are always contiguous, on every backend. The header after the last record
 * is there before that record is: not present, with the number of the message to come. So stale
 * bytes never look like a record, and whoever comes anew learns from the header at any record's
 * beginning which message it is.
 *
 * Shared words and the one writer of each
 *   header    {sequence:32, present:1, length:31}   the producer
 *   bytes                                           the producer
 *   *tail     the position after the last record    the producer
 *   *sent     messages before *tail                 the producer
 *   *head     the first position not released       the consumer
 *   *received messages before *head                 the consumer
 *
 * Invariants (positions count bytes since creation, are multiples of 8, and are compared by
 * difference only)
 *   R1  head <= tail <= head + capacity, where tail, private to the producer, is the position of
 *       the next record
 *   R2  the header at tail is {low32(messages before it), not present, 0}; that at any record of
 *       [head, tail) has its number and is present
 *   R3  the records of [head, tail), headers and bytes, do not change. The header at tail may be
 *       written though capacity is used up: period = capacity + 8
 *   R4  *tail is tail, or one record behind it; *sent and *received tell the upper half of a
 *       number, of which the header has the lower: they need not agree with *tail and *head
 *
 * Edges
 *   RECORD    publish: store of a header -> look: load of it; carries the record, the next header
 *             (R2), and all the sender did before
 *   SPACE     settle: store of *head -> refresh: load of *head; carries that the consumer is done
 *             reading the records before it
 *   START     publish: store of *tail -> whoever comes anew: load of *tail; carries the header
 *             there
 *
 * Progress: wait-free on both sides, a bounded number of steps each.
 *
 * On a crash. The producer, anywhere before RECORD: the message does not exist; between RECORD and
 * the store of *tail: it is sent, and the next producer steps over it (R4). The consumer, before
 * SPACE: the message comes again to the next consumer; after: it is received.
 *
 * Trust: every header and position is loaded once, checked against private geometry, then used. A
 * broken peer costs its own messages or -EBADMSG, never an access outside ring and overflow.
 *
 * After Aeron's one-to-one ring buffer (the next header is cleared first) and the BPF ring buffer.
 */
#ifndef SHMQ_RING_RECORDS_H
#define SHMQ_RING_RECORDS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmq/atomic.h>
#include <shmq/ring_spsc.h>

#include "format.h"

#define RECORDS_PRESENT (UINT64_C(1) << 31)

/** One handle's private view of a ring. Either end uses its own half. */
struct shmqi_records {
	unsigned char *bytes; /* format_records_bytes(capacity, msg_max) of them */
	uint64_t capacity;    /* of summed cost */
	uint64_t msg_max;     /* below 2^31, and format_record_cost(msg_max) <= capacity */
	uint64_t *shared_tail, *shared_sent;
	uint64_t *shared_head, *shared_received; /* shared_head NULL: see claim_seen */
	uint64_t period;
	/* the producer */
	uint64_t tail, tail_offset, sent;
	uint64_t seen;	 /* the last head seen; older than the shared one, never newer */
	uint64_t wanted; /* the cost that was refused last */
	/* the consumer */
	uint64_t head, head_offset, received;
	uint64_t looked; /* the cost of the record looked at */
};

static inline uint64_t
records_present(uint64_t sequence, uint64_t len)
{
	return sequence << 32 | RECORDS_PRESENT | len;
}

/* The header of a message to come. */
static inline uint64_t
records_awaited(uint64_t sequence)
{
	return sequence << 32;
}

static inline uint64_t
records_length(uint64_t header)
{
	return header & (RECORDS_PRESENT - 1);
}

/* The number nearest to `hint` that ends like the header's. */
static inline uint64_t
records_sequence(uint64_t header, uint64_t hint)
{
	return hint + (uint64_t)(int64_t)(int32_t)((uint32_t)(header >> 32) - (uint32_t)hint);
}

static inline uint64_t *
records_header(unsigned char *bytes, uint64_t offset)
{
	return (uint64_t *)(void *)(bytes + offset);
}

/* The offset of the record after one of this cost. No division: this is on every message's way. */
static inline uint64_t
records_after(uint64_t period, uint64_t offset, uint64_t cost)
{
	offset += cost;
	return offset < period ? offset : offset - period;
}

/* The producer ------------------------------------------------------------------------------- */

static inline bool
records_fits(const struct shmqi_records *r, uint64_t cost, uint64_t head)
{
	return r->tail - head + cost <= r->capacity;
}

/** Read the consumer's head again. 0, or -EBADMSG: it is no head. */
static inline int
shmqi_records_refresh(struct shmqi_records *r)
{
	/* SPACE, acquire: the consumer is done with every record before this head. */
	uint64_t head = shmq_load_acquire_u64(r->shared_head);

	/* Not behind what we saw, not beyond our tail (R1). */
	if (head - r->seen > r->tail - r->seen || head % 8)
		return -EBADMSG;
	r->seen = head;
	return 0;
}

/**
 * Find room for a message of up to `len` bytes, without a look at *head: 0, -EAGAIN. For a producer
 * with more than one consumer, whose `shared_head` is NULL: it sets `seen` to the lowest head.
 */
static inline int
shmqi_records_claim_seen(struct shmqi_records *r, size_t len, unsigned char **bytes)
{
	uint64_t cost = format_record_cost(len);

	if (__builtin_expect(!records_fits(r, cost, r->seen), 0)) {
		r->wanted = cost;
		return -EAGAIN;
	}
	*bytes = r->bytes + r->tail_offset + FORMAT_SLOT_WORD;
	return 0;
}

/** Find room for a message of up to `len` <= msg_max bytes. 0, -EAGAIN, -EBADMSG. */
static inline int
shmqi_records_claim(struct shmqi_records *r, size_t len, unsigned char **bytes)
{
	int err;

	if (__builtin_expect(shmqi_records_claim_seen(r, len, bytes) == 0, 1))
		return 0;
	err = shmqi_records_refresh(r);
	if (err)
		return err;
	if (shmqi_records_claim_seen(r, len, bytes) == 0)
		return 0;
	shmq_spsc_pause(SHMQ_SPSC_FULL_PAUSES);
	return -EAGAIN;
}

/** Publish what was claimed: `len` bytes of it, which are written. */
static inline void
shmqi_records_publish(struct shmqi_records *r, size_t len)
{
	uint64_t *header = records_header(r->bytes, r->tail_offset);
	uint64_t cost = format_record_cost(len), sequence = r->sent++;

	r->tail += cost;
	r->tail_offset = records_after(r->period, r->tail_offset, cost);
	/* Relaxed: RECORD, below, carries it; no consumer looks there before. */
	shmq_store_relaxed_u64(records_header(r->bytes, r->tail_offset), records_awaited(r->sent));
	/* RECORD, release: whoever sees this header sees the bytes, and the header after them. */
	shmq_store_release_u64(header, records_present(sequence, len));
	/* Relaxed: a hint of the upper half only. */
	shmq_store_relaxed_u64(r->shared_sent, r->sent);
	/* START, release: the header at this tail is in place. */
	shmq_store_release_u64(r->shared_tail, r->tail);
}

/** Whether there is something for the producer: room for what was refused, or a reason to fail. */
static inline bool
shmqi_records_writable(const struct shmqi_records *r)
{
	uint64_t head;

	if (records_fits(r, r->wanted, r->seen))
		return true;
	/* SPACE, acquire: as in shmqi_records_refresh(), which will follow. */
	head = shmq_load_acquire_u64(r->shared_head);
	return r->tail - head > r->capacity || records_fits(r, r->wanted, head);
}

/* The consumer ------------------------------------------------------------------------------- */

static inline uint64_t
records_next_header(const struct shmqi_records *r)
{
	/* RECORD, acquire: with a header that is present, the bytes are there. */
	return shmq_load_acquire_u64(records_header(r->bytes, r->head_offset));
}

/** Find the next message. Its length, -EAGAIN (not there), -EBADMSG. */
static inline int64_t
shmqi_records_look(struct shmqi_records *r, unsigned char **bytes)
{
	uint64_t header = records_next_header(r), length = records_length(header);

	if (header == records_awaited(r->received))
		return -EAGAIN;
	if (header != records_present(r->received, length) || length > r->msg_max)
		return -EBADMSG;
	r->looked = format_record_cost(length);
	*bytes = r->bytes + r->head_offset + FORMAT_SLOT_WORD;
	return (int64_t)length;
}

/** Step over the message looked at, privately. */
static inline void
shmqi_records_next(struct shmqi_records *r)
{
	r->head += r->looked;
	r->head_offset = records_after(r->period, r->head_offset, r->looked);
	r->received++;
}

/** Be done with all messages that were stepped over. */
static inline void
shmqi_records_settle(struct shmqi_records *r)
{
	/* Relaxed: a hint of the upper half only. */
	shmq_store_relaxed_u64(r->shared_received, r->received);
	/* SPACE, release: we have read these records for the last time. */
	shmq_store_release_u64(r->shared_head, r->head);
}

/** Whether there is something for the consumer: a message, or a reason to fail. */
static inline bool
shmqi_records_readable(const struct shmqi_records *r)
{
	return records_next_header(r) != records_awaited(r->received);
}

/* Coming anew -------------------------------------------------------------------------------- */

/* Set the producer's half to the last known tail. 0, -EBADMSG. */
static inline int
records_find_tail(struct shmqi_records *r)
{
	uint64_t header;

	r->period = format_records_period(r->capacity);
	/* START, acquire: the header at this tail is in place. */
	r->tail = shmq_load_acquire_u64(r->shared_tail);
	if (r->tail % 8)
		return -EBADMSG;
	r->tail_offset = r->tail % r->period;
	/* RECORD, acquire: that record, too, if it is present already. */
	header = shmq_load_acquire_u64(records_header(r->bytes, r->tail_offset));
	r->sent = records_sequence(header, shmq_load_relaxed_u64(r->shared_sent));
	return 0;
}

/* Step over a record that a dead producer published but did not count (R4). 0, -EBADMSG. */
static inline int
records_step_over(struct shmqi_records *r)
{
	uint64_t header = shmq_load_relaxed_u64(records_header(r->bytes, r->tail_offset));
	uint64_t cost = format_record_cost(records_length(header));

	if (header == records_awaited(r->sent))
		return 0;
	if (header != records_present(r->sent, records_length(header)) ||
	    records_length(header) > r->msg_max)
		return -EBADMSG;
	r->tail += cost;
	r->tail_offset = records_after(r->period, r->tail_offset, cost);
	r->sent++;
	header = shmq_load_relaxed_u64(records_header(r->bytes, r->tail_offset));
	if (header != records_awaited(r->sent))
		return -EBADMSG;
	shmq_store_relaxed_u64(r->shared_sent, r->sent);
	/* START, release: the header at this tail is in place. */
	shmq_store_release_u64(r->shared_tail, r->tail);
	return 0;
}

/**
 * Become the producer: find where the last one stopped. 0, -EBADMSG. With `shared_head` NULL the
 * ring looks full until `seen` is set.
 */
static inline int
shmqi_records_open_writer(struct shmqi_records *r)
{
	int err = records_find_tail(r);

	if (!err)
		err = records_step_over(r);
	if (err)
		return err;
	r->wanted = 0;
	r->seen = r->tail - r->capacity;
	if (!r->shared_head)
		return 0;
	/* SPACE, acquire: the consumer is done with every record before this head. */
	r->seen = shmq_load_acquire_u64(r->shared_head);
	if (r->tail - r->seen > r->capacity || r->seen % 8)
		return -EBADMSG;
	return 0;
}

/* Set the consumer's half to a record's beginning. */
static inline void
records_begin_at(struct shmqi_records *r, uint64_t position, uint64_t hint)
{
	r->period = format_records_period(r->capacity);
	r->head = position;
	r->head_offset = position % r->period;
	r->received = records_sequence(records_next_header(r), hint);
	r->looked = 0;
}

/** Become the consumer: go on where the last one stopped. 0, -EBADMSG. */
static inline int
shmqi_records_open_reader(struct shmqi_records *r)
{
	/* SPACE, acquire: of the consumer before us. */
	uint64_t head = shmq_load_acquire_u64(r->shared_head);

	if (head % 8)
		return -EBADMSG;
	records_begin_at(r, head, shmq_load_relaxed_u64(r->shared_received));
	return 0;
}

/** Where the next record will begin: for one more consumer, who goes on from there. */
static inline uint64_t
shmqi_records_newest(const uint64_t *shared_tail)
{
	/* START, acquire: the header at this tail is in place. */
	return shmq_load_acquire_u64(shared_tail);
}

#endif
