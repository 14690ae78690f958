/* SPDX-License-Identifier: MIT */
/*
 * Entries and roles, and how a newcomer takes a dead one's place (lib/peer.c: P1, P2, P3; ROLE),
 * with the kernel's record locks.
 *
 * Two entries, one role that one may hold, processes that join, claim the role, work, give it back
 * and leave, again and again, until one of them dies, at any step. Who is refused (-EBUSY) leaves,
 * and comes again.
 *
 * Says: two living processes never work in the role at once; nobody living loses its entry or its
 * role; when one has died, wherever, the other works again and again (weak fairness). Of two living
 * newcomers the library does not promise that: they may hinder each other in step (ROUNDS).
 */
#define PROCESSES 2
#define ENTRIES 2
#define NOBODY 255
#define GENERATIONS 4

#define NOTHING 0
#define NO_PROOF 1	/* take_over(): does not ask for the lock of the holder's byte */
#define CLAIM_BLIND 2	/* evict(): a store instead of the compare-and-swap */
#define NO_SWEEP 3	/* take_entry(): the role that a dead one held in this entry stays */
#define SWEEP_UNLOCKED 4 /* take_entry(): sweeps without the read lock */
#define CONVERT_BLIND 5 /* take_entry(): the write lock is granted beside other readers */
#define LOCK_STAYS 6	/* the kernel keeps the locks of the dead */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

/* role.holder: {generation, owner}; owner = entry + 1. */
#define WORD(generation, owner) ((generation) % GENERATIONS * 4 + (owner))
#define generation_of(word) ((word) / 4)
#define owner_of(word) ((word) % 4)

byte holder;
byte writer[ENTRIES] = NOBODY; /* which process has the write lock on the byte of an entry */
byte readers[ENTRIES];
bool died, working;

/* A death: the kernel lets its locks go. `reads`: the entry whose byte it has a read lock on. */
#define DIES if :: skip :: atomic { !died -> died = true; goto killed } fi;

inline cas(next)
{
	if
	:: holder == seen || WEAKEN == CLAIM_BLIND -> holder = next; done = true
	:: else -> done = false
	fi
}

/* let_go(): of an entry whose owner is dead, or we are. */
inline let_go()
{
	seen = holder;
	DIES
	if
	:: owner_of(seen) == entry + 1 -> atomic { cas(WORD(generation_of(seen), 0)) }
	:: else
	fi;
	atomic { seen = 0; done = false }
	DIES
}

/* shmqi_os_lock_byte(F_RDLCK): whether it is granted. */
inline read_lock(byte_of)
{
	atomic {
		if
		:: writer[byte_of] == NOBODY -> readers[byte_of]++; reads = byte_of; done = true
		:: else -> done = false
		fi
	}
}

inline unlock_read()
{
	atomic { readers[reads]--; reads = NOBODY; done = false }
}

/* take_entry(): the read lock, the sweep, and the write lock in its place. `done`: it is ours. */
inline take_entry()
{
#if WEAKEN == SWEEP_UNLOCKED
	let_go();
#endif
	read_lock(entry);
	if
	:: done ->
		DIES
#if WEAKEN != NO_SWEEP && WEAKEN != SWEEP_UNLOCKED
		let_go();
#endif
		atomic {
			if
			:: readers[entry] == 1 || WEAKEN == CONVERT_BLIND ->
				readers[entry]--;
				reads = NOBODY;
				writer[entry] = me;
				done = true
			:: else -> unlock_read()
			fi
		}
	:: else
	fi
}

/* shmqi_role_claim(), take_over(), lock_dead(). `done`: it is ours; else: -EBUSY. */
inline claim()
{
	do
	:: seen = holder;
		DIES
		if
		:: owner_of(seen) == 0 ->
			atomic { cas(WORD(generation_of(seen) + 1, entry + 1)) }
		:: else ->
#if WEAKEN == NO_PROOF
			done = true;
#else
			read_lock(owner_of(seen) - 1);
#endif
			if
			:: done ->
				DIES
				atomic { cas(WORD(generation_of(seen) + 1, entry + 1)) }
				DIES
#if WEAKEN != NO_PROOF
				atomic { readers[reads]--; reads = NOBODY }
#endif
			:: else ->
				if
				:: holder != seen /* -EAGAIN */
				:: else -> break /* -EBUSY */
				fi
			fi
		fi;
		if
		:: done -> break
		:: else
		fi
	od;
	seen = 0
}

proctype participant(byte me)
{
	byte entry, seen, reads = NOBODY;
	bool done, at_work;

	do
	:: 	/* take_any_entry() */
		take_entry();
		DIES
		if
		:: !done -> entry = 1 - entry
		:: else ->
			assert(writer[entry] == me);
			done = false;
			claim();
			DIES
			if
			:: done ->
				done = false;
				assert(!working);
				working = true;
				at_work = true;
				DIES
				assert(writer[entry] == me && owner_of(holder) == entry + 1);
				atomic { working = false; at_work = false }
				let_go()
			:: else
			fi;
			/* The mapping goes, and the lock with it. */
			atomic { writer[entry] = NOBODY; entry = 0 }
		fi
	od;
killed:
	atomic {
		if
		:: at_work -> working = false
		:: else
		fi;
#if WEAKEN != LOCK_STAYS
		if
		:: reads != NOBODY -> readers[reads]--
		:: else
		fi;
		if
		:: writer[0] == me -> writer[0] = NOBODY
		:: writer[1] == me -> writer[1] = NOBODY
		:: else
		fi
#endif
	}
}

ltl goes_on { <> died -> [] <> working }

init {
	atomic {
		holder = WORD(1, 1); /* the last holder died, in entry 0 */
		run participant(0);
		run participant(1)
	}
}
