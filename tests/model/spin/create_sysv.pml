/* SPDX-License-Identifier: MIT */
/*
 * Creation and removal of sysv: queues (lib/backend_sysv_queue.c, backend_sysv.c, seg_control.c),
 * whose segments have no atomic publication: first a side file that announces, held by its
 * creator's lock on the creation byte; then the segment; then the side file's final name; last the
 * magic number.
 *
 * Openers (shmq_open(): attach, or create and attach) and a remover; one of all may die at any
 * step: the kernel lets its lock go. With STRANGER=1 the key belongs to a segment that is none of
 * ours.
 *
 * Says: nobody attaches to what is not complete; a segment whose creator lives, and a stranger's,
 * is never taken away by who creates; with LIVE=1, one that opens and one that may die at any step
 * of its creation: who opens is attached in the end (weak fairness), or told of the stranger.
 */
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef LIVE
#define LIVE 0
#endif
#ifndef STRANGER
#define STRANGER 0
#endif
#ifndef REMOVES
#define REMOVES 1
#endif
#define OPENERS 2
#define SEGMENTS 6
#define NOBODY 255

#define NOTHING 0
#define MAGIC_FIRST 1	/* complete(): the magic number before the content */
#define NO_ANNOUNCEMENT 2 /* create_once(): the side file after the segment */
#define NO_BYTE 3	/* announce(): without the lock on the creation byte */
#define NO_TAKE_OVER 4	/* shmqi_sysv_create_queue(): what a dead creator left stays */
#define TAKE_ALL 5	/* shmqi_sysv_half_made(): does not ask the side files */
#define SIDE_LATE 6	/* complete(): the side file gets its name after the magic number */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

/* A segment; its creator is known to the kernel (shm_cpid). Segment 0 is none. */
byte key; /* which segment it names: shmget() */
byte segments;
byte creator[SEGMENTS] = NOBODY;
bool filled[SEGMENTS], magic[SEGMENTS], destroyed[SEGMENTS], marked[SEGMENTS];
/* The side file under each segment's final name. */
bool named[SEGMENTS];
/* Each creator's announcement, by its first name; whether it holds the creation byte of its side file, whatever the name of that is now. */
bool announced[OPENERS], held[OPENERS];
bool died;
bool ended[OPENERS];
byte attached[OPENERS];

#define DIES if :: skip :: atomic { DEATHS && !died && (!LIVE || me == 1) -> died = true; goto killed } fi;

#define NONE 0
#define CREATING 1
#define DEAD 2
/* consider(): side file by side file. A living creator's announcement is for any segment with that key; a dead one's for the very one that it made. */
#define creating(s) (held[0] && (announced[0] || (creator[s] == 0 && named[s])) || held[1] && (announced[1] || (creator[s] == 1 && named[s])))
#define left_behind(s) (creator[s] < OPENERS && !held[creator[s]] && (announced[creator[s]] || named[s]))
#define state_of(s) (creating(s) -> CREATING : (left_behind(s) -> DEAD : NONE))

/* announce() */
inline announce()
{
#if WEAKEN != NO_BYTE
	held[me] = true;
#endif
	announced[me] = true
}

/* create_once(): `s`: the segment, or 0: -EEXIST. */
inline create_once()
{
#if WEAKEN != NO_ANNOUNCEMENT
	announce();
	DIES
#endif
	/* shmqi_sysv_new(): shmget(IPC_CREAT | IPC_EXCL) */
	atomic {
		if
		:: key == 0 ->
			segments++;
			s = segments;
			assert(segments < SEGMENTS);
			creator[s] = me;
			key = s
		:: else -> s = 0
		fi
	}
	DIES
#if WEAKEN == NO_ANNOUNCEMENT
	announce();
	DIES
#endif
	if
	:: s -> /* complete() */
#if WEAKEN != MAGIC_FIRST
		filled[s] = true; /* fill_queue() */
		DIES
#endif
#if WEAKEN == SIDE_LATE
		magic[s] = true;
		DIES
#endif
		atomic { named[s] = true; announced[me] = false } /* rename() */
		DIES
		magic[s] = true; /* shmqi_format_publish() */
		DIES
		filled[s] = true;
		if
		:: destroyed[s] -> named[s] = false
		:: else
		fi
	:: else -> announced[me] = false
	fi;
	DIES
	held[me] = false
}

/* shmqi_sysv_create_queue() */
inline create()
{
	create_once();
	if
	:: s == 0 ->
		s = key; /* shmqi_sysv_id() */
		if
		:: s && !magic[s] && WEAKEN != NO_TAKE_OVER && (WEAKEN == TAKE_ALL || state_of(s) == DEAD) ->
			DIES
			/* shmctl(IPC_RMID) of the segment that was looked at */
			atomic {
				if
				:: !destroyed[s] ->
					assert(creator[s] < OPENERS && !magic[s]);
					assert(died || WEAKEN != NOTHING && ended[creator[s]]);
					destroyed[s] = true;
					key = (key == s -> 0 : key)
				:: else
				fi
			}
			DIES
			create_once()
		:: else
		fi
	:: else
	fi;
	s = 0
}

/* attach_queue(), map_queue(), not_a_queue(), keep(). */
proctype opener(byte me)
{
	byte s, races;
	bool there;

	do
	:: 	s = key;
		DIES
		if
		:: s == 0 -> create()
		:: s && destroyed[s] -> races++ /* -ESTALE */
		:: s && !destroyed[s] ->
			there = magic[s];
			if
			:: there ->
				assert(filled[s]);
				if
				:: !named[s] -> /* shmqi_side_open(): -EXDEV; being_removed() */
					assert(destroyed[s]);
					races++
				:: marked[s] || key != s -> races++
				:: else -> attached[me] = s; break
				fi
			:: else -> /* not_a_queue() */
				if
				:: state_of(s) == DEAD -> create()
				:: state_of(s) == CREATING || magic[s] /* -EAGAIN */
				:: state_of(s) == NONE && creator[s] >= OPENERS -> break /* -EPROTONOSUPPORT */
				:: state_of(s) == NONE && creator[s] < OPENERS && !magic[s] ->
					/* Its creator has just removed the announcement, or the walk missed it: several looks. */
					assert(destroyed[s] || died)
				fi
			fi
		fi;
		if
		:: races == 2 -> races = 0; create()
		:: else
		fi;
		s = 0;
		there = false
	od;
	goto done;
killed:
	held[me] = false;
done:	ended[me] = true
}

/* remove_sysv() */
proctype remover(byte me)
{
	byte s;

	s = key;
	if
	:: s == 0 || (state_of(s) == CREATING && !magic[s]) -> goto done /* -ENOENT */
	:: else
	fi;
	atomic {
		if
		:: !destroyed[s] -> destroyed[s] = true; key = (key == s -> 0 : key)
		:: else -> goto done
		fi
	}
	if
	:: magic[s] -> marked[s] = true; named[s] = false
	:: else
	fi;
done:	skip
}

#if LIVE
ltl opened { <> ended[0] }
#endif

init {
	atomic {
#if STRANGER
		segments = 1;
		creator[1] = OPENERS;
		key = 1;
#endif
		run opener(0);
		run opener(1);
#if REMOVES
		run remover(OPENERS)
#endif
	}
}
