/* SPDX-License-Identifier: MIT */
/*
 * The words of the MPMC ring when somebody dies anywhere: claim, commit, take, release, passing
 * over, recovery, and a newcomer in the dead one's entry (lib/ring_mpmc.h, ring_mpmc_recover.h,
 * queue_mpmc.c, peer.c). Words change by compare-and-swap, or are stored by their owner, so memory
 * is sequentially consistent here: what the edges (PUBLISH, RECYCLE, PASSED, ORPHANS) carry is the
 * matter of tests/model/mpmc_*.c.
 *
 * Two slots, producers of SENDS messages each, two consumers. Any step of DEATHS of them may be the
 * last. Hints are left out: everybody walks from where he was. Who is blocked recovers for the
 * dead, beside others who do (mpmc_unblock(), ask_holders()).
 *
 * Says (M1, M2, M3): nobody owns the bytes of a slot that another owns; each message that was
 * committed is delivered, once, and with REDELIVER until somebody is done with it, once more for
 * each death at most; a claimed or taken slot gets free: in the end no word names an owner.
 */
#ifndef REDELIVER
#define REDELIVER 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef NEWCOMER
#define NEWCOMER 0 /* whether somebody takes the entry of a producer that died */
#endif
#ifndef SENDS
#define SENDS 1
#endif
#define N 2
#define PRODUCERS 2
#define MESSAGES (SENDS * (PRODUCERS + NEWCOMER)) /* those of the newcomer come last */
#define PEERS 4 /* 0, 1: producers; 2, 3: consumers */
#define NOBODY 255

/* Must-fail variants. */
#define NOTHING 0
#define NO_PROOF 1	  /* shmqi_peer_bury(): a recoverer that does not ask whether the owner is dead */
#define PROOF_LET_GO 2	  /* shmqi_peer_bury(): the lock is given back before the slot is recovered */
#define NO_SWEEP 3	  /* take_entry(): a newcomer that leaves what the dead one held */
#define RECOVER_BLIND 4	  /* mpmc_recover_slot(): a store instead of the compare-and-swap */
#define VOID_SAME_TURN 5  /* mpmc_bereaved(): a claim becomes free for its own turn */
#define CLAIM_BLIND 6	  /* mpmc_try_claim(): a store */
#define RELEASE_BLIND 7	  /* mpmc_let_go(): a store, which does not see that the turn was raised */
#define RECEIVE_BLIND 8	  /* mpmc_receive_short(): a store */
#define NO_RECOVERY 9	  /* mpmc_unblock(): nobody looks for the dead */
#define CLAIM_IS_MESSAGE 10 /* mpmc_bereaved(): a claim is treated as a message that was there */
#define TAKE_IS_VOID 11	  /* mpmc_bereaved(): REDELIVER forgotten */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

#define FREE 0
#define SKIPPED 1
#define CLAIMED 2
#define FULL 3
#define TAKEN 4
#define ORPHAN 5
/* mpmc_word(), mpmc_state(), mpmc_owner(), the turn. */
#define WORD(turn, state, owner) ((turn) * 64 + (state) * 8 + (owner))
#define turn_of(word) ((word) / 64)
#define state_of(word) ((word) / 8 % 8)
#define owner_of(word) ((word) % 8)
#define held(word) (state_of(word) == TAKEN || state_of(word) == ORPHAN)
#define owned(word) (state_of(word) == TAKEN || state_of(word) == CLAIMED)
#define by_dead(word) (owned(word) && dead[owner_of(word) - 1])
#define later(a, b) ((a) > (b) -> (a) : (b))

short slot[N];
byte message[N];
bool dead[PEERS];
byte readers[PEERS]; /* of the lock on an entry's byte: proofs of its owner's death */
byte deaths;

/* Ghosts: who may touch the bytes of a slot; messages that were committed, how often each was delivered, and which were done with by who got them. */
byte owner[N] = NOBODY;
bool sent[MESSAGES];
byte delivered[MESSAGES];
bool finished[MESSAGES];

#define is_there(number) (number != 0)

#define DIES :: atomic { deaths < DEATHS && !dead[me] -> deaths++; dead[me] = true } goto killed

