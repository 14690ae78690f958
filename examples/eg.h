/* SPDX-License-Identifier: MIT */
/* What the examples share, and what is no lesson about shmq: errors, names, processes, times. */
#ifndef EG_H
#define EG_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/shmq.h>

/* Who waits for a peer that cannot be missing waits no longer than this, so that a fault shows. */
#define PATIENCE_NS 30000000000

/* A result of shmq that is no error; an error ends this process with a line that tells it. */
static inline ssize_t
must(const char *what, ssize_t result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		shmq_strerror((int)result));
	exit(1);
}

/* An address of this run's own. */
static inline const char *
address(char text[64], const char *name)
{
	snprintf(text, 64, "shm:/eg-%s-%d", name, (int)getpid());
	return text;
}

/* Run body(number) in a child process; its result is the exit status. It ends with its parent. */
static inline pid_t
start(int (*body)(int), int number)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		exit(body(number));
	}
	return (pid_t)must("fork", pid < 0 ? -errno : pid);
}

/* Wait for all children. Returns how many of them did not exit with 0. */
static inline int
failed_children(void)
{
	int failed = 0, status;

	while (wait(&status) > 0)
		failed += status != 0;
	return failed;
}

static inline int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int
compare_times(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sort `count` times, and print some of them. */
static inline void
print_times(const char *what, int64_t *ns, size_t count)
{
	qsort(ns, count, sizeof *ns, compare_times);
	printf("%s: p50 %.1f us, p99 %.1f us, max %.1f us\n", what, (double)ns[count / 2] / 1e3,
	       (double)ns[count - 1 - count / 100] / 1e3, (double)ns[count - 1] / 1e3);
}

#endif
