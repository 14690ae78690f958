/* SPDX-License-Identifier: MIT */
/*
 * The hot path alone: messages with timeout 0, after a warm-up, in a loop that does nothing else.
 */
#ifndef TESTS_STRESS_HOT_H
#define TESTS_STRESS_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The two ends keep in step, in shared memory of theirs: so neither finds a full or an empty queue,
 * where it would ask the kernel, now and then, whether who is in the way lives. */
struct hot_step {
	uint32_t warm;	 /* ends that are */
	uint32_t failed; /* an end has: the other need not wait for it */
	uint32_t away[30];
	uint64_t sent;
	uint64_t away_too[15];
	uint64_t received;
};

struct hot {
	const char *address;
	unsigned role;	/* SHMQ_PRODUCER or SHMQ_CONSUMER */
	bool inlined;	/* by <shmq/inline.h> */
	uint64_t warm;	/* messages before */
	uint64_t count; /* messages that count */
	/* Called between the two. */
	void (*warmed)(void *arg);
	void *arg;
	bool unlocked;	       /* else every page is resident and locked */
	bool lossy;	       /* the receiver may miss messages, but for the last */
	size_t bytes;	       /* of a message, up to HOT_BYTES_MAX; 0: HOT_BYTES */
	struct hot_step *step; /* NULL: they do not */
};

#define HOT_BYTES 56
#define HOT_BYTES_MAX 1024

/*
 * Attach, run; how many page faults the counted messages took. -1: a message was not what it should
 * be.
 */
long hot_run(const struct hot *hot);

#endif
