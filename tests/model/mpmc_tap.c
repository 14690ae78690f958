/* SPDX-License-Identifier: MIT */
/* A tap looks at a message that is received, and whose slot is written again, meanwhile: it sees that message or none (TAP). */
#include "mpmc.h"

static void *
go_round(void *arg)
{
	uint64_t value;

	for (unsigned i = 0; i < CAPACITY; i++) {
		value = mpmc_receive_once(1, false);
		assert(value == i + 1);
		assert(mpmc_send(0, CAPACITY + i + 1, false));
	}
	return arg;
}

static void *
tap(void *arg)
{
	int64_t len = shmqi_mpmc_tap(&mpmc_ring[2], START, &mpmc_value[2], sizeof(uint64_t));

	assert(len == -ENOENT || (len == sizeof(uint64_t) && mpmc_value[2] == 1));
	return arg;
}

static void
scenario(void)
{
	pthread_t others, observer;

	mpmc_reset();
	for (unsigned i = 0; i < 3; i++)
		mpmc_attach(i);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert(mpmc_send(0, i + 1, false));
	others = model_start(go_round);
	observer = model_start(tap);
	pthread_join(others, NULL);
	pthread_join(observer, NULL);
}

int
main(void)
{
	return model_run(scenario, 0);
}
