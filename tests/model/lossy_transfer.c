/* SPDX-License-Identifier: MIT */
/*
 * One writer that laps a reader: what is received is whole and in order, what is not is counted exactly, and the last message is there in the end.
 */
#include "lossy.h"

#define MESSAGES (CAPACITY + 1)
#define READS 2

static struct shmqi_lossy reader;

static void *
produce(void *arg)
{
	struct shmqi_lossy l = lossy_view();

	shmqi_lossy_open_writer(&l);
	for (unsigned i = 0; i < MESSAGES; i++)
		lossy_send(&l);
	return arg;
}

static void *
consume(void *arg)
{
	for (unsigned i = 0; i < READS; i++)
		lossy_receive(&reader);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, consumer;

	lossy_reset();
	reader = lossy_view();
	shmqi_lossy_open_reader(&reader, false);
	producer = model_start(produce);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	while (lossy_receive(&reader))
		;
	assert(reader.head == MESSAGES && reader.sequence == MESSAGES - 1);
}

int
main(void)
{
	return model_run(scenario, 0);
}
