/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "board.h"
#include "ticks.h"

/* A measurement that is not over after its own time and this is hung. */
#define PATIENCE_S 30

static int cpus[2];
static int real_time;
static double ticks_per_ns;
static sigset_t waited;

/* What each question leaves in the system is taken away by one of these. */
#define CLEANERS_MAX 16
static void (*cleaners[CLEANERS_MAX])(void);
static int cleaners_n;

/* Set-up ------------------------------------------------------------------------------------ */

static double
calibrate(void)
{
	uint64_t ns = bench_now_ns();
	uint64_t ticks = bench_ticks();

	while (bench_now_ns() - ns < 50000000u)
		continue;
	ticks = bench_ticks() - ticks;
	return (double)ticks / (double)(bench_now_ns() - ns);
}

/* The first two cores we may run on, unless the caller names two. */
static int
pick_cpus(const char *wanted)
{
	cpu_set_t allowed;
	int found = 0;

	if (wanted)
		return sscanf(wanted, "%d,%d", &cpus[0], &cpus[1]) == 2 && cpus[0] != cpus[1]
			       ? 0
			       : -EINVAL;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	for (size_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			cpus[found++] = (int)cpu;
	}
	return found == 2 ? 0 : -ENODEV;
}

int
bench_init(const char *wanted, int fifo)
{
	real_time = fifo;
	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGINT);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGHUP);
	sigaddset(&waited, SIGQUIT);
	signal(SIGPIPE, SIG_IGN); /* `| head` must not leave anything behind */
	sigprocmask(SIG_BLOCK, &waited, NULL);
	ticks_per_ns = calibrate();
	return pick_cpus(wanted);
}

const int *
bench_cpus(void)
{
	return cpus;
}

double
bench_ticks_per_ns(void)
{
	return ticks_per_ns;
}

void
bench_set_ticks_per_ns(double ticks)
{
	ticks_per_ns = ticks;
}

void
bench_clean(void)
{
	for (int i = cleaners_n; i-- > 0;)
		cleaners[i]();
}

void
bench_at_stop(void (*clean)(void))
{
	for (int i = 0; i < cleaners_n; i++) {
		if (cleaners[i] == clean)
			return;
	}
	if (!cleaners_n)
		atexit(bench_clean); /* children end with _exit() */
	if (cleaners_n < CLEANERS_MAX)
		cleaners[cleaners_n++] = clean;
}

/* What the processes share ------------------------------------------------------------------ */

/* Inherited through exec, so without close-on-exec. A negated errno when there is none. */
static int
shared_memory(const char *name, size_t bytes)
{
	int fd = memfd_create(name, 0);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes)) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

static int
map_board(struct bench_side *side)
{
	struct bench_board *board;

	side->board_fd = shared_memory("shmq-bench-board", sizeof(*board));
	if (side->board_fd < 0)
		return side->board_fd;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, side->board_fd, 0);
	if (board == MAP_FAILED)
		return -ENOMEM;
	side->shared = &board->shared;
	return 0;
}

int
bench_side_init(struct bench_side *side, const struct bench_what *what, size_t memory_bytes)
{
	static unsigned number;
	int err;

	*side = (struct bench_side){.what = *what,
				    .fds = {-1, -1},
				    .memory_fd = -1,
				    .board_fd = -1,
				    .memory_bytes = (memory_bytes + 4095) / 4096 * 4096};
	snprintf(side->name, sizeof(side->name), "shmq-bench-%d-%u", (int)getpid(), number++);
	err = map_board(side);
	if (err || !memory_bytes)
		return err;
	side->memory_fd = shared_memory("shmq-bench-queue", side->memory_bytes);
	if (side->memory_fd < 0)
		return side->memory_fd;
	side->memory = bench_map_memory(side->memory_fd, side->memory_bytes, BENCH_MEMORY_AT);
	return side->memory ? 0 : -ENOMEM;
}

int
bench_side_queue(struct bench_side *side, int i, const struct shmq_opts *opts)
{
	int fd = shmq_create("memfd:shmq-bench", opts);
	int inherited;

	if (fd < 0)
		return fd;
	inherited = dup(fd); /* which clears close-on-exec */
	close(fd);
	if (inherited < 0)
		return -errno;
	side->fds[i] = inherited;
	return 0;
}

