/* SPDX-License-Identifier: MIT */
/* One writer and a reader of the newest value: what it gets is whole, never older than what it got before, and the last one in the end. */
#include "lossy.h"

#define VALUES (CAPACITY + 1)
#define READS 2

static struct shmqi_lossy reader;

static void *
produce(void *arg)
{
	struct shmqi_lossy l = lossy_view();

	shmqi_lossy_open_writer(&l);
	for (unsigned i = 0; i < VALUES; i++)
		lossy_send(&l);
	return arg;
}

static void *
consume(void *arg)
{
	for (unsigned i = 0; i < READS; i++)
		lossy_look(&reader);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, consumer;
	bool there;

	lossy_reset();
	reader = lossy_view();
	shmqi_lossy_open_reader(&reader, true);
	producer = model_start(produce);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	there = lossy_look(&reader);
	assert(there && reader.sequence == VALUES - 1);
}

int
main(void)
{
	return model_run(scenario, 0);
}
