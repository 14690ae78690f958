/* SPDX-License-Identifier: MIT */
/*
 * A process one of whose system calls fails: its parent is asked about each of them (seccomp's user
 * notification) and lets it through, or answers with an error in the kernel's place.
 */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "calls.h"

#define INJECT_CALLS 1024
#define INJECT_OTHERS 2

struct inject_shared {
	uint32_t listener; /* the victim's descriptor, + 1 */
	uint32_t active;   /* between inject_begins() and inject_ends() */
};

struct inject {
	struct inject_shared *shared;
	/* what is to fail: the n-th of the calls that can, from 1; 0: none */
	unsigned nth;
	int error;
	bool sticky; /* and all later calls of that row, too */
	/* or: every fallocate() of more bytes than this, as if a signal always came in the middle */
	uint64_t longest;
	/* or: asked about each of them, and of these others: the error, and it may change the world */
	int (*answers)(struct inject *inject, pid_t pid, const struct seccomp_data *call);
	long others[INJECT_OTHERS]; /* + 1; 0: no more */
	/* what was seen */
	unsigned count;
	const struct call *seen[INJECT_CALLS];
};

/* Whether the system lets us. */
bool inject_possible(void);

struct inject inject_new(void);

/* In the victim, around the operation. No system calls themselves. */
void inject_begins(struct inject *inject);
void inject_ends(struct inject *inject);

/* Run `body` in a process of its own: the status of its end. */
int inject_run(struct inject *inject, void (*body)(void *arg), void *arg);

#endif
