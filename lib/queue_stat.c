/* SPDX-License-Identifier: MIT */
/* Figures of a queue. */
#include "queue.h"

#include <errno.h>

/* Positions and roles; any content of shared memory gives figures, never an access outside. */
void
shmqi_queue_stat(struct shmq_stat *st, const struct shmqi_geometry *g, const void *object, int fd)
{
	/* A ring to look at; nothing is written through it. */
	unsigned char *bytes = (unsigned char *)(uintptr_t)object;
	struct format_spsc *control = (struct format_spsc *)(void *)(bytes + g->control_offset);
	struct shmq_spsc ring = {
		.slots = bytes + g->data_offset,
		.mask = g->slots - 1,
		.slot_bytes = g->slot_bytes,
		.capacity = g->capacity,
		.msg_max = g->msg_max,
	};
	uint64_t generation;

	/* RECYCLE, acquire: slots before it may be anything. */
	st->received = shmq_load_acquire_u64(&control->progress.head);
	st->sent = shmq_spsc_find_tail(&ring, st->received);
	st->depth = st->sent - st->received;
	st->producers = !shmqi_role_vacant(&control->producer.holder, fd, true, &generation);
	st->consumers = !shmqi_role_vacant(&control->consumer.holder, fd, true, &generation);
}

void
shmqi_queue_wake_everybody(void *object, const struct shmqi_geometry *g)
{
	struct format_spsc *control =
		(struct format_spsc *)(void *)((unsigned char *)object + g->control_offset);

	shmqi_wake_always(&control->receivers);
	shmqi_wake_always(&control->senders);
}

int
shmq_qstat(const struct shmq *q, struct shmq_stat *st)
{
	if (!q)
		return -EINVAL;
	return q->alive == QUEUE_ALIVE ? shmq_seg_stat(q->seg, st) : -EBADF;
}

int
shmq_info(const struct shmq *q, struct shmq_info *info)
{
	uint64_t generation;
	unsigned sender;

	if (!q)
		return -EINVAL;
	if (!info)
		return -EFAULT;
	if (info->size != sizeof(*info))
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!(q->roles & SHMQ_CONSUMER) || (!q->peeked && q->hot.ring.head == q->attached_head))
		return -EAGAIN;
	sender = shmqi_role_owner(&q->control->producer.holder, &generation);
	*info = (struct shmq_info){
		.size = sizeof(*info),
		.sequence = q->peeked ? q->hot.ring.head : q->hot.ring.head - 1,
		.sender = sender == PEER_NONE ? -1 : (int)sender,
		.deliveries = 1,
	};
	return 0;
}
