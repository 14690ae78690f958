/* SPDX-License-Identifier: MIT */
/* JOIN: a reader that comes in at a floor knows what was done before it was raised. */
#include "broadcast.h"

#include "carries.h"

static void
reset(void)
{
	bc_reset();
	bc_open(BC_WRITER, SHMQ_PRODUCER);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert(bc_send(BC_WRITER));
}

static void
give(void)
{
	bc_me = BC_WRITER;
	assert(bc_send(BC_WRITER));
}

static bool
got(void)
{
	struct shmq *q = &bc_queue[BC_READER];

	q->control = &bc_memory.control;
	return load_floor(q) != 0;
}

int
main(void)
{
	return carries_run();
}
