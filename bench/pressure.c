/* SPDX-License-Identifier: MIT */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "ticks.h"

/* How long stress-ng may take to have half of what it is to take. */
#define STRESS_PATIENCE_NS (bench_plan.level == BENCH_FULL ? 10000000000u : 2000000000u)

/*
 * A kernel may move locked pages, too, when it tidies up; whoever touches one just then takes a minor
 * fault. A real-time machine has that switched off; so have we, while there is pressure.
 */
#define MOVES_LOCKED "/proc/sys/vm/compact_unevictable_allowed"
static double moves_locked = -1; /* what it was; -1: not ours to change */

static pid_t stress, reader;
static double stress_bytes;

static void
end_group(pid_t *leader)
{
	if (*leader <= 0)
		return;
	/* Asked kindly it takes ten seconds, and has nothing to tidy up. */
	kill(-*leader, SIGKILL);
	kill(*leader, SIGKILL);
	waitpid(*leader, NULL, 0);
	*leader = 0;
}

static void
write_number(const char *path, double number)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fprintf(file, "%.0f\n", number);
	fclose(file);
}

void
pressure_end(void)
{
	end_group(&stress);
	end_group(&reader);
	if (moves_locked > 0)
		write_number(MOVES_LOCKED, moves_locked);
	moves_locked = -1;
}

/* A number out of a file: the one after `key`, or the first there is. -1: it is not there. */
static double
number_in(const char *path, const char *key)
{
	char line[256];
	double found = -1;
	FILE *file = fopen(path, "re");

	while (file && found < 0 && fgets(line, sizeof(line), file)) {
		size_t n = strlen(key);

		if (!strncmp(line, key, n) && sscanf(line + n, "%lf", &found) != 1)
			found = -1;
	}
	if (file)
		fclose(file);
	return found;
}

/* Most of what is free, and nobody is killed for. */
static double
bytes_to_take(void)
{
	static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
					     "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
	double bytes = number_in("/proc/meminfo", "MemAvailable:") * 1024;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		double limit = number_in(limits[i], "");

		if (limit > 0 && limit / 2 < bytes)
			bytes = limit / 2;
	}
	return bench_plan.smoke ? 1 << 26 : bytes * 0.7;
}

/* In a child that makes pressure: on the second core, and gone with its parent. */
static void
become_stress(pid_t parent)
{
	cpu_set_t set;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	CPU_ZERO(&set);
	CPU_SET((size_t)bench_cpus()[1], &set);
	if (getppid() != parent || sched_setaffinity(0, sizeof(set), &set))
		_exit(127);
}

static void
exec_stress(void)
{
	char bytes[32];

	snprintf(bytes, sizeof(bytes), "%.0f", stress_bytes);
	execlp("stress-ng", "stress-ng", "--quiet", "--vm", "1", "--vm-bytes", bytes, "--temp-path",
	       "/tmp", (char *)NULL);
	_exit(127);
}

/*
 * What stress-ng leaves free is filled with pages of a file that has none on the disk, and as they
 * are clean they can be taken away at any time: so the kernel must look for pages to take, without
 * end, and nobody is killed.
 */
static void
read_holes(void)
{
	static char buffer[1 << 20];
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	off_t at = 0, end = (off_t)stress_bytes;

	if (fd < 0 || ftruncate(fd, end))
		_exit(1);
	for (;; at += (off_t)sizeof(buffer)) {
		if (pread(fd, buffer, sizeof(buffer), at % end) < 0)
			_exit(1);
	}
}

/* Wait until it has taken half of what it is to take, once. */
static void
wait_for_stress(double before)
{
	uint64_t end = bench_now_ns() + STRESS_PATIENCE_NS;

	while (!bench_plan.smoke && bench_now_ns() < end &&
	       before - number_in("/proc/meminfo", "MemAvailable:") * 1024 < stress_bytes / 2 &&
	       waitpid(stress, NULL, WNOHANG) == 0)
		usleep(20000);
	usleep(20000);
}

/* 0, or -ENOTSUP. */
int
pressure_begin(void)
{
	double before = number_in("/proc/meminfo", "MemAvailable:") * 1024;
	pid_t parent = getpid();

	if (stress > 0 && waitpid(stress, NULL, WNOHANG) == 0)
		return 0;
	bench_at_stop(pressure_end);
	moves_locked = number_in(MOVES_LOCKED, "");
	write_number(MOVES_LOCKED, 0);
	stress_bytes = bytes_to_take();
	stress = fork();
	if (!stress) {
		become_stress(parent);
		exec_stress();
	}
	reader = bench_plan.smoke ? 0 : fork();
	if (!reader && !bench_plan.smoke) {
		become_stress(parent);
		read_holes();
	}
	if (stress > 0)
		wait_for_stress(before);
	if (stress > 0 && waitpid(stress, NULL, WNOHANG) == 0)
		return 0;
	stress = 0;
	pressure_end();
	bench_why("stress-ng is not installed, or does not run");
	return -ENOTSUP;
}

double
pressure_reclaimed(void)
{
	return number_in("/proc/vmstat", "pgsteal_kswapd ") +
	       number_in("/proc/vmstat", "pgsteal_direct ");
}

double
pressure_bytes(void)
{
	return stress_bytes;
}
