/* SPDX-License-Identifier: MIT */
/*
 * MPMC queues: ring_mpmc.h driven with what the kernel knows of participants. Who waits finds out
 * who is in the way, asks the kernel whether it lives, and if not, takes what it held.
 */
#include "queue.h"

#include <errno.h>

#define BURY_NS INT64_C(20000000) /* between walks over all participants */

static struct shmqi_mpmc
view_of(void *object, const struct shmqi_geometry *g, unsigned index)
{
	struct format_control *control = format_control(object, g);

	return (struct shmqi_mpmc){
		.slots = (unsigned char *)object + g->data_offset,
		.capacity = g->capacity,
		.slot_bytes = g->slot_bytes,
		.msg_max = g->msg_max,
		.shared_tail = &control->writer.tail,
		.shared_head = &control->progress.head,
		.orphan_events = &control->recovery.orphan_events,
		.voided = &control->recovery.voided,
		.owner = index + 1,
		.redeliver = g->flags & SHMQ_REDELIVER,
		.max_deliveries = g->max_deliveries,
	};
}

static int
mpmc_open(struct shmq *q)
{
	q->mpmc = view_of(q->seg->object, &q->seg->g, q->index);
	shmqi_mpmc_open(&q->mpmc);
	return 0;
}

static struct format_participant *
entry_of(const struct shmq *q, unsigned index)
{
	return &format_participants(q->seg->object)[index];
}

/* One more message of ours: a diagnosis, by whoever holds the entry. */
static void
count(struct shmq *q)
{
	uint64_t *messages = &entry_of(q, q->index)->messages;

	/* Relaxed: ours. */
	shmq_store_relaxed_u64(messages, shmq_load_relaxed_u64(messages) + 1);
}

static void bury_now_and_then(struct shmq *q);

/* The producer ------------------------------------------------------------------------------- */

/* Who meets a message that has been held for a lap asks now and then whether its holder lives. */
static int
claim(struct shmq *q, struct shmqi_mpmc_place *place)
{
	int err = shmqi_mpmc_claim(&q->mpmc, place);

	if (unlikely(q->mpmc.passed != q->passed)) {
		q->passed = q->mpmc.passed;
		bury_now_and_then(q);
	}
	return err;
}

static int
mpmc_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	int err = claim(q, &q->claimed);

	(void)len;
	if (err == 0)
		*bytes = shmqi_mpmc_bytes(q->claimed.slot);
	return err;
}

static void
mpmc_commit(struct shmq *q, size_t len)
{
	shmqi_mpmc_commit(&q->mpmc, &q->claimed, len);
	count(q);
}

static void
mpmc_abort(struct shmq *q)
{
	shmqi_mpmc_abort(&q->mpmc, &q->claimed);
	/* Relaxed: a count. */
	shmq_add_relaxed_u64(&q->control->recovery.voided, 1);
}

static int
mpmc_send(struct shmq *q, const void *msg, size_t len)
{
	struct shmqi_mpmc_place place;
	unsigned char *bytes;
	int err = claim(q, &place);

	if (err)
		return err;
	bytes = shmqi_mpmc_bytes(place.slot);
	if (len <= MPMC_SHORT)
		shmqi_copy_in(bytes, msg, len);
	else
		shmq_copy(bytes, msg, len);
	shmqi_mpmc_commit(&q->mpmc, &place, len);
	count(q);
	return 0;
}

static bool
mpmc_writable(struct shmq *q)
{
	return shmqi_mpmc_writable(&q->mpmc);
}

/* The consumer ------------------------------------------------------------------------------- */

static void
note(struct shmq *q, const struct shmqi_mpmc_place *place)
{
	q->last = (struct shmqi_last){
		.valid = true,
		.sequence = place->position,
		.sender = (int)place->sender,
		.deliveries = place->deliveries + 1,
	};
	if (place->deliveries)
		/* Relaxed: a count. */
		shmq_add_relaxed_u64(&q->control->recovery.redelivered, 1);
}

static int64_t
mpmc_recv(struct shmq *q, void *buf, size_t size)
{
	struct shmqi_mpmc_place place;
	int64_t len;

	place.sender = 0; /* gcc does not see that it is set with every message */
	len = shmqi_mpmc_recv(&q->mpmc, buf, size, &place);

	if (len >= 0) {
		note(q, &place);
		count(q);
	}
	return len;
}

