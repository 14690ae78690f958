/* SPDX-License-Identifier: MIT */
/*
 * Two producers, two consumers, each message received once, whole; one of them dies. KILL=1: producer 0 after its claim; KILL=2: consumer 0 after its
 * take (MODEL_TAKES), without redelivery; KILL=3: the same with redelivery.
 */
#include "mpmc.h"

#define DRAINER 4

static bool sent[PRODUCERS];
static unsigned got[CONSUMERS + 1][PRODUCERS];

static void
count(unsigned who, uint64_t value)
{
	assert(value <= PRODUCERS);
	if (value)
		got[who][value - 1]++;
}

static void
produce(unsigned index)
{
	mpmc_attach(index);
	sent[index] = mpmc_send(index, index + 1, model_dies_at(1) && index == 0);
}

static void
consume(unsigned index)
{
	bool dies = index == 0 && (model_dies_at(2) || model_dies_at(3));

	mpmc_attach(PRODUCERS + index);
	for (unsigned i = 0; i < RECEIVES; i++) {
		uint64_t value = mpmc_receive_once(PRODUCERS + index, dies);

		count(index, value);
		if (value == 0 && model_dies_at(1))
			mpmc_unblock(PRODUCERS + index, false);
	}
}

static void *
produce_0(void *arg)
{
	produce(0);
	return arg;
}

static void *
produce_1(void *arg)
{
	produce(1);
	return arg;
}

static void *
consume_0(void *arg)
{
	consume(0);
	return arg;
}

static void *
consume_1(void *arg)
{
	consume(1);
	return arg;
}

/* Who comes last sweeps the dead, and finds all that is left. */
static struct shmqi_mpmc_swept swept;

static void
drain(void)
{
	mpmc_attach(DRAINER);
	for (unsigned i = 0; i < DRAINER; i++)
		if (mpmc_dead[i])
			shmqi_mpmc_sweep(&mpmc_ring[DRAINER], i, &swept);
	for (unsigned i = 0; i < CAPACITY + 1; i++)
		count(CONSUMERS, mpmc_receive_once(DRAINER, false));
	assert(mpmc_receive_once(DRAINER, false) == 0);
}

static void
check(void)
{
	for (unsigned i = 0; i < PRODUCERS; i++) {
		unsigned times = 0;

		for (unsigned c = 0; c <= CONSUMERS; c++) {
			times += got[c][i];
			got[c][i] = 0;
		}
		assert(times <= 1);
		if (!sent[i])
			assert(times == 0);
		else
			assert(times == 1 || model_dies_at(2));
	}
}

static void
scenario(void)
{
	void *(*const run[])(void *) = {produce_0, produce_1, consume_0, consume_1};
	pthread_t thread[4];

	mpmc_redeliver = model_dies_at(3);
	mpmc_reset();
	for (unsigned i = 0; i < 2 + CONSUMERS; i++)
		if (i != 1 || PRODUCERS > 1)
			thread[i] = model_start(run[i]);
	for (unsigned i = 0; i < 2 + CONSUMERS; i++)
		if (i != 1 || PRODUCERS > 1)
			pthread_join(thread[i], NULL);
	drain();
	check();
}

int
main(void)
{
	return model_run(scenario, 3);
}
