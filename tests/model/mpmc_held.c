/* SPDX-License-Identifier: MIT */
/*
 * A consumer holds a message, and lets go of it while a producer passes over its slot, a lap later: the slot is written again only after the holder has
 * read it, its turn is never lost, and nothing else is.
 */
#define MODEL_TAKES 1
#include "mpmc.h"

#define HOLDER 1
#define RECEIVER 2

static unsigned sent, got;

static void *
let_go(void *arg)
{
	assert(mpmc_release_taken(HOLDER) == 1);
	return arg;
}

static void
receive(void)
{
	uint64_t value = mpmc_receive_once(RECEIVER, false);

	assert(value == 0 || value == 2 + got);
	got += value != 0;
}

static void
send_and_receive(void)
{
	sent += mpmc_send(0, 2 + sent, false);
	receive();
	assert(got == sent);
}

/* Once around: the slot that is held is passed over, or, when it is free again, used. */
static void *
go_round(void *arg)
{
	for (unsigned i = 0; i < CAPACITY + 1; i++)
		send_and_receive();
	assert(CAPACITY == 1 || sent == CAPACITY + 1);
	return arg;
}

static void
scenario(void)
{
	pthread_t holder, others;
	unsigned sent_before;

	mpmc_reset();
	sent = 0;
	got = 0;
	for (unsigned i = 0; i < 3; i++)
		mpmc_attach(i);
	assert(mpmc_send(0, 1, false));
	assert(mpmc_take(HOLDER));
	holder = model_start(let_go);
	others = model_start(go_round);
	pthread_join(holder, NULL);
	pthread_join(others, NULL);
	sent_before = sent;
	for (unsigned i = 0; i < 2 * CAPACITY; i++)
		send_and_receive();
	assert(sent == sent_before + 2 * CAPACITY);
}

int
main(void)
{
	return model_run(scenario, 0);
}
