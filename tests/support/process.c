/* SPDX-License-Identifier: MIT */
#include "support/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#define FAILURE_ROOM 512

void
process_must(bool holds, const char *what, const char *file, int line)
{
	char text[FAILURE_ROOM];

	if (holds)
		return;
	snprintf(text, sizeof(text), "%s:%d: does not hold: %s", file, line, what);
	process_fail(text);
}

void
process_same(long long want, long long got, const char *what, const char *at)
{
	char text[FAILURE_ROOM];

	if (want == got)
		return;
	snprintf(text, sizeof(text), "%s: %s is %lld, not %lld", at, what, got, want);
	process_fail(text);
}

pid_t
process_start(void (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();

	MUST(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent && getppid() != 0) /* 0: the first in a new PID namespace */
		_exit(PROCESS_FAILED);
	body(arg);
	_exit(0);
}

int
process_end(pid_t pid)
{
	int status = 0;

	SAME(pid, waitpid(pid, &status, __WALL));
	return status;
}

void
process_join(pid_t pid)
{
	int status = process_end(pid);

	SAME(0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	SAME(0, WEXITSTATUS(status));
}

void
process_kill(pid_t pid)
{
	int status;

	SAME(0, kill(pid, SIGKILL));
	status = process_end(pid);
	SAME(0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	SAME(SIGKILL, WTERMSIG(status));
}

/* The number of the call that a process sleeps in, or -1. */
static long
call_of(pid_t pid)
{
	char path[32], text[32] = "";
	long number = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0);
	if (read(fd, text, sizeof(text) - 1) > 0 && text[0] >= '0' && text[0] <= '9')
		number = strtol(text, NULL, 10);
	close(fd);
	return number;
}

void
process_await_call(pid_t pid, long number)
{
	while (call_of(pid) != number)
		sched_yield();
}

void *
process_share(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(memory != MAP_FAILED);
	return memory;
}

int
gate_new(void)
{
	int gate = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);

	MUST(gate >= 0);
	return gate;
}

void
gate_open(int gate)
{
	SAME(0, eventfd_write(gate, 1));
}

void
gate_pass(int gate)
{
	eventfd_t one;

	SAME(0, eventfd_read(gate, &one));
}

void
line_up(struct line_up *line, unsigned me, unsigned n, uint32_t round)
{
	/* Relaxed, all of it: only a start in step; nothing else is carried. */
	shmq_store_relaxed_u32(&line->round[me][0], round);
	for (unsigned other = 0; other < n; other++)
		while ((int32_t)(shmq_load_relaxed_u32(&line->round[other][0]) - round) < 0)
			sched_yield();
}

uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
random_below(uint64_t *state, uint64_t bound)
{
	return bound ? random_next(state) % bound : 0;
}
