/* SPDX-License-Identifier: MIT */
/* Bells (lib/bell.h), SIGKILL and SIGSTOP: of who opens, arms, rings; at every system call, or every few instructions. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bell.h"
#include "support/place.h"
#include "support/process.h"
#include "support/trace.h"

#define PARTICIPANTS 8
#define SOON_MS 20000					  /* a generous limit for what must come */
#define ARM_STEP_EVERY (STEP_EVERY > 10 ? STEP_EVERY : 1) /* it is short */
#define WAKE_STEP_EVERY (STEP_EVERY > 1 ? 2 * STEP_EVERY : 1)
#define OURS 0 /* the test's own entry, and the victim's */
#define VICTIMS 1

static struct world {
	struct format_sleep receivers;
	struct format_participant participants[PARTICIPANTS];
	uint64_t published;
} * world;

static struct shmqi_bell_queue queue;
static struct shmqi_bell_access access_of_owner;
static struct shmqi_wait_ops ops;

static void
begin(void)
{
	place_begin();
	world = process_share(sizeof(*world));
	queue = (struct shmqi_bell_queue){world->participants, PARTICIPANTS, {9, 8, 7}};
	access_of_owner = (struct shmqi_bell_access){geteuid(), getegid(), 0660};
	ops = shmqi_wait_real();
	(void)shmqi_os_barrier_register();
}

TestSuite(bell, .init = begin, .fini = place_end, .timeout = 240);

static bool
is_published(void *arg)
{
	(void)arg;
	return shmq_load_relaxed_u64(&world->published) != 0;
}

static bool
readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void
open_bell(struct shmqi_bell *bell, unsigned index)
{
	SAME(0, shmqi_bell_open(bell, &queue, index, &access_of_owner));
}

static void
arm_bell(struct shmqi_bell *bell)
{
	const struct shmqi_wait wait = {.words = &world->receivers, .ready = is_published};

	(void)shmqi_bell_arm(bell, &ops, &wait, BELL_RECEIVERS);
}

static void
publish(void)
{
	struct shmqi_ringer ringer;

	shmqi_ringer_init(&ringer, &queue);
	shmq_store_relaxed_u64(&world->published, 1);
	shmqi_bell_wake(&ringer, &world->receivers, BELL_RECEIVERS);
	shmqi_ringer_close(&ringer);
}

/* What is left in /dev/shm, made old enough for anybody's judgement. */
static unsigned
age_all(void)
{
	const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	unsigned found = 0;

	MUST(dir != NULL);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, ".shmq-bell-", 11) != 0)
			continue;
		SAME(0, utimensat(dirfd(dir), entry->d_name, old, AT_SYMLINK_NOFOLLOW));
		found++;
	}
	closedir(dir);
	return found;
}

/* The owner ----------------------------------------------------------------------------------- */

static void
open_once(void *arg)
{
	struct shmqi_bell bell;

	(void)arg;
	victim_begins();
	open_bell(&bell, VICTIMS);
	victim_ends();
}

/* Killed at the k-th stop of a system call while it opens: at most one name is left, and cleared. */
Test(bell, test_opener_killed_at_each_call_gc_clears)
{
	unsigned left = 0;
	bool reached = true;

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	for (unsigned long k = 1; reached; k++) {
		pid_t victim = victim_start(open_once, NULL);
		unsigned found;

		reached = victim_calls(victim, k);
		victim_kill(victim);
		found = age_all();
		MUST(found <= 1);
		left += found;
		SAME(found, shmqi_bell_gc(false, NULL, NULL));
		SAME(0, place_leftovers());
	}
	MUST(left > 10); /* it was killed while there was something */
}

/* A creator that is so slow that its name is taken for a dead one's begins again. */
Test(bell, test_opener_cleared_by_gc_at_each_call_opens_all_the_same)
{
	bool reached = true;

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	for (unsigned long k = 1; reached; k++) {
		pid_t victim = victim_start(open_once, NULL);
		uint64_t nonce;

		world->participants[VICTIMS].bell = 0;
		reached = victim_calls(victim, k);
		if (reached) {
			(void)age_all();
			(void)shmqi_bell_gc(false, NULL, NULL);
			while (victim_calls(victim, 1))
				;
		}
		nonce = world->participants[VICTIMS].bell;
		MUST(nonce != 0);
		SAME(0, shmqi_bell_gc(false, NULL, NULL)); /* it is alive */
		SAME(1, place_leftovers());
		MUST(shmqi_fifo_open(queue.uuid, nonce) >= 0);
		victim_kill(victim);
		shmqi_bell_clear(&world->participants[VICTIMS], queue.uuid);
		SAME(0, place_leftovers());
	}
}

