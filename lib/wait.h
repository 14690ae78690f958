/* SPDX-License-Identifier: MIT */
/*
 * Waiting: spin a little, then sleep on a futex in shared memory.
 *
 * Any number of sleepers and of publishers. The publishing side has no fence and makes no system
 * call unless somebody may sleep; the sleeper pays, with membarrier(GLOBAL_EXPEDITED), which fences
 * the CPUs of registered processes between its own two steps.
 *
 * Shared words (struct format_sleep) and their writers
 *   ticket   sleepers add 1, each for each sleep: the last one drawn
 *   events   wakers add 1: the futex
 *   woken    wakers: the ticket that was the last one when they began, stored when all is done
 *   armed    lib/bell.h
 * Nobody clears anything, so nobody can clear too much.
 *
 * Invariants
 *   W1  A sleeper reads `events` before it draws its ticket T. So a waker that read ticket >= T
 *       adds to `events` after that, and the futex does not sleep, or is woken.
 *   W2  A publication that a sleeper's last look missed is followed by its publisher's look at
 *       `ticket`, which sees the sleeper's T or a later one.
 *   W3  woken == t was stored by a waker that had read ticket == t, after its wake.
 *
 * Why no wake-up is lost. Say that S sleeps, its last ticket is T, and it has missed what P
 * published. P has seen ticket == t >= T (W2). If P wakes, S is woken (W1). If P skips it, because
 * it sees woken == t: then a waker that had read t >= T has made its wake (W3), and S is woken by
 * that (W1), or will be, if that waker's add is still on its way to S's CPU. Each time S is woken
 * it looks, and draws another ticket before it sleeps again: its T is then another, and all this is
 * true of that. In which order P loads the two words does not matter: the proof uses the value of
 * `ticket` after the publication, and that `woken` was ever equal to it. A waker that comes late
 * stores an older ticket to `woken`: one spurious wake. Tickets are compared for equality and wrap:
 * to be fooled, P must meet a `woken` that is exactly 2^32 sleeps old; that costs one slice.
 *
 * Edges
 *   SLEEP   publish, fence, load ticket <-> draw a ticket, fence, look; carries W2. The sleeper's
 *           fence is membarrier() and counts for every registered process; a publisher that could
 *           not register has a full fence of its own; a sleeper without membarrier sleeps in
 *           slices of 1 ms.
 *   TICKET  sleeper: draw -> waker: load of ticket; carries W1, and the bell that goes with a
 *           ticket (lib/bell.h)
 *   WAKE    waker: add to events -> sleeper: load of events; carries that what was published before
 *           is seen by the look after
 *
 * Who cannot write these words sleeps unannounced: naps of 50 us at first, 1 ms at most.
 *
 * Progress. shmqi_asleep(), shmqi_wake(), drawing: wait-free.
 *
 * On a crash. A sleeper: its ticket is drawn and not woken; the next publisher wakes nobody, and
 * that is all: one spurious wake for all publishers together. A publisher between its publication
 * and its wake, or before the end of it: `woken` still differs, so the next publisher wakes;
 * without a next one the sleeper's slice ends (<= 50 ms), and it looks. A slice never proves a
 * death.
 */
#ifndef SHMQ_WAIT_H
#define SHMQ_WAIT_H

#include "format.h"
#include "os.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest that anybody sleeps without a look; and who cannot make others fence. */
#define SHMQI_SLICE_NS INT64_C(50000000)
#define SHMQI_SLICE_UNFENCED_NS INT64_C(1000000)

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
	/* `words` cannot be written: nobody will know that we sleep, so each sleep is short. */
	bool read_only;
	/* Whether there is work, without a system call. */
	bool (*ready)(void *arg);
	/* Whether waiting is in vain: a negated errno, else 0, or 1: blocked on what one
	 * participant holds, who may be dead; then this sleep is <= 2 ms. Called once before each
	 * sleep; may make system calls. */
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

/* Whether somebody may sleep who has not been woken: after each publication. */
static inline bool
shmqi_asleep(const struct format_sleep *words)
{
	/* SLEEP, fence: publication before the look; the CPU's half is the sleeper's membarrier. */
	shmq_fence_compiler();
	/* Relaxed: only compared; what they lead to is ordered there. */
	return unlikely(shmq_load_relaxed_u32(&words->ticket) !=
			shmq_load_relaxed_u32(&words->woken));
}

/* Wake who sleeps, unless all have been woken. */
void shmqi_wake(struct format_sleep *words);

/* Wake whoever may sleep, or is about to: after news that no SLEEP fence follows. */
void shmqi_wake_always(struct format_sleep *words);

/* The parts of these, for lib/bell.c. */

/* The tickets that one wake is for: (woken, ticket]. */
struct shmqi_due {
	uint32_t woken, ticket;
};

/* Draw a ticket. The caller has read `events` (W1). */
uint32_t shmqi_ticket_draw(struct format_sleep *words);

/* Begin a wake: from now on no futex sleeps that should not. The system call and shmqi_wake_end()
 * come after. */
void shmqi_wake_begin(struct format_sleep *words, struct shmqi_due *due);

/* All of them have been woken. */
void shmqi_wake_end(struct format_sleep *words, const struct shmqi_due *due);

#endif
