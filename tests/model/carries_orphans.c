/* SPDX-License-Identifier: MIT */
/* ORPHANS: who sees that there may be orphans finds those that were made before. */
#include "mpmc.h"

#include "carries.h"

static void
reset(void)
{
	mpmc_reset();
	mpmc_attach(0);
	mpmc_attach(1);
	mpmc_ring[1].orphans_seen = 0;
}

static void
give(void)
{
	mpmc_tell_orphans(&mpmc_ring[0]);
}

static bool
got(void)
{
	return mpmc_orphans(&mpmc_ring[1]);
}

int
main(void)
{
	return carries_run();
}
