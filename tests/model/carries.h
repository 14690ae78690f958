/* SPDX-License-Identifier: MIT */
/*
 * What an edge carries: one process writes a word that is not atomic and then does what releases;
 * another does what acquires and, when that has seen the first one's, reads the word. Both do it
 * through the library's own functions. Natively under TSan, as in the checker, an edge whose one
 * side is weak is a data race (tsan/run, run).
 *
 * A program defines reset(), give() and got(), and its main() is carries_run().
 */
#ifndef CARRIES_H
#define CARRIES_H

#include "model.h"

static uint64_t carried;

static void reset(void);
static void give(void);
/* Whether give() was seen. */
static bool got(void);

static void *
carries_give(void *arg)
{
	carried = 1;
	give();
	return arg;
}

static void *
carries_get(void *arg)
{
	unsigned tries = 0;
	bool seen;

	do {
		seen = got();
	} while (model_again(!seen, ++tries));
	assert(!seen || carried == 1);
	return arg;
}

static void
carries_scenario(void)
{
	pthread_t giver, getter;

	carried = 0;
	reset();
	giver = model_start(carries_give);
	getter = model_start(carries_get);
	pthread_join(giver, NULL);
	pthread_join(getter, NULL);
}

static inline int
carries_run(void)
{
	return model_run(carries_scenario, 0);
}

#endif
