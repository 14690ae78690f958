/* SPDX-License-Identifier: MIT */
/* Deaths around a sleep: of the sleeper, of the one who should wake it, of the one it waits for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/message.h"
#include "support/place.h"
#include "support/process.h"
#include "support/trace.h"

#define MSG_MAX 64
#define CAPACITY 8

TestSuite(asleep, .init = place_begin, .fini = place_end, .timeout = 120);

struct scene {
	struct place place;
	int told;	/* a gate: the child has received (sent) one more */
	uint64_t first; /* what a consumer expects first */
	uint64_t count; /* how many it receives before it ends */
	unsigned flags;
};

static struct scene
scene_on(enum place_backend on)
{
	return (struct scene){.place = place_queue(on, 0, NULL), .told = gate_new()};
}

static void
scene_end(struct scene *scene)
{
	SAME(0, place_stat(&scene->place).nattch);
	place_remove(&scene->place);
	close(scene->told);
}

static struct shmq *
attached(const struct scene *scene, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, role));
	return q;
}

static void
send_one(struct shmq *q, uint64_t sequence, int64_t timeout_ns)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	SAME(0, shmq_send(q, bytes, length, timeout_ns));
}

static void
receive_one(struct shmq *q, uint64_t sequence, int64_t timeout_ns)
{
	unsigned char bytes[MSG_MAX];
	ssize_t length = shmq_recv(q, bytes, sizeof(bytes), timeout_ns);

	SAME(0, length < 0 ? length : 0);
	message_check(bytes, (size_t)length, sequence, MSG_MAX);
}

/* Receive `count` messages from `first` on, and tell of each; then, with HANGUP, the end. */
static void
consume(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(scene, SHMQ_CONSUMER | scene->flags);
	char byte;

	for (uint64_t i = 0; i < scene->count; i++) {
		receive_one(q, scene->first + i, SHMQ_FOREVER);
		gate_open(scene->told);
	}
	if (scene->flags & SHMQ_HANGUP)
		SAME(-EPIPE, shmq_recv(q, &byte, 1, SHMQ_FOREVER));
	SAME(0, shmq_detach(q));
}

/* The sleeper -------------------------------------------------------------------------------- */

Test(asleep, test_consumer_killed_asleep_next_is_woken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		struct shmq *q = attached(&scene, SHMQ_PRODUCER);
		pid_t consumer;

		scene.count = 1000;
		consumer = process_start(consume, &scene);
		process_await_call(consumer, SYS_futex);
		process_kill(consumer);
		send_one(q, 0, 0);
		send_one(q, 1, 0);
		scene.count = 4;
		consumer = process_start(consume, &scene);
		gate_pass(scene.told);
		gate_pass(scene.told);
		for (uint64_t sequence = 2; sequence < 4; sequence++) {
			process_await_call(consumer, SYS_futex);
			send_one(q, sequence, 0);
			gate_pass(scene.told);
		}
		process_join(consumer);
		SAME(0, shmq_detach(q));
		scene_end(&scene);
	}
}

/* Send from where the queue is, until killed. */
static void
produce(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(scene, SHMQ_PRODUCER);
	uint64_t sequence = place_stat(&scene->place).sent;

	for (;; sequence++)
		send_one(q, sequence, SHMQ_FOREVER);
}

Test(asleep, test_producer_killed_asleep_next_is_woken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		struct shmq *q = attached(&scene, SHMQ_CONSUMER);
		pid_t producer = process_start(produce, &scene);

		process_await_call(producer, SYS_futex);
		SAME(CAPACITY, place_stat(&scene.place).depth);
		process_kill(producer);
		receive_one(q, 0, 0);
		producer = process_start(produce, &scene);
		for (uint64_t sequence = 1; sequence < 100; sequence++) {
			process_await_call(producer, SYS_futex);
			receive_one(q, sequence, SHMQ_FOREVER);
		}
		process_kill(producer);
		SAME(0, shmq_detach(q));
		scene_end(&scene);
	}
}

/* The waker ---------------------------------------------------------------------------------- */

/* Send one message at a time, each when the tracer says so. */
static void
send_when_told(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(scene, SHMQ_PRODUCER);
	uint64_t sequence = place_stat(&scene->place).sent;

	for (;; sequence++) {
		victim_begins();
		send_one(q, sequence, 0);
	}
}

