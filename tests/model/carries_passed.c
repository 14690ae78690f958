/* SPDX-License-Identifier: MIT */
/* PASSED: who begins at a hint knows what its writer knew. */
#define START 15 /* the next position helps the hints */
#include "mpmc.h"

#include "carries.h"

static void
reset(void)
{
	mpmc_reset();
	mpmc_attach(0);
}

static void
give(void)
{
	(void)mpmc_send(0, 1, false);
}

static bool
got(void)
{
	mpmc_attach(1);
	return mpmc_ring[1].tail != START;
}

int
main(void)
{
	return carries_run();
}
