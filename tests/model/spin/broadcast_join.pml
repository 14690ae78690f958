/* SPDX-License-Identifier: MIT */
/*
 * Readers that come, go and die, and a writer of a lossless broadcast that may die
 * (lib/queue_broadcast.c: JOIN, EJECT, B1, B2), with store buffers.
 *
 * The ring of two slots is full when the model begins. The writer sends SENDS messages more; reader
 * 0 comes in at the oldest or at the next message, goes, and comes again; reader 1, if there is
 * one, comes in. The last reader may die. Everything that may die is followed by what goes on: the
 * writer's successor; a writer that is held up by a dead reader (broadcast_unblock(), put_out()).
 *
 * Says: what a reader that is in finds at its place is the message of that position, before and
 * after its copy; with SLOW_LIMIT it is that, or the reader sees itself ejected; nobody is ejected
 * without SLOW_LIMIT; in the end everything was sent, and every living reader has had all that
 * follows its place.
 */
#ifndef READERS
#define READERS 1
#endif
#define CAPACITY 2
#ifndef SENDS
#define SENDS 2
#endif
#ifndef SLOW_LIMIT
#define SLOW_LIMIT 0
#endif
#ifndef WRITER_DIES
#define WRITER_DIES 0
#endif
#ifndef READER_DIES
#define READER_DIES 0
#endif
#define END (CAPACITY + SENDS) /* the first position that is never sent */

#define NOTHING 0
#define JOIN_WRITER 1	 /* raise_floor(): no fence between floor and cursors */
#define JOIN_READER 2	 /* come_in(): no fence between cursor and floor */
#define NO_WALK 3	 /* open_writer(): the walk is left out */
#define NO_SECOND_WALK 4 /* raise_floor(): what was seen before the floor was shown is believed */
#define NO_CHECK 5	 /* come_in(): the floor is not looked at again */
#define STATE_RELEASE 6	 /* come_in(): IN may be seen before the head that belongs to it */
#define EJECT_BLIND 7	 /* eject(): a store */
#define NO_STILL_IN 8	 /* broadcast_recv(): no look at the state after the copy */
#define EJECT_LATE 9	 /* raise_floor(): ejects after it has written */
#define NO_UNBLOCK 10	 /* broadcast_unblock(): nobody asks who is dead */
#define FLOOR_DOWN 11	 /* raise_floor(): the shared floor follows the cursors down, too */
#define BURY_LIVING 12	 /* shmqi_peer_bury(): nobody asks whether it is dead */
#define EJECT_WRITER 13	 /* raise_floor(): no fence between ejection and the next message */
#define EJECT_READER 14	 /* still_in(): no fence between the copy and the look at the state */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

#define FLOOR 0
#define TAIL 1 /* of the published messages: in the library the slots' words tell it */
#define DATA(position) (2 + (position) % CAPACITY)
#define HEAD(reader) (4 + (reader))
#define STATE(reader) (4 + READERS + (reader))
#define WORDS (4 + 2 * READERS)
#define CPUS (READERS + 1) /* readers, then the writer */
#define WRITER READERS
#define DEPTH 4
/* A compare-and-swap of the writer's whose store is still in its buffer: see eject(). */
#define WEAK 1
#if defined(MEMORY) && MEMORY == WEAK
#define ejecting(reader) (buffer[WRITER]??[eval(STATE(reader)),any_value])
#define may_drain(cpu, word) (cpu == WRITER || word != STATE(cpu) || !ejecting(cpu))
#else
#define ejecting(reader) false
#endif
#include "buffers.inc"

/* reader.state: {generation, state} */
#define OUT 0
#define IN 1
#define EJECTED 2
#define state_of(word) ((word) % 4)
#define later_in(word) (((word) / 4 + 1) * 4 + IN)
#define byte_of(x) (((x) + 256) % 256)
#define larger(a, b) ((a) > (b) -> (a) : (b))
#define smaller(a, b) ((a) < (b) -> (a) : (b))

#if WRITER_DIES
#define DIES if :: skip :: !successor -> goto killed fi;
#else
#define DIES
#endif

