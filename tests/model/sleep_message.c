/* SPDX-License-Identifier: MIT */
/* A consumer that waits for messages, and a producer that wakes it only if it sleeps: SLEEP on the side of send. */
#include "sleep.h"

static struct shmq_spsc consumer;

static bool
message_ready(void *arg)
{
	(void)arg;
	return shmq_spsc_readable(&consumer);
}

static int
never_hopeless(void *arg)
{
	(void)arg;
	return 0;
}

static void *
produce(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < CAPACITY; i++) {
		ring_send(&ring);
		sleep_wake();
	}
	return arg;
}

static void *
consume(void *arg)
{
	const struct shmqi_wait wait = {
		.words = &words, .ready = message_ready, .hopeless = never_hopeless};

	ring_attach(&consumer);
	for (unsigned i = 0; i < CAPACITY; i++) {
		int err = shmqi_wait(&sleep_ops, &wait, SHMQ_FOREVER);

		assert(err == 0);
		ring_receive(&consumer);
	}
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, sleeper;

	sleep_reset();
	producer = model_start(produce);
	sleeper = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(sleeper, NULL);
	no_lost_wake(shmq_spsc_readable(&consumer));
}

int
main(void)
{
	return model_run(scenario, 0);
}