static void
arm_once(void *arg)
{
	struct shmqi_bell bell;

	(void)arg;
	open_bell(&bell, VICTIMS);
	victim_begins();
	arm_bell(&bell);
	victim_ends();
}

/* Killed anywhere while it arms: the others are rung, now and later, and the sleepers woken. */
Test(bell, test_armer_killed_at_steps_others_rung)
{
	struct shmqi_bell bell;
	bool reached = true;

	open_bell(&bell, OURS);
	for (unsigned long k = 1; reached; k += STEP_EVERY) {
		pid_t victim = victim_start(arm_once, NULL);

		reached = victim_step(victim, k);
		victim_kill(victim);
		for (int round = 0; round < 3; round++) {
			world->published = 0;
			arm_bell(&bell);
			publish();
			MUST(readable(bell.fifo, 0));
			SAME(world->receivers.ticket, world->receivers.woken);
		}
		shmqi_bell_clear(&world->participants[VICTIMS], queue.uuid);
	}
	shmqi_bell_close(&bell);
}

/* Rung, and nobody is left asleep. */
static void
ring_through(struct shmqi_bell *bells, unsigned n)
{
	world->published = 0;
	for (unsigned i = 0; i < n; i++)
		arm_bell(&bells[i]);
	publish();
	for (unsigned i = 0; i < n; i++)
		MUST(readable(bells[i].fifo, 0));
	SAME(world->receivers.ticket, world->receivers.woken);
}

/* What came while it stood still, it knows of. */
static void
arm_and_be_rung(void *arg)
{
	struct shmqi_bell bell;

	(void)arg;
	open_bell(&bell, VICTIMS);
	victim_begins();
	arm_bell(&bell);
	victim_ends();
	MUST(readable(bell.fifo, 0));
	ring_through(&bell, 1);
	shmqi_bell_close(&bell);
}

/* Stopped anywhere while it arms: it is rung for what comes then, and so are the others, if there are any. */
static void
armer_stopped(struct shmqi_bell *others, unsigned n)
{
	bool reached = true;

	for (unsigned long k = 1; reached; k += ARM_STEP_EVERY) {
		pid_t victim;

		world->published = 0;
		victim = victim_start(arm_and_be_rung, NULL);
		reached = victim_step(victim, k);
		for (unsigned round = 0; round < 2 * n; round++)
			ring_through(others, n);
		if (n == 0)
			publish();
		if (reached)
			victim_goes_on(victim);
		victim_leaves(victim);
	}
}

Test(bell, test_armer_stopped_at_steps_alone_is_rung)
{
	armer_stopped(NULL, 0);
}

Test(bell, test_armer_stopped_at_steps_all_are_rung)
{
	struct shmqi_bell bell;

	open_bell(&bell, OURS);
	armer_stopped(&bell, 1);
	shmqi_bell_close(&bell);
}

/* Killed with its bell armed: it costs one byte, then nothing. */
Test(bell, test_armed_one_killed_costs_one_wake)
{
	pid_t victim = victim_start(arm_once, NULL);
	uint32_t events;

	while (victim_calls(victim, 1))
		;
	victim_kill(victim);
	SAME(1, world->receivers.ticket);
	publish();
	events = world->receivers.events;
	SAME(1, events);
	for (int i = 0; i < 10; i++)
		publish();
	SAME(events, world->receivers.events);
	if (place_is_private())
		SAME(1, shmqi_bell_gc(false, NULL, NULL));
}

/* The waker ------------------------------------------------------------------------------------ */

static void
publish_once(void *arg)
{
	(void)arg;
	victim_begins();
	publish();
	victim_ends();
}

