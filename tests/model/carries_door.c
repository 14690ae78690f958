/* SPDX-License-Identifier: MIT */
/* DOOR: who takes a bell down knows what was done before it was rung. */
#include "mpsc.h"

#include "carries.h"

static void
reset(void)
{
	mpsc_reset(false);
}

static void
give(void)
{
	ring(&mpsc_producer, PRODUCER_LANE);
}

/* Relaxed: only when it is rung it is taken down, and then it was rung for good. */
static bool
got(void)
{
	unsigned char *bytes;

	if (!bell_rung(&mpsc_consumer, PRODUCER_LANE))
		return false;
	(void)take_bell_down(&mpsc_consumer, PRODUCER_LANE, &bytes);
	return true;
}

int
main(void)
{
	return carries_run();
}