/* From the word that was seen to `next`, or not. */
inline cas(at, next, blind)
{
	if
	:: slot[at] == seen || blind -> slot[at] = next; done = true
	:: else -> done = false
	fi
}

/* mpmc_recover_slot() of slot `at`, while participant `gone` is proven dead; mpmc_bereaved(). */
inline recover_slot(at, gone)
{
	seen = slot[at];
	do
	:: owned(seen) && owner_of(seen) == gone + 1 ->
		if
#if WEAKEN == VOID_SAME_TURN
		:: state_of(seen) == CLAIMED -> next = WORD(turn_of(seen), FREE, 0)
#elif WEAKEN == CLAIM_IS_MESSAGE
		:: state_of(seen) == CLAIMED -> next = WORD(turn_of(seen), FULL, 0)
#else
		:: state_of(seen) == CLAIMED -> next = WORD(turn_of(seen) + N, SKIPPED, 0)
#endif
#if REDELIVER && WEAKEN != TAKE_IS_VOID
		:: state_of(seen) == TAKEN -> next = WORD(turn_of(seen), ORPHAN, 1)
#else
		:: state_of(seen) == TAKEN -> next = WORD(turn_of(seen), SKIPPED, 0)
#endif
		fi;
		atomic {
			cas(at, next, WEAKEN == RECOVER_BLIND);
			if
			:: done ->
				assert(dead[gone]); /* nobody takes from the living */
				owner[at] = NOBODY;
				break
			:: else -> seen = slot[at]
			fi
		}
	:: else -> break
	od;
	atomic { seen = 0; next = 0; done = false }
}

/* mpmc_unblock(): whoever is in the way is asked; who holds something, too. */
#if WEAKEN == NO_RECOVERY
#define in_the_way(at) false
#elif WEAKEN == NO_PROOF
#define in_the_way(at) owned(slot[at])
#else
#define in_the_way(at) by_dead(slot[at])
#endif

/* shmqi_peer_bury(): a read lock on the byte of a dead one, granted to many, is kept while the slot is recovered. */
inline bury(at)
{
	atomic {
		in_the_way(at) -> gone = owner_of(slot[at]) - 1;
#if WEAKEN != NO_PROOF && WEAKEN != PROOF_LET_GO
		readers[gone]++
#endif
	}
	recover_slot(at, gone);
	d_step {
#if WEAKEN != NO_PROOF && WEAKEN != PROOF_LET_GO
		readers[gone]--;
#endif
		gone = 0
	}
}

/* mpmc_seek_tail(), mpmc_pass_over(), mpmc_try_claim(), until `position` is ours; who is blocked waits until that changes. */
inline claim()
{
	do
	:: seen = slot[position % N];
		if
		:: turn_of(seen) < position -> /* full */
			if
			:: slot[position % N] != seen
			:: bury(position % N)
			:: bury((position + 1) % N)
			fi
		:: turn_of(seen) == position && (state_of(seen) == FREE || state_of(seen) == SKIPPED) ->
			atomic {
				cas(position % N, WORD(position, CLAIMED, me + 1), WEAKEN == CLAIM_BLIND);
				if
				:: done ->
					assert(owner[position % N] == NOBODY);
					owner[position % N] = me;
					break
				:: else
				fi
			}
		:: turn_of(seen) == position && held(seen) -> /* mpmc_held_before() */
			next = slot[(position + 1) % N];
			if
			:: turn_of(next) < position + 1 || (turn_of(next) == position + 1 && held(next)) ->
				if
				:: slot[position % N] != seen || slot[(position + 1) % N] != next
				:: bury(position % N)
				:: bury((position + 1) % N)
				fi
			:: else ->
				atomic { cas(position % N, seen + WORD(N, 0, 0), false); position = position + done }
			fi
		:: else -> position = later(position + 1, turn_of(seen) - N + 1)
		fi;
		d_step { seen = 0; next = 0; done = false }
	DIES
	od;
	atomic { seen = 0; next = 0; done = false }
}

