/* SPDX-License-Identifier: MIT */
/*
 * A consumer died with a message in its hands. One that recovers it makes an orphan, while another receives: whoever has seen the events has seen the
 * orphan, which is received once (ORPHANS).
 */
#include "mpmc.h"

#define SENDER 0
#define DEAD 1
#define RECOVERER 2
#define RECEIVER 3
#define MESSAGE 7

static unsigned got;

static void *
recover(void *arg)
{
	(void)shmqi_mpmc_recover(&mpmc_ring[RECOVERER], START, DEAD);
	return arg;
}

static void
receive(void)
{
	uint64_t value = mpmc_receive_once(RECEIVER, false);

	assert(value == 0 || value == MESSAGE);
	got += value != 0;
}

static void *
consume(void *arg)
{
	receive();
	return arg;
}

static void
scenario(void)
{
	pthread_t recoverer, receiver;

	mpmc_redeliver = true;
	mpmc_reset();
	got = 0;
	for (unsigned i = 0; i < PEERS; i++)
		mpmc_attach(i);
	receive(); /* nothing: the search that comes with attaching is over */
	assert(mpmc_send(SENDER, MESSAGE, false));
	assert(mpmc_take(DEAD));
	recoverer = model_start(recover);
	receiver = model_start(consume);
	pthread_join(recoverer, NULL);
	pthread_join(receiver, NULL);
	receive();
	assert(got == 1);
	receive();
	assert(got == 1);
}

int
main(void)
{
	return model_run(scenario, 0);
}
