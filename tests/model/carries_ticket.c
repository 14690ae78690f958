/* SPDX-License-Identifier: MIT */
/* TICKET: a waker that reads a ticket knows what its owner did before it drew it. */
#include "sleep.h"

#include "carries.h"

static void
reset(void)
{
	sleep_reset();
}

static void
give(void)
{
	(void)shmqi_ticket_draw(&words);
}

static bool
got(void)
{
	struct shmqi_due due;

	shmqi_wake_begin(&words, &due);
	return due.ticket != 0;
}

int
main(void)
{
	return carries_run();
}
