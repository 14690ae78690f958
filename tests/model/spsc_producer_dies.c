/* SPDX-License-Identifier: MIT */
/*
 * The producer dies at any step of its first two messages; its successor finds the tail by invariant I2 and sends the rest, while the
 * consumer goes on. Every position arrives whole, once, in order: what was published is not lost, what was not is not seen.
 */
#include "ring.h"

#define STEPS 4 /* of a send */
#define DOOMED_SENDS 2

static pthread_t first;
static uint64_t published;

static void *
produce_and_die(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < DOOMED_SENDS; i++) {
		struct shmq_slot *slot;

		if (model_dies_at(i * STEPS + 1))
			return arg;
		slot = ring_claim(&ring);
		if (model_dies_at(i * STEPS + 2))
			return arg;
		*ring_message(slot) = GARBAGE;
		if (model_dies_at(i * STEPS + 3))
			return arg;
		*ring_message(slot) = ring_message_at(i);
		if (model_dies_at(i * STEPS + 4))
			return arg;
		shmq_spsc_publish(&ring, slot, i, sizeof(uint64_t));
		published = i + 1;
	}
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmq_spsc ring;

	pthread_join(first, NULL);
	ring_attach(&ring);
	assert(ring.tail == published);
	while (ring.tail < MESSAGES)
		ring_send(&ring);
	return arg;
}

static void *
consume(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_receive(&ring);
	return arg;
}

static void
scenario(void)
{
	pthread_t successor, consumer;

	ring_reset();
	published = 0;
	first = model_start(produce_and_die);
	successor = model_start(succeed);
	consumer = model_start(consume);
	pthread_join(successor, NULL);
	pthread_join(consumer, NULL);
	assert(model_head == MESSAGES);
}

int
main(void)
{
	return model_run(scenario, STEPS * DOOMED_SENDS);
}
