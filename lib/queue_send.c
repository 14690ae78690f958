/* SPDX-License-Identifier: MIT */
/* The producer's calls. The fast way calls nothing; the slow one is a function of its own. */
#include "queue.h"

#include <errno.h>

#define FAST(q) (((q)->hot.can & (SHMQ_CAN_SEND | SHMQ_CAN_SLOWLY)) == SHMQ_CAN_SEND)

/* Room for a message, or why not. */
static int
claim_once(struct shmq *q, size_t len, struct shmq_slot **slot)
{
	int err;

	/* Relaxed: a flag that stays up; a send that misses it is a send before the removal. */
	if (shmq_load_relaxed_u32(q->hot.removed))
		return -EIDRM;
	if (len > q->hot.ring.msg_max)
		return -EMSGSIZE;
	err = shmq_spsc_claim(&q->hot.ring, slot);
	return err == -EBADMSG ? shmq_hot_fail(&q->hot) : err;
}

/* Claim a slot, waiting if that is asked. */
static int
claim(struct shmq *q, size_t len, int64_t timeout_ns, struct shmq_slot **slot)
{
	int64_t deadline = 0;

	for (;;) {
		bool gone = shmqi_queue_hung_up(q, SHMQ_CONSUMER, false, NULL);
		int err = gone ? -EPIPE : claim_once(q, len, slot);

		if (err != -EAGAIN)
			return err;
		if (timeout_ns == 0)
			return shmqi_queue_send_nothing(q, false);
		err = shmqi_queue_wait_room(q, timeout_ns, &deadline);
		if (err)
			return err;
	}
}

static void
publish(struct shmq *q, struct shmq_slot *slot, size_t len)
{
	shmq_spsc_publish(&q->hot.ring, slot, q->hot.ring.tail, len);
	shmqi_queue_published(q);
}

static __attribute__((noinline)) int
send_slowly(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (timeout_ns < SHMQ_FOREVER || (!msg && len)))
		err = -EINVAL;
	if (err == 0)
		err = claim(q, len, timeout_ns, &slot);
	if (err)
		return err;
	shmq_copy(shmq_spsc_bytes(slot), msg, len);
	publish(q, slot, len);
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
	if (shmq_hot_asleep(q->hot.receivers_asleep))
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
		return send_slowly(q, msg, len, timeout_ns);
	if (len - SHMQ_COPY_SHORT > SHMQ_COPY_LONG - SHMQ_COPY_SHORT)
		return send_long(q, msg, len, timeout_ns);
	return send_fast(q, msg, len, timeout_ns);
}

ssize_t
shmq_send_batch(struct shmq *q, const struct iovec *v, size_t n, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	size_t sent = 0;
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (timeout_ns < SHMQ_FOREVER || (!v && n)))
		err = -EINVAL;
	if (err || n == 0)
		return err;
	for (; sent < n; sent++) {
		if (!v[sent].iov_base && v[sent].iov_len)
			err = -EINVAL;
		else if (sent == 0)
			err = claim(q, v[sent].iov_len, timeout_ns, &slot);
		else
			err = claim_once(q, v[sent].iov_len, &slot);
		if (err)
			break;
		shmq_copy(shmq_spsc_bytes(slot), v[sent].iov_base, v[sent].iov_len);
		shmq_spsc_publish(&q->hot.ring, slot, q->hot.ring.tail, v[sent].iov_len);
	}
	if (sent)
		shmqi_queue_published(q);
	return sent ? (ssize_t)sent : err;
}

int
shmq_reserve(struct shmq *q, struct iovec *slot, size_t len, int64_t timeout_ns)
{
	struct shmq_slot *room;
	int err = shmqi_queue_refuse(q, SHMQ_CAN_SEND);

	if (err == 0 && (!slot || timeout_ns < SHMQ_FOREVER))
		err = -EINVAL;
	if (err == 0)
		err = claim(q, len, timeout_ns, &room);
	if (err)
		return err;
	q->reserved = room;
	q->reserved_bytes = len;
	q->hot.can &= ~SHMQ_CAN_SEND;
	*slot = (struct iovec){shmq_spsc_bytes(room), len};
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
	return slot && q->reserved && slot->iov_base == shmq_spsc_bytes(q->reserved) ? 0 : -EINVAL;
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
	publish(q, q->reserved, slot->iov_len);
	end_reservation(q);
	return 0;
}

int
shmq_abort(struct shmq *q, struct iovec *slot)
{
	int err = check_reserved(q, slot);

	if (err == 0)
		end_reservation(q);
	return err;
}
