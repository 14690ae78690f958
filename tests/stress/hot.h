/* SPDX-License-Identifier: MIT */
/*
 * The hot path alone: messages with timeout 0, after a warm-up, in a loop that does nothing else.
 */
#ifndef TESTS_STRESS_HOT_H
#define TESTS_STRESS_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hot {
	const char *address;
	unsigned role;	/* SHMQ_PRODUCER or SHMQ_CONSUMER */
	bool inlined;	/* by <shmq/inline.h> */
	uint64_t warm;	/* messages before */
	uint64_t count; /* messages that count */
	/* Called between the two. */
	void (*warmed)(void *arg);
	void *arg;
	bool unlocked; /* else every page is resident and locked */
};

#define HOT_BYTES 56

/*
 * Attach, run; how many page faults the counted messages took. -1: a message was not what it should
 * be.
 */
long hot_run(const struct hot *hot);

#endif
