/* SPDX-License-Identifier: MIT */
/*
 * 32 attached processes: the count is exact while they come, work and are killed. And two that play
 * ping-pong asleep.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stress/transfer.h"
#include "support/place.h"
#include "support/process.h"

#define CROWD 32
#define MSG_MAX 100

TestSuite(crowd, .init = place_begin, .fini = place_end, .timeout = 600);

static const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = MSG_MAX, .capacity = 64};

struct scene {
	struct place place, back; /* back: the way of the pongs */
	int arrived, go, done;	  /* gates */
	pid_t *pids;		  /* shared: of the two players */
};

/* The members -------------------------------------------------------------------------------- */

static struct transfer
transfer_of(const struct scene *scene)
{
	return (struct transfer){.address = scene->place.attach,
				 .msg_max = MSG_MAX,
				 .count = 5000 * SCALE,
				 .blocking = true};
}

/* Hold a role as an idle member, then give it back and work. */
static void
hold_and_work(struct scene *scene, unsigned role, void (*work)(const struct transfer *transfer))
{
	struct transfer transfer = transfer_of(scene);
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, role));
	gate_open(scene->arrived);
	gate_pass(scene->go);
	SAME(0, shmq_detach(q));
	work(&transfer);
	SAME(0, shmq_attach(&q, scene->place.attach, role));
	gate_open(scene->done);
	pause();
}

static void
be_producer(void *arg)
{
	hold_and_work(arg, SHMQ_PRODUCER, transfer_produce);
}

static void
be_consumer(void *arg)
{
	hold_and_work(arg, SHMQ_CONSUMER, transfer_consume);
}

static void
be_observer(void *arg)
{
	struct scene *scene = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *q = NULL;
	uint64_t before = 0;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_OBSERVER));
	SAME(-EINVAL, shmq_send(q, "", 0, 0));
	SAME(-ENOTSUP, shmq_peek(q, &(struct iovec){0}, 0));
	gate_open(scene->arrived);
	gate_pass(scene->go);
	for (int i = 0; i < 50; i++) {
		SAME(0, shmq_qstat(q, &st));
		MUST(st.received >= before && st.sent >= st.received && st.depth <= st.capacity);
		before = st.received;
	}
	gate_open(scene->done);
	pause();
}

/* Raw memory of the queue, for reading. */
static void
be_attached(void *arg)
{
	struct scene *scene = arg;
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach_at(&seg, scene->place.attach, NULL, 010000)); /* SHM_RDONLY */
	MUST(*(const volatile uint64_t *)shmq_seg_base(seg) != 0);
	gate_open(scene->arrived);
	gate_pass(scene->go);
	gate_open(scene->done);
	pause();
}

/* The crowd ---------------------------------------------------------------------------------- */

static void
check_count(const struct scene *scene, int64_t nattch, unsigned producers, unsigned consumers)
{
	struct shmq_stat st = place_stat(&scene->place);

	SAME(nattch, st.nattch);
	SAME(producers, st.producers);
	SAME(consumers, st.consumers);
}

static void
come(struct scene *scene, pid_t pids[CROWD])
{
	for (int i = 0; i < CROWD; i++) {
		void (*body)(void *arg) = i == 0   ? be_producer
					  : i == 1 ? be_consumer
					  : i % 2  ? be_observer
						   : be_attached;

		pids[i] = process_start(body, scene);
		gate_pass(scene->arrived);
		check_count(scene, i + 1, 1, i > 0);
	}
}

/* Kill them in an order of chance: after each, the count is one less. */
static void
thin_out(const struct scene *scene, pid_t pids[CROWD])
{
	uint64_t seed = 7;
	pid_t producer = pids[0], consumer = pids[1];

	for (int left = CROWD; left > 0; left--) {
		int who = (int)random_below(&seed, (uint64_t)left);

		process_kill(pids[who]);
		producer = pids[who] == producer ? 0 : producer;
		consumer = pids[who] == consumer ? 0 : consumer;
		pids[who] = pids[left - 1];
		check_count(scene, left - 1, producer != 0, consumer != 0);
	}
}

static void
gather(enum place_backend on)
{
	struct scene scene = {.place = place_queue(on, 0, &opts),
			      .arrived = gate_new(),
			      .go = gate_new(),
			      .done = gate_new()};
	pid_t pids[CROWD];

	come(&scene, pids);
	for (int i = 0; i < CROWD; i++)
		gate_open(scene.go);
	for (int i = 0; i < CROWD; i++)
		gate_pass(scene.done);
	check_count(&scene, CROWD, 1, 1);
	SAME(transfer_of(&scene).count, place_stat(&scene.place).received);
	thin_out(&scene, pids);
	place_remove(&scene.place);
}

