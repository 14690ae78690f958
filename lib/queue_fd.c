/* SPDX-License-Identifier: MIT */
/* shmq_fd(): a handle's bell (bell.h), which the calls arm when they find nothing. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>

void
shmqi_queue_ringer(struct shmqi_ringer *ringer, void *object, const struct shmqi_geometry *g,
		   const uint8_t uuid[16])
{
	struct shmqi_bell_queue queue = {.participants = format_participants(object),
					 .count = g->participants};

	memcpy(queue.uuid, uuid, sizeof(queue.uuid));
	shmqi_ringer_init(ringer, &queue);
}

/* Who may ring: who may write the queue. */
static int
access_of(struct shmq *q, struct shmqi_bell_access *access)
{
	struct shmid_ds ds;
	struct stat st;

	if (q->seg->shmid >= 0) {
		if (shmctl(q->seg->shmid, IPC_STAT, &ds) != 0)
			return -errno;
		*access = (struct shmqi_bell_access){ds.shm_perm.uid, ds.shm_perm.gid,
						     ds.shm_perm.mode & 0777};
		return 0;
	}
	if (fstat(shmqi_seg_spare(q->seg), &st) != 0)
		return -errno;
	*access = (struct shmqi_bell_access){st.st_uid, st.st_gid, st.st_mode & 0777};
	return 0;
}

/* All that can be known without a system call: a message, or room, or a reason to fail. */
static bool
message_or_end(void *arg)
{
	struct shmq *q = arg;

	return q->kind->readable(q) || shmqi_queue_removed(q, false) ||
	       shmqi_queue_hung_up(q, SHMQ_PRODUCER, false, NULL);
}

static bool
room_or_end(void *arg)
{
	struct shmq *q = arg;

	return q->kind->writable(q) || shmqi_queue_removed(q, false) ||
	       shmqi_queue_hung_up(q, SHMQ_CONSUMER, false, NULL);
}

/* Arm one side; true: it is time to ask the kernel about the others. */
static bool
arm(struct shmq *q, unsigned role)
{
	bool receiver = role == SHMQ_CONSUMER;
	struct shmqi_wait wait = {
		.words = receiver ? &q->control->receivers : &q->control->senders,
		.read_only = q->seg->read_only,
		.ready = receiver ? message_or_end : room_or_end,
		.arg = q,
	};

	return shmqi_bell_arm(q->bell, &q->wait, &wait, receiver ? BELL_RECEIVERS : BELL_SENDERS);
}

int
shmqi_queue_arm(struct shmq *q, unsigned role, int err)
{
	SHMQI_NOT_CANCELLED;
	if (!q->bell || err != -EAGAIN || !arm(q, role))
		return err;
	if (q->kind->unblock)
		(void)q->kind->unblock(q, role);
	return role == SHMQ_CONSUMER ? shmqi_queue_recv_nothing(q, true)
				     : shmqi_queue_send_nothing(q, true);
}

void
shmqi_queue_disarm(struct shmq *q)
{
	if (q->bell)
		shmqi_bell_close(q->bell);
	q->bell = NULL;
	if (!q->seg->read_only)
		shmqi_ringer_close(&q->bells->ringer);
}

void
shmqi_queue_disown(void *arg)
{
	struct shmqi_bells *bells = arg;

	shmqi_bell_disown(&bells->own);
	shmqi_ringer_close(&bells->ringer);
	free(bells);
}

static int
open_bell(struct shmq *q)
{
	struct shmqi_bell_access access;
	int err;

	if (q->seg->read_only)
		return shmqi_bell_open_deaf(&q->bells->own);
	err = access_of(q, &access);
	return err ? err
		   : shmqi_bell_open(&q->bells->own, &q->bells->ringer.queue, q->index, &access);
}

int
shmq_fd(struct shmq *q)
{
	SHMQI_NOT_CANCELLED;
	int err, state;

	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (q->bell)
		return q->bell->fd;
	state = shmqi_seg_lock(); /* no child gets the bell's lock */
	err = open_bell(q);
	shmqi_seg_unlock(state);
	if (err)
		return err;
	q->bell = &q->bells->own;
	q->hot.can |= SHMQ_HAS_FD;
	/* The first time armed by us: the program may poll before it calls. */
	if (q->roles & (SHMQ_CONSUMER | SHMQ_OBSERVER))
		(void)arm(q, SHMQ_CONSUMER);
	else
		(void)arm(q, SHMQ_PRODUCER);
	return q->bell->fd;
}
