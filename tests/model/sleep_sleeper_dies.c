/* SPDX-License-Identifier: MIT */
/*
 * A consumer dies in its sleep, or just before it, and leaves a ticket that nobody may ever wake; its successor sleeps in its turn. The producer, which may
 * have woken the dead one, wakes the new one too: tickets go on where they were.
 */
#include "sleep.h"

#define DIES_BEFORE_SLEEP 1
#define DIES_ASLEEP 2

static pthread_t first;
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

static int
die_before_sleep(void)
{
	if (model_dies_at(DIES_BEFORE_SLEEP))
		pthread_exit(NULL);
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

static void
consume(const struct shmqi_wait_ops *ops)
{
	const struct shmqi_wait wait = {
		.words = &words, .ready = message_ready, .hopeless = never_hopeless};

	ring_attach(&consumer);
	while (consumer.head < CAPACITY) {
		int err = shmqi_wait(ops, &wait, SHMQ_FOREVER);

		assert(err == 0);
		ring_receive(&consumer);
	}
}

static void *
sleep_and_die(void *arg)
{
	static const struct shmqi_wait_ops ops = {
		.now_ns = sleep_now_ns,
		.sleep = sleep_futex,
		.barrier = die_before_sleep,
	};

	consume(&ops);
	return arg;
}

static void *
succeed(void *arg)
{
	pthread_join(first, NULL);
	stopped[0] = false;
	consume(&sleep_ops);
	return arg;
}

static void
scenario(void)
{
	pthread_t producer, successor;

	sleep_reset();
	producer = model_start(produce);
	first = model_start(sleep_and_die);
	successor = model_start(succeed);
	pthread_join(producer, NULL);
	pthread_join(successor, NULL);
	no_lost_wake(shmq_spsc_readable(&consumer));
}

int
main(void)
{
	return model_run(scenario, DIES_ASLEEP);
}