bool dead[READERS], writer_dead;
byte got[READERS]; /* ghost: the next position each reader is to get; 0: it has not come in */
bool gone[READERS], left[READERS];

/*
 * eject(): a compare-and-swap from the state seen, behind whatever the writer has released. On a
 * CPU weaker than TSO its store may be overtaken by what the writer stores after it; nobody else
 * can change the word until then.
 */
#if MEMORY == WEAK
#define put_ejected(reader) store(WRITER, STATE(reader), state - IN + EJECTED)
#else
#define put_ejected(reader) mem[STATE(reader)] = state - IN + EJECTED
#endif

inline eject(reader)
{
	atomic {
		fence(WRITER);
		if
		:: mem[STATE(reader)] == state || WEAKEN == EJECT_BLIND -> put_ejected(reader)
		:: else
		fi
	}
}

/* slowest(): one reader. */
inline look_at(reader, limit, eject_it)
{
	state = mem[STATE(reader)];
	if
	:: state_of(state) == IN ->
		atomic {
			behind = tail - mem[HEAD(reader)];
			if
			:: behind <= limit -> lag = larger(lag, behind); state = OUT
			:: else
			fi
		}
		if
		:: state && eject_it -> eject(reader)
		:: else
		fi
	:: else
	fi;
	d_step { state = 0; behind = 0 }
}

/* slowest(): all of them. */
inline walk(limit, eject_it)
{
	look_at(0, limit, eject_it);
#if READERS > 1
	look_at(1, limit, eject_it)
#endif
}

#define ROOM (SLOW_LIMIT -> SLOW_LIMIT : CAPACITY)
#define LIMIT (SLOW_LIMIT -> SLOW_LIMIT - 1 : CAPACITY)

/* raise_floor() */
inline raise_floor()
{
	atomic { keep = smaller(ROOM / 2, tail - seen); lag = 0 }
	walk(LIMIT, WEAKEN != EJECT_LATE);
	lag = larger(lag, keep);
	keep = 0;
	DIES
	if
	:: lag < (byte_of(tail - floor)) || WEAKEN == FLOOR_DOWN -> floor = tail - lag; store(WRITER, FLOOR, floor)
	:: else
	fi;
	DIES
#if WEAKEN != JOIN_WRITER
	fence(WRITER);
#endif
#if WEAKEN != NO_SECOND_WALK
	walk(LIMIT, WEAKEN != EJECT_LATE);
#endif
	atomic { seen = tail - lag; lag = 0 }
#if WEAKEN != EJECT_WRITER
	fence(WRITER);
#endif
	DIES
}

/* broadcast_unblock(): who stands where the slowest was seen is asked; put_out(). */
#define stands(reader) (state_of(mem[STATE(reader)]) == IN && mem[HEAD(reader)] == seen)
#if WEAKEN == NO_UNBLOCK
#define may_bury(reader) false
#elif WEAKEN == BURY_LIVING
#define may_bury(reader) stands(reader)
#else
#define may_bury(reader) (stands(reader) && dead[reader] && empty(buffer[reader]))
#endif

inline bury(reader)
{
	atomic {
		may_bury(reader) && fence(WRITER) -> mem[STATE(reader)] = mem[STATE(reader)] / 4 * 4 + OUT
	}
}

#define has_room (tail - seen < ROOM)

/* broadcast_claim(), the bytes, broadcast_commit() */
inline send()
{
	do
	:: has_room -> break
	:: else ->
		raise_floor();
		if
		:: has_room || (!stands(0) && !stands(READERS - 1)) /* broadcast_writable() */
		:: bury(0)
#if READERS > 1
		:: bury(1)
#endif
		fi
	od;
	store(WRITER, DATA(tail), tail);
	DIES
#if WEAKEN == EJECT_LATE
	lag = 0;
	walk(LIMIT, true);
	lag = 0;
#endif
	tail++;
	store(WRITER, TAIL, tail);
	DIES
}

