/* SPDX-License-Identifier: MIT */
/*
 * The consumer dies after any of the stores of its first two releases; its successor begins with the first record that was not released, and
 * knows its number, while the producer goes on.
 */
#define MODEL_CONSUMER_DIES true
#include "records.h"

#define DOOMED_RECEIVES 2

static pthread_t first;

static void *
produce(void *arg)
{
	struct shmqi_records ring = ring_view();
	int err = shmqi_records_open_writer(&ring);

	assert(err == 0);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_send(&ring);
	return arg;
}

static void *
consume_and_die(void *arg)
{
	struct shmqi_records ring = ring_view();
	int err = shmqi_records_open_reader(&ring);

	assert(err == 0);
	for (unsigned i = 0; i < DOOMED_RECEIVES; i++) {
		if (model_kill && model_stores >= model_kill)
			return arg;
		ring_receive(&ring);
	}
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmqi_records ring = ring_view();
	uint64_t released = model_kill == 0 ? DOOMED_RECEIVES : (model_kill - 1) / SETTLE_STORES;
	int err;

	pthread_join(first, NULL);
	model_doomed = false;
	err = shmqi_records_open_reader(&ring);
	assert(err == 0 && ring.received == released);
	while (ring.received < MESSAGES)
		ring_receive(&ring);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, successor;

	ring_reset();
	model_doomed = true;
	producer = model_start(produce);
	first = model_start(consume_and_die);
	successor = model_start(succeed);
	pthread_join(producer, NULL);
	pthread_join(successor, NULL);
	assert(model_received == MESSAGES && model_head == model_tail);
}

int
main(void)
{
	return model_run(scenario, DOOMED_RECEIVES * SETTLE_STORES);
}
