/* SPDX-License-Identifier: MIT */
/*
 * Two publishers and a sleeper, or one publisher and two sleepers: no wake-up is lost (SLEEP,
 * TICKET, WAKE; W1, W2, W3 of lib/wait.h).
 *
 * There are two messages; or, with NEWS=1, the second one marks the queue as removed, which no
 * SLEEP fence follows (mark(), shmqi_wake_always()). Sleepers receive until they are told of the
 * removal. When nothing moves any more, nobody sleeps over a message, or over the mark. DEATHS=1: a
 * publisher may die at any step.
 */
#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef NEWS
#define NEWS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define CPUS PUBLISHERS /* sleepers need no buffers: they only read-modify-write */
#define DEPTH 2
#define MESSAGE(number) (3 + (number))
#define MESSAGES 2
#define REMOVED 5
#define WORDS 6
#include "buffers.inc"

bool died, dead[PUBLISHERS], taken[MESSAGES], told[SLEEPERS];

#if DEATHS
#define DIES if :: skip :: atomic { !died -> died = true; dead[me] = true; goto killed } fi;
#else
#define DIES
#endif

/* readable() */
inline look()
{
	found = (mem[MESSAGE(0)] && !taken[0]) || (mem[MESSAGE(1)] && !taken[1])
}

/* no_message_to_come(): shmqi_queue_removed(), then one more look. */
inline hopeless()
{
#if NEWS
	err = mem[REMOVED];
	if
	:: err -> look(); err = !found
	:: else
	fi
#else
	skip
#endif
}

/* membarrier(): each CPU of a registered process passes a full fence before it returns, one after the other. */
inline membarrier()
{
	fence(0);
	fence(PUBLISHERS - 1)
}

#define SLEEPER_FENCE
#include "wait.inc"

proctype publisher(byte me)
{
	byte ticket, woken, my_woken, i;

#if NEWS
	if
	:: me == 1 ->
		/* mark(): a store with release. */
		store(me, REMOVED, true);
		DIES
		wake_always(me, 0);
		goto killed
	:: else
	fi;
#endif
	publish(me, MESSAGE(me), true, 0);
#if PUBLISHERS == 1
	publish(me, MESSAGE(1), true, 0);
#endif
killed:	skip
}

proctype sleeper(byte me)
{
	byte events;
	bool found, err;

	do
	:: 	wait(me, 0);
		if
		:: err -> told[me] = true; break
		:: else
		fi;
		/* A receive: one compare-and-swap, or somebody else was faster. */
		atomic {
			if
			:: mem[MESSAGE(0)] && !taken[0] -> taken[0] = true
			:: mem[MESSAGE(1)] && !taken[1] -> taken[1] = true
			:: else
			fi;
			found = false
		}
	od
}

#define received(number) (!mem[MESSAGE(number)] || taken[number] || told[0])
/* A living publisher's message is received; a dead one's with it, or when a slice ends. */
#if PUBLISHERS > 1 && !SLICES
#define not_lost(number) (received(number) || dead[number])
#else
#define not_lost(number) received(number)
#endif
#define all_told (!mem[REMOVED] || (told[0] && told[SLEEPERS - 1]))

#if SLICES
ltl found_out { <> [] (not_lost(0) && not_lost(1) && all_told) }
#else
active proctype end_of_all()
{
	timeout ->
	assert(not_lost(0) && not_lost(1));
	assert(all_told)
}
#endif

init {
	atomic {
		run drain(0, WOKEN(0), WOKEN(0));
		run publisher(0);
#if PUBLISHERS > 1
		run drain(1, WOKEN(0), WOKEN(0));
		run publisher(1);
#endif
		run sleeper(0);
#if SLEEPERS > 1
		run sleeper(1)
#endif
	}
}
