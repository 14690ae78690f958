/* SPDX-License-Identifier: MIT */
/*
 * Somebody who polls a descriptor, with the library's own lib/bell.c; FIFO, timer and names are the model's. Two publishers raise a word each
 * and wake; the listener arms until both are up, and stops for good when its descriptor is not readable. In the end it has been rung, or
 * has nothing to be rung for (B1, B2). With SLEEPER there is a sleeper in the futex, too, who must not miss its call because
 * bells were rung.
 *
 * KILL: the first publisher dies before it wakes; the second one comes after that, and rings for both.
 */
#include "model.h"

#include "os.h"

/* Nobody closes descriptors here. Not a function: GenMC refuses a struct that is returned, for
 * accesses of mixed sizes. */
#define shmqi_os_inode(fd) ((struct shmqi_inode){0, (ino_t)(fd)})

#include "bell.c"

#include "sleep.h"

#define DIES_BEFORE_WAKE 1
#define PUBLISHERS 2
#define FIFO 5

/* The sleeper takes the second publisher's place. */
#define UP_TO (SLEEPER ? 1 : PUBLISHERS)

static uint64_t published[PUBLISHERS];
static uint64_t fifo_bytes;
static bool listener_stopped;
static struct format_participant participant;
static pthread_t first;

static bool
all_up(void *arg)
{
	(void)arg;
	/* Relaxed: what is seen is carried by SLEEP and WAKE alone. */
	for (unsigned who = 0; who < UP_TO; who++)
		if (shmq_load_relaxed_u64(&published[who]) == 0)
			return false;
	return true;
}

static int
never_hopeless(void *arg)
{
	(void)arg;
	return 0;
}

static void
publish(unsigned who)
{
	struct shmqi_ringer ringer = {.queue = {.participants = &participant, .count = 1}};

	shmq_store_relaxed_u64(&published[who], 1);
	if (who == 0 && model_dies_at(DIES_BEFORE_WAKE))
		return;
	/* Not behind shmq_hot_asleep(): two fences would be one more than membarrier() makes, and hide
	 * a missing TICKET. */
	shmqi_bell_wake(&ringer, &words, BELL_RECEIVERS);
}

static void *
publish_first(void *arg)
{
	publish(0);
	return arg;
}

static void *
publish_second(void *arg)
{
	if (model_kill)
		pthread_join(first, NULL);
	publish(1);
	return arg;
}

static void *
listen(void *arg)
{
	const struct shmqi_wait wait = {.words = &words, .ready = all_up};
	struct shmqi_bell bell = {
		.open = true, .fifo = FIFO, .fifo_is = {0, FIFO}, .entry = &participant};

	do {
		(void)shmqi_bell_arm(&bell, &sleep_ops, &wait, BELL_RECEIVERS);
		/* Relaxed: nothing is assumed of the kernel's FIFO. */
		if (shmq_load_relaxed_u64(&fifo_bytes) == 0) {
			listener_stopped = true;
			return arg;
		}
	} while (!all_up(NULL));
	return arg;
}

static void *
sleep_beside(void *arg)
{
	const struct shmqi_wait wait = {
		.words = &words, .ready = all_up, .hopeless = never_hopeless};
	int err = shmqi_wait(&sleep_ops, &wait, SHMQ_FOREVER);

	assert(err == 0);
	return arg;
}

static void
reset(void)
{
	sleep_reset();
	shmq_store_relaxed_u32(&words.armed, 0);
	shmq_store_relaxed_u32(&participant.armed[BELL_RECEIVERS], 0);
	participant.bell = FIFO;
	published[0] = published[1] = fifo_bytes = 0;
	listener_stopped = false;
}

static void
scenario(void)
{
	pthread_t listener, second;

	reset();
	first = model_start(publish_first);
	second = model_start(UP_TO == 1 ? sleep_beside : publish_second);
	listener = model_start(listen);
	if (UP_TO == 1 || !model_kill)
		pthread_join(first, NULL);
	pthread_join(second, NULL);
	pthread_join(listener, NULL);
	assert(!listener_stopped || fifo_bytes != 0);
	no_lost_wake(true);
}

int
main(void)
{
	return model_run(scenario, UP_TO == 1 ? 0 : DIES_BEFORE_WAKE);
}

/* The system, as far as it is reached. */

bool
shmqi_os_fd_is(int fd, struct shmqi_inode inode)
{
	return fd >= 0 && inode.ino == (ino_t)fd;
}

int
shmqi_fifo_open(const uint8_t uuid[16], uint64_t nonce)
{
	(void)uuid;
	return (int)nonce;
}

void
shmqi_fifo_ring(int fd)
{
	assert(fd == FIFO);
	shmq_store_relaxed_u64(&fifo_bytes, 1);
}

void
shmqi_fifo_empty(int fd)
{
	assert(fd == FIFO);
	shmq_store_relaxed_u64(&fifo_bytes, 0);
}

void
shmqi_timer_set(int fd, int64_t ns)
{
	(void)fd;
	(void)ns;
}

int
shmqi_timer_new(void)
{
	return -ENOSYS;
}

int
shmqi_either_new(int a, int b)
{
	(void)a;
	(void)b;
	return -ENOSYS;
}

int
shmqi_fifo_create(const uint8_t uuid[16], const struct shmqi_bell_access *access, uint64_t *nonce)
{
	(void)uuid;
	(void)access;
	(void)nonce;
	return -ENOSYS;
}

void
shmqi_fifo_unlink(const uint8_t uuid[16], uint64_t nonce)
{
	(void)uuid;
	(void)nonce;
}
