/* SPDX-License-Identifier: MIT */
/* A child's side of the harness, and what both sides do the same. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "board.h"
#include "ticks.h"

/* Both sides -------------------------------------------------------------------------------- */

static char anchor;

intptr_t
bench_body_place(bench_body *body)
{
	return (intptr_t)body - (intptr_t)&anchor;
}

bench_body *
bench_body_at(intptr_t place)
{
	return (bench_body *)((intptr_t)&anchor + place);
}

unsigned char *
bench_map_memory(int fd, size_t bytes, void *at)
{
	void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0);

	/* Under ThreadSanitizer a program does not choose its addresses. */
	if (memory == MAP_FAILED && at)
		return bench_map_memory(fd, bytes, NULL);
	return memory == MAP_FAILED ? NULL : memory;
}

/* A child ----------------------------------------------------------------------------------- */

static uint64_t
cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static int
pin(int cpu, int real_time)
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

/* Our own view of what the parent has hung up. */
static int
look(struct bench_side *side, int board_fd, unsigned me)
{
	struct bench_board *board =
		mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);

	if (board == MAP_FAILED)
		return -errno;
	*side = board->side;
	side->shared = &board->shared;
	side->me = me;
	bench_set_ticks_per_ns(board->ticks_per_ns);
	if (!side->memory)
		return 0;
	side->memory = bench_map_memory(side->memory_fd, side->memory_bytes, BENCH_MEMORY_AT);
	return side->memory ? 0 : -ENOMEM;
}

/* What this process had used when all were ready. */
static struct rusage at_start;

static void
count_usage(struct bench_side *side)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	side->shared->cpu_ns[side->me] = cpu_ns() - side->shared->cpu_ns[side->me];
	side->shared->left_ns[side->me] = bench_now_ns();
	/* The order does not matter: the parent looks when all have ended. */
	shmq_add_relaxed_u64(&side->shared->preempted,
			     (uint64_t)(usage.ru_nivcsw - at_start.ru_nivcsw));
	shmq_add_relaxed_u64(&side->shared->sleeps, (uint64_t)(usage.ru_nvcsw - at_start.ru_nvcsw));
}

static int
live(int board_fd, unsigned me)
{
	const struct bench_board_party *party;
	struct bench_side side;
	sigset_t none;
	int err = look(&side, board_fd, me);

	if (err)
		return err;
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	party = &bench_board_of(&side)->parties[me];
	err = pin(party->cpu, bench_board_of(&side)->real_time);
	if (!err)
		err = bench_body_at(party->body)(&side);
	if (err)
		side.shared->error = err;
	count_usage(&side);
	return err;
}

/* It dies with its parent. */
void
bench_party(int argc, char **argv)
{
	int board_fd, parent;
	unsigned me;

	if (argc < 3 || sscanf(argv[2], "%d,%u,%d", &board_fd, &me, &parent) != 3 ||
	    me >= BENCH_PARTIES_MAX)
		exit(2);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(1);
	/* Not exit(): what a library does at the end is not ours to time, nor are its daemons. */
	_exit(live(board_fd, me) ? 1 : 0);
}

void
bench_ready(struct bench_side *side)
{
	struct bench_shared *shared = side->shared;

	madvise(shared, sizeof(*shared), MADV_POPULATE_WRITE);
	if (side->memory)
		madvise(side->memory, side->memory_bytes, MADV_POPULATE_WRITE);
	getrusage(RUSAGE_SELF, &at_start);
	shmq_max_relaxed_u64(&shared->begin_ns, bench_now_ns());
	/* A barrier of all: what each did before it, the others see after it. */
	shmq_add_release_u32(&shared->ready, 1);
	while (shmq_load_acquire_u32(&shared->ready) < shared->parties) {
		/* Two on a core: the other must come, too. */
		if (shared->parties > 2)
			sched_yield();
		shmq_pause();
	}
	shared->cpu_ns[side->me] = cpu_ns();
}
