/* SPDX-License-Identifier: MIT */
/*
 * The consumer dies at any step of its first two messages; its successor begins at the shared head, while the producer goes on.
 * What was released does not come again, what was not does, and is still whole.
 */
#include "ring.h"

#define STEPS 3 /* of a receive */
#define DOOMED_RECEIVES 2

static pthread_t first;
static uint64_t released;

static void *
consume_and_die(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < DOOMED_RECEIVES; i++) {
		struct shmq_slot *slot;

		if (model_dies_at(i * STEPS + 1))
			return arg;
		slot = ring_look(&ring);
		if (model_dies_at(i * STEPS + 2))
			return arg;
		assert(*ring_message(slot) == ring_message_at(i));
		if (model_dies_at(i * STEPS + 3))
			return arg;
		shmq_spsc_release(&ring, i + 1);
		released = i + 1;
	}
	return arg;
}

static void *
succeed(void *arg)
{
	struct shmq_spsc ring;

	pthread_join(first, NULL);
	ring_attach(&ring);
	assert(ring.head == released);
	while (ring.head < MESSAGES)
		ring_receive(&ring);
	return arg;
}

static void *
produce(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < MESSAGES; i++)
		ring_send(&ring);
	return arg;
}

static void
scenario(void)
{
	pthread_t successor, producer;

	ring_reset();
	released = 0;
	first = model_start(consume_and_die);
	successor = model_start(succeed);
	producer = model_start(produce);
	pthread_join(successor, NULL);
	pthread_join(producer, NULL);
	assert(model_head == MESSAGES);
}

int
main(void)
{
	return model_run(scenario, STEPS * DOOMED_RECEIVES);
}
