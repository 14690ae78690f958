/* SPDX-License-Identifier: MIT */
/* START: a reader of records that begins at a tail knows what was done before that tail was stored. */
#include "records.h"

#include "carries.h"

static struct shmqi_records writer;

static void
reset(void)
{
	int err;

	ring_reset();
	writer = ring_view();
	writer.shared_head = NULL;
	err = shmqi_records_open_writer(&writer);
	assert(err == 0);
	writer.seen = writer.tail;
}

static void
give(void)
{
	ring_send(&writer);
}

static bool
got(void)
{
	struct shmqi_records reader = ring_view();

	ring_join(&reader);
	return reader.received != 0;
}

int
main(void)
{
	return carries_run();
}
