/* SPDX-License-Identifier: MIT */
/*
 * An observer of a ring of few slots (lib/queue_tap.c, look_at_slot(), slot_overtaken()): its copy
 * is true if, after it, the consumer has not released the slot. One slot; the producer overwrites
 * it when the consumer has released it; the observer looks once, at any time.
 *
 * Store buffers are multi-copy atomic, as x86-64 and 64-bit Arm are, and that is what this rests
 * on: C11 alone would let the observer see the new bytes, and not the consumer's store that the
 * producer has seen. (Larger rings keep a margin.)
 */
#define HEAD 0
#define TURN 1 /* of the slot's word */
#define BYTES 2
#define WORDS 4
#define PRODUCER 0
#define CONSUMER 1
#define CPUS 2
#define DEPTH 3
#define NOTHING 0
#define NO_FENCE 1    /* look_at_slot(): the head is looked at before the copy */
#define NO_HEAD 2     /* slot_overtaken(): not looked at */
#define HEAD_UNSEEN 3 /* shmq_spsc_refresh(): the producer writes without having seen the head */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif
#include "buffers.inc"

proctype producer()
{
	/* shmq_spsc_refresh(): load of the head, acquire. */
#if WEAKEN != HEAD_UNSEEN
	mem[HEAD] == 1;
#endif
	store(PRODUCER, BYTES, 2);
	store(PRODUCER, BYTES + 1, 2);
	store(PRODUCER, TURN, 2) /* shmq_spsc_publish(): release */
}

proctype consumer()
{
	store(CONSUMER, HEAD, 1) /* shmq_spsc_release(): release */
}

proctype observer()
{
	byte copy, copy2, head;

	if
	:: mem[TURN] == 1 /* acquire */
	:: else -> goto done
	fi;
#if MEMORY == WEAK && WEAKEN == NO_FENCE
	head = mem[HEAD];
#endif
	copy = mem[BYTES];
	copy2 = mem[BYTES + 1];
#if !(MEMORY == WEAK && WEAKEN == NO_FENCE)
	head = mem[HEAD];
#endif
	assert(head == 1 && WEAKEN != NO_HEAD || copy == 1 && copy2 == 1);
done:	skip
}

init {
	atomic {
		mem[TURN] = 1;
		mem[BYTES] = 1;
		mem[BYTES + 1] = 1;
		run drain(PRODUCER, BYTES, BYTES + 1);
		run drain(CONSUMER, WORDS, WORDS);
		run producer();
		run consumer();
		run observer()
	}
}
