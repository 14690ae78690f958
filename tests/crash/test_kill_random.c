/* SPDX-License-Identifier: MIT */
/*
 * Producers and consumers killed at random moments, each followed at once by the next; what goes
 * through stays gapless and whole.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <shmq/atomic.h>

#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

#define MSG_MAX 200
#define BATCH 5

TestSuite(kill_random, .init = place_begin, .fini = place_end, .timeout = 600);

static const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = MSG_MAX, .capacity = 7};

struct scene {
	struct place place;
	uint64_t seed;
	uint64_t *consumed; /* shared: the first that no consumer has finished with, as they know */
};

/* The producer ------------------------------------------------------------------------------- */

static uint64_t
send_some(struct shmq *q, uint64_t sequence, uint64_t *seed)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH], slot;
	ssize_t sent = 1;
	int err;

	for (unsigned i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){bytes[i], message_length(sequence + i, MSG_MAX)};
		message_fill(bytes[i], sequence + i, v[i].iov_len);
	}
	switch (random_below(seed, 3)) {
	case 0:
		SAME(0, shmq_send(q, bytes[0], v[0].iov_len, SHMQ_FOREVER));
		break;
	case 1:
		sent = shmq_send_batch(q, v, 1 + random_below(seed, BATCH), SHMQ_FOREVER);
		break;
	default:
		err = shmq_reserve(q, &slot, MSG_MAX, SHMQ_FOREVER);
		SAME(0, err);
		memcpy(slot.iov_base, bytes[0], v[0].iov_len);
		slot.iov_len = v[0].iov_len;
		SAME(0, shmq_commit(q, &slot));
	}
	MUST(sent > 0);
	return (uint64_t)sent;
}

static void
produce(void *arg)
{
	struct scene *scene = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_qstat(q, &st));
	for (uint64_t sequence = st.sent;;)
		sequence += send_some(q, sequence, &scene->seed);
}

/* The consumer ------------------------------------------------------------------------------- */

static uint64_t
receive_some(struct shmq *q, uint64_t sequence, uint64_t *seed)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH], message;
	ssize_t got = 1;

	for (unsigned i = 0; i < BATCH; i++)
		v[i] = (struct iovec){bytes[i], MSG_MAX};
	if (random_below(seed, 2)) {
		got = shmq_recv_batch(q, v, 1 + random_below(seed, BATCH), SHMQ_FOREVER);
		MUST(got > 0);
		for (unsigned i = 0; i < (unsigned)got; i++)
			message_check(bytes[i], v[i].iov_len, sequence + i, MSG_MAX);
	} else {
		SAME(0, shmq_peek(q, &message, SHMQ_FOREVER));
		message_check(message.iov_base, message.iov_len, sequence, MSG_MAX);
		SAME(0, shmq_release(q, &message));
	}
	return (uint64_t)got;
}

/*
 * What comes first is what the queue says has not been received; and that is what the last one
 * knew, or had received unknowingly.
 */
static void
consume(void *arg)
{
	struct scene *scene = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *q = NULL;
	/* Relaxed: read and written by one consumer after the other. */
	uint64_t known = shmq_load_relaxed_u64(scene->consumed);

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER));
	SAME(0, shmq_qstat(q, &st));
	MUST(st.received - known <= BATCH);
	for (uint64_t sequence = st.received;;) {
		shmq_store_relaxed_u64(scene->consumed, sequence);
		sequence += receive_some(q, sequence, &scene->seed);
	}
}

/* The killer --------------------------------------------------------------------------------- */

static uint64_t
received(const struct scene *scene)
{
	return place_stat(&scene->place).received;
}

static void
wait_for_progress(const struct scene *scene, uint64_t from)
{
	while (received(scene) <= from)
		sched_yield();
}

static void
linger(uint64_t *seed)
{
	for (uint64_t turns = random_below(seed, 1 + random_below(seed, 60000)); turns > 0; turns--)
		shmq_pause();
}

/* Replace one of two processes KILLS times at random moments; which one, by chance. */
static void
kill_often(enum place_backend on, unsigned kills)
{
	struct scene scene = {.place = place_queue(on, 0, &opts), .seed = on + 1};
	void (*const bodies[2])(void *arg) = {produce, consume};
	uint64_t seed = 42, moved;
	pid_t pids[2];

	scene.consumed = process_share(sizeof(*scene.consumed));
	for (int i = 0; i < 2; i++)
		pids[i] = process_start(bodies[i], &scene);
	for (unsigned n = 0; n < kills; n++) {
		int who = (int)random_below(&seed, 2);

		linger(&seed);
		process_kill(pids[who]);
		scene.seed = random_next(&seed);
		pids[who] = process_start(bodies[who], &scene);
		if (n % 100 == 0)
			wait_for_progress(&scene, received(&scene));
	}
	moved = received(&scene);
	wait_for_progress(&scene, moved + 1000);
	for (int i = 0; i < 2; i++)
		process_kill(pids[i]);
	SAME(0, place_stat(&scene.place).nattch);
	SAME(0, place_stat(&scene.place).producers + place_stat(&scene.place).consumers);
	place_remove(&scene.place);
}

Test(kill_random, test_killed_at_random_shm_stays_gapless)
{
	kill_often(ON_SHM, KILLS);
}

Test(kill_random, test_killed_at_random_sysv_stays_gapless)
{
	kill_often(ON_SYSV, KILLS);
}

Test(kill_random, test_killed_at_random_file_stays_gapless)
{
	kill_often(ON_FILE, KILLS);
}

Test(kill_random, test_killed_at_random_memfd_stays_gapless)
{
	kill_often(ON_MEMFD, KILLS);
}
