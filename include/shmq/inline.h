/* SPDX-License-Identifier: MIT */
/**
 * Send and receive on an SPSC queue, inlined: the promises of shmq_send() and shmq_recv() with timeout 0, at the speed of a hand-written
 * ring when the length is a compile-time constant. For C and C++.
 *
 * A port borrows its handle: attach the queue, open the port, use either or both from the one thread of that handle, and detach the queue
 * when the port is no longer used.
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
#define SHMQ_INLINE_LAYOUT 1u

/** Bits of shmq_hot.can. */
#define SHMQ_CAN_SEND 1u
#define SHMQ_CAN_RECV 2u
#define SHMQ_CAN_SLOWLY 4u	/* by the exported calls only: they have more to do */

/** What a handle needs on its hot path; private to the library and this header. All zero in a child after fork(). */
struct shmq_hot {
	uint32_t can;
	uint32_t woken_receivers, woken_senders;	/* the last ticket that we have woken */
	const uint32_t *removed;
	const uint32_t *receivers_asleep, *senders_asleep;
	struct shmq_spsc ring;
};

/** An opened handle, for the inlined calls. */
struct shmq_port {
	struct shmq_hot *hot;
	struct shmq *q;
};

/* The rare parts, in the library. */
int shmq_port_bind(struct shmq_port *port, struct shmq *q, size_t hot_bytes, unsigned layout);
int shmq_hot_fail(struct shmq_hot *hot);
void shmq_hot_wake_receivers(struct shmq_hot *hot);
void shmq_hot_wake_senders(struct shmq_hot *hot);

#pragma GCC visibility pop

/*
 * SLEEP: publish, then look whether somebody sleeps; the sleeper says that it sleeps, then looks whether something is published. Between
 * the two steps both sides need a full fence; the sleeper pays for both with membarrier() (lib/wait.c), so here only the compiler
 * must not swap them.
 */
static inline void
shmq_hot_published(struct shmq_hot *hot)
{
	/* SLEEP, fence: publication before the look; the CPU's half is the sleeper's membarrier. */
	shmq_fence_compiler();
	/* Relaxed: a hint; what it leads to is ordered there. */
	if (__builtin_expect(shmq_load_relaxed_u32(hot->receivers_asleep) != 0, 0))
		shmq_hot_wake_receivers(hot);
}

static inline void
shmq_hot_released(struct shmq_hot *hot)
{
	/* SLEEP, fence: release before the look; the CPU's half is the sleeper's membarrier. */
	shmq_fence_compiler();
	/* Relaxed: a hint; what it leads to is ordered there. */
	if (__builtin_expect(shmq_load_relaxed_u32(hot->senders_asleep) != 0, 0))
		shmq_hot_wake_senders(hot);
}

/** Room for a message of `len` bytes, or why not. */
static inline int
shmq_hot_claim(struct shmq_hot *hot, size_t len, struct shmq_slot **slot)
{
	int err;

	/* Relaxed: a flag that stays up; a send that misses it is a send before the removal. */
	if (__builtin_expect(shmq_load_relaxed_u32(hot->removed) != 0, 0))
		return -EIDRM;
	if (__builtin_expect(len > hot->ring.msg_max, 0))
		return -EMSGSIZE;
	err = shmq_spsc_claim(&hot->ring, slot);
	return __builtin_expect(err == -EBADMSG, 0) ? shmq_hot_fail(hot) : err;
}

static inline int
shmq_hot_send(struct shmq_hot *hot, const void *msg, size_t len)
{
	struct shmq_slot *slot = NULL;
	int err = shmq_hot_claim(hot, len, &slot);

	if (__builtin_expect(err != 0, 0))
		return err;
	shmq_copy(shmq_spsc_bytes(slot), msg, len);
	shmq_spsc_publish(&hot->ring, slot, len);
	shmq_hot_published(hot);
	return 0;
}

/** The next message, or why not; empty costs a short pause. */
static inline int64_t
shmq_hot_look(struct shmq_hot *hot, struct shmq_slot **slot)
{
	int64_t len = shmq_spsc_look(&hot->ring, hot->ring.head, slot);

	if (__builtin_expect(len >= 0, 1))
		return len;
	if (len != -EAGAIN)
		return shmq_hot_fail(hot);
	shmq_spsc_pause(SHMQ_SPSC_EMPTY_PAUSES);
	return -EAGAIN;
}

static inline int64_t
shmq_hot_recv(struct shmq_hot *hot, void *buf, size_t size)
{
	struct shmq_slot *slot = NULL;
	int64_t len = shmq_hot_look(hot, &slot);

	if (__builtin_expect(len < 0, 0))
		return len;
	if (__builtin_expect((uint64_t)len > size, 0))
		return -EMSGSIZE;
	/* A length equal to a constant `size` lets the copy be that of a constant. */
	if (__builtin_constant_p(size) && (uint64_t)len == size)
		shmq_copy(buf, shmq_spsc_bytes(slot), size);
	else
		shmq_copy(buf, shmq_spsc_bytes(slot), (size_t)len);
	shmq_spsc_release(&hot->ring, 1);
	shmq_hot_released(hot);
	return len;
}

/**
 * Open a port on an attached SPSC queue, which stays open and usable.
 *
 * @param port  filled; valid until shmq_detach(q)
 * @return 0, or
 *   -EINVAL           a NULL argument
 *   -EPROTONOSUPPORT  the library has another layout than this header: compile again
 *   -ENOTSUP          not an SPSC queue, or attached as observer
 *   -EBADF            inherited through fork()
 *
 * Progress:   wait-free
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: nothing is seen
 */
static inline int
shmq_port_open(struct shmq_port *port, struct shmq *q)
{
	return shmq_port_bind(port, q, sizeof(struct shmq_hot), SHMQ_INLINE_LAYOUT);
}

/** Send one message as shmq_send() with timeout 0 does. */
static inline int
shmq_port_send(struct shmq_port *port, const void *msg, size_t len)
{
	if (__builtin_expect((port->hot->can & (SHMQ_CAN_SEND | SHMQ_CAN_SLOWLY)) != SHMQ_CAN_SEND || (!msg && len), 0))
		return shmq_send(port->q, msg, len, 0);
	return shmq_hot_send(port->hot, msg, len);
}

/** Receive one message as shmq_recv() with timeout 0 does. */
static inline ssize_t
shmq_port_recv(struct shmq_port *port, void *buf, size_t size)
{
	struct shmq_hot *hot = port->hot;
	int64_t got;

	if (__builtin_expect((hot->can & (SHMQ_CAN_RECV | SHMQ_CAN_SLOWLY)) != SHMQ_CAN_RECV || (!buf && size), 0))
		return shmq_recv(port->q, buf, size, 0);
	got = shmq_hot_recv(hot, buf, size);
	/* Relaxed: a flag that stays up; the exported call looks once more at the queue before it believes it. */
	if (__builtin_expect(got == -EAGAIN, 0) && shmq_load_relaxed_u32(hot->removed) != 0)
		return shmq_recv(port->q, buf, size, 0);
	return (ssize_t)got;
}

#ifdef __cplusplus
}
#endif

#endif