/*
 * Kill the producer at the entry of the futex call that would wake the consumer; how many messages
 * it has sent.
 */
static uint64_t
kill_before_wake(const struct scene *scene, pid_t consumer)
{
	pid_t victim = victim_start(send_when_told, (void *)(uintptr_t)scene);
	uint64_t sent = 0;
	bool found;

	do {
		process_await_call(consumer, SYS_futex);
		found = victim_reaches(victim, SYS_futex);
		sent++;
		if (!found) /* it was awake just then, between two slices */
			gate_pass(scene->told);
	} while (!found);
	victim_kill(victim);
	return sent;
}

static void
publisher_killed(enum place_backend on)
{
	struct scene scene = scene_on(on);
	struct shmq *q;
	uint64_t sent = 0;
	pid_t consumer;

	scene.count = UINT64_MAX;
	consumer = process_start(consume, &scene);
	for (int i = 0; i < 5; i++) {
		sent += kill_before_wake(&scene, consumer);
		gate_pass(scene.told); /* it has come all the same */
		SAME(sent, place_stat(&scene.place).sent);
	}
	q = attached(&scene, SHMQ_PRODUCER);
	process_await_call(consumer, SYS_futex);
	send_one(q, sent, 0);
	gate_pass(scene.told);
	process_kill(consumer);
	SAME(0, shmq_detach(q));
	scene_end(&scene);
}

Test(asleep, test_publisher_killed_before_wake_message_arrives)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++)
		publisher_killed(on);
}

/* The one waited for ------------------------------------------------------------------------- */

/* Send `count` messages, tell, and stay. */
static void
produce_and_stay(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(scene, SHMQ_PRODUCER);
	struct iovec slot;

	for (uint64_t sequence = 0; sequence < scene->count; sequence++)
		send_one(q, sequence, SHMQ_FOREVER);
	SAME(0, shmq_reserve(q, &slot, MSG_MAX, SHMQ_FOREVER));
	gate_open(scene->told);
	pause();
}

static void
producer_killed(enum place_backend on, uint64_t count)
{
	struct scene scene = scene_on(on);
	pid_t producer, consumer;

	scene.count = count;
	scene.flags = SHMQ_HANGUP;
	producer = process_start(produce_and_stay, &scene);
	consumer = process_start(consume, &scene);
	for (uint64_t i = 0; i < count + 1; i++)
		gate_pass(scene.told);
	process_await_call(consumer, SYS_futex);
	process_kill(producer);
	process_join(consumer);
	SAME(count, place_stat(&scene.place).received);
	scene_end(&scene);
}

Test(asleep, test_hangup_producer_killed_while_consumer_sleeps_epipe)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		producer_killed(on, 0);
		producer_killed(on, 20);
	}
}

/* The producer is dead before anybody comes: the rest is received, then the end. */
Test(asleep, test_hangup_producer_killed_before_rest_then_epipe)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t producer;

		scene.count = CAPACITY - 1;
		scene.flags = SHMQ_HANGUP;
		producer = process_start(produce_and_stay, &scene);
		gate_pass(scene.told);
		process_kill(producer);
		process_join(process_start(consume, &scene));
		SAME(0, place_stat(&scene.place).depth);
		scene_end(&scene);
	}
}

static void
fill_until_hangup(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(scene, SHMQ_PRODUCER | SHMQ_HANGUP);

	for (uint64_t sequence = 0; sequence < CAPACITY; sequence++)
		send_one(q, sequence, 0);
	gate_open(scene->told);
	SAME(-EPIPE, shmq_send(q, "", 0, SHMQ_FOREVER));
	SAME(0, shmq_detach(q));
}

static void
attach_and_stay(void *arg)
{
	struct scene *scene = arg;

	attached(scene, SHMQ_CONSUMER);
	gate_open(scene->told);
	pause();
}

Test(asleep, test_hangup_consumer_killed_while_producer_sleeps_epipe)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t consumer = process_start(attach_and_stay, &scene), producer;

		gate_pass(scene.told);
		producer = process_start(fill_until_hangup, &scene);
		gate_pass(scene.told);
		process_await_call(producer, SYS_futex);
		process_kill(consumer);
		process_join(producer);
		SAME(CAPACITY, place_stat(&scene.place).depth);
		scene_end(&scene);
	}
}
