/* SPDX-License-Identifier: MIT */
/*
 * A message is published while the bell of its lane is taken down. The producer may believe that
 * the bell is still rung, and nobody ever rings again: it is found by one round of patrols all
 * the same, and a consumer that sleeps has looked into every lane, or is woken (D1, SLEEP).
 *
 * With RUNG=0 the bell is down at first and the producer rings after it has published: who takes
 * that bell down finds the message, or leaves it rung (DOOR).
 */
#include "mpsc.h"

static bool got;

/* All lanes, as mpsc_readable() looks at them: its variables on the stack confuse the checker. */
static bool
message_ready(void *arg)
{
	(void)arg;
	if (WEAKEN == NO_FULL_LOOK && !mpsc_rung())
		return false;
	for (unsigned i = 0; i < PARTICIPANTS; i++)
		if (shmq_spsc_readable(&mpsc_consumer.mpsc->lanes[i].slots))
			return true;
	return false;
}

static int
never_hopeless(void *arg)
{
	(void)arg;
	return 0;
}

static const struct shmqi_wait for_message = {
	.words = &words, .ready = message_ready, .hopeless = never_hopeless};

static void *
produce(void *arg)
{
	mpsc_send_one();
	return arg;
}

static void *
consume(void *arg)
{
	got = mpsc_receive();
	if (SLEEPS && !got)
		(void)shmqi_wait(&sleep_ops, &for_message, SHMQ_FOREVER);
	return arg;
}

static void
patrols_find_it(void)
{
	bool found = got;

	for (unsigned i = 0; i < PARTICIPANTS && !found; i++) {
		if (WEAKEN == NO_PATROL)
			mpsc_consumer.mpsc->patrol = OTHER_LANE;
		/* Not the lane that it happens to be at, but whatever it comes to. */
		mpsc_consumer.mpsc->at = OTHER_LANE;
		found = mpsc_receive();
	}
	assert(found);
}

static void
scenario(void)
{
	pthread_t producer, consumer;

	got = false;
	mpsc_reset(RUNG);
	producer = model_start(produce);
	consumer = model_start(consume);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	no_lost_wake(!got);
	assert(mpsc_readable(&mpsc_consumer) == !got);
	assert(RUNG || got || mpsc_rung());
	if (!SLEEPS)
		patrols_find_it();
}

int
main(void)
{
	return model_run(scenario, 0);
}
