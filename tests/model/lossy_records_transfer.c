/* SPDX-License-Identifier: MIT */
/*
 * One writer that laps a reader: what is received is whole and in order, what is not is counted exactly, and the last message is there in the
 * end. Another reader comes while the writer works, and knows the number of what it begins with.
 */
#include "lossy_records.h"

#define MESSAGES (CAPACITY + 1)
#define MANY_TRIES 2

static struct shmqi_lossy_records reader;

static void *
produce(void *arg)
{
	struct shmqi_lossy_records l = ring_view();
	int err = shmqi_lossy_records_open_writer(&l);

	assert(err == 0);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_send(&l);
	return arg;
}

static void *
consume(void *arg)
{
	/* Who comes is not lapped for ever: only where it is not are executions followed. */
	while (JOINS &&
	       model_again(shmqi_lossy_records_open_reader(&reader, JOINS == 2) != 0, MANY_TRIES))
		;
	for (unsigned i = 0; i < READS; i++)
		ring_receive(&reader);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, consumer;
	int err;

	ring_reset();
	reader = ring_view();
	err = shmqi_lossy_records_open_reader(&reader, false);
	assert(err == 0);
	producer = model_start(produce);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	while (ring_receive(&reader))
		;
	assert(reader.head.sequence == MESSAGES);
}

int
main(void)
{
	return model_run(scenario, 0);
}
