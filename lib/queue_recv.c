/* SPDX-License-Identifier: MIT */
/* The consumer's calls. The fast way calls nothing; the slow one is a function of its own. */
#include "queue.h"

#include <errno.h>

#define FAST(q) (((q)->hot.can & (SHMQ_CAN_RECV | SHMQ_CAN_SLOWLY)) == SHMQ_CAN_RECV)

/* What a caller wants: the next message copied to `buf`, or, with `place`, to be shown it. */
struct request {
	void *buf;
	size_t size;
	unsigned char **place;
};

/* One attempt: the length, or why not. Wakes nobody, and lets no writer see it. */
static int64_t
attempt(struct shmq *q, const struct request *r)
{
	int64_t len;

	if (q->stale)
		return -ESTALE;
	len = r->place ? q->kind->peek(q, r->place) : q->kind->recv(q, r->buf, r->size);
	if (len == -EBADMSG)
		return shmq_hot_fail(&q->hot);
	if (len == -ESTALE) {
		q->stale = true;
		q->hot.can |= SHMQ_CAN_SLOWLY; /* the fast way does not ask */
	}
	return len;
}

/* Attempt it, waiting if that is asked. */
static int64_t
insist(struct shmq *q, const struct request *r, int64_t timeout_ns)
{
	int64_t deadline = 0;
	unsigned rounds = 0;

	for (;;) {
		int64_t len = attempt(q, r);
		int err;

		if (len != -EAGAIN)
			return len;
		if (timeout_ns == 0)
			err = shmqi_queue_arm(q, SHMQ_CONSUMER, shmqi_queue_recv_nothing(q, false));
		else
			err = shmqi_queue_wait_message(q, timeout_ns, &deadline);
		if (err == 0 && ++rounds % SHMQI_ROUNDS_PER_BREATH == 0)
			err = shmqi_queue_breathe(q, SHMQ_PRODUCER);
		if (err)
			return err;
	}
}

/* Writers may use again what we have received. */
static void
settle(struct shmq *q)
{
	if (q->kind->settle)
		q->kind->settle(q);
	shmqi_queue_released(q);
}

static __attribute__((noinline)) ssize_t
recv_slowly(struct shmq *q, void *buf, size_t size, int64_t timeout_ns)
{
	const struct request r = {.buf = buf, .size = size};
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == 0 && (timeout_ns < SHMQ_FOREVER || (!buf && size)))
		len = -EINVAL;
	if (len)
		return len;
	q->waits = timeout_ns != 0;
	len = insist(q, &r, timeout_ns);
	if (len >= 0)
		settle(q);
	return len;
}

/* The kinds that have no fast way of their own: one attempt, and all the rest slowly. */
static ssize_t
recv_by_kind(struct shmq *q, void *buf, size_t size, int64_t timeout_ns)
{
	const struct request r = {.buf = buf, .size = size};
	int64_t len;

	if (unlikely(!q || !buf || !(q->hot.can & SHMQ_CAN_RECV) || timeout_ns < SHMQ_FOREVER))
		return recv_slowly(q, buf, size, timeout_ns);
	q->waits = timeout_ns != 0;
	len = attempt(q, &r);
	if (unlikely(len < 0))
		return len == -EAGAIN ? recv_slowly(q, buf, size, timeout_ns) : len;
	settle(q);
	return len;
}

/* Receive the message found. Calls are last, so no register is saved around them. */
static inline ssize_t
recv_found(struct shmq *q, void *buf, const struct shmq_slot *slot, size_t len)
{
	uint64_t next = q->hot.ring.head + 1;

	shmq_copy(buf, slot + 1, len);
	shmq_spsc_release(&q->hot.ring, next);
	if (shmq_hot_asleep(q->hot.senders))
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
	if (timeout_ns != 0 || q->bell || shmq_load_relaxed_u32(q->hot.removed))
		return recv_slowly(q, buf, size, timeout_ns);
	shmq_spsc_back_off();
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
		return recv_by_kind(q, buf, size, timeout_ns);
	len = shmq_spsc_look(&q->hot.ring, q->hot.ring.head, &slot);
	if (unlikely(len == -EAGAIN))
		return recv_empty(q, buf, size, timeout_ns);
	if (unlikely(len < 0 || (uint64_t)len > size))
		return recv_slowly(q, buf, size, timeout_ns);
	if ((size_t)len - SHMQ_COPY_SHORT > SHMQ_COPY_LONG - SHMQ_COPY_SHORT)
		return recv_long(q, buf, slot, (size_t)len);
	return recv_found(q, buf, slot, (size_t)len);
}

/* As many as are there and have room, the fast way: let go of them all with one store. */
static size_t
recv_run(struct shmq *q, struct iovec *v, size_t n)
{
	uint64_t head = q->hot.ring.head;
	size_t got = 0;

	for (; got < n && v[got].iov_base; got++) {
		struct shmq_slot *slot = NULL;
		int64_t len = shmq_spsc_look(&q->hot.ring, head + got, &slot);

		if (len < 0 || (uint64_t)len > v[got].iov_len)
			break;
		shmq_copy(v[got].iov_base, shmq_spsc_bytes(slot), (size_t)len);
		v[got].iov_len = (size_t)len;
	}
	if (got)
		shmq_spsc_release(&q->hot.ring, head + got);
	return got;
}

ssize_t
shmq_recv_batch(struct shmq *q, struct iovec *v, size_t n, int64_t timeout_ns)
{
	size_t got = 0;
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == 0 && (timeout_ns < SHMQ_FOREVER || (!v && n)))
		len = -EINVAL;
	if (len == 0 && !q->kind->batch)
		len = -ENOTSUP;
	if (len || n == 0)
		return len;
	for (;;) {
		if (FAST(q))
			got += recv_run(q, v + got, n - got);
		if (got == n || (got && FAST(q) && v[got].iov_base))
			break;

		const struct request r = {.buf = v[got].iov_base, .size = v[got].iov_len};

		if (!r.buf && r.size)
			len = -EINVAL;
		else
			len = got == 0 ? insist(q, &r, timeout_ns) : attempt(q, &r);
		if (len < 0)
			break;
		v[got++].iov_len = (size_t)len;
	}
	if (got)
		settle(q);
	return got ? (ssize_t)got : len;
}

int
shmq_peek(struct shmq *q, struct iovec *msg, int64_t timeout_ns)
{
	unsigned char *place = NULL;
	const struct request r = {.place = &place};
	int64_t len = shmqi_queue_refuse(q, SHMQ_CAN_RECV);

	if (len == -EBUSY && msg) { /* peeked already: the same message again */
		*msg = (struct iovec){q->peeked, q->peeked_bytes};
		return 0;
	}
	if (len == 0 && (!msg || timeout_ns < SHMQ_FOREVER))
		len = -EINVAL;
	if (len == 0 && !q->kind->peek)
		len = -ENOTSUP;
	if (len == 0)
		len = insist(q, &r, timeout_ns);
	else
		return (int)len;
	if (len < 0)
		return (int)len;
	q->peeked = place;
	q->peeked_bytes = (size_t)len;
	q->hot.can &= ~SHMQ_CAN_RECV;
	*msg = (struct iovec){place, (size_t)len};
	return 0;
}

int
shmq_release(struct shmq *q, struct iovec *msg)
{
	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	if (!msg || !q->peeked || msg->iov_base != q->peeked)
		return -EINVAL;
	q->peeked = NULL;
	if (!q->failed)
		q->hot.can |= SHMQ_CAN_RECV;
	q->kind->release(q);
	settle(q);
	return 0;
}
