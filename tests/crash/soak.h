/* SPDX-License-Identifier: MIT */
/*
 * A soak: storms of all kinds at once, for hours. Each kind has a runner, a process that makes a
 * queue, lets a few rounds of the storm pass over it, and takes it away; on one backend after the
 * other. One more runner lets processes create, attach, resize, lock and remove the same few
 * segments, and be killed at it.
 *
 * Once a minute all runners come to rest: every process of theirs is dead, every queue removed. Then
 * there must be just what there was when they began: descriptors, mappings and heap of the driver
 * and of each runner, and no name, no segment, no byte of shared memory, no lock.
 */
#ifndef TESTS_CRASH_SOAK_H
#define TESTS_CRASH_SOAK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "storm.h"

#define SOAK_RUNNERS 16 /* names that there are */
#define SOAK_OBJECTS 64
#define SOAK_SKIPPED 77 /* exit status: not possible here */

/* What one process has. */
struct soak_holds {
	uint64_t descriptors, mappings; /* shared ones */
	/* 0 under a sanitizer, which has its own: of all mappings but heap and stack; of the heap in use */
	uint64_t mapped_bytes, heap_bytes;
	uint64_t resident_bytes;
};

/* What is left in the world when nobody has anything. */
struct soak_leftovers {
	uint64_t names, segments, bytes, locks;
	uint64_t cleared; /* found by shmq_gc(): of those killed */
};

/* An object that locks were taken on. */
struct soak_object {
	dev_t device;
	ino_t inode;
};

/* A runner's report, written to its pipe when it rests. */
struct soak_report {
	struct storm_sum sum;
	uint64_t rounds, queues;
	uint64_t on[PLACES]; /* rounds */
	struct soak_holds holds;
	unsigned objects;
	struct soak_object object[SOAK_OBJECTS];
};

/* Between driver and runners; each word has one writer. */
struct soak_board {
	uint64_t rest;		       /* driver: come to rest */
	uint64_t kills[SOAK_RUNNERS];  /* for the line of progress */
	uint64_t rounds[SOAK_RUNNERS]; /* likewise */
};

/* Faults of our own, to see that they are found: one in each rest. */
enum soak_plant {
	NO_PLANT,
	PLANT_DESCRIPTOR,
	PLANT_MAPPING,
	PLANT_MEMORY,
	PLANT_NAME,
	PLANT_SEGMENT,
	PLANT_LOCK,
	PLANT_DRIVER,
	PLANT_LOST,
	PLANT_TWICE,
	PLANTS
};

struct soak_runner {
	const char *name;
	const struct storm_kind *kind; /* NULL: segments */
	unsigned index;
	uint64_t seed;
	unsigned kills; /* a round */
	enum soak_plant plant;
	struct soak_board *board;
	int report, go; /* a pipe's end, a gate */
	/* the driver's own */
	pid_t pid;
	int reports;
	struct soak_holds first;
	struct soak_report last;
};

/* soak_runner.c: bodies of processes; `arg` is a soak_runner. They end by being killed. */
void soak_storms(void *arg);
/* Come to rest, if asked to: hand the report over and wait. */
void soak_rest(struct soak_runner *r, struct soak_report *report);

/* soak_segments.c */
void soak_segments(void *arg);

/* soak_resident.c: use a queue in this process, which lives on. */
void soak_resident(const struct storm *storm, const struct place *place);

/* soak_measure.c */
struct soak_holds soak_holds(void);
struct soak_leftovers soak_leftovers(const struct soak_runner *runners, unsigned n);
/* Say on stderr what has a name. */
void soak_show_names(void);
/* The object behind an address; {0} where there is none to ask about. */
struct soak_object soak_object(const struct place *place);

/* soak_plants.c: run this program with each plant; the exit status: 0: each was found. */
int soak_find_plants(const char *program);
const char *soak_plant_name(enum soak_plant plant);
void soak_plant(enum soak_plant plant);

#endif