proctype producer(byte me; byte number)
{
	short position, seen, next;
	byte gone, n;
	bool done;

#if NEWCOMER
	if
	:: number == PRODUCERS * SENDS -> /* take_entry(): the read lock, sweep, then the write lock in its place */
		dead[me] -> readers[me]++;
#if WEAKEN != NO_SWEEP
		recover_slot(0, me);
		recover_slot(1, me);
#endif
		atomic { readers[me] == 1 -> readers[me] = 0; dead[me] = false }
	:: else
	fi;
#endif
	do
	:: n < SENDS ->
		claim();
		if
		:: message[position % N] = number + n + 1
		DIES
		fi;
		if
		:: atomic { /* shmqi_mpmc_commit() */
			assert(owner[position % N] == me);
			slot[position % N] = WORD(position, FULL, 0);
			owner[position % N] = NOBODY;
			sent[number + n] = true
		}
		DIES
		fi;
		n++
	:: else -> break
	od;
killed:	skip
}

/* mpmc_receive_short(): copy, then one compare-and-swap. */
inline receive_short(at, next_word)
{
	copy = message[at];
	if
	:: atomic {
		cas(at, next_word, WEAKEN == RECEIVE_BLIND);
		if
		:: done ->
			assert(is_there(copy));
			delivered[copy - 1]++;
			finished[copy - 1] = true;
			assert(delivered[copy - 1] <= 1 + REDELIVER * deaths)
		:: else
		fi
	}
	DIES
	fi
}

/* mpmc_try_take(), then shmqi_mpmc_release(): mpmc_let_go(). `kept`: the turn of TAKEN. */
inline take(at, kept, was_orphan)
{
	atomic {
		cas(at, WORD(kept, TAKEN, me + 1), false);
		if
		:: done ->
			assert(owner[at] == NOBODY);
			owner[at] = me;
			copy = message[at];
			assert(is_there(copy));
			delivered[copy - 1]++;
			assert(delivered[copy - 1] <= 1 + REDELIVER * deaths)
		:: else
		fi
	}
	if
	:: done ->
		seen = WORD(kept, TAKEN, me + 1);
		next = (was_orphan -> SKIPPED : FREE);
		do
		:: atomic {
			assert(owner[at] == me && message[at] == copy);
			cas(at, WORD(turn_of(seen), next, 0), WEAKEN == RELEASE_BLIND);
			if
			:: done -> owner[at] = NOBODY; finished[copy - 1] = true; break
			:: else -> seen = slot[at]; next = SKIPPED
			fi
		}
		DIES
		od;
		done = true
	:: else
	fi
}

proctype consumer(byte me)
{
	short position, seen, next;
	byte gone, copy;
	bool done;

end:
	do
#if REDELIVER /* mpmc_find_orphan() */
	:: state_of(slot[0]) == ORPHAN -> seen = slot[0]; take(0, turn_of(seen), true); d_step { copy = 0; seen = 0; next = 0; done = false }
	:: state_of(slot[1]) == ORPHAN -> seen = slot[1]; take(1, turn_of(seen), true); d_step { copy = 0; seen = 0; next = 0; done = false }
#endif
	/* mpmc_seek_head() */
	:: turn_of(slot[position % N]) > position ->
		position = later(position + 1, turn_of(slot[position % N]) - 2 * N + 1)
	:: slot[position % N] == WORD(position, FULL, 0) ->
		seen = WORD(position, FULL, 0);
		if
		:: receive_short(position % N, WORD(position + N, FREE, 0))
		:: take(position % N, position + N, false)
		fi;
		d_step { position = position + done; copy = 0; seen = 0; next = 0; done = false }
	/* mpmc_unblock() */
	:: bury(0)
	:: bury(1)
	DIES
	od;
killed:	skip
}

active proctype end_of_all()
{
	byte i;

	timeout ->
	assert(!owned(slot[0]) && !owned(slot[1]));
	do
	:: i < MESSAGES ->
		assert(!sent[i] || delivered[i]);
		assert(!REDELIVER || !sent[i] || finished[i]);
		i++
	:: else -> break
	od
}

init {
	atomic {
		slot[0] = WORD(0, FREE, 0);
		slot[1] = WORD(1, FREE, 0);
		run producer(0, 0);
		run producer(1, SENDS);
#if NEWCOMER
		run producer(0, 2 * SENDS);
#endif
		run consumer(2);
		run consumer(3)
	}
}
