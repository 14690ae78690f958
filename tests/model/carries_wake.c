/* SPDX-License-Identifier: MIT */
/* WAKE: a sleeper that reads a new count of events knows what was done before the wake. */
#include "sleep.h"

#include "carries.h"

static bool counted;

static bool
no_message(void *arg)
{
	(void)arg;
	return false;
}

static int
never_hopeless(void *arg)
{
	(void)arg;
	return 0;
}

/* The futex is told which count the sleeper has read. */
static int
count_read(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	(void)word;
	(void)timeout_ns;
	counted = seen != 0;
	return -EINTR;
}

static void
reset(void)
{
	sleep_reset();
	counted = false;
}

static void
give(void)
{
	shmqi_wake_always(&words);
}

static bool
got(void)
{
	const struct shmqi_wait_ops ops = {
		.now_ns = sleep_now_ns, .sleep = count_read, .barrier = sleep_barrier};
	const struct shmqi_wait wait = {
		.words = &words, .ready = no_message, .hopeless = never_hopeless};

	(void)shmqi_wait(&ops, &wait, SHMQ_FOREVER);
	return counted;
}

int
main(void)
{
	return carries_run();
}
