/* SPDX-License-Identifier: MIT */
/*
 * MPSC: a lane, which is an SPSC ring, for each participant. So producers share nothing that is
 * written on the way of a message, and a killed one leaves a ring that is whole.
 *
 * The consumer visits lanes whose doorbell is rung. A producer rings after it has published, if its
 * bell is not rung already, which is one load of a word that hardly ever changes; the consumer
 * takes a bell down when it has found the lane empty many times. So idle lanes cost nothing.
 *
 * Shared words and the writers of each
 *   doors[i / 64]         bit i % 64, lane i's doorbell: set by its producer, or by the consumer
 *                         when it finds a message; cleared by the consumer
 *   a lane's own words    as in <shmq/ring_spsc.h> and ring_records.h
 *
 * Invariants
 *   D1  a message in a lane whose bell is down is found all the same: one lane after the other is
 *       looked at regardless of bells, one for each empty call and one for some that are not
 *       (patrol), and all of them before the consumer sleeps
 *   D2  a lane belongs to the participant of its number: to whoever holds the lock on that byte. A
 *       newcomer goes on where the last one stopped, as in SPSC; the messages it finds stay in
 *       front of its own.
 *
 * Edge
 *   DOOR   producer: publish, load door, set bit <-> consumer: clear bit, look into the lane. The
 *          producer has no fence between its publication and its load of the door, so it may see a
 *          bell that is about to be taken down: that is why there is D1, and before sleep the
 *          consumer's membarrier.
 *
 * Progress: producers wait-free; the consumer wait-free, a bounded number of steps for each lane
 * whose bell is rung.
 *
 * On a crash. A producer before it rings: D1. The consumer: bells that it has taken down stay down:
 * D1.
 */
#include "queue.h"

#include <errno.h>
#include <sys/mman.h>

#define DOORS 64u
#define VISIT 32u  /* messages from one lane before the next one's turn */
#define IDLE 256u  /* empty looks before a bell is taken down */
#define PATROL 64u /* messages between looks at a lane whose bell is down */

/* One lane, as the consumer sees it. */
struct lane_view {
	struct shmq_spsc slots;
	struct shmqi_records records;
	uint32_t idle; /* empty looks in a row */
};

/* The consumer's lanes. */
struct shmqi_mpsc {
	size_t bytes;	  /* of this mapping */
	unsigned at;	  /* the lane being visited */
	unsigned visited; /* messages taken from it in this visit */
	unsigned patrol;  /* the next one to look at regardless of its bell */
	unsigned since;	  /* messages since the last patrol */
	unsigned granted; /* messages of this visit that mpsc_recv() may take without a find() */
	unsigned left;	  /* how many of them it has not taken */
	unsigned found;	  /* where the last look found a message */
	unsigned stepped; /* where messages were stepped over, and are not settled yet */
	struct lane_view lanes[];
};

static struct shmqi_lane
lane_of(const struct shmq *q, unsigned i)
{
	struct lane_view *view = &q->mpsc->lanes[i];
	bool records = q->seg->g.flags & SHMQ_RECORDS;

	return (struct shmqi_lane){.slots = records ? NULL : &view->slots,
				   .records = records ? &view->records : NULL};
}

/* Producers ---------------------------------------------------------------------------------- */

static int
open_producer(struct shmq *q)
{
	struct shmqi_lane_place place = shmqi_lane_place(q, q->index);

	if (q->seg->g.flags & SHMQ_RECORDS) {
		q->send.records = &q->records_out;
		return shmqi_lane_open_records(&q->records_out, &place, &q->seg->g, true);
	}
	q->send.slots = &q->hot.ring;
	shmqi_lane_open_slots(&q->hot.ring, &q->seg->g, place.bytes, place.head);
	return 0;
}

static int
mpsc_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	return shmqi_lane_claim(&q->send, len, bytes);
}

static bool
bell_rung(const struct shmq *q, unsigned i)
{
	/* Relaxed: a hint where to look; what is in the lane is ordered there. */
	return shmq_load_relaxed_u64(&q->control->doors[i / DOORS]) >> (i % DOORS) & 1;
}

/* There is a message in lane `i`: after a publication, or when the consumer finds one. */
static void
ring(struct shmq *q, unsigned i)
{
	if (unlikely(!bell_rung(q, i)))
		/* DOOR, release: the message is in the lane. */
		(void)shmq_or_release_u64(&q->control->doors[i / DOORS], UINT64_C(1)
										 << (i % DOORS));
}

static void
mpsc_commit(struct shmq *q, size_t len)
{
	shmqi_lane_publish(&q->send, len);
	ring(q, q->index);
}

