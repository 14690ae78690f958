/* SPDX-License-Identifier: MIT */
/*
 * Lossless broadcast: the writer side of an SPSC ring, and a cursor for each reader in its
 * participant's lane. The writer's `seen` is the lowest cursor, looked up only when the ring looks
 * full; so a message costs the same however many readers there are.
 *
 * Shared words and the writers of each
 *   floor (progress.head)   the writer: no reader needs a position before it. It stays half a ring
 *                           behind where it can, for readers that will start at the oldest message
 *   reader.head             the reader: the first position it has not released
 *   reader.state            {generation:48, state:16}, by CAS: the reader OUT -> IN -> OUT; the
 *                           writer IN -> EJECTED; with proof of the reader's death, anybody -> OUT
 *
 * Invariants
 *   B1  the writer's `seen` <= floor <= tail <= seen + capacity; the floor never goes down
 *   B2  a reader that is IN, and has found floor <= reader.head after it came in, keeps
 *       floor <= reader.head until it is EJECTED or OUT
 *
 * Edges
 *   JOIN     reader: store IN and head, fence, load floor <-> writer: store floor, fence, load
 *            states and heads. Either the writer sees the reader, or the reader sees the floor that
 *            was raised without it, and comes in again above it (B2).
 *   RECYCLE, SPACE   reader: store of reader.head -> writer: load of it, as with one reader
 *   EJECT    writer: CAS to EJECTED -> reader: load of state after its copy. The writer writes to
 *            the slot only after the CAS, so a copy that was fine before the load is fine.
 *
 * Progress: the writer wait-free, but for a bounded walk over the participants each time the ring
 * looks full; readers wait-free.
 *
 * On a crash. The writer between storing a floor and using it: nothing was overwritten that a
 * reader which is in may read, but one that it did not see may be below that floor; so the next
 * writer looks at all cursors, and keeps its `seen`, not the floor, below them (a floor that went
 * down would let a reader in that has not checked yet). A reader: its cursor stays, and holds the
 * writer up until the kernel says that it is dead: then it is put OUT.
 *
 * After the gating sequences of the Disruptor, with the join of ALGORITHMS 2.6.
 */
#include "queue.h"

#include <errno.h>

#define STATE_BITS 16
#define STATE_MASK UINT64_C(0xffff)
#define OUT SHMQI_READER_OUT
#define IN SHMQI_READER_IN
#define EJECTED SHMQI_READER_EJECTED

static struct format_reader *
reader_of(const struct shmq *q, unsigned index)
{
	return &format_lanes(q->seg->object, &q->seg->g)[index].reader;
}

static uint64_t
tail_of(const struct shmq *q)
{
	return q->send.records ? q->records_out.tail : q->hot.ring.tail;
}

static uint64_t *
seen_of(struct shmq *q)
{
	return q->send.records ? &q->records_out.seen : &q->hot.ring.seen;
}

/* The writer --------------------------------------------------------------------------------- */

static void
eject(struct format_reader *reader, uint64_t seen)
{
	/* EJECT, both: it is EJECTED before we write where it reads. Or it has left by itself. */
	(void)shmq_cas_acq_rel_u64(&reader->state, &seen, (seen & ~STATE_MASK) | EJECTED);
}

/*
 * How far the slowest reader is behind the tail. One that is more than `limit` behind is ejected;
 * so is one whose cursor cannot be: beyond the tail, or more than a ring behind.
 */
static uint64_t
slowest(struct shmq *q, uint64_t limit)
{
	uint64_t tail = tail_of(q), lag = 0;
	bool alone = true;

	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		struct format_reader *reader = reader_of(q, i);
		/* JOIN, acquire: its head is the one it came in with, or a later one. */
		uint64_t state = shmq_load_acquire_u64(&reader->state), behind;

		if ((state & STATE_MASK) != IN)
			continue;
		/* RECYCLE, acquire: it is done with all before its head. */
		behind = tail - shmq_load_acquire_u64(&reader->head);
		if (behind > limit) {
			eject(reader, state);
			continue;
		}
		alone = false;
		lag = behind > lag ? behind : lag;
	}
	/* Those who were ejected may be dead by now: whoever wants to know asks. */
	q->suspect = q->suspect || alone;
	return lag;
}

