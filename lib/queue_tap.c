/* SPDX-License-Identifier: MIT */
/*
 * What an observer's recv does: look at each message once, as it passes, without consuming it and
 * without a store to the queue. It maps the queue read-only and holds nobody up, so a message may
 * be gone before it is seen: each copy is checked afterwards, and what was missed is counted.
 * (Lossy broadcast and the latest value need none of this: there an observer is a reader.)
 *
 * A copy is true if, after it, the writer was still MARGIN slots or half a ring from coming round
 * to it. A writer that may write there has published all messages up to there, and so many
 * publications are more than any CPU holds back. In rings too small for that, it is true if its
 * consumer had not released it.
 */
#include "queue.h"

#include <errno.h>
#include <sys/mman.h>

#define MARGIN UINT64_C(64)
#define MARGIN_SLOTS 16u /* rings smaller than this have no margin */
#define TRIES 8

/* The slots or records of one writer. */
struct tap_lane {
	struct shmq_spsc slots;
	struct shmqi_records records;
	const struct format_writer *writer;
};

struct shmqi_tap {
	size_t bytes; /* of this mapping */
	unsigned lanes, at;
	uint64_t missed;
	struct tap_lane lane[];
};

/* Slots -------------------------------------------------------------------------------------- */

static bool
slot_overtaken(const struct shmq_spsc *ring)
{
	uint64_t slots = ring->mask + 1, margin = slots < 2 * MARGIN ? slots / 2 : MARGIN;
	uint64_t near = ring->head + slots - margin;

	if (slots < MARGIN_SLOTS)
		/* RECYCLE, acquire: beyond this head slots are not written. */
		return (int64_t)(shmq_load_acquire_u64(ring->shared_head) - ring->head) > 0;
	/* PUBLISH, acquire: only the turn is looked at. */
	return (int32_t)((uint32_t)(shmq_load_acquire_u64(&shmq_spsc_slot(ring, near)->word) >>
				    32) -
			 shmq_spsc_turn(near)) >= 0;
}

/* It is gone: go on with one of the last that were sent. */
static int64_t
skip_slots(struct shmqi_tap *tap, struct shmq_spsc *ring)
{
	/* RECYCLE, acquire: as any newcomer. */
	uint64_t next = shmq_spsc_find_tail(ring, shmq_load_acquire_u64(ring->shared_head));

	next -= next < ring->mask / 4 ? next : ring->mask / 4;
	if ((int64_t)(next - ring->head) <= 0)
		next = ring->head + 1;
	tap->missed += next - ring->head;
	ring->head = next;
	return -ESTALE;
}

static int64_t
look_at_slot(struct shmqi_tap *tap, struct shmq_spsc *ring, void *buf, size_t size)
{
	struct shmq_slot *slot = shmq_spsc_slot(ring, ring->head);
	/* PUBLISH, acquire: with this turn, the bytes are there. */
	uint64_t word = shmq_load_acquire_u64(&slot->word), len = (uint32_t)word;
	int32_t beyond = (int32_t)((uint32_t)(word >> 32) - shmq_spsc_turn(ring->head));

	if (beyond < 0)
		return -EAGAIN;
	if (beyond == 0 && len <= size && len <= ring->msg_max)
		shmqi_copy_out(buf, shmq_spsc_bytes(slot), (size_t)len);
	/* PUBLISH, fence: our copy before the look at where the writer is. */
	shmq_fence_acquire();
	if (beyond > 0 || slot_overtaken(ring))
		return skip_slots(tap, ring);
	if (len > ring->msg_max)
		return -EBADMSG;
	return len > size ? -EMSGSIZE : (int64_t)len;
}

/* Records ------------------------------------------------------------------------------------ */

static bool
record_overtaken(const struct tap_lane *t)
{
	/* The writer is there, or a record beyond. */
	uint64_t tail = shmqi_records_newest(&t->writer->tail);

	return tail - t->records.head > t->records.capacity / 2;
}

static int64_t
skip_records(struct shmqi_tap *tap, struct shmqi_records *r, const struct format_writer *writer)
{
	uint64_t before = r->received, tail = shmqi_records_newest(&writer->tail) & ~UINT64_C(7);

	records_begin_at(r, tail, shmq_load_relaxed_u64(&writer->sent));
	tap->missed += r->received - before;
	return -ESTALE;
}

static int64_t
look_at_record(struct shmqi_tap *tap, struct tap_lane *t, void *buf, size_t size)
{
	unsigned char *bytes = NULL;
	int64_t len = shmqi_records_look(&t->records, &bytes);

	if (len == -EAGAIN)
		return len;
	if (len >= 0 && (uint64_t)len <= size)
		shmqi_copy_out(buf, bytes, (size_t)len);
	/* RECORD, fence: our copy before the look at where the writer is. */
	shmq_fence_acquire();
	if (len == -EBADMSG || record_overtaken(t))
		return skip_records(tap, &t->records, t->writer);
	return (uint64_t)len > size ? -EMSGSIZE : len;
}

