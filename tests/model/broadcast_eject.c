/* SPDX-License-Identifier: MIT */
/*
 * A reader that is too slow is ejected while it receives: what it gets is the message of its
 * position, whole, or -ESTALE, and then -ESTALE for good (EJECT). The writer never waits for it.
 * With JOINS the reader comes in meanwhile; otherwise it is in when the ring fills up.
 */
#define SLOW_LIMIT 1
#include "broadcast.h"

#define READS 2

static void *
write_on(void *arg)
{
	bc_me = BC_WRITER;
	for (unsigned i = 0; i < SENDS; i++)
		assert(bc_send(BC_WRITER));
	return arg;
}

static void *
read_slowly(void *arg)
{
	bool ejected = false;

	bc_me = BC_READER;
	if (JOINS)
		bc_open(BC_READER, SHMQ_CONSUMER | SHMQ_OLDEST);
	for (unsigned i = 0; i < READS; i++) {
		int64_t len = bc_receive();

		assert(len > 0 || len == -EAGAIN || len == -ESTALE);
		assert(!ejected || len == -ESTALE);
		ejected = len == -ESTALE;
	}
	if (LEAVES)
		bc_queue[BC_READER].kind->close(&bc_queue[BC_READER]);
	return arg;
}

static void
scenario(void)
{
	pthread_t writer, reader;

	bc_reset();
	bc_open(BC_WRITER, SHMQ_PRODUCER);
	if (!JOINS)
		bc_open(BC_READER, SHMQ_CONSUMER);
	assert(bc_send(BC_WRITER));
	writer = model_start(write_on);
	reader = model_start(read_slowly);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	/* Who has left is not in, and not ejected either. */
	assert(!LEAVES || (bc_memory.lanes[READER].reader.state & STATE_MASK) == OUT);
}

int
main(void)
{
	return model_run(scenario, 0);
}
