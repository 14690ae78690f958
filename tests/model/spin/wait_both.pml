/* SPDX-License-Identifier: MIT */
/*
 * A producer that waits for room, a consumer that waits for messages, and it goes on for ever: a
 * ring of one slot, each side publisher and sleeper in turn (shmq_send() and shmq_recv() with
 * SHMQ_FOREVER). SLEEP in both directions, W1, W2 and W3, under weak fairness.
 */
#define SLEEPERS 2
#define PRODUCER 0
#define CONSUMER 1
#define CPUS 2
#define DEPTH 2
/* Side 0: receivers; side 1: senders. */
#define TAIL 6
#define HEAD 7
#define WORDS 8
#ifndef COUNTS
#define COUNTS 8
#endif
#define DIES
#include "buffers.inc"

/* shmqi_queue_readable(), shmqi_queue_writable(): the word of the other side against one's own. */
#define look() found = ((me == PRODUCER) -> (mem[HEAD] == at) : (mem[TAIL] != at))
#define hopeless() skip
#define membarrier() fence(1 - me)
/* A read-modify-write: on x86-64 behind what is in the buffer, elsewhere behind what is released. */
#define SLEEPER_FENCE fence(me);
#include "wait.inc"

bool got;

proctype peer(byte me)
{
	byte ticket, woken, my_woken, events, i;
	bool found, err;
	byte at; /* tail or head, of which only whether it is odd counts */

	do
	::
#if ONE_SLEEPS
		if
		:: me == PRODUCER -> mem[HEAD] == at
		:: else -> wait(me, 1 - me)
		fi;
#else
		wait(me, 1 - me);
#endif
		d_step {
			found = false;
			at = 1 - at;
			got = ((me == CONSUMER) -> at : got)
		}
		publish(me, TAIL + me, at, me)
	od
}

ltl goes_on { ([]<> got) && ([]<> !got) }

init {
	atomic {
		run drain(0, WOKEN(0), WOKEN(0));
		run drain(1, WOKEN(1), WOKEN(1));
		run peer(PRODUCER);
		run peer(CONSUMER)
	}
}
