/* SPDX-License-Identifier: MIT */
/*
 * There is a value; the writer dies after any of the stores of the next two. Who looks then finds one that is whole: no reader ever hangs, or
 * goes without, because of a writer that died in mid-write. The next writer goes on.
 */
#include "lossy.h"

#define DOOMED_SENDS 2

static struct shmqi_lossy reader;

static void *
produce_and_die(void *arg)
{
	struct shmqi_lossy l = lossy_view();

	shmqi_lossy_open_writer(&l);
	model_doomed = true;
	for (unsigned i = 0; i < DOOMED_SENDS; i++)
		lossy_send(&l);
	return arg;
}

static void *
consume(void *arg)
{
	lossy_look(&reader);
	return arg;
}

static void
scenario(void)
{
	struct shmqi_lossy l = lossy_view();
	pthread_t producer, consumer;
	uint64_t whole = model_kill == 0 ? DOOMED_SENDS : (model_kill - 1) / STORES;
	bool there;

	lossy_reset();
	shmqi_lossy_open_writer(&l);
	lossy_send(&l);
	reader = lossy_view();
	shmqi_lossy_open_reader(&reader, true);
	producer = model_start(produce_and_die);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	there = lossy_look(&reader);
	assert(there && reader.sequence == whole);

	model_doomed = false;
	shmqi_lossy_open_writer(&l);
	lossy_send(&l);
	there = lossy_look(&reader);
	assert(there && reader.sequence == l.tail - 1);
}

int
main(void)
{
	return model_run(scenario, DOOMED_SENDS * STORES);
}
