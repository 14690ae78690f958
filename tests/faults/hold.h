/* SPDX-License-Identifier: MIT */
/*
 * A process that has something of a queue in hand, of every kind where that means something; what
 * the others find as long as it counts as alive, and once it is dead.
 */
#ifndef TESTS_FAULTS_HOLD_H
#define TESTS_FAULTS_HOLD_H

#include <sys/types.h>

#include "support/place.h"

#define HOLDS 11

struct scene {
	const struct hold *hold;
	struct place place;
	struct shmq *in, *out; /* the test's own ends, as the hold leaves room for them */
	int taken, go;	       /* gates: the victim has it in hand; it may go on */
	int *number;	       /* shared: what the victim has to tell */
	pid_t pid;
	/* what the victim does then; NULL: it waits for its end */
	void (*then)(struct scene *s);
	struct shmq *theirs; /* in the victim: its handle */
};

struct hold {
	const char *name;
	struct shmq_opts opts;
	unsigned in, out; /* roles of the test */
	unsigned victim;  /* role of the victim */
	void (*before)(struct scene *s);
	void (*take)(struct shmq *q);
	void (*behind)(struct scene *s); /* once it has it in hand */
	void (*alive)(struct scene *s);	 /* again and again */
	void (*dead)(struct scene *s);	 /* once */
};

extern const struct hold holds[HOLDS];

/* Gates and names; nothing is there yet. */
struct scene scene_plan(const struct hold *hold, enum place_backend on);
/* The queue, the test's ends, and what comes before the victim. */
void scene_open(struct scene *s);
/* Both. */
struct scene scene_begin(const struct hold *hold, enum place_backend on);
/* What a victim does: attach, take it in hand, say so, and go on to `then`. */
void scene_victim(void *scene);
/* Start it, and wait until it has it in hand. */
void scene_start(struct scene *s, void (*then)(struct scene *s));
/* After whatever way of starting it: it has it in hand. */
void scene_taken(struct scene *s);

/* How many participants count as alive, and how many of them are the test's own. */
int scene_alive_rows(const struct scene *s);
int scene_own_rows(const struct scene *s);
/* It counts as alive, and nobody takes what it has in hand. */
void scene_alive(struct scene *s);
/* It counts as dead, and the others go on. Removes the queue, and all is gone. */
void scene_dead(struct scene *s);

/* Each hold, on one backend after the other. */
#define EACH_HOLD(s)                                                                              \
	for (unsigned h_ = 0; h_ < HOLDS; h_++)                                                   \
		for (struct scene s = scene_begin(&holds[h_], (enum place_backend)(h_ % PLACES)); \
		     s.hold; s.hold = NULL)

#endif
