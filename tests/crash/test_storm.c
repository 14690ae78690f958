/* SPDX-License-Identifier: MIT */
/* The storm, for each kind. */
#include <criterion/criterion.h>

#include "storm.h"

TestSuite(storm, .init = place_begin, .fini = place_end, .timeout = 1800);

#define STORM(kind)                                                   \
	Test(storm, test_killed_at_random_##kind##_all_accounted_for) \
	{                                                             \
		storm_run(storm_kind_named(#kind), KILLS);            \
	}

STORM(spsc)
STORM(spsc_records)
STORM(mpsc)
STORM(mpsc_records)
STORM(mpmc)
STORM(mpmc_recv)
STORM(mpmc_redeliver)
STORM(mpmc_redeliver_recv)
STORM(broadcast)
STORM(broadcast_records)
STORM(broadcast_ejecting)
STORM(lossy)
STORM(lossy_records)
STORM(latest)