proctype writer(bool successor)
{
	byte tail = CAPACITY, seen, floor, lag, keep, state, behind;

	if
	:: successor -> /* open_writer(): what the dead one stored is there */
		writer_dead && empty(buffer[WRITER]);
		tail = mem[TAIL];
		floor = mem[FLOOR];
#if WEAKEN != NO_WALK
		walk(CAPACITY, true);
#endif
		atomic { lag = larger(lag, tail - floor); seen = tail - lag; lag = 0 }
	:: else
	fi;
	do
	:: tail < END -> send()
	:: else -> break
	od;
	goto done;
killed:	writer_dead = true;
done:	skip
}

#define MAY_DIE(reader) :: READER_DIES && reader == READERS - 1 -> goto killed

/* come_in(); starting_point(): the oldest message, or what is sent next. */
inline come_in()
{
	floor = mem[FLOOR];
	do
	:: 	if
		:: at = floor
		:: at = mem[TAIL]
		fi;
		store(me, HEAD(me), at);
		mine = later_in(mem[STATE(me)]);
		store(me, STATE(me), mine);
#if WEAKEN != JOIN_READER
		fence(me);
#endif
		floor = mem[FLOOR];
		if
		:: (byte_of(at - floor) <= CAPACITY && own(me, STATE(me), mine) == mine) || WEAKEN == NO_CHECK -> break
		:: else -> fence(me) /* next round's load of the state sees at least our own store */
		fi
	od;
	got[me] = at;
	floor = 0
}

/* broadcast_recv(): copy, look at the state; then the release. */
inline receive()
{
	mem[TAIL] > at || own(me, STATE(me), mine) != mine;
	if
	:: mem[TAIL] > at ->
#if MEMORY == WEAK && WEAKEN == EJECT_READER
		still = (own(me, STATE(me), mine) == mine);
		copy = mem[DATA(at)];
#else
		copy = mem[DATA(at)];
		still = (own(me, STATE(me), mine) == mine); /* still_in() */
#endif
#if SLOW_LIMIT && WEAKEN != NO_STILL_IN
		if
		:: !still -> copy = 0; break
		:: else
		fi;
#endif
		assert(copy == at);
#if !SLOW_LIMIT
		/* A reader in place may look again before it releases. */
		assert(mem[DATA(at)] == at);
#endif
		atomic { copy = 0; still = false; at++; got[me] = at }
		store(me, HEAD(me), at)
	:: else ->
		assert(SLOW_LIMIT || own(me, STATE(me), mine) == mine); /* nobody puts out who lives */
		break
	fi
}

proctype reader(byte me)
{
	byte at, floor, mine, copy;
	bool still;

again:	come_in();
	do
	:: at < END -> receive()
	:: !gone[me] && me == 0 -> break
	:: at == END -> goto done
	MAY_DIE(me)
	od;
	/* go_out(): a compare-and-swap. */
	atomic {
		fence(me) && !ejecting(me);
		gone[me] = true;
		mem[STATE(me)] = mem[STATE(me)] / 4 * 4 + OUT;
		got[me] = 0
	}
	if
	:: SLOW_LIMIT || me == 1 -> left[me] = true; goto done
	:: else -> goto again
	fi;
killed:	dead[me] = true;
done:	skip
}

active proctype end_of_all()
{
	timeout ->
	assert(mem[TAIL] == END);
	assert(SLOW_LIMIT || dead[0] || got[0] == END);
	assert(SLOW_LIMIT || dead[READERS - 1] || got[READERS - 1] == END);
	assert(!left[0] || state_of(mem[STATE(0)]) == OUT)
}

/* What a reader stores relaxed: nothing, or, weakened, its state. */
#define OVERTAKES(reader) (WEAKEN == STATE_RELEASE -> STATE(reader) : WORDS)

init {
	atomic {
		mem[TAIL] = CAPACITY;
		mem[DATA(1)] = 1;
		run drain(WRITER, DATA(0), DATA(1));
		run drain(0, OVERTAKES(0), OVERTAKES(0));
		run writer(false);
#if WRITER_DIES
		run writer(true);
#endif
		run reader(0);
#if READERS > 1
		run drain(1, OVERTAKES(1), OVERTAKES(1));
		run reader(1)
#endif
	}
}
