/* SPDX-License-Identifier: MIT */
/* The consumer's calls. The fast way calls nothing; the slow one is a function of its own. */
#include "queue.h"

#include <errno.h>

#define FAST(q) (((q)->hot.can & (SHMQ_CAN_RECV | SHMQ_CAN_SLOWLY)) == SHMQ_CAN_RECV)

/* The next message, or why not; empty costs a short pause. */
static int64_t
look_once(struct shmq *q, struct shmq_slot **slot)
{
	int64_t len = shmq_spsc_look(&q->hot.ring, q->hot.ring.head, slot);

	if (len == -EBADMSG)
		return shmq_hot_fail(&q->hot);
	if (len == -EAGAIN)
		shmq_spsc_back_off(&q->hot.ring);
	return len;
}

/* Find the next message, waiting if that is asked: its length, or why not. */
static int64_t
look(struct shmq *q, int64_t timeout_ns, struct shmq_slot **slot)
{
	int64_t deadline = 0;

	for (;;) {
		int64_t len = look_once(q, slot);
		int err;

		if (len != -EAGAIN)
			return len;
		if (timeout_ns == 0)
			return shmqi_queue_recv_nothing(q, false);
		err = shmqi_queue_wait_message(q, timeout_ns, &deadline);
		if (err)
			return err;
	}
}

static void
release(struct shmq *q, uint64_t count)
{
	shmq_spsc_release(&q->hot.ring, q->hot.ring.head + count);
	shmqi_queue_released(q);
}

static __attribute__((noinline)) ssize_t
recv_slowly(struct shmq *q, void *buf, size_t size, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == 0 && (timeout_ns < SHMQ_FOREVER || (!buf && size)))
		len = -EINVAL;
	if (len == 0)
		len = look(q, timeout_ns, &slot);
	else
		return len;
	if (len < 0)
		return len;
	if ((uint64_t)len > size)
		return -EMSGSIZE;
	shmq_copy(buf, shmq_spsc_bytes(slot), (size_t)len);
	release(q, 1);
	return len;
}

/* Receive the message found. Calls are last, so no register is saved around them. */
static inline ssize_t
recv_found(struct shmq *q, void *buf, const struct shmq_slot *slot, size_t len)
{
	uint64_t next = q->hot.ring.head + 1;

	shmq_copy(buf, slot + 1, len);
	shmq_spsc_release(&q->hot.ring, next);
	if (shmq_hot_asleep(q->hot.senders_asleep))
		return shmq_hot_wake_senders(&q->hot, (int64_t)len);
	return (ssize_t)len;
}

static __attribute__((noinline)) ssize_t
recv_long(struct shmq *q, void *buf, const struct shmq_slot *slot, size_t len)
{
	return recv_found(q, buf, slot, len);
}

/* Nothing is there. */
static __attribute__((noinline)) ssize_t
recv_empty(struct shmq *q, void *buf, size_t size, int64_t timeout_ns)
{
	/* Relaxed: a flag that stays up; recv_slowly() looks again before it believes it. */
	if (timeout_ns != 0 || shmq_load_relaxed_u32(q->hot.removed))
		return recv_slowly(q, buf, size, timeout_ns);
	shmq_spsc_back_off(&q->hot.ring);
	return -EAGAIN;
}

/* Whatever the fast way cannot do, recv_slowly() does from the start. */
ssize_t
shmq_recv(struct shmq *q, void *buf, size_t size, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	int64_t len;

	/* No room may be NULL, for messages of no bytes: that, too, is for the slow way. */
	if (unlikely(!q || !buf || !FAST(q) || timeout_ns < SHMQ_FOREVER))
		return recv_slowly(q, buf, size, timeout_ns);
	len = shmq_spsc_look(&q->hot.ring, q->hot.ring.head, &slot);
	if (unlikely(len == -EAGAIN))
		return recv_empty(q, buf, size, timeout_ns);
	if (unlikely(len < 0 || (uint64_t)len > size))
		return recv_slowly(q, buf, size, timeout_ns);
	if ((size_t)len - SHMQ_COPY_SHORT > SHMQ_COPY_LONG - SHMQ_COPY_SHORT)
		return recv_long(q, buf, slot, (size_t)len);
	return recv_found(q, buf, slot, (size_t)len);
}

ssize_t
shmq_recv_batch(struct shmq *q, struct iovec *v, size_t n, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	size_t got = 0;
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == 0 && (timeout_ns < SHMQ_FOREVER || (!v && n)))
		len = -EINVAL;
	if (len || n == 0)
		return len;
	len = look(q, timeout_ns, &slot);
	while (len >= 0) {
		if ((uint64_t)len > v[got].iov_len)
			len = -EMSGSIZE;
		else if (len && !v[got].iov_base)
			len = -EINVAL;
		if (len < 0)
			break;
		shmq_copy(v[got].iov_base, shmq_spsc_bytes(slot), (size_t)len);
		v[got++].iov_len = (size_t)len;
		if (got == n)
			break;
		len = shmq_spsc_look(&q->hot.ring, q->hot.ring.head + got, &slot);
	}
	if (got)
		release(q, got);
	return got ? (ssize_t)got : len;
}

int
shmq_peek(struct shmq *q, struct iovec *msg, int64_t timeout_ns)
{
	struct shmq_slot *slot = NULL;
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == -EBUSY && msg) { /* peeked already: the same message again */
		*msg = (struct iovec){shmq_spsc_bytes(q->peeked), q->peeked_bytes};
		return 0;
	}
	if (len == 0 && (!msg || timeout_ns < SHMQ_FOREVER))
		len = -EINVAL;
	if (len == 0)
		len = look(q, timeout_ns, &slot);
	else
		return (int)len;
	if (len < 0)
		return (int)len;
	q->peeked = slot;
	q->peeked_bytes = (size_t)len;
	q->hot.can &= ~SHMQ_CAN_RECV;
	*msg = (struct iovec){shmq_spsc_bytes(slot), (size_t)len};
	return 0;
}

int
shmq_release(struct shmq *q, struct iovec *msg)
{
	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!msg || !q->peeked || msg->iov_base != shmq_spsc_bytes(q->peeked))
		return -EINVAL;
	q->peeked = NULL;
	if (!q->failed)
		q->hot.can |= SHMQ_CAN_RECV;
	release(q, 1);
	return 0;
}
