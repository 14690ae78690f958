/* SPDX-License-Identifier: MIT */
/* The producer's calls. The fast way calls nothing; the slow one is a function of its own. */
#include "queue.h"

#include <errno.h>

#define FAST(q) (((q)->hot.can & (SHMQ_CAN_SEND | SHMQ_CAN_SLOWLY)) == SHMQ_CAN_SEND)

/* What a caller wants: to send `len` bytes of `msg`, or, with `room`, to be shown where to put
 * them. */
struct request {
	const void *msg;
	size_t len;
	unsigned char **room;
};

/* One attempt: 0, or why not. Wakes nobody. */
static int
attempt(struct shmq *q, const struct request *r)
{
	int err;

	/* Relaxed: a flag that stays up; a send that misses it is a send before the removal. */
	if (shmq_load_relaxed_u32(q->hot.removed))
		return -EIDRM;
	if (r->len > q->hot.ring.msg_max)
		return -EMSGSIZE;
	err = r->room ? q->kind->claim(q, r->len, r->room) : q->kind->send(q, r->msg, r->len);
	return err == -EBADMSG ? shmq_hot_fail(&q->hot) : err;
}

/* Attempt it, waiting if that is asked. */
static int
insist(struct shmq *q, const struct request *r, int64_t timeout_ns)
{
	int64_t deadline = 0;
	unsigned rounds = 0;

	for (;;) {
		bool gone = shmqi_queue_hung_up(q, SHMQ_CONSUMER, false, NULL);
		int err = gone ? -EPIPE : attempt(q, r);

		if (err != -EAGAIN)
			return err;
		if (timeout_ns == 0)
			err = shmqi_queue_arm(q, SHMQ_PRODUCER, shmqi_queue_send_nothing(q, false));
		else
			err = shmqi_queue_wait_room(q, timeout_ns, &deadline);
		if (err == 0 && ++rounds % SHMQI_ROUNDS_PER_BREATH == 0)
			err = shmqi_queue_breathe(q, SHMQ_CONSUMER);
		if (err)
			return err;
	}
}

static __attribute__((noinline)) int
send_slowly(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	struct request r = {.msg = msg, .len = len};
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (timeout_ns < SHMQ_FOREVER || (!msg && len)))
		err = -EINVAL;
	if (err == 0)
		err = insist(q, &r, timeout_ns);
	if (err == 0)
		shmqi_queue_published(q);
	return err;
}

/* The kinds that have no fast way of their own: one attempt, and all the rest slowly. */
static int
send_by_kind(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	const struct request r = {.msg = msg, .len = len};

	if (unlikely(!q || !msg || !(q->hot.can & SHMQ_CAN_SEND) || (q->roles & SHMQ_HANGUP) ||
		     timeout_ns < SHMQ_FOREVER || attempt(q, &r) != 0))
		return send_slowly(q, msg, len, timeout_ns);
	shmqi_queue_published(q);
	return 0;
}

/* Whatever the fast way cannot do, send_slowly() does from the start. Calls are last, so no
 * register is saved around them. */
static inline int
send_fast(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	uint64_t at = q->hot.ring.tail;
	struct shmq_slot *slot;

	/* Relaxed: a flag that stays up. */
	if (unlikely(shmq_load_relaxed_u32(q->hot.removed) || len > q->hot.ring.msg_max))
		return send_slowly(q, msg, len, timeout_ns);
	if (unlikely(shmq_spsc_looks_full(&q->hot.ring)))
		return send_slowly(q, msg, len, timeout_ns);
	slot = shmq_spsc_slot(&q->hot.ring, at);
	shmq_copy(shmq_spsc_bytes(slot), msg, len);
	shmq_spsc_publish(&q->hot.ring, slot, at, len);
	if (shmq_hot_asleep(q->hot.receivers))
		return (int)shmq_hot_wake_receivers(&q->hot, 0);
	return 0;
}

