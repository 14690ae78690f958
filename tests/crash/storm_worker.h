/* SPDX-License-Identifier: MIT */
/*
 * The processes of a storm. Notes are stores in program order, which is the order that is left of a
 * killed process; so relaxed ones, with a fence for the compiler.
 */
#ifndef TESTS_CRASH_STORM_WORKER_H
#define TESTS_CRASH_STORM_WORKER_H

#include <shmq/atomic.h>

#include "storm.h"

/* One of the ways in `mask`, by chance. */
unsigned storm_choose(unsigned mask, uint64_t *seed);
int64_t storm_choose_timeout(uint64_t *seed);

void storm_set(uint64_t *word, uint64_t value);
void storm_add(uint64_t *word, uint64_t more);

bool storm_is_removed(const struct storm_worker *w);
bool storm_is_to_leave(const struct storm_worker *w);
/*
 * Attach; rivals for a role wait until it is free. NULL: the queue is gone (what has its address
 * now is no queue), or there is no more need.
 */
struct shmq *storm_join(const struct storm_worker *w, unsigned role);
/* There is nothing to do: now and then, sleep until the descriptor tells of something. */
void storm_wait_for_bell(const struct storm_worker *w, struct shmq *q, uint64_t *seed);
/* Whether that is all there is to say; empty or full: let others run. */
bool storm_nothing_done(int64_t result);

#endif
