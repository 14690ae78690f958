/* SPDX-License-Identifier: MIT */
/* What a call does when it cannot go on at once: refuse, tell that the peer or the queue is gone,
 * or wait. */
#include "queue.h"

#include <errno.h>
#include <sys/stat.h>

/* A handle that polls with timeout 0 asks the kernel about its peer once in so many empty calls. */
#define POLLS_PER_PROBE 1024

int
shmqi_queue_refuse(const struct shmq *q, uint32_t need)
{
	unsigned role = need == SHMQ_CAN_SEND ? SHMQ_PRODUCER : SHMQ_CONSUMER;

	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!(q->roles & role))
		return -EINVAL;
	if (q->failed)
		return -EBADMSG;
	return q->hot.can & need ? 0 : -EBUSY;
}

static bool
object_unlinked(struct shmq *q)
{
	int spare = shmqi_seg_spare(q->seg);
	struct shmid_ds ds;
	struct stat st;

	if (q->seg->shmid >= 0)
		return shmctl(q->seg->shmid, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & SHMQ_DEST);
	if (q->seg->address.backend == SHMQ_BACKEND_FD)
		return false;
	return spare >= 0 && fstat(spare, &st) == 0 && st.st_nlink == 0;
}

bool
shmqi_queue_removed(struct shmq *q, bool probe)
{
	/* REMOVED, acquire: a look at the ring that follows sees what was sent before the mark. */
	if (shmq_load_acquire_u32(q->hot.removed))
		return true;
	return probe && object_unlinked(q);
}

bool
shmqi_queue_hung_up(struct shmq *q, unsigned peer_role, bool probe, uint64_t *generation)
{
	bool producer = peer_role == SHMQ_PRODUCER;
	const uint64_t *holder = producer ? &q->control->producer.holder
					  : &q->control->consumer.holder;
	uint64_t unasked;
	int fd;

	if (!(q->roles & SHMQ_HANGUP))
		return false;
	generation = generation ? generation : &unasked;
	fd = probe ? shmqi_seg_spare(q->seg) : -1;
	if (!shmqi_role_vacant(holder, fd, probe, generation))
		return false;
	return *generation != (producer ? q->producers_known : q->consumers_known);
}

/* Whether to ask the kernel, too: who waits does; who polls, now and then, for a hang-up only. */
static bool
time_to_probe(struct shmq *q, bool waiting)
{
	return waiting || ((q->roles & SHMQ_HANGUP) && ++q->polls % POLLS_PER_PROBE == 0);
}

/*
 * Who finds the queue removed, or its producer gone, looks once more: what was published before
 * that is there now (REMOVED, ROLE), and is to be received first.
 */
int
shmqi_queue_recv_nothing(struct shmq *q, bool waiting)
{
	bool probe = time_to_probe(q, waiting);
	uint64_t ended = 0;
	int err = -EAGAIN;

	if (shmqi_queue_removed(q, probe))
		err = -EIDRM;
	else if (shmqi_queue_hung_up(q, SHMQ_PRODUCER, probe, &ended))
		err = -EPIPE;
	if (err == -EAGAIN || shmq_spsc_readable(&q->hot.ring))
		return -EAGAIN;
	/*
	 * The end of the producers that came so far is reported once: a consumer that attaches
	 * later waits for new ones. Relaxed: ours, no one else writes it while we are the consumer.
	 */
	if (err == -EPIPE)
		shmq_store_relaxed_u64(&q->control->progress.ended, ended);
	return err;
}

int
shmqi_queue_send_nothing(struct shmq *q, bool waiting)
{
	bool probe = time_to_probe(q, waiting);

	if (shmqi_queue_removed(q, probe))
		return -EIDRM;
	return shmqi_queue_hung_up(q, SHMQ_CONSUMER, probe, NULL) ? -EPIPE : -EAGAIN;
}

static bool
message_ready(void *arg)
{
	return shmq_spsc_readable(&((struct shmq *)arg)->hot.ring);
}

static bool
room_ready(void *arg)
{
	return shmq_spsc_writable(&((struct shmq *)arg)->hot.ring);
}

static int
no_message_to_come(void *arg)
{
	int err = shmqi_queue_recv_nothing(arg, true);

	return err == -EAGAIN ? 0 : err;
}

static int
no_room_to_come(void *arg)
{
	int err = shmqi_queue_send_nothing(arg, true);

	return err == -EAGAIN ? 0 : err;
}

/* What is left of a call's time: > 0, SHMQ_FOREVER, or 0. */
static int64_t
time_left(const struct shmq *q, int64_t timeout_ns, int64_t *deadline)
{
	int64_t now;

	if (timeout_ns == SHMQ_FOREVER)
		return timeout_ns;
	now = q->wait.now_ns();
	if (*deadline == 0)
		*deadline = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
	return *deadline > now ? *deadline - now : 0;
}

int
shmqi_queue_wait_message(struct shmq *q, int64_t timeout_ns, int64_t *deadline)
{
	struct shmqi_wait wait = {&q->control->receivers, message_ready, no_message_to_come, q,
				  &q->message_spin_ns};
	int64_t left = time_left(q, timeout_ns, deadline);

	return left ? shmqi_wait(&q->wait, &wait, left) : -ETIMEDOUT;
}

int
shmqi_queue_wait_room(struct shmq *q, int64_t timeout_ns, int64_t *deadline)
{
	struct shmqi_wait wait = {&q->control->senders, room_ready, no_room_to_come, q,
				  &q->room_spin_ns};
	int64_t left = time_left(q, timeout_ns, deadline);

	return left ? shmqi_wait(&q->wait, &wait, left) : -ETIMEDOUT;
}

int64_t
shmq_hot_wake_receivers(struct shmq_hot *hot, int64_t result)
{
	struct shmq *q = (struct shmq *)(void *)hot;

	shmqi_wake(&q->control->receivers, &hot->woken_receivers);
	return result;
}

int64_t
shmq_hot_wake_senders(struct shmq_hot *hot, int64_t result)
{
	struct shmq *q = (struct shmq *)(void *)hot;

	shmqi_wake(&q->control->senders, &hot->woken_senders);
	return result;
}

void
shmqi_queue_published(struct shmq *q)
{
	if (q->fenced)
		/* SLEEP, fence: no sleeper's membarrier reaches us. */
		shmq_fence_seq_cst();
	if (shmq_hot_asleep(q->hot.receivers_asleep))
		(void)shmq_hot_wake_receivers(&q->hot, 0);
}

void
shmqi_queue_released(struct shmq *q)
{
	if (q->fenced)
		/* SLEEP, fence: no sleeper's membarrier reaches us. */
		shmq_fence_seq_cst();
	if (shmq_hot_asleep(q->hot.senders_asleep))
		(void)shmq_hot_wake_senders(&q->hot, 0);
}

int
shmq_hot_fail(struct shmq_hot *hot)
{
	struct shmq *q = (struct shmq *)(void *)hot;

	q->failed = true;
	hot->can = 0;
	return -EBADMSG;
}

int
shmq_port_bind(struct shmq_hot **hot, struct shmq *q, size_t hot_bytes, unsigned layout)
{
	if (!q)
		return -EINVAL;
	if (hot_bytes != sizeof(struct shmq_hot) || layout != SHMQ_INLINE_LAYOUT)
		return -EPROTONOSUPPORT;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (q->roles & SHMQ_OBSERVER)
		return -ENOTSUP;
	*hot = &q->hot;
	return 0;
}