static int
mpsc_send(struct shmq *q, const void *msg, size_t len)
{
	struct shmq_slot *slot = NULL;
	unsigned char *bytes = NULL;
	int err;

	if (likely(!q->send.records)) {
		uint64_t at = q->hot.ring.tail;

		err = shmq_spsc_claim(&q->hot.ring, &slot);
		if (unlikely(err))
			return err;
		shmq_copy(shmq_spsc_bytes(slot), msg, len);
		shmq_spsc_publish(&q->hot.ring, slot, at, len);
		ring(q, q->index);
		return 0;
	}
	err = shmqi_lane_claim(&q->send, len, &bytes);
	if (err)
		return err;
	shmq_copy(bytes, msg, len);
	shmqi_lane_publish(&q->send, len);
	ring(q, q->index);
	return 0;
}

static bool
mpsc_writable(struct shmq *q)
{
	return shmqi_lane_writable(&q->send);
}

/* The consumer ------------------------------------------------------------------------------- */

static int
open_lanes(struct shmq *q)
{
	bool records = q->seg->g.flags & SHMQ_RECORDS;

	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		struct shmqi_lane_place place = shmqi_lane_place(q, i);
		struct lane_view *view = &q->mpsc->lanes[i];
		int err = 0;

		if (records)
			err = shmqi_lane_open_records(&view->records, &place, &q->seg->g, false);
		else
			shmqi_lane_open_slots(&view->slots, &q->seg->g, place.bytes, place.head);
		if (err)
			return err;
	}
	return 0;
}

size_t
shmqi_mpsc_bytes(const struct shmqi_geometry *g)
{
	size_t bytes = sizeof(struct shmqi_mpsc) + g->participants * sizeof(struct lane_view);

	return shmqi_round_up(bytes, shmqi_os_page_size());
}

static int
open_consumer(struct shmq *q)
{
	size_t bytes = shmqi_mpsc_bytes(&q->seg->g);

	q->mpsc = shmqi_queue_pages(q, bytes);
	if (!q->mpsc)
		return -ENOMEM;
	q->mpsc->bytes = bytes;
	return open_lanes(q);
}

/* The lane is empty, and has been for long. A message that comes in between is found by the look,
 * or by a patrol (D1). */
static int64_t
take_bell_down(struct shmq *q, unsigned i, unsigned char **bytes)
{
	uint64_t *door = &q->control->doors[i / DOORS], bell = UINT64_C(1) << (i % DOORS);
	struct shmqi_lane lane = lane_of(q, i);

	/* DOOR, acquire: what was published before the bell was rung. */
	(void)shmq_and_acquire_u64(door, ~bell);
	return shmqi_lane_look(&lane, bytes);
}

static int64_t
look_into(struct shmq *q, unsigned i, unsigned char **bytes)
{
	struct lane_view *view = &q->mpsc->lanes[i];
	struct shmqi_lane lane = lane_of(q, i);
	int64_t len = shmqi_lane_look(&lane, bytes);

	if (len == -EAGAIN && ++view->idle >= IDLE && bell_rung(q, i)) {
		view->idle = 0;
		len = take_bell_down(q, i, bytes);
	}
	if (len != -EAGAIN) {
		view->idle = 0;
		/* Found on patrol, or after its bell was taken down: its turn is to come. */
		ring(q, i);
	}
	q->mpsc->found = i;
	return len;
}

/* The next lane after `i`, going round, whose bell is rung, or `i` itself if there is no other. */
static unsigned
next_rung(const struct shmq *q, unsigned i)
{
	unsigned doors = (q->seg->g.participants + DOORS - 1) / DOORS,
		 door = (i + 1) / DOORS % doors;
	uint64_t above = (i + 1) / DOORS < doors ? ~UINT64_C(0) << ((i + 1) % DOORS) : ~UINT64_C(0);

	for (unsigned n = 0; n <= doors; n++) {
		/* Relaxed: a hint where to look. */
		uint64_t rung = shmq_load_relaxed_u64(&q->control->doors[door]) & above;
		unsigned lane = rung ? door * DOORS + (unsigned)__builtin_ctzll(rung) : 0;

		if (rung && lane < q->seg->g.participants)
			return lane;
		door = (door + 1) % doors;
		above = ~UINT64_C(0);
	}
	return i;
}

static int64_t
patrol(struct shmq *q, unsigned char **bytes)
{
	struct shmqi_mpsc *m = q->mpsc;
	unsigned i = m->patrol;

	m->patrol = i + 1 < q->seg->g.participants ? i + 1 : 0;
	m->since = 0;
	return look_into(q, i, bytes);
}

/* The rest of this visit, up to the next patrol, needs no find() as long as messages are there. */
static void
grant(struct shmqi_mpsc *m)
{
	unsigned visit = VISIT - m->visited, until = m->since < PATROL ? PATROL - m->since : 0;

	m->granted = visit < until ? visit : until;
	m->left = m->granted;
}

/* Count what was taken of it. */
static void
end_grant(struct shmqi_mpsc *m)
{
	unsigned taken = m->granted - m->left;

	m->visited += taken;
	m->since += taken;
	m->granted = m->left = 0;
}

