/* SPDX-License-Identifier: MIT */
/*
 * Sleeping, with the library's own lib/wait.c: clock, fence and futex are the model's.
 *
 * The futex. The kernel compares and goes to sleep in one step, as seen from a waker that has changed the word before. So a sleeper that found
 * the word unchanged sleeps until the word is changed, and whoever changes it wakes it afterwards. Here it stops there for good, with
 * `stopped_on` telling at which count; in the end, when nobody changes anything any more, no_lost_wake() says whether it would have
 * been woken. A slice does not end, so nothing but a wake can help.
 */
#ifndef SLEEP_H
#define SLEEP_H

#include "ring.h"

#include <shmq/inline.h>

#include "wait.c"

static struct format_sleep words;
static bool stopped;
static uint32_t stopped_on;

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
sleep_futex(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	(void)timeout_ns;
	/* Relaxed: nothing is assumed of the kernel beyond the comparison. */
	if (shmq_load_relaxed_u32(word) != seen)
		return 0;
	stopped = true;
	stopped_on = seen;
	pthread_exit(NULL);
}

static const struct shmqi_wait_ops sleep_ops = {
	.now_ns = sleep_now_ns,
	.sleep = sleep_futex,
	.barrier = sleep_barrier,
};

static inline void
sleep_reset(void)
{
	ring_reset();
	words.events = words.ticket = words.asleep = 0;
	stopped = false;
}

/* Publisher: look for a sleeper, and wake it, as shmq_hot_send() and shmq_hot_wake_receivers() do. */
static inline void
sleep_wake(uint32_t *woken)
{
	if (shmq_hot_asleep(&words.asleep))
		shmqi_wake(&words, woken);
}

/* After the threads are joined: who stopped in the futex is woken from it, or has nothing to be woken for. */
static inline void
no_lost_wake(bool news)
{
	assert(!stopped || !news || words.events != stopped_on);
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
	(void)word;
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
