/* SPDX-License-Identifier: MIT */
/*
 * The producer lives, works, and gives its role back; a newcomer takes it: never before, and it sees all that was done in the role. ROLE.
 */
#include "role.h"

static uint64_t work;

static void *
leave(void *arg)
{
	work++;
	shmqi_role_give_back(role_holder(), 0);
	return arg;
}

static void *
take(void *arg)
{
	unsigned index = role_join(1), tries = 0;
	int err;

	do {
		err = shmqi_role_claim(role_holder(), &role_segs[1], index);
		assert(err == 0 || err == -EBUSY);
	} while (model_again(err == -EBUSY, ++tries));
	work++;
	return arg;
}

static void
scenario(void)
{
	pthread_t leaver, newcomer;
	uint64_t generation;

	role_reset();
	role_writer[0] = 0;
	work = 0;
	leaver = model_start(leave);
	newcomer = model_start(take);
	pthread_join(leaver, NULL);
	pthread_join(newcomer, NULL);
	assert(work == 2);
	assert(shmqi_role_owner(role_holder(), &generation) == 1 && generation == 2);
}

int
main(void)
{
	return model_run(scenario, 0);
}