/*
 * Killed anywhere between its publication and the end of its wake: what it published is there, so the descriptor becomes readable: by its
 * ring, or when the slice ends; and who publishes next rings, unless the dead one had.
 */
static void
publisher_killed(bool (*go)(pid_t pid, unsigned long count), unsigned long every, bool next)
{
	struct shmqi_bell bells[2];
	bool reached = true;

	for (unsigned i = 0; i < 2; i++)
		open_bell(&bells[i], i);
	for (unsigned long k = 1; reached; k += every) {
		pid_t victim = victim_start(publish_once, NULL);

		world->published = 0;
		for (unsigned i = 0; i < 2; i++)
			arm_bell(&bells[i]);
		reached = go(victim, k);
		victim_kill(victim);
		if (next)
			publish();
		for (unsigned i = 0; i < 2; i++) {
			MUST(readable(next ? bells[i].fifo : bells[i].fd, next ? 0 : SOON_MS));
			arm_bell(&bells[i]);
			SAME(is_published(NULL), readable(bells[i].fifo, 0));
		}
	}
	for (unsigned i = 0; i < 2; i++)
		shmqi_bell_close(&bells[i]);
}

Test(bell, test_publisher_killed_at_each_call_readable_by_slice)
{
	publisher_killed(victim_calls, 1, false);
}

Test(bell, test_publisher_killed_at_each_call_next_one_rings)
{
	publisher_killed(victim_calls, 1, true);
}

Test(bell, test_publisher_killed_at_steps_next_one_rings)
{
	publisher_killed(victim_step, STEP_EVERY, true);
}

/*
 * Stopped anywhere in there: who publishes meanwhile rings, and the tickets that are drawn then are none that the stopped one, when it goes
 * on, says it has woken.
 */
Test(bell, test_publisher_stopped_at_steps_nobody_misses)
{
	struct shmqi_bell bells[2];
	bool reached = true;

	for (unsigned i = 0; i < 2; i++)
		open_bell(&bells[i], i);
	for (unsigned long k = 1; reached; k += WAKE_STEP_EVERY) {
		pid_t victim = victim_start(publish_once, NULL);

		world->published = 0;
		for (unsigned i = 0; i < 2; i++)
			arm_bell(&bells[i]);
		reached = victim_step(victim, k);
		ring_through(bells, 2);
		world->published = 0;
		for (unsigned i = 0; i < 2; i++)
			arm_bell(&bells[i]);
		if (reached)
			victim_goes_on(victim);
		if (!is_published(NULL))
			publish();
		for (unsigned i = 0; i < 2; i++)
			MUST(readable(bells[i].fifo, 0));
		ring_through(bells, 2);
		victim_leaves(victim);
	}
	for (unsigned i = 0; i < 2; i++)
		shmqi_bell_close(&bells[i]);
}

/* Who forks ---------------------------------------------------------------------------------- */

struct family {
	pid_t test, owner;
	struct place place;
	int ready; /* gate */
	int *child;
};

static void
have_bell_and_child(void *arg)
{
	struct family *f = arg;
	struct shmq *q = NULL;
	char byte;

	SAME(0, shmq_attach(&q, f->place.attach, SHMQ_CONSUMER));
	MUST(shmq_fd(q) >= 0);
	SAME(-EAGAIN, shmq_recv(q, &byte, 1, 0));
	f->owner = getpid();
	if (fork() == 0) {
		*f->child = getpid();
		gate_open(f->ready);
	}
	/* The child: until the test is gone, too. */
	while (getpid() == f->owner || getppid() == f->owner || getppid() == f->test)
		usleep(20000);
}

/* A child of fork() keeps nothing of its parent's queues: neither its place nor its bell's lock. */
Test(bell, test_owner_killed_child_lives_gc_clears)
{
	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	SAME(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct family f = {getpid(), 0, place_queue(on, 0, NULL), gate_new(),
				   process_share(sizeof(int))};
		pid_t owner = process_start(have_bell_and_child, &f);

		gate_pass(f.ready);
		process_kill(owner);
		SAME(0, place_stat(&f.place).nattch);
		place_remove(&f.place);
		SAME(1, shmq_gc(0, NULL, NULL));
		place_expect_nothing();
		process_kill(*f.child);
	}
}