int
bench_attach_fd(struct shmq **out, int fd, unsigned role)
{
	char address[32];

	snprintf(address, sizeof(address), "fd:%d", fd);
	return shmq_attach(out, address, role);
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
bench_side_free(struct bench_side *side)
{
	close_fd(side->fds[0]);
	close_fd(side->fds[1]);
	if (side->memory)
		munmap(side->memory, side->memory_bytes);
	if (side->shared)
		munmap(bench_board_of(side), sizeof(struct bench_board));
	close_fd(side->memory_fd);
	close_fd(side->board_fd);
}

/* Children ---------------------------------------------------------------------------------- */

/* The same program, started afresh as number `me` of the board. */
static pid_t
start(const struct bench_side *side, unsigned me)
{
	pid_t parent = getpid(), pid = fork();
	char number[64];

	if (pid)
		return pid;
	snprintf(number, sizeof(number), "%d,%u,%d", side->board_fd, me, (int)parent);
	execl("/proc/self/exe", "shmq_bench", BENCH_PARTY, number, (char *)NULL);
	_exit(127);
}

static void
end_all(const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++) {
		if (pids[i] <= 0)
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Told to stop: leave nothing behind, then end as the signal ends a process. */
static void
stop(int signal_number, const pid_t *pids, int n)
{
	end_all(pids, n);
	bench_clean();
	signal(signal_number, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &waited, NULL);
	raise(signal_number);
	_exit(1);
}

/* Reap who has ended. How many still run, or -1: one of them failed. */
static int
reap(pid_t *pids, int n)
{
	int running = 0, status;

	for (int i = 0; i < n; i++) {
		if (pids[i] <= 0)
			continue;
		if (waitpid(pids[i], &status, WNOHANG) == 0) {
			running++;
			continue;
		}
		pids[i] = 0;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			return -1;
	}
	return running;
}

static int
wait_all(struct bench_side *side, pid_t *pids, int n)
{
	uint64_t until = bench_now_ns() + (uint64_t)((PATIENCE_S + side->what.seconds) * 1e9);
	int running = n;

	while (running > 0) {
		uint64_t now = bench_now_ns(), left = now < until ? until - now : 0;
		struct timespec patience = {.tv_sec = (time_t)(left / 1000000000u),
					    .tv_nsec = (long)(left % 1000000000u)};
		int caught = sigtimedwait(&waited, NULL, &patience);

		if (caught < 0 && errno == EAGAIN) {
			end_all(pids, n);
			return -ETIMEDOUT;
		}
		if (caught > 0 && caught != SIGCHLD)
			stop(caught, pids, n);
		running = reap(pids, n);
	}
	end_all(pids, n);
	if (running < 0)
		return side->shared->error ? (int)side->shared->error : -ECHILD;
	return 0;
}

/* A process to be. */
struct child {
	bench_body *body;
	int cpu;
};

static int
run(struct bench_side *side, const struct child *children, unsigned n)
{
	struct bench_board *board = bench_board_of(side);
	pid_t pids[BENCH_PARTIES_MAX];

	memset(board, 0, sizeof(*board));
	board->side = *side;
	board->ticks_per_ns = ticks_per_ns;
	board->real_time = real_time;
	board->shared.parties = n;
	for (unsigned i = 0; i < n; i++)
		board->parties[i] = (struct bench_board_party){bench_body_place(children[i].body),
							       children[i].cpu};
	for (unsigned i = 0; i < n; i++) {
		pids[i] = start(side, i);
		if (pids[i] < 0) {
			end_all(pids, (int)i);
			return -EAGAIN;
		}
	}
	return wait_all(side, pids, (int)n);
}

int
bench_pair(struct bench_side *side, bench_body *one, bench_body *other)
{
	return run(side, (struct child[]){{one, cpus[0]}, {other, cpus[1]}}, 2);
}

int
bench_solo(struct bench_side *side, bench_body *body)
{
	return run(side, &(struct child){body, cpus[0]}, 1);
}

int
bench_crowd(struct bench_side *side, bench_body *produce, bench_body *consume)
{
	struct child children[BENCH_PARTIES_MAX];
	unsigned producers = side->what.producers, n = producers + side->what.consumers;

	if (n > BENCH_PARTIES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		unsigned consumer = i >= producers, nth = consumer ? i - producers : i;
		unsigned other = side->what.mixed ? (nth + consumer) % 2 : consumer;

		children[i] = (struct child){consumer ? consume : produce, cpus[other]};
	}
	return run(side, children, n);
}