static int64_t
mpmc_peek(struct shmq *q, unsigned char **bytes)
{
	int64_t len = shmqi_mpmc_take(&q->mpmc, &q->taken);

	if (len < 0)
		return len;
	*bytes = shmqi_mpmc_bytes(q->taken.slot);
	/* Relaxed: a guess for others, whether to ask about us. */
	shmq_store_relaxed_u64(&entry_of(q, q->index)->holds, q->taken.position + 1);
	note(q, &q->taken);
	return len;
}

static void
mpmc_release(struct shmq *q)
{
	shmqi_mpmc_release(&q->mpmc, &q->taken);
	/* Relaxed: as above. */
	shmq_store_relaxed_u64(&entry_of(q, q->index)->holds, 0);
	count(q);
}

static bool
mpmc_readable(struct shmq *q)
{
	return shmqi_mpmc_readable(&q->mpmc);
}

/* What we hold goes to another consumer. */
static void
mpmc_close(struct shmq *q)
{
	if (q->peeked)
		shmqi_mpmc_return(&q->mpmc, &q->taken);
	q->peeked = NULL;
}

/* Recovery ----------------------------------------------------------------------------------- */

/* Relaxed, all of them: counts. */
static void
account(struct shmq_seg *seg, const struct shmqi_mpmc_swept *swept)
{
	struct format_control *control = format_control(seg->object, &seg->g);

	if (swept->voided)
		shmq_add_relaxed_u64(&control->recovery.voided, swept->voided);
	if (swept->lost)
		shmq_add_relaxed_u64(&control->recovery.lost, swept->lost);
	if (swept->dead_letters)
		shmq_add_relaxed_u64(&control->recovery.dead, swept->dead_letters);
}

/* All that a dead participant holds. */
static void
mpmc_sweep(struct shmq_seg *seg, unsigned index)
{
	struct shmqi_mpmc ring = view_of(seg->object, &seg->g, PEER_NONE);
	struct shmqi_mpmc_swept swept = {0};

	shmqi_mpmc_open(&ring);
	shmqi_mpmc_sweep(&ring, index, &swept);
	account(seg, &swept);
	if (swept.orphaned)
		shmqi_queue_wake_everybody(seg->object, &seg->g);
}

/* Nobody need ask about it again. Relaxed: a guess for others. */
static void
held_no_more(struct shmq_seg *seg, unsigned index)
{
	shmq_store_relaxed_u64(&format_participants(seg->object)[index].holds, 0);
}

/* One word of a dead participant, which is in our way. */
static void
recover(struct shmq_seg *seg, unsigned index, void *arg)
{
	struct shmqi_mpmc ring = view_of(seg->object, &seg->g, PEER_NONE);
	struct shmqi_mpmc_swept swept = {0};
	const uint64_t *position = arg;

	shmqi_mpmc_open(&ring);
	switch (shmqi_mpmc_recover(&ring, *position, index)) {
	case SHMQI_MPMC_VOIDED:
		swept.voided = 1;
		break;
	case SHMQI_MPMC_LOST:
		swept.lost = 1;
		break;
	case SHMQI_MPMC_DEAD_LETTER:
		swept.dead_letters = 1;
		break;
	case SHMQI_MPMC_ORPHANED:
		shmqi_queue_wake_everybody(seg->object, &seg->g);
		break;
	default:
		break;
	}
	account(seg, &swept);
	held_no_more(seg, index);
}

static void
bury(struct shmq_seg *seg, unsigned index, void *arg)
{
	(void)arg;
	mpmc_sweep(seg, index);
	shmqi_peer_sweep(seg, index);
	held_no_more(seg, index);
}

/* Everybody is asked, and what a dead one held goes on. */
static void
bury_dead(struct shmq *q)
{
	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		/* Relaxed: a guess whom to ask. */
		uint64_t state = shmq_load_relaxed_u64(&entry_of(q, i)->state);

		if ((state & 0xffffu) && i != q->index &&
		    shmqi_lock_dead(shmqi_seg_spare(q->seg), i))
			(void)shmqi_peer_bury(q->seg, i, bury, NULL);
	}
}

static void
bury_now_and_then(struct shmq *q)
{
	int64_t now = q->wait.now_ns();

	if (now - q->buried_ns < BURY_NS)
		return;
	q->buried_ns = now;
	bury_dead(q);
}

/* Before an end is believed: what the dead had is to be had now, and what the living hold may come
 * back if they die. */
static bool
mpmc_more_to_come(struct shmq *q)
{
	bury_dead(q);
	if (shmqi_mpmc_readable(&q->mpmc))
		return true;
	return (q->seg->g.flags & SHMQ_REDELIVER) && shmqi_mpmc_any_taken(&q->mpmc);
}

