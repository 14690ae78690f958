/* SPDX-License-Identifier: MIT */
/* One more reader begins at the tail while the producer works: it knows the number of the first message it gets, and gets all after it. START. */
#include "records.h"

static void *
produce(void *arg)
{
	struct shmqi_records ring = ring_view();
	int err;

	ring.shared_head = NULL;
	err = shmqi_records_open_writer(&ring);
	assert(err == 0);
	ring.seen = ring.tail;
	for (unsigned i = 0; i < CAPACITY; i++)
		ring_send(&ring);
	return arg;
}

static void *
join(void *arg)
{
	struct shmqi_records ring = ring_view();

	ring_join(&ring);
	shmqi_records_settle(&ring);
	while (ring.received < CAPACITY)
		ring_receive(&ring);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, joiner;

	ring_reset();
	producer = model_start(produce);
	joiner = model_start(join);
	pthread_join(producer, NULL);
	pthread_join(joiner, NULL);
	assert(model_head == model_tail && model_received == CAPACITY);
}

int
main(void)
{
	return model_run(scenario, 0);
}
