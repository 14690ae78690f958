/* SPDX-License-Identifier: MIT */
/*
 * Two publishers and two sleepers on the same words (W1, W2, W3). Each publisher raises a word of its own once, then looks for sleepers; each
 * sleeper waits until both are up. No ring orders one publisher with the other, and either may find that the other has woken already,
 * and skip its own wake.
 *
 * KILL: the first publisher dies between its publication and its wake (1), between the count and the system call (2), or before it says whom
 * it has woken (3). The second one publishes after that, and wakes whom the dead one owed it, too.
 */
#include "sleep.h"

#define DIES_BEFORE_WAKE 1
#define DIES_BEFORE_CALL 2
#define DIES_BEFORE_END 3
#define PUBLISHERS 2

static uint64_t published[PUBLISHERS];
static pthread_t first;

static bool
up(unsigned who)
{
	/* Relaxed: what a sleeper sees is carried by SLEEP and WAKE alone. */
	return shmq_load_relaxed_u64(&published[who]) != 0;
}

static bool
all_up(void *arg)
{
	(void)arg;
	return up(0) && up(1);
}

static int
never_hopeless(void *arg)
{
	(void)arg;
	return 0;
}

/* As sleep_wake(), in its steps; or wrong, as WEAKEN says. */
static void
wake_and_die(void)
{
	struct shmqi_due due;

	if (model_dies_at(DIES_BEFORE_WAKE) || !shmq_hot_asleep(&words.ticket))
		return;
	shmqi_wake_begin(&words, &due);
	if (WEAKEN == WOKEN_BEFORE)
		shmqi_wake_end(&words, &due);
	if (model_dies_at(DIES_BEFORE_CALL))
		return;
	shmqi_os_futex_wake(&words.events);
	if (WEAKEN == WOKEN_MORE)
		due.ticket = shmq_load_relaxed_u32(&words.ticket);
	if (!model_dies_at(DIES_BEFORE_END))
		shmqi_wake_end(&words, &due);
}

static void *
publish_first(void *arg)
{
	shmq_store_relaxed_u64(&published[0], 1);
	wake_and_die();
	return arg;
}

static void *
publish_second(void *arg)
{
	if (model_kill)
		pthread_join(first, NULL);
	shmq_store_relaxed_u64(&published[1], 1);
	sleep_wake();
	return arg;
}

static void
sleep_until_all_up(const struct shmqi_wait_ops *ops)
{
	const struct shmqi_wait wait = {
		.words = &words, .ready = all_up, .hopeless = never_hopeless};
	int err = shmqi_wait(ops, &wait, SHMQ_FOREVER);

	assert(err == 0);
}

static void *
sleep_first(void *arg)
{
	sleep_until_all_up(&sleep_ops);
	return arg;
}

static void *
sleep_second(void *arg)
{
	sleep_until_all_up(&sleep_ops_other);
	return arg;
}

static void
scenario(void)
{
	pthread_t threads[3];

	sleep_reset();
	published[0] = published[1] = 0;
	first = model_start(publish_first);
	threads[0] = model_start(publish_second);
	threads[1] = model_start(sleep_first);
	threads[2] = model_start(sleep_second);
	if (!model_kill)
		pthread_join(first, NULL);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	no_lost_wake(true);
}

int
main(void)
{
	return model_run(scenario, DIES_BEFORE_END);
}