/* Lanes -------------------------------------------------------------------------------------- */

static bool
has_records(const struct shmq *q)
{
	return q->seg->g.flags & SHMQ_RECORDS;
}

static int64_t
look(struct shmq *q, struct tap_lane *t, void *buf, size_t size)
{
	for (int tries = 0; tries < TRIES; tries++) {
		int64_t len = has_records(q) ? look_at_record(q->tap, t, buf, size)
					     : look_at_slot(q->tap, &t->slots, buf, size);

		if (len != -ESTALE)
			return len;
	}
	return -EAGAIN;
}

static void
note(struct shmq *q, uint64_t sequence, int sender)
{
	q->last = (struct shmqi_last){
		.valid = true,
		.sequence = sequence,
		.lost = q->tap->missed - q->lost_before,
		.sender = sender,
		.deliveries = 1,
	};
	q->lost_before = q->tap->missed;
}

/* Be done with what was seen in a lane. */
static void
step(struct shmq *q, unsigned lane)
{
	struct tap_lane *t = &q->tap->lane[lane];
	bool mpsc = q->seg->g.kind == SHMQ_MPSC;

	note(q, has_records(q) ? t->records.received : t->slots.head,
	     mpsc ? (int)lane : shmqi_queue_only_sender(q));
	if (has_records(q))
		shmqi_records_next(&t->records);
	else
		t->slots.head++;
}

static int64_t
tap_recv(struct shmq *q, void *buf, size_t size)
{
	struct shmqi_tap *t = q->tap;

	for (unsigned n = 0; n < t->lanes; n++) {
		int64_t len = look(q, &t->lane[t->at], buf, size);

		if (len >= 0)
			step(q, t->at);
		if (len != -EAGAIN && len < 0)
			return len;
		t->at = (t->at + 1) % t->lanes;
		if (len >= 0)
			return len;
	}
	shmq_spsc_pause(SHMQ_SPSC_EMPTY_PAUSES);
	return -EAGAIN;
}

/* A message, or a later one: then ours is gone. */
static bool
slot_to_see(const struct shmq_spsc *ring)
{
	/* PUBLISH, acquire: only the turn is looked at. */
	uint64_t word = shmq_load_acquire_u64(&shmq_spsc_slot(ring, ring->head)->word);

	return (int32_t)((uint32_t)(word >> 32) - shmq_spsc_turn(ring->head)) >= 0;
}

static bool
tap_readable(struct shmq *q)
{
	for (unsigned i = 0; i < q->tap->lanes; i++) {
		struct tap_lane *t = &q->tap->lane[i];

		if (has_records(q) ? shmqi_records_readable(&t->records) : slot_to_see(&t->slots))
			return true;
	}
	return false;
}

/* Begin with what is sent next, or with what the consumer has not released yet. */
static int
open_lane(struct shmq *q, unsigned i)
{
	struct shmqi_lane_place place = shmqi_lane_place(q, i);
	struct tap_lane *t = &q->tap->lane[i];
	bool oldest = q->roles & SHMQ_OLDEST;
	int err = 0;

	t->writer = place.writer;
	if (has_records(q)) {
		err = shmqi_lane_open_records(&t->records, &place, &q->seg->g, false);
		if (err == 0 && !oldest)
			(void)skip_records(q->tap, &t->records, t->writer);
	} else {
		shmqi_lane_open_slots(&t->slots, &q->seg->g, place.bytes, place.head);
		if (!oldest)
			t->slots.head = t->slots.tail;
	}
	q->tap->missed = 0;
	return err;
}

static int
tap_open(struct shmq *q)
{
	unsigned lanes = q->seg->g.kind == SHMQ_MPSC ? q->seg->g.participants : 1;
	size_t bytes = sizeof(struct shmqi_tap) + lanes * sizeof(struct tap_lane);
	int err = 0;

	bytes = shmqi_round_up(bytes, shmqi_os_page_size());
	q->tap = shmqi_queue_pages(q, bytes);
	if (!q->tap)
		return -ENOMEM;
	q->tap->bytes = bytes;
	q->tap->lanes = lanes;
	for (unsigned i = 0; err == 0 && i < lanes; i++)
		err = open_lane(q, i);
	return err;
}

static void
tap_close(struct shmq *q)
{
	if (q->tap)
		munmap(q->tap, q->tap->bytes);
	q->tap = NULL;
}

uint64_t
shmqi_tap_missed(const struct shmq *q)
{
	return q->tap->missed;
}

static const struct shmqi_kind tap = {
	.open = tap_open,
	.close = tap_close,
	.recv = tap_recv,
	.readable = tap_readable,
	.batch = true,
};

const struct shmqi_kind *
shmqi_kind_of_tap(const struct shmqi_geometry *g)
{
	if (g->kind == SHMQ_MPMC)
		return &shmqi_kind_mpmc_tap;
	return shmqi_format_read_only(g) ? shmqi_kind_of(g) : &tap;
}
