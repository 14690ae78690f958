/* SPDX-License-Identifier: MIT */
/*
 * A library with threads of its own still has the last message when its send is done, and
 * loses it with the process. So who sends the last message stays until the other end has it:
 * in the first word of the queue's memory.
 */
#ifndef SHMQ_BENCH_PARTING_H
#define SHMQ_BENCH_PARTING_H

#include <time.h>

#include <shmq/atomic.h>

#include "loop.h"

static inline int
parting_is_last(const uint64_t *message)
{
	return message[0] == LOOP_LAST;
}

/** The other end has the last message. */
static inline void
parting_tell(uint32_t *word)
{
	shmq_store_release_u32(word, 1);
}

/** Stay until it has; should it die first, the parent ends us. */
static inline void
parting_wait(uint32_t *word)
{
	while (!shmq_load_acquire_u32(word))
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

#endif
