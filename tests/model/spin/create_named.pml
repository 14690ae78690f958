/* SPDX-License-Identifier: MIT */
/*
 * Creation and removal of shm: and file: queues (lib/seg_create.c, seg_attach.c, seg_control.c,
 * backend_named.c): a file is built without a name and linked when it is complete; a removal marks
 * it, and takes its name away under the lock on its removal byte.
 *
 * OPENERS processes open (shmq_open(): attach, or create and attach), REMOVERS remove; one of all
 * may die at any step. LIVE: one of each.
 *
 * Says: a name is taken away only from what is marked; nobody attaches to what is not complete; who
 * is attached is attached to what the name says, or the mark tells it that it is not; and every
 * living process that opens comes to an end (weak fairness), also where a remover died half way.
 */
#ifndef OPENERS
#define OPENERS 2
#endif
#ifndef REMOVERS
#define REMOVERS 2
#endif
#define FILES 8
#define NOBODY 255
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef LIVE
#define LIVE 0 /* the claim that it ends */
#endif

#define NOTHING 0
#define NO_REMOVAL_LOCK 1 /* shmqi_unlink_marked(): without the lock */
#define NO_CURRENT 2	  /* shmqi_unlink_marked(): does not look whether the name is still this file's */
#define NO_FINISH 3	  /* named_create(): does not finish what a dead remover began */
#define MARK_LATE 4	  /* remove_mmap(): marks after it has taken the name away */
#define BUILD_NAMED 5	  /* named_create(): builds under the name */
#define FINISH_ALL 6	  /* shmqi_finish_removal(): does not look for the mark */
#ifndef WEAKEN
#define WEAKEN NOTHING
#endif

byte name;  /* which file has it; 0: none */
byte files; /* made so far */
bool complete[FILES], marked[FILES];
byte lock[FILES] = NOBODY; /* on the removal byte */
bool died;
bool ended[OPENERS];
byte attached[OPENERS];

#define DIES if :: skip :: atomic { DEATHS && !died -> died = true; goto killed } fi;

/* shmqi_unlink_marked() of file `o`. */
inline unlink_marked()
{
#if WEAKEN != NO_REMOVAL_LOCK
	atomic { lock[o] == NOBODY -> lock[o] = me }
	DIES
#endif
	if
	:: name == o || WEAKEN == NO_CURRENT ->
		DIES
		atomic { assert(name == 0 || marked[name] || WEAKEN == MARK_LATE); name = 0 }
		DIES
	:: else
	fi;
#if WEAKEN != NO_REMOVAL_LOCK
	lock[o] = NOBODY
#endif
}

/* named_create(). Whether it was created or not, the caller attaches next. */
inline create()
{
	o = name; /* access(), and shmqi_finish_removal(): open */
	if
	:: o && (marked[o] || WEAKEN == FINISH_ALL) && WEAKEN != NO_FINISH ->
		DIES
		unlink_marked();
		o = 0
	:: else
	fi;
	if
	:: o == 0 ->
		/* create_unnamed(), shmqi_mmap_build() */
		atomic { files++; o = files; assert(files < FILES) }
#if WEAKEN == BUILD_NAMED
		atomic { name == 0 -> name = o }
		DIES
#endif
		complete[o] = true;
		DIES
		/* shmqi_mmap_publish(): the link fails where there is a name. */
		atomic {
			if
			:: name == 0 -> name = o
			:: else
			fi
		}
		DIES
	:: else /* -EEXIST */
	fi
}

proctype opener(byte me)
{
	byte o, races;

	do
	:: 	o = name; /* shmqi_seg_attach(): open */
		DIES
		if
		:: o == 0 -> create()
		:: else ->
			assert(complete[o]);
			/* take_lock(), still_there() */
			if
			:: marked[o] || name != o -> races++ /* -ESTALE: look again, at last -ENOENT */
			:: else -> attached[me] = o; break
			fi;
			if
			:: races == 2 -> races = 0; create()
			:: else
			fi
		fi;
		o = 0
	od;
	goto done;
killed:
	if
	:: o && lock[o] == me -> lock[o] = NOBODY
	:: else
	fi;
done:	ended[me] = true
}

/* remove_mmap() */
proctype remover(byte me)
{
	byte o;

	o = name;
	if
	:: o == 0 -> goto done
	:: else
	fi;
	DIES
#if WEAKEN != MARK_LATE
	marked[o] = true; /* mark_all() */
	DIES
#endif
	unlink_marked();
	DIES
#if WEAKEN == MARK_LATE
	marked[o] = true;
#endif
	goto done;
killed:
	if
	:: lock[o] == me -> lock[o] = NOBODY
	:: else
	fi;
done:	skip
}

#define knows(opener) (attached[opener] == 0 || attached[opener] == name || marked[attached[opener]])

#if !LIVE
active proctype end_of_all()
{
	timeout ->
	assert(knows(0));
	assert(knows(OPENERS - 1))
}
#endif

#if LIVE
ltl opened { <> ended[0] }
#endif

init {
	atomic {
		run opener(0);
		run remover(2);
#if OPENERS > 1
		run opener(1);
#endif
#if REMOVERS > 1
		run remover(3)
#endif
	}
}