/* Find a message: in the lane being visited, in the others whose bell is rung, on patrol. */
static int64_t
find(struct shmq *q, unsigned char **bytes)
{
	struct shmqi_mpsc *m = q->mpsc;
	unsigned first;
	int64_t len = -EAGAIN;

	end_grant(m);
	if (m->since >= PATROL) {
		len = patrol(q, bytes);
		if (len != -EAGAIN)
			return len;
	}
	if (m->visited < VISIT) {
		len = look_into(q, m->at, bytes);
		if (len != -EAGAIN)
			return len;
	}
	first = m->at;
	m->visited = 0;
	for (unsigned n = 0; n < q->seg->g.participants; n++) {
		m->at = next_rung(q, m->at);
		len = look_into(q, m->at, bytes);
		if (len != -EAGAIN || m->at == first)
			break;
	}
	if (len != -EAGAIN)
		return len;
	len = patrol(q, bytes);
	if (len == -EAGAIN)
		shmq_spsc_back_off();
	return len;
}

static void
note(struct shmq *q)
{
	unsigned i = q->mpsc->found;
	const struct lane_view *view = &q->mpsc->lanes[i];
	bool records = q->seg->g.flags & SHMQ_RECORDS;

	q->last = (struct shmqi_last){
		.valid = true,
		.sequence = records ? view->records.received : view->slots.head,
		.sender = (int)i,
		.deliveries = 1,
	};
}

static void
mpsc_settle(struct shmq *q)
{
	struct lane_view *view = &q->mpsc->lanes[q->mpsc->stepped];

	if (q->seg->g.flags & SHMQ_RECORDS)
		shmqi_records_settle(&view->records);
	else
		shmq_spsc_release(&view->slots, view->slots.head);
}

/* Step over the message that was found; those of another lane are settled before. */
static void
mpsc_release(struct shmq *q)
{
	struct shmqi_mpsc *m = q->mpsc;
	struct shmqi_lane lane = lane_of(q, m->found);

	if (m->found != m->stepped)
		mpsc_settle(q);
	m->stepped = m->found;
	if (m->found == m->at)
		m->visited++;
	m->since++;
	shmqi_lane_next(&lane);
	if (m->found == m->at && lane.slots && m->visited < VISIT)
		grant(m);
}

static __attribute__((noinline)) int64_t
recv_any(struct shmq *q, void *buf, size_t size)
{
	unsigned char *bytes = NULL;
	int64_t len = find(q, &bytes);

	if (len < 0)
		return len;
	if ((uint64_t)len > size)
		return -EMSGSIZE;
	shmq_copy(buf, bytes, (size_t)len);
	note(q);
	mpsc_release(q);
	return len;
}

/*
 * The next message of the lane being visited, in slots, when the last one came from there, too (so
 * q->last says whose it is): what a consumer with work to do finds mostly. All else takes longer.
 */
static int64_t
mpsc_recv(struct shmq *q, void *buf, size_t size)
{
	struct shmqi_mpsc *m = q->mpsc;
	struct shmq_spsc *ring = &m->lanes[m->at].slots;
	struct shmq_slot *slot = NULL;
	int64_t len;

	if (m->left == 0)
		return recv_any(q, buf, size);
	len = shmq_spsc_look(ring, ring->head, &slot);
	if (len < 0 || (uint64_t)len > size)
		return recv_any(q, buf, size);
	shmq_copy(buf, shmq_spsc_bytes(slot), (size_t)len);
	m->left--;
	q->last.sequence = ring->head++;
	return len;
}

static int64_t
mpsc_peek(struct shmq *q, unsigned char **bytes)
{
	int64_t len = find(q, bytes);

	if (len >= 0)
		note(q);
	return len;
}

/* All lanes, whatever their bells say: this is the look before sleep. */
static bool
mpsc_readable(struct shmq *q)
{
	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		struct shmqi_lane lane = lane_of(q, i);

		if (shmqi_lane_readable(&lane)) {
			q->mpsc->patrol = i;
			return true;
		}
	}
	return false;
}

static int
mpsc_open(struct shmq *q)
{
	int err = 0;

	if (q->roles & SHMQ_PRODUCER)
		err = open_producer(q);
	if (err == 0 && (q->roles & SHMQ_CONSUMER))
		err = open_consumer(q);
	return err;
}

static void
mpsc_close(struct shmq *q)
{
	if (q->mpsc)
		munmap(q->mpsc, q->mpsc->bytes);
	q->mpsc = NULL;
}

const struct shmqi_kind shmqi_kind_mpsc = {
	.open = mpsc_open,
	.close = mpsc_close,
	.claim = mpsc_claim,
	.commit = mpsc_commit,
	.send = mpsc_send,
	.writable = mpsc_writable,
	.recv = mpsc_recv,
	.peek = mpsc_peek,
	.release = mpsc_release,
	.settle = mpsc_settle,
	.readable = mpsc_readable,
	.batch = true,
};