/*
 * What is kept for those who will ask for the oldest message: about half of `room`, but never what
 * a message of this cost needs. Of records, from where one begins: about an eighth less.
 */
static uint64_t
history(const struct shmq *q, uint64_t room, uint64_t cost)
{
	if (!q->send.records)
		return room / 2;
	for (unsigned i = 0; i < QUEUE_MARKS; i++) {
		uint64_t kept = tail_of(q) - q->marks[(q->mark + i) % QUEUE_MARKS];

		if (kept <= room / 2 && kept + cost <= room)
			return kept;
	}
	return 0;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Raise the floor to the lowest cursor. It is shown first and the cursors are looked at again, so
 * that a reader that came in meanwhile is seen, or sees it (JOIN).
 */
static void
raise_floor(struct shmq *q, size_t cost)
{
	uint64_t *shared = &q->control->progress.head, *seen = seen_of(q), tail = tail_of(q);
	uint64_t limit = q->seg->g.slow_limit, keep, lag, again;

	keep = history(q, limit ? limit : q->seg->g.capacity, cost);
	keep = keep < tail - *seen ? keep : tail - *seen;
	/* What is about to be sent counts, too: nobody may be more than the limit behind it. */
	limit = limit ? (limit > cost ? limit - cost : 0) : q->seg->g.capacity;
	lag = larger(slowest(q, limit), keep);
	/* Relaxed: ours. It never goes down: a reader that has not checked yet may be below it, where
	 * something may have been overwritten. */
	if (lag < tail - shmq_load_relaxed_u64(shared))
		/* JOIN, release: a reader that sees this floor sees the slots below the tail. */
		shmq_store_release_u64(shared, tail - lag);
	/* JOIN, fence: our floor before their cursors. */
	shmq_fence_seq_cst();
	again = larger(slowest(q, limit), lag);
	*seen = tail - again;
	/* EJECT, fence: who is ejected can see that before we write where it reads. */
	shmq_fence_release();
}

static uint64_t
cost_of(const struct shmq *q, size_t len)
{
	return q->send.records ? format_record_cost(len) : 1;
}

/* Whether the message would leave the slowest reader seen further behind than is allowed. */
static bool
too_far(struct shmq *q, size_t len)
{
	uint64_t limit = q->seg->g.slow_limit;

	return limit && tail_of(q) - *seen_of(q) + cost_of(q, len) > limit;
}

static int
broadcast_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	int err = too_far(q, len) ? -EAGAIN : shmqi_lane_claim_seen(&q->send, len, bytes);

	if (err != -EAGAIN)
		return err;
	raise_floor(q, cost_of(q, len));
	err = shmqi_lane_claim_seen(&q->send, len, bytes);
	if (err)
		shmq_spsc_pause(SHMQ_SPSC_FULL_PAUSES);
	return err;
}

/* Records remember where some began, the oldest mark first. */
static void
broadcast_commit(struct shmq *q, size_t len)
{
	uint64_t room = q->seg->g.slow_limit ? q->seg->g.slow_limit : q->seg->g.capacity;
	uint64_t newest = q->marks[(q->mark + QUEUE_MARKS - 1) % QUEUE_MARKS];

	shmqi_lane_publish(&q->send, len);
	if (!q->send.records || q->records_out.tail - newest < room / QUEUE_MARKS)
		return;
	q->marks[q->mark] = q->records_out.tail;
	q->mark = (q->mark + 1) % QUEUE_MARKS;
}

/* Whether every reader has moved on from where the slowest was seen, or nothing is unread. */
static bool
broadcast_writable(struct shmq *q)
{
	uint64_t unread = tail_of(q) - *seen_of(q);

	return unread == 0 || slowest(q, q->seg->g.capacity) != unread;
}

/* Getting a dead reader out of the way ------------------------------------------------------- */

