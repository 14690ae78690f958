/* SPDX-License-Identifier: MIT */
/* What the library exports, as <sys/shm.h> declares it. errno is kept where nothing fails. */
#include "namespace.h"

#include <sched.h>
#include <time.h>

#define PUBLIC __attribute__((visibility("default")))
#define EAGER 8 /* tries, before we sleep in between */

static int
result(int rc, int error)
{
	errno = rc < 0 ? -rc : error;
	return rc < 0 ? -1 : rc;
}

/* Whether to try again; in between handlers run, and other threads. */
static bool
again(int rc, unsigned *tries)
{
	struct timespec pause = {.tv_nsec = 100000};

	if (rc != -NS_BUSY)
		return false;
	if ((*tries)++ < EAGER)
		(void)sched_yield();
	else
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	return true;
}

PUBLIC int
shmget(key_t key, size_t size, int flags)
{
	struct ns_guard guard;
	int error = errno, rc;
	unsigned tries = 0;

	do {
		shmqi_ns_guard(&guard);
		rc = shmqi_ns_get(key, size, flags);
		shmqi_ns_unguard(&guard);
	} while (again(rc, &tries));
	return result(rc, error);
}

PUBLIC void *
shmat(int id, const void *at, int flags)
{
	struct ns_guard guard;
	int error = errno, rc;
	unsigned tries = 0;
	void *base = NULL;

	do {
		shmqi_ns_guard(&guard);
		rc = shmqi_ns_attach(id, (uintptr_t)at, flags, &base);
		shmqi_ns_unguard(&guard);
	} while (again(rc, &tries));
	return result(rc, error) < 0 ? (void *)-1 : base;
}

PUBLIC int
shmdt(const void *at)
{
	struct ns_guard guard;
	int error = errno, rc;

	shmqi_ns_guard(&guard);
	rc = shmqi_ns_detach((uintptr_t)at);
	shmqi_ns_unguard(&guard);
	return result(rc, error);
}

PUBLIC int
shmctl(int id, int command, struct shmid_ds *buffer)
{
	struct ns_guard guard;
	int error = errno, rc;
	unsigned tries = 0;

	do {
		shmqi_ns_guard(&guard);
		rc = shmqi_ns_control(id, command, buffer);
		shmqi_ns_unguard(&guard);
	} while (again(rc, &tries));
	return result(rc, error);
}