Test(crowd, test_crowd_of_32_shm_counted_exactly)
{
	gather(ON_SHM);
}

Test(crowd, test_crowd_of_32_sysv_counted_exactly)
{
	gather(ON_SYSV);
}

Test(crowd, test_crowd_of_32_file_counted_exactly)
{
	gather(ON_FILE);
}

Test(crowd, test_crowd_of_32_memfd_counted_exactly)
{
	gather(ON_MEMFD);
}

/* Participant entries run out at the number that was asked for, and death frees them. */
static void
be_participant(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER));
	gate_open(scene->arrived);
	pause();
}

Test(crowd, test_participants_full_enospc_until_one_dies)
{
	struct shmq_opts one = {
		.size = sizeof(one), .msg_max = 8, .capacity = 8, .participants = 1};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = {.place = place_queue(on, 0, &one), .arrived = gate_new()};
		pid_t pid = process_start(be_participant, &scene);
		struct shmq *q = NULL;

		gate_pass(scene.arrived);
		SAME(-ENOSPC, shmq_attach(&q, scene.place.attach, SHMQ_PRODUCER));
		check_count(&scene, 1, 0, 1);
		process_kill(pid);
		SAME(0, shmq_attach(&q, scene.place.attach, SHMQ_PRODUCER));
		SAME(0, shmq_detach(q));
		place_remove(&scene.place);
	}
}

/* Ping-pong ---------------------------------------------------------------------------------- */

#define ROUNDS ((uint64_t)2000 * SCALE)
#define ROUNDS_ASLEEP ((uint64_t)200)

/* A player hits the ball back; now and then only once the other one is asleep. */
static void
play(struct scene *scene, unsigned me)
{
	const struct place *in = me ? &scene->place : &scene->back,
			   *out = me ? &scene->back : &scene->place;
	struct shmq *from = NULL, *to = NULL;
	uint64_t ball;

	SAME(0, shmq_attach(&from, in->attach, SHMQ_CONSUMER));
	SAME(0, shmq_attach(&to, out->attach, SHMQ_PRODUCER));
	for (uint64_t round = 0; round < ROUNDS; round++) {
		if (me) {
			SAME(8, shmq_recv(from, &ball, 8, SHMQ_FOREVER));
			SAME(round, ball);
		}
		if (round < ROUNDS_ASLEEP)
			process_await_call(scene->pids[!me], SYS_futex);
		SAME(0, shmq_send(to, &round, 8, SHMQ_FOREVER));
		if (!me) {
			SAME(8, shmq_recv(from, &ball, 8, SHMQ_FOREVER));
			SAME(round, ball);
		}
	}
	SAME(0, shmq_detach(from));
	SAME(0, shmq_detach(to));
}

static void
play_first(void *arg)
{
	struct scene *scene = arg;

	gate_pass(scene->go);
	play(scene, 0);
}

static void
play_second(void *arg)
{
	struct scene *scene = arg;

	gate_pass(scene->go);
	play(scene, 1);
}

Test(crowd, test_ping_pong_both_asleep_no_wake_is_lost)
{
	struct shmq_opts court = {.size = sizeof(court), .msg_max = 8, .capacity = 1};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = {.place = place_queue(on, 0, &court),
				      .back = place_queue(on, 1, &court),
				      .go = gate_new()};

		scene.pids = process_share(2 * sizeof(pid_t));
		scene.pids[0] = process_start(play_first, &scene);
		scene.pids[1] = process_start(play_second, &scene);
		gate_open(scene.go);
		gate_open(scene.go);
		process_join(scene.pids[0]);
		process_join(scene.pids[1]);
		SAME(ROUNDS, place_stat(&scene.place).received);
		SAME(ROUNDS, place_stat(&scene.back).received);
		place_remove(&scene.place);
		place_remove(&scene.back);
	}
}

static void
come_at_once(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = NULL;

	gate_pass(scene->go);
	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER));
}

/* Two who look at the same entries in step hinder each other; that is not a full queue. */
Test(crowd, test_two_come_at_once_to_two_entries_both_get_one)
{
	struct shmq_opts two = {.size = sizeof(two),
				.kind = SHMQ_MPMC,
				.msg_max = 8,
				.capacity = 4,
				.participants = 2};

	for (int i = 0; i < 1000; i++) {
		struct scene scene = {.place = place_queue(ON_SHM, 0, &two), .go = gate_new()};
		pid_t first = process_start(come_at_once, &scene),
		      second = process_start(come_at_once, &scene);

		gate_open(scene.go);
		gate_open(scene.go);
		process_join(first);
		process_join(second);
		place_remove(&scene.place);
	}
}
