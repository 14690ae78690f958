/* SPDX-License-Identifier: MIT */
#include "support/huge.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* The count as it was; -1: not for us to change. The guardian's end of a pipe; the lock on the count. */
static long saved = -1;
static int guardian = -1, lock = -1;
static bool ready;

static long
number(const char *name)
{
	char path[96];
	FILE *file;
	long got;

	snprintf(path, sizeof(path), TABLE "%s", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &got) != 1)
		got = -1;
	fclose(file);
	return got;
}

static bool
set_count(long wanted)
{
	char text[24];
	int fd = open(TABLE "nr_hugepages", O_WRONLY | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "%ld\n", wanted);
	bool done = fd >= 0 && write(fd, text, (size_t)length) == length;

	if (fd >= 0)
		close(fd);
	return done;
}

/* Nothing of the test's but the pipe and the lock: who waits for its output does not wait for us. */
static void
guard(int from)
{
	char done;

	dup2(from, 0);
	dup2(lock, 1);
	(void)syscall(SYS_close_range, 2U, UINT32_MAX, 0U);
	if (read(0, &done, 1) == 0) /* it has died without a word */
		(void)set_count(saved);
	_exit(0);
}

/* Nobody's child, so that who waits for all of his does not wait for this one. */
static bool
start_guardian(void)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			close(ends[1]);
			guard(ends[0]);
		}
		_exit(pid < 0);
	}
	close(ends[0]);
	guardian = ends[1];
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

void
huge_begin(void)
{
	lock = open(TABLE "nr_hugepages", O_RDWR | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) != 0)
		return;
	saved = number("nr_hugepages");
	if (saved < 0 || !start_guardian())
		return;
	ready = set_count(saved + HUGE_PAGES) && huge_free() >= HUGE_PAGES;
}

void
huge_end(void)
{
	if (guardian >= 0) {
		(void)set_count(saved);
		(void)!write(guardian, "", 1);
		close(guardian);
	}
	if (lock >= 0)
		close(lock);
	guardian = lock = -1;
	ready = false;
}

bool
huge_ready(void)
{
	return ready;
}

long
huge_free(void)
{
	return number("free_hugepages") - number("resv_hugepages");
}

bool
huge_mount(const char *mode)
{
	char options[64];

	snprintf(options, sizeof(options), "pagesize=2M,mode=%s", mode);
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("shmq-test", HUGE_PLACE, "hugetlbfs", 0, options) == 0;
}