static void
put_out(struct shmq_seg *seg, unsigned index)
{
	uint64_t *state = &format_lanes(seg->object, &seg->g)[index].reader.state;
	/* JOIN, acquire: compared and swapped below. */
	uint64_t seen = shmq_load_acquire_u64(state);

	if ((seen & STATE_MASK) != OUT)
		/* EJECT, both: it is dead, and we hold the lock that proves it. */
		(void)shmq_cas_acq_rel_u64(state, &seen, seen & ~STATE_MASK);
}

static void
bury(struct shmq_seg *seg, unsigned index, void *arg)
{
	(void)arg;
	put_out(seg, index);
	shmqi_peer_sweep(seg, index);
}

/* Whoever stands at the floor is asked whether it lives. */
static int
broadcast_unblock(struct shmq *q, unsigned role)
{
	uint64_t seen = *seen_of(q);
	int blocked = 0;

	if (role != SHMQ_PRODUCER)
		return 0;
	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		struct format_reader *reader = reader_of(q, i);
		/* JOIN, acquire: as in slowest(). */
		uint64_t state = shmq_load_acquire_u64(&reader->state);

		/* Relaxed: a guess whom to ask. */
		if ((state & STATE_MASK) != IN || shmq_load_relaxed_u64(&reader->head) != seen)
			continue;
		if (shmqi_peer_bury(q->seg, i, bury, NULL) != 0)
			blocked = 1;
	}
	return blocked;
}

/* Readers ------------------------------------------------------------------------------------ */

/* Where to start: at the floor, or at what is sent next. */
static uint64_t
starting_point(struct shmq *q, uint64_t floor)
{
	if (q->roles & SHMQ_OLDEST)
		return floor;
	if (q->recv.records)
		return shmqi_records_newest(&q->control->writer.tail);
	return shmq_spsc_find_tail(&q->hot.ring, floor);
}

static uint64_t
load_floor(const struct shmq *q)
{
	/* JOIN, acquire: the slots below the tail of that time. */
	return shmq_load_acquire_u64(&q->control->progress.head);
}

/* Come in at a position that the writer has not passed, and will not pass. */
static int
come_in(struct shmq *q)
{
	struct format_reader *reader = reader_of(q, q->index);
	uint64_t floor = load_floor(q), next;

	for (int tries = 0; tries < 1000; tries++) {
		/* Relaxed: OUT as long as we hold the lock and have not come in. */
		uint64_t state = shmq_load_relaxed_u64(&reader->state);
		uint64_t at = starting_point(q, floor);

		/* RECYCLE, release: nobody looks before we are in. */
		shmq_store_release_u64(&reader->head, at);
		q->reader_state = (((state >> STATE_BITS) + 1) << STATE_BITS) | IN;
		/* JOIN, release: our head. */
		shmq_store_release_u64(&reader->state, q->reader_state);
		/* JOIN, fence: our cursor before their floor. */
		shmq_fence_seq_cst();
		next = load_floor(q);
		if (at - next <= q->seg->g.capacity &&
		    shmq_load_relaxed_u64(&reader->state) == q->reader_state)
			return 0;
		floor = next;
	}
	return -EBADMSG; /* no writer is always a lap ahead of us */
}

static void
go_out(struct shmq *q)
{
	struct format_reader *reader = reader_of(q, q->index);
	uint64_t seen = q->reader_state;

	/* EJECT, both: if we were ejected, that is to be seen no more either. */
	while ((seen & STATE_MASK) != OUT &&
	       !shmq_cas_acq_rel_u64(&reader->state, &seen, seen & ~STATE_MASK))
		;
}

/* After a copy: were we in all the time? */
static bool
still_in(const struct shmq *q)
{
	/* EJECT, fence: our copy before this look. */
	shmq_fence_acquire();
	/* Relaxed: the fence orders it. */
	return shmq_load_relaxed_u64(&reader_of(q, q->index)->state) == q->reader_state;
}

