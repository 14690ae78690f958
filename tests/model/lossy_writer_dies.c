/* SPDX-License-Identifier: MIT */
/*
 * The writer dies after any of the stores of its first message; its successor finds where it stopped and sends the rest, while a reader
 * goes on. Nothing is torn, and nothing comes twice: every position is received or counted.
 */
#include "lossy.h"

#define MESSAGES (CAPACITY + 1)
#define DOOMED_SENDS 1
#define READS 1

static struct shmqi_lossy reader;
static pthread_t first;

static void *
produce_and_die(void *arg)
{
	struct shmqi_lossy l = lossy_view();

	shmqi_lossy_open_writer(&l);
	for (unsigned i = 0; i < DOOMED_SENDS; i++)
		lossy_send(&l);
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmqi_lossy l = lossy_view();
	/* What the dead one has sent: it stored the even word. */
	uint64_t sent = model_kill == 0 ? DOOMED_SENDS : model_kill / STORES;

	pthread_join(first, NULL);
	model_doomed = false;
	shmqi_lossy_open_writer(&l);
	assert(l.tail == sent && model_tail == sent);
	while (l.tail < MESSAGES)
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
	pthread_t successor, consumer;

	lossy_reset();
	model_doomed = true;
	reader = lossy_view();
	shmqi_lossy_open_reader(&reader, false);
	first = model_start(produce_and_die);
	successor = model_start(succeed);
	consumer = model_start(consume);
	pthread_join(successor, NULL);
	pthread_join(consumer, NULL);
	while (lossy_receive(&reader))
		;
	assert(reader.head == MESSAGES && reader.sequence == MESSAGES - 1);
}

int
main(void)
{
	return model_run(scenario, DOOMED_SENDS * STORES);
}
