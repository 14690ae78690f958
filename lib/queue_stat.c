/* SPDX-License-Identifier: MIT */
/* Figures of a queue. */
#include "queue.h"

#include <errno.h>
#include <unistd.h>

/* A queue to look at. */
struct look {
	const struct shmqi_geometry *g;
	const unsigned char *slots; /* NULL: to be read from fd */
	int fd;
};

/* Whether the message at `position` is there. */
static bool
is_there(const struct look *look, uint64_t position)
{
	uint64_t offset = (position & (look->g->slots - 1)) * look->g->slot_bytes, word = 0;

	if (look->slots)
		/* PUBLISH, acquire: only the turn is looked at. */
		word = shmq_load_acquire_u64(
			(const uint64_t *)(const void *)(look->slots + offset));
	else if (pread(look->fd, &word, sizeof(word), (off_t)(look->g->data_offset + offset)) !=
		 sizeof(word))
		return false;
	return (uint32_t)(word >> 32) == shmq_spsc_turn(position);
}

/* As shmq_spsc_find_tail(), for a ring that may not be mapped. */
static uint64_t
find_tail(const struct look *look, uint64_t head)
{
	uint64_t there = 0, beyond = look->g->capacity;

	while (there < beyond) {
		uint64_t middle = there + (beyond - there) / 2;

		if (is_there(look, head + middle))
			there = middle + 1;
		else
			beyond = middle;
	}
	return head + there;
}

/* Positions and roles; any content of shared memory gives figures, never an access outside. */
void
shmqi_queue_stat(struct shmq_stat *st, const struct shmqi_geometry *g, const void *object,
		 bool mapped, int fd)
{
	const unsigned char *bytes = object;
	const struct format_spsc *control = (const void *)(bytes + g->control_offset);
	struct look look = {g, mapped ? bytes + g->data_offset : NULL, fd};
	uint64_t generation;

	/* RECYCLE, acquire: slots before it may be anything. */
	st->received = shmq_load_acquire_u64(&control->progress.head);
	st->sent = find_tail(&look, st->received);
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
