/* SPDX-License-Identifier: MIT */
/*
 * The producer is dead, and two newcomers want its place, one of them perhaps its very entry: exactly one gets it, the other
 * is told that a live process has it, and the role was claimed once more, no more.
 */
#include "role.h"

static int results[NEWCOMERS];
static unsigned indexes[NEWCOMERS];

static void
take(int who)
{
	indexes[who] = role_join(who);
	results[who] = shmqi_role_claim(role_holder(), &role_segs[who], indexes[who]);
}

static void *
first(void *arg)
{
	take(0);
	return arg;
}

static void *
second(void *arg)
{
	take(1);
	return arg;
}

static void
scenario(void)
{
	pthread_t a, b;
	uint64_t generation;
	int winner;

	role_reset();
	a = model_start(first);
	b = model_start(second);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	winner = results[0] == 0 ? 0 : 1;
	assert(results[winner] == 0 && results[1 - winner] == -EBUSY);
	assert(indexes[0] != indexes[1]);
	assert(shmqi_role_owner(role_holder(), &generation) == indexes[winner]);
	assert(generation == 2);
}

int
main(void)
{
	return model_run(scenario, 0);
}
