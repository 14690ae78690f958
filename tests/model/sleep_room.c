/* SPDX-License-Identifier: MIT */
/* A producer that waits for room, and a consumer that wakes it only if it sleeps: SLEEP on the side of receive. */
#include "sleep.h"

static struct shmq_spsc producer;

static bool
room_ready(void *arg)
{
	(void)arg;
	return shmq_spsc_writable(&producer);
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
	const struct shmqi_wait wait = {
		.words = &words, .ready = room_ready, .hopeless = never_hopeless};

	for (unsigned i = 0; i < CAPACITY; i++) {
		int err = shmqi_wait(&sleep_ops, &wait, SHMQ_FOREVER);

		assert(err == 0);
		ring_send(&producer);
	}
	return arg;
}

static void *
consume(void *arg)
{
	struct shmq_spsc ring;

	ring_attach(&ring);
	for (unsigned i = 0; i < CAPACITY; i++) {
		ring_receive(&ring);
		sleep_wake();
	}
	return arg;
}

/* The ring is full when the two begin. */
static void
scenario(void)
{
	pthread_t sleeper, waker;

	sleep_reset();
	ring_attach(&producer);
	for (unsigned i = 0; i < CAPACITY; i++)
		ring_send(&producer);
	sleeper = model_start(produce);
	waker = model_start(consume);
	pthread_join(sleeper, NULL);
	pthread_join(waker, NULL);
	no_lost_wake(shmq_spsc_writable(&producer));
}

int
main(void)
{
	return model_run(scenario, 0);
}
