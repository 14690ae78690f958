/* SPDX-License-Identifier: MIT */
/*
 * News that is not in the ring: a producer gives its role back and wakes everybody (shmqi_wake_always()), while the consumer finds neither a
 * message nor an end and goes to sleep. WAKE: who reads the new count knows the news; who reads the old one is woken. There
 * is no fence between the news and a look at `ticket`, so nothing but WAKE carries this.
 */
#include "sleep.h"

static uint64_t gone;

static bool
no_message(void *arg)
{
	(void)arg;
	return false;
}

static int
hung_up(void *arg)
{
	(void)arg;
	/* As shmqi_role_owner(), but relaxed, so that what it leads to is carried by WAKE alone. */
	return shmq_load_relaxed_u64(&gone) ? -EPIPE : 0;
}

static void *
leave(void *arg)
{
	shmq_store_relaxed_u64(&gone, 1);
	shmqi_wake_always(&words);
	return arg;
}

static void *
wait_for_news(void *arg)
{
	const struct shmqi_wait wait = {.words = &words, .ready = no_message, .hopeless = hung_up};
	int err = shmqi_wait(&sleep_ops, &wait, SHMQ_FOREVER);

	assert(err == -EPIPE);
	return arg;
}

static void
scenario(void)
{
	pthread_t leaver, sleeper;

	sleep_reset();
	gone = 0;
	leaver = model_start(leave);
	sleeper = model_start(wait_for_news);
	pthread_join(leaver, NULL);
	pthread_join(sleeper, NULL);
	no_lost_wake(gone != 0);
}

int
main(void)
{
	return model_run(scenario, 0);
}
