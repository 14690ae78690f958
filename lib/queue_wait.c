/* SPDX-License-Identifier: MIT */
/* What a call does when it cannot go on at once: refuse, tell that the peer or the queue is gone,
 * or wait. */
#include "queue.h"

#include <errno.h>
#include <sys/stat.h>

#define PROBE_NS INT64_C(1000000)
#define CALLS_PER_CLOCK 64
#define NAP_NS INT64_C(1000000)

int
shmqi_queue_refuse(const struct shmq *q, uint32_t need)
{
	unsigned role = need == SHMQ_CAN_SEND ? SHMQ_PRODUCER : SHMQ_CONSUMER | SHMQ_OBSERVER;

	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!(q->roles & role))
		return -EINVAL;
	if (q->failed)
		return -EBADMSG;
	return (q->hot.can & need) ? 0 : -EBUSY;
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
	if (!probe || !object_unlinked(q))
		return false;
	/* REMOVED, release: senders do not ask the kernel, so who knows tells them, and looks at the
	 * ring for the last time after that. */
	if (!q->seg->read_only)
		shmq_store_release_u32(&format_lifecycle(q->seg->object)->removed, 1);
	return true;
}

bool
shmqi_queue_hung_up(struct shmq *q, unsigned peer_role, bool probe, uint64_t *generation)
{
	uint64_t known = peer_role == SHMQ_PRODUCER ? q->producers_known : q->consumers_known;
	uint64_t unasked = 0;
	bool gone;

	if (!(q->roles & SHMQ_HANGUP))
		return false;
	probe = probe || q->suspect;
	generation = generation ? generation : &unasked;
	gone = shmqi_role_vacant(q->seg->object, &q->seg->g, peer_role,
				 probe ? shmqi_seg_spare(q->seg) : -1, generation) &&
	       *generation != known;
	/* Who is gone stays gone for each call, until somebody comes. */
	if (probe)
		q->suspect = gone;
	return gone;
}

/* Whether to ask the kernel, too: who waits does; who polls, now and then, for a hang-up only. */
static bool
time_to_probe(struct shmq *q, bool waiting)
{
	return waiting || ((q->roles & SHMQ_HANGUP) && ++q->polls % SHMQI_POLLS_PER_PROBE == 0);
}

static void
unblock(struct shmq *q, unsigned role)
{
	SHMQI_NOT_CANCELLED;

	(void)q->kind->unblock(q, role);
}

/* A call that does not wait asks no more often than this who is in its way. */
static void
unblock_now_and_then(struct shmq *q, unsigned role)
{
	int64_t now;

	if (!q->kind->unblock || ++q->idle % CALLS_PER_CLOCK)
		return;
	now = q->wait.now_ns();
	if (now - q->probed_ns < PROBE_NS)
		return;
	q->probed_ns = now;
	unblock(q, role);
}

/*
 * The end of the producers that came so far is reported once: a consumer that attaches later waits
 * for new ones. Where there may be several consumers each is to see it: so it counts as reported
 * when the last of those who have seen it leaves. Where each has all messages to itself, each
 * decides for itself (remember_peers()).
 */
void
shmqi_queue_note_end(struct shmq *q, uint64_t ended)
{
	const struct shmqi_geometry *g = &q->seg->g;
	uint64_t arrivals;

	if (q->seg->read_only)
		return;
	q->end_seen = ended;
	shmqi_role_mend(q->seg, SHMQ_PRODUCER);
	shmqi_role_mend(q->seg, SHMQ_CONSUMER);
	if (shmqi_role_single(g, SHMQ_CONSUMER) ||
	    shmqi_role_vacant(q->seg->object, g, SHMQ_CONSUMER, shmqi_seg_spare(q->seg), &arrivals))
		/* Relaxed: written by consumers only, and never back. */
		shmq_max_relaxed_u64(&q->control->progress.ended, ended);
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

	if (!waiting)
		unblock_now_and_then(q, SHMQ_CONSUMER);
	if (shmqi_queue_removed(q, probe))
		err = -EIDRM;
	else if (shmqi_queue_hung_up(q, SHMQ_PRODUCER, probe, &ended))
		err = -EPIPE;
	if (err == -EAGAIN || q->kind->readable(q))
		return -EAGAIN;
	if (q->kind->more_to_come && q->kind->more_to_come(q))
		return -EAGAIN;
	if (err == -EPIPE)
		shmqi_queue_note_end(q, ended);
	return err;
}

