/* SPDX-License-Identifier: MIT */
/*
 * Sleeping, with the library's own lib/wait.c: clock, fence and futex are the model's.
 *
 * The futex. The kernel compares and goes to sleep in one step, as seen from a waker that has changed the word before. So a sleeper that found
 * the word unchanged sleeps until the word is changed and the waker's system call comes after that. Here it stops there for good, with
 * `stopped_on` telling at which count (one place for each sleeper, so that nothing here orders one with another); in the end, when nobody changes anything any more, no_lost_wake() says whether it would have
 * been woken. A slice does not end, so nothing but a wake can help.
 */
#ifndef SLEEP_H
#define SLEEP_H

#include "ring.h"

#include <shmq/inline.h>

#include "wait.c"

#define SLEEPERS 2
/* Whether somebody sleeps in the futex beside a bell. */
#ifndef SLEEPER
#define SLEEPER 0
#endif

static struct format_sleep words;
static bool stopped[SLEEPERS];
static uint32_t stopped_on[SLEEPERS];
static uint64_t called; /* the latest count at which a waker has made its system call */

static int64_t
sleep_now_ns(void)
{
	return 0;
}

static int
sleep_barrier(void)
{
	/* Both halves are full fences: weaken.h. */
	return 0;
}

static int
sleep_futex_as(unsigned who, const uint32_t *word, uint32_t seen)
{
	/* Relaxed: nothing is assumed of the kernel beyond the comparison. */
	if (shmq_load_relaxed_u32(word) != seen)
		return 0;
	stopped[who] = true;
	stopped_on[who] = seen;
	pthread_exit(NULL);
}

static int
sleep_futex(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	(void)timeout_ns;
	return sleep_futex_as(0, word, seen);
}

static int
sleep_futex_other(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	(void)timeout_ns;
	return sleep_futex_as(1, word, seen);
}

static const struct shmqi_wait_ops sleep_ops = {
	.now_ns = sleep_now_ns,
	.sleep = sleep_futex,
	.barrier = sleep_barrier,
};

static const struct shmqi_wait_ops sleep_ops_other = {
	.now_ns = sleep_now_ns,
	.sleep = sleep_futex_other,
	.barrier = sleep_barrier,
};

static inline void
sleep_reset(void)
{
	ring_reset();
	shmq_store_relaxed_u32(&words.events, 0);
	shmq_store_relaxed_u32(&words.ticket, 0);
	shmq_store_relaxed_u32(&words.woken, 0);
	called = 0;
	model_ticket = &words.ticket;
	for (unsigned who = 0; who < SLEEPERS; who++)
		stopped[who] = false;
}

/* Publisher: look for a sleeper, and wake it, as shmq_hot_send() and shmq_hot_wake_receivers() do. */
static inline void
sleep_wake(void)
{
	/* shmqi_wake() would look again, behind one more fence than membarrier() makes. */
	if (shmq_hot_asleep(&words.ticket))
		shmqi_wake_always(&words);
}

/* After the threads are joined: who stopped in the futex is woken from it, or has nothing to be woken for. */
static inline void
no_lost_wake(bool news)
{
	for (unsigned who = 0; who < SLEEPERS; who++)
		assert(!stopped[who] || !news ||
		       (model_kill ? called : words.events) > stopped_on[who]);
}

/* The kernel's futex calls, and what else wait.c names; the model's operations stand in for them. */
int64_t
shmqi_os_now_ns(void)
{
	return 0;
}

int
shmqi_os_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	return sleep_futex(word, seen, timeout_ns);
}

void
shmqi_os_futex_wake(const uint32_t *word)
{
	/* Who changed the count calls, if nobody dies. Relaxed: the caller's own add is in it. */
	if (model_kill)
		shmq_max_relaxed_u64(&called, shmq_load_relaxed_u32(word));
}

int
shmqi_os_barrier_all(void)
{
	return 0;
}

int
shmqi_os_cpus(void)
{
	return 1;
}

#endif
