/* SPDX-License-Identifier: MIT */
/*
 * A newcomer begins where a hint says. What it finds there is never older than the hint: else it would believe the ring broken (PASSED).
 */
#define START 15 /* the next position helps the hints */
#include "mpmc.h"

static void *
pass_on(void *arg)
{
	(void)mpmc_send(0, 1, false);
	(void)mpmc_receive_once(1, false);
	return arg;
}

/* Either may find something or nothing, but never -EBADMSG. */
static void *
come(void *arg)
{
	mpmc_attach(2);
	(void)mpmc_receive_once(2, false);
	(void)mpmc_send(2, 2, false);
	return arg;
}

static void
scenario(void)
{
	pthread_t old, newcomer;

	mpmc_reset();
	for (unsigned i = 0; i < 2; i++)
		mpmc_attach(i);
	old = model_start(pass_on);
	newcomer = model_start(come);
	pthread_join(old, NULL);
	pthread_join(newcomer, NULL);
}

int
main(void)
{
	return model_run(scenario, 0);
}
