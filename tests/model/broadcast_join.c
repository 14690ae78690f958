/* SPDX-License-Identifier: MIT */
/*
 * A reader comes in while the writer of a full ring raises its floor, at the oldest message
 * (OLDEST) or at what is sent next. From where it came in, it gets every message that was sent,
 * whole, and it is never ejected (JOIN, B2).
 *
 * KILL: the writer dies at any step, as between the store of a floor and its second walk; the
 * next one goes on where it stopped.
 */
#include "broadcast.h"

#define STEPS 10

static pthread_t first;

static void
send_some(enum bc_side who)
{
	for (unsigned i = 0; i < SENDS; i++)
		if (!bc_send(who))
			return;
}

static void *
write_first(void *arg)
{
	bc_me = BC_WRITER;
	bc_steps = 0;
	send_some(BC_WRITER);
	return arg;
}

static void *
write_after_death(void *arg)
{
	bc_me = BC_SUCCESSOR;
	pthread_join(first, NULL);
	bc_open(BC_SUCCESSOR, SHMQ_PRODUCER);
	send_some(BC_SUCCESSOR);
	return arg;
}

static void *
come(void *arg)
{
	bc_me = BC_READER;
	bc_open(BC_READER, SHMQ_CONSUMER | (OLDEST ? SHMQ_OLDEST : 0));
	/* What was there before we came is not sent next. */
	assert(OLDEST || bc_queue[BC_READER].hot.ring.head >= CAPACITY);
	(void)bc_receive();
	return arg;
}

static void
got_all(enum bc_side writer)
{
	struct shmq *q = &bc_queue[BC_READER];
	uint64_t tail = bc_queue[writer].hot.ring.tail;

	assert(tail - q->hot.ring.head <= CAPACITY);
	while (q->hot.ring.head != tail)
		assert(bc_receive() > 0);
	assert(bc_receive() == -EAGAIN);
}

static void
scenario(void)
{
	pthread_t reader, successor;

	bc_reset();
	bc_open(BC_WRITER, SHMQ_PRODUCER);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert(bc_send(BC_WRITER));
	first = model_start(write_first);
	reader = model_start(come);
	if (model_kill)
		successor = model_start(write_after_death);
	pthread_join(model_kill ? successor : first, NULL);
	pthread_join(reader, NULL);
	got_all(model_kill ? BC_SUCCESSOR : BC_WRITER);
}

int
main(void)
{
	return model_run(scenario, STEPS);
}
