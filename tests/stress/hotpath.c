/* SPDX-License-Identifier: MIT */
/*
 * The hot path by hand, under strace: hotpath ADDRESS MESSAGES [inline]
 *
 *	strace -c -f ./hotpath shm:/hot 0 2>&1 | tail -1
 *	strace -c -f ./hotpath shm:/hot 10000000 2>&1 | tail -1
 *
 * Both make the same number of system calls: the messages make none. Prints when the warm-up is
 * over, and the faults after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "stress/hot.h"

#define CAPACITY 1024

static void
say_warm(void *arg)
{
	dprintf(STDOUT_FILENO, "%s: warm\n", (const char *)arg);
}

static int
run_end(struct hot *hot, const char *name)
{
	long faults;

	hot->arg = (void *)(uintptr_t)name;
	faults = hot_run(hot);
	dprintf(STDOUT_FILENO, "%s: %llu messages, %ld faults\n", name,
		(unsigned long long)hot->count, faults);
	return faults ? 1 : 0;
}

/* The consumer is a child; the producer is this process. */
static int
run_both(struct hot *hot)
{
	int status = 1, result;
	pid_t pid = fork();

	if (pid == 0) {
		hot->role = SHMQ_CONSUMER;
		_exit(run_end(hot, "consumer"));
	}
	hot->role = SHMQ_PRODUCER;
	result = pid < 0 ? 1 : run_end(hot, "producer");
	if (pid > 0)
		waitpid(pid, &status, 0);
	return result || status ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .msg_max = HOT_BYTES,
				 .capacity = CAPACITY,
				 .flags = SHMQ_LOCK};
	struct hot hot = {.warm = 4 * CAPACITY, .warmed = say_warm};
	char attach[32];
	int result;

	if (argc < 3 || (argc == 4 && strcmp(argv[3], "inline") != 0) || argc > 4)
		return fprintf(stderr, "usage: hotpath ADDRESS MESSAGES [inline]\n"), 2;
	hot.count = strtoull(argv[2], NULL, 10);
	hot.inlined = argc == 4;
	result = shmq_create(argv[1], &opts);
	if (result < 0)
		return fprintf(stderr, "hotpath: %s: %s\n", argv[1], shmq_strerror(result)), 1;
	snprintf(attach, sizeof(attach), "fd:%d", result);
	hot.address = strncmp(argv[1], "memfd:", 6) == 0 ? attach : argv[1];
	result = run_both(&hot);
	shmq_remove(hot.address);
	return result;
}
