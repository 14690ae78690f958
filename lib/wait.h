/* SPDX-License-Identifier: MIT */
/*
 * Waiting: spin a little, then sleep on a futex in shared memory.
 *
 * The publishing side has no fence and makes no system call unless somebody sleeps; the sleeper
 * pays, with membarrier(GLOBAL_EXPEDITED), which fences the CPUs of registered processes between
 * its own two steps.
 *
 * Shared words (struct format_sleep), and the one writer of each
 *   ticket   the sleeper: the last one drawn; never drawn twice, also across takeovers, so a waker
 *            can tell sleeps apart
 *   asleep   the sleeper: its ticket while it sleeps or is about to, else 0; a newcomer to the role
 *            clears what a dead one left
 *   events   wakers add 1: the futex
 *
 * Invariants
 *   W1  a sleeper reads `events` before it stores `asleep`; so a waker that saw the ticket adds
 *       after that read, and the futex
 *       does not sleep, or is woken. One wake per ticket is enough.
 *   W2  a publication that the sleeper's last look missed is followed by a look at `asleep` that
 *       sees the ticket
 *
 * Edges
 *   SLEEP   publish, fence, load asleep <-> store asleep, fence, look; carries W2. The sleeper's
 *           fence is membarrier() and
 *           counts for every registered process; a publisher that could not register has a full
 *           fence of its own
 *           (SHMQ_CAN_SLOWLY); a sleeper without membarrier sleeps in slices of 1 ms.
 *   WAKE    waker: add to events -> sleeper: load of events; carries that what was published before
 *           is seen by the look after
 *
 * On a crash. A sleeper: its ticket stays, and costs each publisher one spurious wake. A publisher
 * between its publication and its wake: the sleeper's slice ends (<= 50 ms), and it looks. A slice
 * never proves a death.
 */
#ifndef SHMQ_WAIT_H
#define SHMQ_WAIT_H

#include "format.h"

#include <stdbool.h>
#include <stdint.h>

/* Clock, sleep and fence come in from outside, so that waiting can be tested. */
struct shmqi_wait_ops {
	int64_t (*now_ns)(void);
	int (*sleep)(const uint32_t *word, uint32_t seen, int64_t timeout_ns);
	int (*barrier)(void);
	int64_t spin_ns; /* the longest spin; 0: none */
};

/* What is waited for. */
struct shmqi_wait {
	struct format_sleep *words;
	/* Whether there is work, without a system call. */
	bool (*ready)(void *arg);
	/* Whether waiting is in vain: a negated errno, else 0. Called once before each sleep; may
	 * make system calls. */
	int (*hopeless)(void *arg);
	void *arg;
	/* How long it was worth to spin before; kept by the caller from wait to wait, 0 at first.
	 * NULL: as long as ops allow. */
	int64_t *spin_ns;
};

/* The real ones; spin_ns is 0 where there is only one CPU to run on. */
struct shmqi_wait_ops shmqi_wait_real(void);

/* Wait until ready: 0, -ETIMEDOUT, -EINTR, or what hopeless() said. timeout_ns: > 0, or
 * SHMQ_FOREVER. */
int shmqi_wait(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, int64_t timeout_ns);

/* Wake who sleeps, unless that very sleep was woken through *woken before. */
void shmqi_wake(struct format_sleep *words, uint32_t *woken);

/* Wake whoever may sleep. */
void shmqi_wake_always(struct format_sleep *words);

#endif
