/* SPDX-License-Identifier: MIT */
/*
 * The writer dies after any of the stores of its first message; its successor finds where it stopped and sends the rest, while a reader
 * goes on. Nothing is torn, and nothing comes twice: every message is received or counted.
 */
#include "lossy_records.h"

#define MESSAGES (CAPACITY + 1)
#define DOOMED_SENDS 1

static struct shmqi_lossy_records reader;
static pthread_t first;

static void *
produce_and_die(void *arg)
{
	struct shmqi_lossy_records l = ring_view();
	int err = shmqi_lossy_records_open_writer(&l);

	assert(err == 0);
	for (unsigned i = 0; i < DOOMED_SENDS; i++)
		ring_send(&l);
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmqi_lossy_records l = ring_view();
	/* What the dead one has sent: it stored the header. */
	uint64_t sent = model_kill == 0 ? DOOMED_SENDS : (model_kill + 1) / STORES;
	int err;

	pthread_join(first, NULL);
	model_doomed = false;
	err = shmqi_lossy_records_open_writer(&l);
	assert(err == 0 && l.tail.sequence == sent && model_sent == sent);
	while (l.tail.sequence < MESSAGES)
		ring_send(&l);
	return arg;
}

static void *
consume(void *arg)
{
	ring_receive(&reader);
	return arg;
}

static void
scenario(void)
{
	pthread_t successor, consumer;
	int err;

	ring_reset();
	model_doomed = true;
	reader = ring_view();
	err = shmqi_lossy_records_open_reader(&reader, false);
	assert(err == 0);
	first = model_start(produce_and_die);
	successor = model_start(succeed);
	consumer = model_start(consume);
	pthread_join(successor, NULL);
	pthread_join(consumer, NULL);
	while (ring_receive(&reader))
		;
	assert(reader.head.sequence == MESSAGES);
}

int
main(void)
{
	return model_run(scenario, DOOMED_SENDS * STORES);
}
