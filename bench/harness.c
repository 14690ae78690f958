/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "ticks.h"

/* A measurement that is not over after its own time and this is hung. */
#define PATIENCE_S 30
#define PATIENCE_CROWD_S 10

static int cpus[2];
static int real_time;
static double ticks_per_ns;
static sigset_t waited;
static void (*clean_at_stop)(void);

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
bench_at_stop(void (*clean)(void))
{
	clean_at_stop = clean;
}

/* What the two processes share -------------------------------------------------------------- */

static void *
shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int
bench_side_init(struct bench_side *side, const struct bench_what *what, size_t memory_bytes)
{
	*side = (struct bench_side){.what = *what, .fds = {-1, -1}, .memory_bytes = memory_bytes};
	side->shared = shared_memory(sizeof(*side->shared));
	if (!side->shared)
		return -ENOMEM;
	if (memory_bytes)
		side->memory = shared_memory(memory_bytes);
	return memory_bytes && !side->memory ? -ENOMEM : 0;
}

int
bench_side_queues(struct bench_side *side)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = SHMQ_SPSC,
		.msg_max = side->what.len,
		.capacity = side->what.capacity,
	};

	for (int i = 0; i < 2; i++) {
		side->fds[i] = shmq_create("memfd:shmq-bench", &opts);
		if (side->fds[i] < 0)
			return side->fds[i];
	}
	return 0;
}

int
bench_side_queue(struct bench_side *side, const struct shmq_opts *opts)
{
	side->fds[0] = shmq_create("memfd:shmq-bench", opts);
	return side->fds[0] < 0 ? side->fds[0] : 0;
}

int
bench_attach_fd(struct shmq **out, int fd, unsigned role)
{
	char address[32];

	snprintf(address, sizeof(address), "fd:%d", fd);
	return shmq_attach(out, address, role);
}

void
bench_side_free(struct bench_side *side)
{
	for (int i = 0; i < 2; i++) {
		if (side->fds[i] >= 0)
			close(side->fds[i]);
	}
	if (side->memory)
		munmap(side->memory, side->memory_bytes);
	if (side->shared)
		munmap(side->shared, sizeof(*side->shared));
}

/* Children ---------------------------------------------------------------------------------- */

static int
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	if (real_time &&
	    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
		return -errno;
	return 0;
}

static void
count_preempted(struct bench_shared *shared)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	/* The order does not matter: the parent looks when both have ended. */
	shmq_add_release_u32(&shared->preempted, (uint32_t)usage.ru_nivcsw);
}

/* The whole life of a child. It dies with its parent. */
static void
live(struct bench_side *side, int (*body)(struct bench_side *), int cpu, pid_t parent)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_UNBLOCK, &waited, NULL);
	err = pin(cpu);
	if (!err)
		err = body(side);
	if (err)
		side->shared->error = err;
	count_preempted(side->shared);
	_exit(err ? 1 : 0);
}

static pid_t
start(struct bench_side *side, int (*body)(struct bench_side *), int cpu)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		live(side, body, cpu, parent);
	return pid;
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
	if (clean_at_stop)
		clean_at_stop();
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
	time_t extra = n > 2 ? PATIENCE_CROWD_S : PATIENCE_S;
	struct timespec patience = {.tv_sec = extra + (time_t)side->what.seconds};
	int running = n;

	while (running > 0) {
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
	int (*body)(struct bench_side *);
	int cpu;
};

static int
run(struct bench_side *side, const struct child *children, unsigned n)
{
	pid_t pids[BENCH_PARTIES_MAX];

	memset(side->shared, 0, sizeof(*side->shared));
	side->shared->parties = n;
	for (unsigned i = 0; i < n; i++) {
		side->me = i;
		pids[i] = start(side, children[i].body, children[i].cpu);
		if (pids[i] < 0) {
			end_all(pids, (int)i);
			return -EAGAIN;
		}
	}
	return wait_all(side, pids, (int)n);
}

int
bench_pair(struct bench_side *side, int (*one)(struct bench_side *),
	   int (*other)(struct bench_side *))
{
	return run(side, (struct child[]){{one, cpus[0]}, {other, cpus[1]}}, 2);
}

int
bench_solo(struct bench_side *side, int (*body)(struct bench_side *))
{
	return run(side, &(struct child){body, cpus[0]}, 1);
}

int
bench_crowd(struct bench_side *side, int (*produce)(struct bench_side *),
	    int (*consume)(struct bench_side *))
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

void
bench_ready(struct bench_side *side)
{
	struct bench_shared *shared = side->shared;

	madvise(shared, sizeof(*shared), MADV_POPULATE_WRITE);
	if (side->memory)
		madvise(side->memory, side->memory_bytes, MADV_POPULATE_WRITE);
	/* A barrier of all: what each did before it, the others see after it. */
	if (shmq_add_release_u32(&shared->ready, 1) + 1 == shared->parties)
		shared->begin_ns = bench_now_ns();
	while (shmq_load_acquire_u32(&shared->ready) < shared->parties) {
		/* Two on a core: the other must come, too. */
		if (shared->parties > 2)
			sched_yield();
		shmq_pause();
	}
}

/* Results ----------------------------------------------------------------------------------- */

double
bench_quantile(const uint64_t *bins, double part, double *count)
{
	uint64_t sum = 0, below = 0;
	uint32_t bin = 0;

	for (uint32_t i = 0; i < BENCH_BINS; i++)
		sum += bins[i];
	*count = (double)sum;
	if (!sum)
		return 0;
	while (bin < BENCH_BINS - 1 && (double)(below += bins[bin]) < part * (double)sum)
		bin++;
	if (bin < BENCH_FINE_BINS)
		return ((double)bin + 0.5) / ticks_per_ns;
	return (BENCH_FINE_BINS + ((double)(bin - BENCH_FINE_BINS) + 0.5) * BENCH_COARSE) /
	       ticks_per_ns;
}

void
bench_sample_latency(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	double sends;

	*out = (struct bench_sample){0};
	out->ns = bench_quantile(shared->bins, 0.50, &out->count);
	out->p99_ns = bench_quantile(shared->bins, 0.99, &out->count);
	out->p999_ns = bench_quantile(shared->bins, 0.999, &out->count);
	out->send_ns = bench_quantile(shared->send_bins, 0.50, &sends);
	out->preempted = shared->preempted;
	if (out->count > 0)
		out->sleeps = (double)shared->sleeps / out->count;
}

void
bench_sample_rate(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	*out = (struct bench_sample){0};
	out->count = (double)shared->count;
	out->preempted = shared->preempted;
	if (shared->count)
		out->ns = (double)shared->ns / (double)shared->count;
}

int
bench_sample_crowd(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	*out = (struct bench_sample){0};
	if (shared->sent != shared->received || shared->sent_sum != shared->received_sum)
		return -EBADMSG;
	out->count = (double)shared->received;
	/* With two on a core the kernel must take it away from each now and then. */
	out->preempted = shared->parties > 2 ? 0 : shared->preempted;
	if (shared->received)
		out->ns = (double)(shared->end_ns - shared->begin_ns) / (double)shared->received;
	return 0;
}
