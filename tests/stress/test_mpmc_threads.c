/* SPDX-License-Identifier: MIT */
/*
 * The MPMC ring itself under threads, for ThreadSanitizer above all: four producers, four consumers, some of which hold messages. Each message is
 * received exactly once, whole, and in the order of its producer at each consumer.
 */
#include "ring_mpmc_look.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "support/process.h"

#define PRODUCERS 4
#define CONSUMERS 4
#define MESSAGES (5000 * SCALE) /* of each producer */
#define CAPACITY_MAX 64
#define SLOT_WORDS 4

struct message {
	uint32_t from, number;
	uint64_t check;
};

struct peer {
	pthread_t thread;
	struct shmqi_mpmc ring;
	unsigned index;
	uint32_t next[PRODUCERS]; /* the least number that may come */
	uint64_t seed;
};

static uint64_t slots[CAPACITY_MAX * SLOT_WORDS];
static struct hints {
	uint64_t tail[16], head[16], orphans[16];
} hints;
static uint32_t seen[PRODUCERS][MESSAGES];
static uint64_t received;

TestSuite(mpmc_threads, .init = process_begin);

static void
attach(struct peer *peer, uint64_t capacity, unsigned index)
{
	*peer = (struct peer){.index = index, .seed = index + 1};
	peer->ring = (struct shmqi_mpmc){
		.slots = (unsigned char *)slots,
		.capacity = capacity,
		.slot_bytes = sizeof(uint64_t) * SLOT_WORDS,
		.msg_max = sizeof(struct message),
		.shared_tail = hints.tail,
		.shared_head = hints.head,
		.orphan_events = hints.orphans,
		.owner = index + 1,
	};
	shmqi_mpmc_open(&peer->ring);
}

static uint64_t
check_of(uint32_t from, uint32_t number)
{
	uint64_t seed = (uint64_t)from << 32 | number;

	return random_next(&seed);
}

static void *
produce(void *arg)
{
	struct peer *peer = arg;

	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct message message = {peer->index, i, check_of(peer->index, i)};
		struct shmqi_mpmc_place place = {0};
		int err;

		while ((err = shmqi_mpmc_claim(&peer->ring, &place)) == -EAGAIN)
			sched_yield();
		SAME(0, err);
		if (random_below(&peer->seed, 50) == 0) { /* think again */
			shmqi_mpmc_abort(&peer->ring, &place);
			i--;
			continue;
		}
		shmqi_copy_in(shmqi_mpmc_bytes(place.slot), &message, sizeof(message));
		shmqi_mpmc_commit(&peer->ring, &place, sizeof(message));
	}
	return NULL;
}

/* A message that was taken just now. */
static void
account(struct peer *peer, const struct message *m)
{
	MUST(m->from < PRODUCERS && m->number < MESSAGES);
	MUST(m->check == check_of(m->from, m->number));
	MUST(m->number >= peer->next[m->from]);
	peer->next[m->from] = m->number + 1;
	SAME(0, shmq_add_release_u32(&seen[m->from][m->number], 1));
	shmq_add_release_u64(&received, 1);
}

/* Take a message, and let others pass by before it is released. */
static int64_t
take_and_hold(struct peer *peer)
{
	struct shmqi_mpmc_place place = {0};
	struct message message;
	int64_t len = shmqi_mpmc_take(&peer->ring, &place);

	if (len < 0)
		return len;
	SAME(sizeof(message), len);
	shmqi_copy_out(&message, shmqi_mpmc_bytes(place.slot), sizeof(message));
	account(peer, &message);
	for (uint64_t i = random_below(&peer->seed, 3); i; i--)
		sched_yield();
	shmqi_copy_out(&message, shmqi_mpmc_bytes(place.slot), sizeof(message));
	MUST(message.check == check_of(message.from, message.number));
	shmqi_mpmc_release(&peer->ring, &place);
	return len;
}

static int64_t
receive(struct peer *peer)
{
	struct shmqi_mpmc_place place = {0};
	struct message message;
	int64_t len = shmqi_mpmc_recv(&peer->ring, &message, sizeof(message), &place);

	if (len < 0)
		return len;
	SAME(sizeof(message), len);
	SAME(message.from, place.sender);
	account(peer, &message);
	return len;
}

static void *
consume(void *arg)
{
	struct peer *peer = arg;

	while (shmq_load_relaxed_u64(&received) < PRODUCERS * MESSAGES) {
		bool hold = random_below(&peer->seed, 8) == 0;
		int64_t len = hold ? take_and_hold(peer) : receive(peer);

		if (len == -EAGAIN)
			sched_yield();
		else
			SAME(sizeof(struct message), len);
	}
	return NULL;
}

static void
run(uint64_t capacity)
{
	static struct peer peers[PRODUCERS + CONSUMERS];
	unsigned char buf[sizeof(struct message)];
	struct shmqi_mpmc_place place = {0};

	memset(&hints, 0, sizeof(hints));
	memset(seen, 0, sizeof(seen));
	received = 0;
	for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
		attach(&peers[i], capacity, i);
	shmqi_mpmc_format(&peers[0].ring);
	for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
		SAME(0, pthread_create(&peers[i].thread, NULL, i < PRODUCERS ? produce : consume,
				       &peers[i]));
	for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
		SAME(0, pthread_join(peers[i].thread, NULL));
	for (unsigned p = 0; p < PRODUCERS; p++)
		for (unsigned i = 0; i < MESSAGES; i++)
			SAME(1, seen[p][i]);
	SAME(-EAGAIN, shmqi_mpmc_recv(&peers[0].ring, buf, sizeof(buf), &place));
}

Test(mpmc_threads, test_mpmc_threads_exactly_once_in_order)
{
	static const uint64_t capacities[] = {1, 2, 3, 8, 64};

	for (unsigned i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++)
		run(capacities[i]);
}
