/* SPDX-License-Identifier: MIT */
/* Figures of a queue. Any content of shared memory gives figures, never an access outside. */
#include "queue_look.h"

#include <errno.h>

void
shmqi_queue_wake_everybody(void *object, const struct shmqi_geometry *g)
{
	struct format_control *control = format_control(object, g);
	const struct format_header *header = object;
	struct shmqi_ringer ringer;

	shmqi_queue_ringer(&ringer, object, g, header->uuid);
	shmqi_bell_wake_always(&ringer, &control->receivers, BELL_RECEIVERS);
	shmqi_bell_wake_always(&ringer, &control->senders, BELL_SENDERS);
	shmqi_ringer_close(&ringer);
}

/* Relaxed, all of it: a diagnosis. */
static void
fill_row(const struct queue_look *look, const struct format_participant *entry, unsigned i,
	 struct shmq_participant *row)
{
	uint64_t state = shmq_load_relaxed_u64(&entry->state);

	*row = (struct shmq_participant){
		.size = sizeof(*row),
		.index = i,
		.roles = (unsigned)(state & (SHMQ_PRODUCER | SHMQ_CONSUMER)),
		.pid = (pid_t)shmq_load_relaxed_u32(&entry->pid),
		.alive = look->fd >= 0 && !shmqi_lock_dead(look->fd, i),
		.generation = state >> 16,
	};
}

/* The queue is looked at once for all rows: that may take a walk over all of its slots. */
static int
each_row(struct shmq *q, int (*each)(const struct shmq_participant *row, void *arg), void *arg)
{
	struct queue_look look = {&q->seg->g, q->seg->object, true, shmqi_seg_spare(q->seg)};
	const struct format_participant *entries = format_participants(q->seg->object);
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_participant row;
	int err = shmq_qstat(q, &st);

	for (unsigned i = 0; err == 0 && i < look.g->participants; i++) {
		if (!(queue_look_state(&look, i) & (SHMQ_PRODUCER | SHMQ_CONSUMER)))
			continue;
		fill_row(&look, &entries[i], i, &row);
		shmqi_look_place(&look, &st, &row);
		if (row.roles)
			err = each(&row, arg);
	}
	return err;
}

int
shmq_participants(const char *addr, int (*each)(const struct shmq_participant *row, void *arg),
		  void *arg)
{
	SHMQI_NOT_CANCELLED;
	struct shmq *q = NULL;
	int err = each ? shmq_attach(&q, addr, SHMQ_OBSERVER) : -EINVAL;

	if (err)
		return err;
	err = each_row(q, each, arg);
	shmq_detach(q);
	return err;
}

/* What those who read only do is seen nowhere: they are the attaches without an entry. */
static unsigned
readers(const struct queue_look *look)
{
	int64_t attached = shmqi_lock_count(look->fd), entries = 0;

	for (unsigned i = 0; look->fd >= 0 && i < look->g->participants; i++)
		entries += queue_look_state(look, i) && !shmqi_lock_dead(look->fd, i);
	return attached > entries ? (unsigned)(attached - entries) : 0;
}

void
shmqi_queue_stat(struct shmq_stat *st, const struct shmqi_geometry *g, const void *object,
		 bool mapped, int fd)
{
	struct queue_look look = {g, object, mapped, fd};
	const struct format_control *control = queue_look_control(&look);

	st->flags = g->flags & (SHMQ_LOSSY | SHMQ_RECORDS | SHMQ_REDELIVER);
	st->participants = g->participants;
	st->max_deliveries = g->max_deliveries;
	st->slow_limit = (size_t)g->slow_limit;
	shmqi_look_kind(&look, st);
	/* Relaxed: counts, each alone. */
	st->lost = shmq_load_relaxed_u64(&control->recovery.lost);
	st->redelivered = shmq_load_relaxed_u64(&control->recovery.redelivered);
	st->dead = shmq_load_relaxed_u64(&control->recovery.dead);
	st->producers = shmqi_role_count(object, g, SHMQ_PRODUCER, fd);
	st->consumers = shmqi_format_read_only(g) ? readers(&look)
						  : shmqi_role_count(object, g, SHMQ_CONSUMER, fd);
}

int
shmq_qstat(const struct shmq *q, struct shmq_stat *st)
{
	SHMQI_NOT_CANCELLED;
	int err;

	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	err = shmq_seg_stat(q->seg, st);
	/* Of what it has not seen, only the reader itself knows. */
	if (err == 0 && (q->seg->read_only || (q->roles & SHMQ_OBSERVER)))
		st->lost = shmqi_queue_lost(q);
	return err;
}

uint64_t
shmqi_queue_lost(const struct shmq *q)
{
	if (q->seg->g.kind == SHMQ_LATEST)
		return q->lossy.lapped;
	if (shmqi_format_read_only(&q->seg->g))
		return q->seg->g.flags & SHMQ_RECORDS ? q->lossy_records.lost : q->lossy.lost;
	return q->tap ? shmqi_tap_missed(q) : q->missed;
}

int
shmqi_queue_only_sender(const struct shmq *q)
{
	uint64_t generation;
	unsigned owner = shmqi_role_owner(&q->control->producer.holder, &generation);

	return owner == PEER_NONE ? -1 : (int)owner;
}

/* A ring in `hot` needs no notes: its positions tell. */
static bool
recall(const struct shmq *q, struct shmqi_last *last)
{
	const struct shmq_spsc *ring = q->recv.slots;
	uint64_t received = q->recv.records ? q->recv.records->received : 0;

	if (!ring && !q->recv.records) {
		*last = q->last;
		return last->valid;
	}
	received = ring ? ring->head : received;
	*last = (struct shmqi_last){
		.sequence = q->peeked ? received : received - 1,
		.sender = shmqi_queue_only_sender(q),
		.deliveries = 1,
	};
	return q->peeked || received != q->attached_head;
}

int
shmq_info(const struct shmq *q, struct shmq_info *info)
{
	struct shmqi_last last;

	if (!q)
		return -EINVAL;
	if (!info)
		return -EFAULT;
	if (info->size != sizeof(*info))
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!(q->roles & (SHMQ_CONSUMER | SHMQ_OBSERVER)) || !recall(q, &last))
		return -EAGAIN;
	*info = (struct shmq_info){
		.size = sizeof(*info),
		.sequence = last.sequence,
		.sender = last.sender < (int)q->seg->g.participants ? last.sender : -1,
		.lost = last.lost,
		.deliveries = last.deliveries,
	};
	return 0;
}
