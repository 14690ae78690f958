/* SPDX-License-Identifier: MIT */
/* One producer, one consumer, three records of different lengths: each arrives whole, once, in order. RECORD and SPACE. */
#include "records.h"

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
	pthread_t producer, consumer;

	ring_reset();
	producer = model_start(produce);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	assert(model_sent == MESSAGES && model_received == MESSAGES && model_head == model_tail);
}

int
main(void)
{
	return model_run(scenario, 0);
}
