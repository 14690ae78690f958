/* SPDX-License-Identifier: MIT */
/*
 * The producer dies after any of the stores of its first two records; its successor finds where it stopped and sends the rest, while the consumer
 * goes on. Every message arrives whole, once, in order.
 */
#include "records.h"

#define DOOMED_SENDS 2

static pthread_t first;

static void *
produce_and_die(void *arg)
{
	struct shmqi_records ring = ring_view();
	int err = shmqi_records_open_writer(&ring);

	assert(err == 0);
	for (unsigned i = 0; i < DOOMED_SENDS; i++) {
		/* A dead one finds no room any more. */
		if (model_kill && model_stores >= model_kill)
			return arg;
		ring_send(&ring);
	}
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmqi_records ring = ring_view();
	/* What the dead one has sent: it stored the header. */
	uint64_t sent = model_kill == 0 ? DOOMED_SENDS : (model_kill + 1) / PUBLISH_STORES;
	int err;

	pthread_join(first, NULL);
	model_doomed = false;
	err = shmqi_records_open_writer(&ring);
	assert(err == 0 && ring.sent == sent && ring.tail == model_tail);
	while (ring.sent < MESSAGES)
		ring_send(&ring);
	return arg;
}

static void *
consume(void *arg)
{
	struct shmqi_records ring = ring_view();
	int err = shmqi_records_open_reader(&ring);

	assert(err == 0);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_receive(&ring);
	return arg;
}

static void
scenario(void)
{
	pthread_t successor, consumer;

	ring_reset();
	model_doomed = true;
	first = model_start(produce_and_die);
	successor = model_start(succeed);
	consumer = model_start(consume);
	pthread_join(successor, NULL);
	pthread_join(consumer, NULL);
	assert(model_sent == MESSAGES && model_received == MESSAGES && model_head == model_tail);
}

int
main(void)
{
	return model_run(scenario, DOOMED_SENDS * PUBLISH_STORES);
}
