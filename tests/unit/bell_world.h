/* SPDX-License-Identifier: MIT */
/* Tests of lib/bell.c: a queue's words in shared memory, a clock and a barrier of the test's own. */
#ifndef TESTS_UNIT_BELL_H
#define TESTS_UNIT_BELL_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <shmq/shmq.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell.h"
#include "support/place.h"
#include "support/process.h"

#define MS INT64_C(1000000)
#define PARTICIPANTS 16
#define SOON_MS 20000 /* a generous limit for what must come */

/* What lies in shared memory, and the test's own view. */
static struct world {
	struct format_sleep senders, receivers;
	struct format_participant participants[PARTICIPANTS];
	uint64_t published;
} * world;

static struct shmqi_bell_queue queue;
static struct shmqi_bell_access access_of_owner;
static struct shmqi_ringer ringer;

static struct {
	int64_t now;
	int barrier_result;
	void (*in_barrier)(void); /* what comes between ticket and look */
	unsigned barriers;
} fake;

static inline int64_t
fake_now(void)
{
	return fake.now;
}

static inline int
fake_barrier(void)
{
	fake.barriers++;
	if (fake.in_barrier)
		fake.in_barrier();
	return fake.barrier_result;
}

static const struct shmqi_wait_ops ops = {.now_ns = fake_now, .barrier = fake_barrier};

static inline bool
is_published(void *arg)
{
	(void)arg;
	return shmq_load_relaxed_u64(&world->published) != 0;
}

static inline void
begin(void)
{
	place_begin();
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000 * MS;
	world = process_share(sizeof(*world));
	queue = (struct shmqi_bell_queue){world->participants, PARTICIPANTS, {1, 2, 3, 255}};
	access_of_owner = (struct shmqi_bell_access){geteuid(), getegid(), 0600};
	shmqi_ringer_init(&ringer, &queue);
}

static inline void
end(void)
{
	shmqi_ringer_close(&ringer);
	place_end();
}

static inline bool
readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & POLLIN);
}

static inline struct shmqi_bell
opened(unsigned index)
{
	struct shmqi_bell bell;

	SAME(0, shmqi_bell_open(&bell, &queue, index, &access_of_owner));
	return bell;
}

static inline bool
armed(struct shmqi_bell *bell, enum shmqi_bell_side side)
{
	const struct shmqi_wait wait = {
		.words = side == BELL_SENDERS ? &world->senders : &world->receivers,
		.ready = is_published,
	};

	return shmqi_bell_arm(bell, &ops, &wait, side);
}

static inline void
wake_receivers(void)
{
	shmqi_bell_wake(&ringer, &world->receivers, BELL_RECEIVERS);
}

static inline void
publish(void)
{
	world->published = 1;
	wake_receivers();
}

/* Whether there is a byte in its FIFO: unlike its descriptor, that does not depend on time. */
static inline bool
rung(const struct shmqi_bell *bell)
{
	return readable(bell->fifo, 0);
}

static inline char *
name_of(uint64_t nonce)
{
	static char name[128];
	int at = snprintf(name, sizeof(name), "/dev/shm/.shmq-bell-%016llx-",
			  (unsigned long long)nonce);

	for (int i = 0; i < 16; i++)
		at += snprintf(name + at, sizeof(name) - (size_t)at, "%02x", queue.uuid[i]);
	return name;
}

static inline bool
exists(uint64_t nonce)
{
	struct stat st;

	return lstat(name_of(nonce), &st) == 0 && S_ISFIFO(st.st_mode);
}

#endif