static __attribute__((noinline)) int
send_long(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	return send_fast(q, msg, len, timeout_ns);
}

int
shmq_send(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	/* A message of no bytes may be NULL: that, too, is for the slow way. */
	if (unlikely(!q || !msg || !FAST(q) || timeout_ns < SHMQ_FOREVER))
		return send_by_kind(q, msg, len, timeout_ns);
	if (len - SHMQ_COPY_SHORT > SHMQ_COPY_LONG - SHMQ_COPY_SHORT)
		return send_long(q, msg, len, timeout_ns);
	return send_fast(q, msg, len, timeout_ns);
}

/* As many as there is room for, the fast way. */
static size_t
send_run(struct shmq *q, const struct iovec *v, size_t n)
{
	struct shmq_spsc *ring = &q->hot.ring;
	size_t sent = 0;

	/* Relaxed: a flag that stays up. */
	if (shmq_load_relaxed_u32(q->hot.removed))
		return 0;
	for (; sent < n && v[sent].iov_base && v[sent].iov_len <= ring->msg_max; sent++) {
		uint64_t at = ring->tail;
		struct shmq_slot *slot;

		if (shmq_spsc_looks_full(ring))
			break;
		slot = shmq_spsc_slot(ring, at);
		shmq_copy(shmq_spsc_bytes(slot), v[sent].iov_base, v[sent].iov_len);
		shmq_spsc_publish(ring, slot, at, v[sent].iov_len);
	}
	return sent;
}

ssize_t
shmq_send_batch(struct shmq *q, const struct iovec *v, size_t n, int64_t timeout_ns)
{
	size_t sent = 0;
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (timeout_ns < SHMQ_FOREVER || (!v && n)))
		err = -EINVAL;
	if (err == 0 && !q->kind->batch)
		err = -ENOTSUP;
	if (err || n == 0)
		return err;
	for (;; sent++) {
		if (FAST(q))
			sent += send_run(q, v + sent, n - sent);
		if (sent == n)
			break;

		struct request r = {.msg = v[sent].iov_base, .len = v[sent].iov_len};

		if (!r.msg && r.len)
			err = -EINVAL;
		else
			err = sent == 0 ? insist(q, &r, timeout_ns) : attempt(q, &r);
		if (err)
			break;
	}
	if (sent)
		shmqi_queue_published(q);
	return sent ? (ssize_t)sent : err;
}

int
shmq_reserve(struct shmq *q, struct iovec *slot, size_t len, int64_t timeout_ns)
{
	unsigned char *room = NULL;
	struct request r = {.len = len, .room = &room};
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (!slot || timeout_ns < SHMQ_FOREVER))
		err = -EINVAL;
	if (err == 0)
		err = insist(q, &r, timeout_ns);
	if (err)
		return err;
	q->reserved = room;
	q->reserved_bytes = len;
	q->hot.can &= ~SHMQ_CAN_SEND;
	*slot = (struct iovec){room, len};
	return 0;
}

/* Whether `slot` is the open reservation. */
static int
check_reserved(const struct shmq *q, const struct iovec *slot)
{
	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	return slot && q->reserved && slot->iov_base == q->reserved ? 0 : -EINVAL;
}

static void
end_reservation(struct shmq *q)
{
	q->reserved = NULL;
	if (!q->failed)
		q->hot.can |= SHMQ_CAN_SEND;
}

int
shmq_commit(struct shmq *q, struct iovec *slot)
{
	int err = check_reserved(q, slot);

	if (err)
		return err;
	if (slot->iov_len > q->reserved_bytes)
		return -EMSGSIZE;
	q->kind->commit(q, slot->iov_len);
	shmqi_queue_published(q);
	end_reservation(q);
	return 0;
}

int
shmq_abort(struct shmq *q, struct iovec *slot)
{
	int err = check_reserved(q, slot);

	if (err)
		return err;
	if (q->kind->abort)
		q->kind->abort(q);
	end_reservation(q);
	return 0;
}
