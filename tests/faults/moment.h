/* SPDX-License-Identifier: MIT */
/*
 * A process that is stopped at one of its system calls while something else happens, or is told of a
 * failure that few systems have: what takes luck, or another kernel, otherwise.
 */
#ifndef TESTS_FAULTS_MOMENT_H
#define TESTS_FAULTS_MOMENT_H

#include "inject.h"
#include "support/place.h"

struct moment {
	struct inject inject;
	/* a call: by its number, what one of its arguments has in these bits, and the how maniest */
	long number;
	unsigned which;
	uint64_t mask, bits;
	unsigned nth;
	/* what it is answered; 0: let through, after */
	int error;
	bool onwards; /* and so are all later ones */
	void (*meanwhile)(struct moment *m);
	/* in the process that is stopped: what it does, what that gives, and what is looked at then */
	int (*act)(struct moment *m);
	int want;
	void (*then)(struct moment *m);
	/* what it is about */
	struct place place, other;
	struct shmq *q;
	struct shmq_seg *seg;
	unsigned seen;
};

/* Run it: the process has come to that call, and all was as wanted. Skips where this is impossible. */
void moment_run(struct moment *m);

/* What such a process does, what is looked at then, and what others do meanwhile. */
int moment_create_queue(struct moment *m);
void moment_serves(struct moment *m);
void moment_nothing_there(struct moment *m);
void moment_remove_sysv(struct moment *m);
void moment_put_other(struct moment *m); /* in the first one's place */
/* The file of a shm: or file: place. */
const char *moment_path(const struct place *place);

#endif
