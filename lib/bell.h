/* SPDX-License-Identifier: MIT */
/*
 * Bells: how a descriptor that a program polls becomes readable when there may be work.
 *
 * Who has one is a sleeper of lib/wait.h that does not sleep in the futex: when a call finds
 * nothing it arms its bell, that is, it draws a ticket on that side. Who wakes a side rings, too,
 * all bells whose tickets are due. The bytes in a bell's FIFO stay until a call finds nothing
 * again, so the descriptor is level-triggered. While nobody sleeps or is armed, publishing costs
 * nothing.
 *
 * Shared words and the one writer of each
 *   participant.bell          its owner: names its FIFO; 0: it has none
 *   participant.armed[side]   its owner: BELL_ARMING, then the ticket that it has drawn; never
 *                             cleared: a ticket that was woken is no longer due
 *   sleep.armed               whoever arms: 1, for good: wakers look through the participants
 *
 * Invariants
 *   B1  armed[side] is BELL_ARMING, or the owner's last ticket or a later one's, for every waker
 *       that has read that ticket
 *   B2  woken == t was stored by a waker that had rung, before, all bells armed with (w, t], where
 *       w was an earlier `woken`: W3 of lib/wait.h with all that belongs to a wake
 *
 * No ring is lost. Say that A is armed with its last ticket T, and its look after that has missed
 * what P published. Then P sees ticket >= T (W2), and so does whoever set `woken` to that, if P
 * skips its wake. That waker finds A's bell (B1) and either T is due and it rings, or T was not
 * later than the `woken` that it found, and somebody has rung before (B2). A empties its FIFO only
 * before it draws a ticket, so the byte is there.
 *
 * How the system call for the futex is saved. Each ticket is drawn by one sleeper. When there are
 * as many due bells as due tickets, nobody is asleep in the futex.
 *
 * Edges: SLEEP, TICKET (carries B1), WAKE of lib/wait.h.
 *
 * Progress: wait-free: one look at each participant; FIFOs are written without blocking.
 *
 * On a crash. The owner of an armed bell: one byte into a FIFO that nobody reads, once for all
 * wakers together (killed while arming: at each wake, until its entry is taken). A waker: `woken`
 * is what it was, the next one rings; without a next one the slice ends: the descriptor is readable
 * every 50 ms while it is armed, and the call that comes looks, and may ask the kernel who is dead.
 * The FIFO's name stays, until shmqi_bell_gc() or a newcomer to the participant's entry.
 *
 * Trust. What a hostile peer can do here is to ring too often, or not at all: then slices remain.
 */
#ifndef SHMQ_BELL_H
#define SHMQ_BELL_H

#include "os_bell.h"
#include "wait.h"

#define BELL_ARMING UINT32_MAX

/* Index of participant.armed. */
enum shmqi_bell_side { BELL_SENDERS, BELL_RECEIVERS };

/* A queue, as bells see it. */
struct shmqi_bell_queue {
	struct format_participant *participants;
	unsigned count;
	uint8_t uuid[16];
};

/* Who rings: every handle that may have to wake somebody. */
#define SHMQI_RINGER_KNOWN 8
struct shmqi_ringer {
	struct shmqi_bell_queue queue;
	struct {
		uint64_t nonce; /* 0: free */
		int fd;		/* < 0: cannot be opened */
		struct shmqi_inode inode;
	} known[SHMQI_RINGER_KNOWN];
	unsigned next; /* to be forgotten */
};

void shmqi_ringer_init(struct shmqi_ringer *ringer, const struct shmqi_bell_queue *queue);
void shmqi_ringer_close(struct shmqi_ringer *ringer);

/* As shmqi_wake() and shmqi_wake_always(), and bells, too. */
void shmqi_bell_wake(struct shmqi_ringer *ringer, struct format_sleep *words,
		     enum shmqi_bell_side side);
void shmqi_bell_wake_always(struct shmqi_ringer *ringer, struct format_sleep *words,
			    enum shmqi_bell_side side);

/* Who listens. */
struct shmqi_bell {
	bool open;
	int fd; /* for poll and the like */
	int fifo, timer;
	/* What the three were: the program may have closed them, and use the numbers itself. */
	struct shmqi_inode fd_is, fifo_is, timer_is;
	struct format_participant *entry; /* NULL: shared memory cannot be written */
	uint64_t nonce;
	uint8_t uuid[16];
	int64_t slice_end; /* when the timer ends, or ended; 0: it was not set yet */
	/* Each side's words once it was armed, and the count before that. */
	struct {
		const struct format_sleep *words;
		uint32_t events;
	} armed[2];
};

/* Open the bell of participant `index`; its descriptor is not readable until it is armed. A negated
 * errno, and *bell is as if closed. */
int shmqi_bell_open(struct shmqi_bell *bell, const struct shmqi_bell_queue *queue, unsigned index,
		    const struct shmqi_bell_access *access);

/* Open one for a handle that cannot write: its descriptor is a timer. */
int shmqi_bell_open_deaf(struct shmqi_bell *bell);

/* In a child of fork(): close its descriptors, and leave the bell to the parent. Their memory is not
 * looked at. */
void shmqi_bell_disown(struct shmqi_bell *bell);

/* Close; also one that is zeroed or whose opening failed, and twice. */
void shmqi_bell_close(struct shmqi_bell *bell);

/*
 * A call has found nothing: from now on the descriptor is readable when wait->ready() is true, or
 * somebody has news, and at the latest when the slice ends. ready() says all that can be known
 * without a system call: messages or room, removal, a peer that left; the rest of `wait` is not
 * used but the words. True: a slice has ended, so it is time to ask the kernel who is dead.
 */
bool shmqi_bell_arm(struct shmqi_bell *bell, const struct shmqi_wait_ops *ops,
		    const struct shmqi_wait *wait, enum shmqi_bell_side side);

/* Forget a dead participant's bell: by who takes its entry, and has proof of its death. */
void shmqi_bell_clear(struct format_participant *entry, const uint8_t uuid[16]);

#endif