int
shmqi_queue_send_nothing(struct shmq *q, bool waiting)
{
	bool probe = time_to_probe(q, waiting);

	if (!waiting)
		unblock_now_and_then(q, SHMQ_PRODUCER);
	if (shmqi_queue_removed(q, probe))
		return -EIDRM;
	return shmqi_queue_hung_up(q, SHMQ_CONSUMER, probe, NULL) ? -EPIPE : -EAGAIN;
}

static bool
message_ready(void *arg)
{
	struct shmq *q = arg;

	return q->kind->readable(q);
}

static bool
room_ready(void *arg)
{
	struct shmq *q = arg;

	return q->kind->writable(q);
}

/* Who wants to know of its peer's end wants to know soon. */
static int
waits_for_peer(const struct shmq *q)
{
	return (q->roles & SHMQ_HANGUP) != 0;
}

/* Waiting in vain: a negated errno; 1: on a participant that is in the way; 0: neither. */
static int
no_message_to_come(void *arg)
{
	struct shmq *q = arg;
	int err = shmqi_queue_recv_nothing(q, true);

	if (err != -EAGAIN)
		return err;
	return waits_for_peer(q) | (q->kind->unblock ? q->kind->unblock(q, SHMQ_CONSUMER) : 0);
}

static int
no_room_to_come(void *arg)
{
	struct shmq *q = arg;
	int err = shmqi_queue_send_nothing(q, true);

	if (err != -EAGAIN)
		return err;
	return waits_for_peer(q) | (q->kind->unblock ? q->kind->unblock(q, SHMQ_PRODUCER) : 0);
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
shmqi_queue_breathe(struct shmq *q, unsigned peer_role)
{
	SHMQI_NOT_CANCELLED;
	struct format_sleep *words = peer_role == SHMQ_PRODUCER ? &q->control->receivers
								: &q->control->senders;
	int err;

	if (shmqi_queue_removed(q, true))
		return -EIDRM;
	if (shmqi_queue_hung_up(q, peer_role, true, NULL))
		return -EPIPE;
	/* Relaxed: what we might miss ends with the nap. */
	err = q->wait.sleep(&words->events, shmq_load_relaxed_u32(&words->events), NAP_NS);
	return err == -EINTR ? err : 0;
}

int
shmqi_queue_wait_message(struct shmq *q, int64_t timeout_ns, int64_t *deadline)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_wait wait = {
		.words = &q->control->receivers,
		.read_only = q->seg->read_only,
		.ready = message_ready,
		.hopeless = no_message_to_come,
		.arg = q,
		.spin_ns = &q->message_spin_ns,
	};
	int64_t left = time_left(q, timeout_ns, deadline);

	return left ? shmqi_wait(&q->wait, &wait, left) : -ETIMEDOUT;
}

int
shmqi_queue_wait_room(struct shmq *q, int64_t timeout_ns, int64_t *deadline)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_wait wait = {
		.words = &q->control->senders,
		.ready = room_ready,
		.hopeless = no_room_to_come,
		.arg = q,
		.spin_ns = &q->room_spin_ns,
	};
	int64_t left = time_left(q, timeout_ns, deadline);

	return left ? shmqi_wait(&q->wait, &wait, left) : -ETIMEDOUT;
}

int64_t
shmq_hot_wake_receivers(struct shmq_hot *hot, int64_t result)
{
	SHMQI_NOT_CANCELLED;
	struct shmq *q = (struct shmq *)(void *)hot;

	shmqi_bell_wake(&q->bells->ringer, &q->control->receivers, BELL_RECEIVERS);
	return result;
}

int64_t
shmq_hot_wake_senders(struct shmq_hot *hot, int64_t result)
{
	SHMQI_NOT_CANCELLED;
	struct shmq *q = (struct shmq *)(void *)hot;

	/* An observer, and those who only read, hold nobody up. */
	if (!q->seg->read_only)
		shmqi_bell_wake(&q->bells->ringer, &q->control->senders, BELL_SENDERS);
	return result;
}

void
shmqi_queue_published(struct shmq *q)
{
	if (q->fenced)
		/* SLEEP, fence: no sleeper's membarrier reaches us. */
		shmq_fence_seq_cst();
	if (shmq_hot_asleep(q->hot.receivers))
		(void)shmq_hot_wake_receivers(&q->hot, 0);
}

void
shmqi_queue_released(struct shmq *q)
{
	if (q->fenced)
		/* SLEEP, fence: no sleeper's membarrier reaches us. */
		shmq_fence_seq_cst();
	if (shmq_hot_asleep(q->hot.senders))
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
	if (q->seg->g.kind != SHMQ_SPSC || (q->seg->g.flags & SHMQ_RECORDS) ||
	    (q->roles & SHMQ_OBSERVER))
		return -ENOTSUP;
	*hot = &q->hot;
	return 0;
}