static int64_t
broadcast_recv(struct shmq *q, void *buf, size_t size)
{
	unsigned char *bytes = NULL;
	int64_t len;

	if (!q->seg->g.slow_limit) {
		len = shmqi_lane_recv(q, buf, size);
		return len == -EAGAIN && !still_in(q) ? -ESTALE : len;
	}
	/* The writer may pass us: what we find is true only if we are still in afterwards. */
	len = shmqi_lane_look(&q->recv, &bytes);
	if (len >= 0 && (uint64_t)len <= size)
		shmqi_copy_out(buf, bytes, (size_t)len);
	if (!still_in(q))
		return -ESTALE;
	if (len < 0)
		return len;
	if ((uint64_t)len > size)
		return -EMSGSIZE;
	shmqi_lane_next(&q->recv);
	return len;
}

static int64_t
broadcast_peek(struct shmq *q, unsigned char **bytes)
{
	/* A writer that may pass us would change it under the caller's eyes. */
	return q->seg->g.slow_limit ? -ENOTSUP : shmqi_lane_peek(q, bytes);
}

static bool
broadcast_readable(struct shmq *q)
{
	return shmqi_lane_has_message(q) || !still_in(q);
}

/* Opening ------------------------------------------------------------------------------------ */

/* The last writer may have died after it raised the floor, and before it saw who had come in. */
static int
open_writer(struct shmq *q, struct shmqi_lane_place *place)
{
	uint64_t floor = load_floor(q), lag;

	place->head = NULL;
	if (q->send.records) {
		int err = shmqi_lane_open_records(&q->records_out, place, &q->seg->g, true);

		if (err)
			return err;
		if (q->records_out.tail - floor > q->seg->g.capacity)
			return -EBADMSG;
	}
	/* JOIN, fence: the floor that the last writer showed before the cursors. */
	shmq_fence_seq_cst();
	lag = larger(slowest(q, q->seg->g.capacity), tail_of(q) - floor);
	*seen_of(q) = tail_of(q) - lag;
	/* The floor stays: see raise_floor(). */
	for (unsigned i = 0; i < QUEUE_MARKS; i++)
		q->marks[i] = tail_of(q);
	return 0;
}

static int
open_reader(struct shmq *q, struct shmqi_lane_place *place)
{
	int err = come_in(q);

	if (err)
		return err;
	place->head = &reader_of(q, q->index)->head;
	place->received = &reader_of(q, q->index)->received;
	if (q->recv.records) {
		/* Relaxed, both: a count; the header at our place tells its lower half. */
		shmq_store_relaxed_u64(place->received,
				       shmq_load_relaxed_u64(&q->control->writer.sent));
		err = shmqi_lane_open_records(&q->records_in, place, &q->seg->g, false);
		shmq_store_relaxed_u64(place->received, q->records_in.received);
		return err;
	}
	q->hot.ring.shared_head = place->head;
	/* Relaxed: ours. */
	q->hot.ring.head = shmq_load_relaxed_u64(place->head);
	return 0;
}

static int
broadcast_open(struct shmq *q)
{
	struct shmqi_lane_place place = shmqi_lane_place(q, 0);
	int err = 0;

	if (q->seg->g.flags & SHMQ_RECORDS) {
		q->send.records = &q->records_out;
		q->recv.records = &q->records_in;
	} else {
		shmqi_lane_open_slots(&q->hot.ring, &q->seg->g, place.bytes, place.head);
		q->send.slots = q->recv.slots = &q->hot.ring;
	}
	if (q->roles & SHMQ_PRODUCER)
		err = open_writer(q, &place);
	if (err == 0 && (q->roles & SHMQ_CONSUMER))
		err = open_reader(q, &place);
	return err;
}

static void
broadcast_close(struct shmq *q)
{
	if (q->roles & SHMQ_CONSUMER)
		go_out(q);
}

const struct shmqi_kind shmqi_kind_broadcast = {
	.open = broadcast_open,
	.close = broadcast_close,
	.claim = broadcast_claim,
	.commit = broadcast_commit,
	.send = shmqi_lane_send,
	.writable = broadcast_writable,
	.recv = broadcast_recv,
	.peek = broadcast_peek,
	.release = shmqi_lane_release,
	.settle = shmqi_lane_settled,
	.readable = broadcast_readable,
	.unblock = broadcast_unblock,
	.sweep = put_out,
	.batch = true,
};
