/* SPDX-License-Identifier: MIT */
/* VALUE: who has received a message of a lossy ring knows what was done before it was sent. */
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
	return lossy_receive(&reader);
}

int
main(void)
{
	return carries_run();
}
