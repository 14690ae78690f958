/* SPDX-License-Identifier: MIT */
/**
 * Send and receive on an SPSC queue, inlined: the promises of shmq_send() and shmq_recv() with
 * timeout 0, at the speed of a hand-written ring when the length is a compile-time constant. For C
 * and C++.
 *
 * A port borrows its handle: attach the queue, open the port, use either or both from the one
 * thread of that handle, and detach the queue when the port is no longer used.
 */
#ifndef SHMQ_INLINE_H
#define SHMQ_INLINE_H

#include <shmq/ring_spsc.h>
#include <shmq/shmq.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/** Changes whenever struct shmq_hot or the slots do: a program must be compiled again then. */
#define SHMQ_INLINE_LAYOUT 2u

/** Bits of shmq_hot.can. */
#define SHMQ_CAN_SEND 1u
#define SHMQ_CAN_RECV 2u
#define SHMQ_CAN_SLOWLY 4u /* by the exported calls only: they have more to do */
#define SHMQ_HAS_FD 8u	   /* who finds nothing has more to do (shmq_fd()) */

/** What a handle needs on its hot path; private to the library and this header. All zero in a child
 * after fork(). */
struct shmq_hot {
	uint32_t can;
	const uint32_t *removed;
	const uint32_t *receivers, *senders; /* tickets of those who sleep: {drawn, woken} */
	struct shmq_spsc ring;
};

/**
 * An opened handle, for the inlined calls. It has its own copy of the ring's private half, which a
 * compiler can keep in registers as long as the port is a local variable; the positions are stored
 * to the handle, too, and compared, so that port and handle may be mixed.
 */
struct shmq_port {
	struct shmq_hot *hot;
	struct shmq *q;
	const uint32_t *removed;
	const uint32_t *receivers, *senders;
	struct shmq_spsc ring;
};

/* The rare parts, in the library. The last two return `result`, so that a caller ends with them and
 * saves no register. */
int shmq_port_bind(struct shmq_hot **hot, struct shmq *q, size_t hot_bytes, unsigned layout);
int shmq_hot_fail(struct shmq_hot *hot);
int64_t shmq_hot_wake_receivers(struct shmq_hot *hot, int64_t result);
int64_t shmq_hot_wake_senders(struct shmq_hot *hot, int64_t result);

#pragma GCC visibility pop

/*
 * SLEEP: publish, then look whether somebody sleeps; the sleeper says that it sleeps, then looks
 * whether something is published. Between the two steps both sides need a full fence; the sleeper
 * pays for both with membarrier() (lib/wait.c), so here only the compiler must not swap them.
 */
SHMQ_INLINE bool
shmq_hot_asleep(const uint32_t *tickets)
{
	/* SLEEP, fence: publication before the look; the CPU's half is the sleeper's membarrier. */
	shmq_fence_compiler();
	/* Relaxed: a hint; what it leads to is ordered there. */
	return __builtin_expect(
		shmq_load_relaxed_u32(tickets) != shmq_load_relaxed_u32(tickets + 1), 0);
}

/**
 * Open a port on an attached SPSC queue, which stays open and usable.
 *
 * @param port  filled; valid until shmq_detach(q)
 * @return 0, or
 *   -EINVAL           a NULL argument
 *   -EPROTONOSUPPORT  the library has another layout than this header: compile again
 *   -ENOTSUP          not an SPSC queue, one of records, or attached as observer
 *   -EBADF            inherited through fork()
 *
 * Progress:   wait-free
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: nothing is seen
 */
SHMQ_INLINE int
shmq_port_open(struct shmq_port *port, struct shmq *q)
{
	struct shmq_hot *hot = NULL;
	int err = port ? shmq_port_bind(&hot, q, sizeof(struct shmq_hot), SHMQ_INLINE_LAYOUT)
		       : -EINVAL;

	if (err)
		return err;
	port->hot = hot;
	port->q = q;
	port->removed = hot->removed;
	port->receivers = hot->receivers;
	port->senders = hot->senders;
	port->ring = hot->ring;
	return 0;
}