/* Those who hold a message are asked each time: it may be all that there is. */
static int
ask_holders(struct shmq *q)
{
	int held = 0;

	for (unsigned i = 0; i < q->seg->g.participants; i++) {
		/* Relaxed: a guess whom to ask. */
		uint64_t position = shmq_load_relaxed_u64(&entry_of(q, i)->holds) - 1;

		if (position != UINT64_MAX && i != q->index &&
		    shmqi_peer_bury(q->seg, i, recover, &position) != 0)
			held = 1;
	}
	return held;
}

static int
mpmc_unblock(struct shmq *q, unsigned role)
{
	uint64_t position = 0;
	unsigned owner = shmqi_mpmc_blocker(&q->mpmc, role == SHMQ_PRODUCER, &position);
	int blocked = 0;

	if (owner < q->seg->g.participants && owner != q->index)
		blocked = shmqi_peer_bury(q->seg, owner, recover, &position) != 0;
	bury_now_and_then(q);
	return ask_holders(q) | blocked;
}

const struct shmqi_kind shmqi_kind_mpmc = {
	.open = mpmc_open,
	.close = mpmc_close,
	.claim = mpmc_claim,
	.commit = mpmc_commit,
	.abort = mpmc_abort,
	.send = mpmc_send,
	.writable = mpmc_writable,
	.recv = mpmc_recv,
	.peek = mpmc_peek,
	.release = mpmc_release,
	.readable = mpmc_readable,
	.unblock = mpmc_unblock,
	.more_to_come = mpmc_more_to_come,
	.sweep = mpmc_sweep,
	.batch = true,
};

/* Observers ---------------------------------------------------------------------------------- */

/* An observer helps no hint forward: it has copies of its own. */
static void
look_at_hints(struct shmq *q)
{
	/* PASSED, acquire: as any who starts from a hint. */
	q->hints[0] = shmq_load_acquire_u64(&q->control->writer.tail);
	/* PASSED, acquire: the same. */
	q->hints[1] = shmq_load_acquire_u64(&q->control->progress.head);
}

static int
tap_open(struct shmq *q)
{
	q->mpmc = view_of(q->seg->object, &q->seg->g, PEER_NONE);
	look_at_hints(q);
	q->mpmc.shared_tail = &q->hints[0];
	q->mpmc.shared_head = &q->hints[1];
	shmqi_mpmc_open(&q->mpmc);
	q->tapped = q->roles & SHMQ_OLDEST ? shmqi_mpmc_head_now(&q->mpmc)
					   : shmqi_mpmc_tail_now(&q->mpmc);
	return 0;
}

static void
note_tapped(struct shmq *q, const struct shmqi_mpmc_place *place)
{
	q->last = (struct shmqi_last){
		.valid = true,
		.sequence = place->position,
		.sender = (int)place->sender,
		.lost = q->missed - q->lost_before,
		.deliveries = place->deliveries + 1,
	};
	q->lost_before = q->missed;
}

/* Positions that hold nothing any more, or never did, are passed; a lap behind, all up to half. */
static int64_t
tap_recv(struct shmq *q, void *buf, size_t size)
{
	struct shmqi_mpmc_place place = {0};

	for (uint64_t n = 0; n < 64; n++) {
		uint64_t tail;
		int64_t len;

		look_at_hints(q);
		tail = shmqi_mpmc_tail_now(&q->mpmc);
		if (tail - q->tapped > q->mpmc.capacity && tail - q->tapped < INT64_MAX) {
			q->missed += tail - q->mpmc.capacity / 2 - q->tapped;
			q->tapped = tail - q->mpmc.capacity / 2;
		}
		len = shmqi_mpmc_tap(&q->mpmc, q->tapped, buf, size);
		if (len == -ENOENT) {
			q->missed += !shmqi_mpmc_void(&q->mpmc, q->tapped);
			q->tapped++;
			continue;
		}
		if (len < 0)
			return len;
		place.position = q->tapped++;
		place.sender = shmqi_mpmc_sender(&q->mpmc, place.position);
		note_tapped(q, &place);
		return len;
	}
	return -EAGAIN;
}

static bool
tap_readable(struct shmq *q)
{
	return shmqi_mpmc_to_see(&q->mpmc, q->tapped);
}

const struct shmqi_kind shmqi_kind_mpmc_tap = {
	.open = tap_open,
	.recv = tap_recv,
	.readable = tap_readable,
	.batch = true,
};
