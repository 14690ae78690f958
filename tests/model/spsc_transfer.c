/* SPDX-License-Identifier: MIT */
/* One producer, one consumer, three messages: each arrives whole, once, in order. PUBLISH and RECYCLE. */
#include "ring.h"

static void *
produce(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_send(&ring);
	return arg;
}

static void *
consume(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	assert(ring.head == 0);
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
	assert(model_head == MESSAGES);
}

int
main(void)
{
	return model_run(scenario, 0);
}