/* The exported call, for whatever the inlined one cannot do, and its result taken over. */
SHMQ_INLINE int
shmq_port_send_slowly(struct shmq_port *port, const void *msg, size_t len)
{
	int err = shmq_send(port->q, msg, len, 0);

	port->ring.tail = port->hot->ring.tail;
	port->ring.seen = port->hot->ring.seen;
	return err;
}

SHMQ_INLINE ssize_t
shmq_port_recv_slowly(struct shmq_port *port, void *buf, size_t size)
{
	ssize_t got = shmq_recv(port->q, buf, size, 0);

	port->ring.head = port->hot->ring.head;
	return got;
}

/** Send one message as shmq_send() with timeout 0 does. */
SHMQ_INLINE int
shmq_port_send(struct shmq_port *port, const void *msg, size_t len)
{
	struct shmq_hot *hot = port->hot;
	struct shmq_slot *slot = NULL;
	uint64_t at = port->ring.tail;

	if (__builtin_expect((hot->can & (SHMQ_CAN_SEND | SHMQ_CAN_SLOWLY)) != SHMQ_CAN_SEND ||
				     hot->ring.tail != at,
			     0))
		return shmq_port_send_slowly(port, msg, len);
	/* Relaxed: a flag that stays up; a send that misses it is a send before the removal. */
	if (__builtin_expect(shmq_load_relaxed_u32(port->removed) != 0 ||
				     len > port->ring.msg_max || (!msg && len),
			     0))
		return shmq_port_send_slowly(port, msg, len);
	if (__builtin_expect(shmq_spsc_claim(&port->ring, &slot) != 0, 0))
		return shmq_port_send_slowly(port, msg, len);
	hot->ring.tail = at + 1;
	shmq_copy(shmq_spsc_bytes(slot), msg, len);
	shmq_spsc_publish(&port->ring, slot, at, len);
	if (shmq_hot_asleep(port->receivers))
		return (int)shmq_hot_wake_receivers(hot, 0);
	return 0;
}

/** Receive one message as shmq_recv() with timeout 0 does. */
SHMQ_INLINE ssize_t
shmq_port_recv(struct shmq_port *port, void *buf, size_t size)
{
	struct shmq_hot *hot = port->hot;
	struct shmq_slot *slot = NULL;
	uint64_t at = port->ring.head;
	int64_t len;

	if (__builtin_expect((hot->can & (SHMQ_CAN_RECV | SHMQ_CAN_SLOWLY)) != SHMQ_CAN_RECV ||
				     hot->ring.head != at,
			     0))
		return shmq_port_recv_slowly(port, buf, size);
	len = shmq_spsc_look(&port->ring, at, &slot);
	/* Relaxed: a flag that stays up; the exported call looks once more at the queue before it
	 * believes it. */
	if (__builtin_expect(len == -EAGAIN && shmq_load_relaxed_u32(port->removed) == 0 &&
				     !(hot->can & SHMQ_HAS_FD) && (buf || !size),
			     0)) {
		shmq_spsc_back_off();
		return -EAGAIN;
	}
	if (__builtin_expect(len < 0 || (uint64_t)len > size || !buf, 0))
		return shmq_port_recv_slowly(port, buf, size);
	hot->ring.head = at + 1;
	/* A length equal to a constant `size` lets the copy be that of a constant. */
	if (__builtin_constant_p(size) && (uint64_t)len == size)
		shmq_copy(buf, shmq_spsc_bytes(slot), size);
	else
		shmq_copy(buf, shmq_spsc_bytes(slot), (size_t)len);
	shmq_spsc_release(&port->ring, at + 1);
	if (shmq_hot_asleep(port->senders))
		return (ssize_t)shmq_hot_wake_senders(hot, len);
	return (ssize_t)len;
}

#ifdef __cplusplus
}
#endif

#endif
