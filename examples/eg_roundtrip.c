/* SPDX-License-Identifier: MIT */
/*
 * Round trip of 8-byte messages between two processes, each on a CPU of its own where there are
 * two. usage: eg_roundtrip [PREFIX [ROUNDS]]; the queues are PREFIX-ping and PREFIX-pong, so PREFIX
 * is a shm: or file: address.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/shmq.h>

#define WARM_UP 1000
#define ROUNDS_MAX 1000000
#define PATIENCE_NS 1000000000

/* Pin to the first or the last CPU that this process may use. */
static void
pin(int last)
{
	cpu_set_t mine, one = {0};
	size_t cpu = last ? CPU_SETSIZE - 1 : 0;

	sched_getaffinity(0, sizeof mine, &mine);
	while (!CPU_ISSET(cpu, &mine))
		cpu = last ? cpu - 1 : cpu + 1;
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static int
open_both(struct shmq **out, const char *to, struct shmq **in, const char *from)
{
	struct shmq_opts opts = {.size = sizeof opts, .msg_max = 8, .capacity = 64};
	int err = shmq_open(out, to, &opts, SHMQ_PRODUCER);

	return err ? err : shmq_open(in, from, &opts, SHMQ_CONSUMER | SHMQ_HANGUP);
}

/* The child: send back what comes, until the parent has gone. */
static int
echo(const char *ping, const char *pong)
{
	struct shmq *out = NULL, *in = NULL;
	char msg[8];
	ssize_t n = open_both(&out, pong, &in, ping);

	pin(1);
	while (n >= 0 && (n = shmq_recv(in, msg, sizeof msg, PATIENCE_NS)) >= 0)
		n = shmq_send(out, msg, (size_t)n, PATIENCE_NS);
	return n == -EPIPE ? 0 : 1;
}

/* Nanoseconds, at most two seconds' worth, or a negated errno. */
static int
round_trip(struct shmq *out, struct shmq *in)
{
	struct timespec start, end;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &start);
	n = shmq_send(out, "8 bytes", 8, PATIENCE_NS);
	if (n == 0)
		n = shmq_recv(in, &(char[8]){0}, 8, PATIENCE_NS);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return n < 0 ? (int)n
		     : (int)((end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec -
			     start.tv_nsec);
}

static int
ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The parent. */
static int
measure(const char *ping, const char *pong, int *times, size_t rounds)
{
	struct shmq *out = NULL, *in = NULL;
	int last = open_both(&out, ping, &in, pong);

	pin(0);
	for (size_t i = 0; i < WARM_UP + rounds && last >= 0; i++)
		times[i % rounds] = last = round_trip(out, in);
	shmq_detach(in);
	shmq_detach(out);
	return last;
}

int
main(int argc, char **argv)
{
	char prefix[64], ping[SHMQ_ADDRESS_MAX], pong[SHMQ_ADDRESS_MAX];
	size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : argc > 1 ? ROUNDS_MAX : 20000;
	static int times[ROUNDS_MAX];
	int result, child = 1;

	snprintf(prefix, sizeof prefix, "shm:/eg-roundtrip-%d", (int)getpid());
	snprintf(ping, sizeof ping, "%s-ping", argc > 1 ? argv[1] : prefix);
	snprintf(pong, sizeof pong, "%s-pong", argc > 1 ? argv[1] : prefix);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		return 2;
	if (fork() == 0)
		return echo(ping, pong);
	result = measure(ping, pong, times, rounds);
	wait(&child);
	shmq_remove(ping);
	shmq_remove(pong);
	qsort(times, rounds, sizeof *times, ascending);
	if (result < 0)
		fprintf(stderr, "eg_roundtrip: %s: %s\n", ping, shmq_strerror(result));
	else
		printf("round trip: p50 %d ns, p99 %d ns, max %d ns (%zu rounds)\n",
		       times[rounds / 2], times[rounds - 1 - rounds / 100], times[rounds - 1],
		       rounds);
	return result < 0 || child ? 1 : 0;
}
