/* SPDX-License-Identifier: MIT */
/* NEWEST: who sees that the tail of a lossy ring has moved knows what was done before. */
#include "lossy.h"

#include "carries.h"

static struct shmqi_lossy writer, reader;

static void
reset(void)
{
	lossy_reset();
	writer = reader = lossy_view();
	shmqi_lossy_open_writer(&writer);
	shmqi_lossy_open_reader(&reader, true);
}

static void
give(void)
{
	lossy_send(&writer);
}

static bool
got(void)
{
	return shmqi_lossy_news(&reader);
}

int
main(void)
{
	return carries_run();
}
