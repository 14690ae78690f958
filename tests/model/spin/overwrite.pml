/* SPDX-License-Identifier: MIT */
/*
 * A slot that is overwritten while it is read (lib/ring_lossy.h: OVERWRITE, VALUE, L2;
 * lib/ring_lossy_records.h has the same with `intent` for the odd word), with store buffers. With
 * TAP=1: a tap of an MPMC slot beside the next lap's producer (lib/ring_mpmc_recover.h: TAP), whose
 * claim is a relaxed compare-and-swap: on a CPU weaker than TSO what follows may be seen before it;
 * nobody else changes the word of a slot that is free.
 *
 * The slot holds message 1; the writer puts 2 and 3 there. The reader looks as often as it likes:
 * what it believes is whole, and is what the word says.
 */
#ifndef TAP
#define TAP 0
#endif
#define LAST 3

#define NOTHING 0
#define OVERWRITE_WRITER 1 /* shmqi_lossy_begin(), mpmc_try_claim(): no fence between the odd word, or the claim, and the bytes */
#define OVERWRITE_READER 2 /* lossy_copy(), shmqi_mpmc_tap(): no fence between the bytes and the second look */
#define NO_MARK 3	   /* shmqi_lossy_begin(): the odd word is not stored */
#define VALUE_RELEASE 4	   /* shmqi_lossy_publish(): the even word is stored relaxed */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

/* The word: 2 * message when it is there (even, or FULL), 2 * message - 1 while it is written (odd, or CLAIMED). */
#define WORD 0
#define BYTES 1
#define WORDS 3
#define CPUS 1
#define DEPTH 4
#include "buffers.inc"

proctype writer()
{
	byte message = 2;

	do
	:: message <= LAST ->
#if WEAKEN != NO_MARK
		/* shmqi_lossy_begin(), mpmc_try_claim() */
		store(0, WORD, 2 * message - 1);
#endif
#if WEAKEN != OVERWRITE_WRITER
		fence(0);
#endif
		/* shmqi_copy_in(): relaxed, and in any order. */
		store(0, BYTES, message);
		store(0, BYTES + 1, message);
#if !(MEMORY == WEAK && WEAKEN == VALUE_RELEASE)
		store(0, WORD, 2 * message); /* shmqi_lossy_publish(), shmqi_mpmc_commit(): after the bytes */
#else
		mem[WORD] = 2 * message;
#endif
#if TAP
		break /* the next claim waits until a receiver has freed the slot, with a release that the claim acquires */
#else
		message++
#endif
	:: else -> break
	od
}

proctype reader()
{
	byte word, again, copy, copy2;

	do
	:: 	word = mem[WORD]; /* lossy_word(), mpmc_load(): acquire */
		if
		:: word % 2 == 0 ->
#if MEMORY == WEAK && WEAKEN == OVERWRITE_READER
			again = mem[WORD];
#endif
			copy = mem[BYTES];
			copy2 = mem[BYTES + 1];
#if !(MEMORY == WEAK && WEAKEN == OVERWRITE_READER)
			again = mem[WORD];
#endif
			if
			:: again == word -> assert(copy2 == copy && 2 * copy == word)
			:: else
			fi
		:: else
		fi;
		d_step { word = 0; again = 0; copy = 0; copy2 = 0 }
	:: break
	od
}

init {
	atomic {
		mem[WORD] = 2;
		mem[BYTES] = 1;
		mem[BYTES + 1] = 1;
		run drain(0, BYTES, BYTES + 1);
		run writer();
		run reader()
	}
}
