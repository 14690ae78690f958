/* SPDX-License-Identifier: MIT */
/*
 * What one call costs, by itself, on one core: the floors that are not between cores.
 *
 *   floors/call/NAME     system calls, clocks, fences, page faults of shared memory; and membarrier,
 *                        which must interrupt the other core: global with another process that
 *                        registered there, private with another thread
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "bench.h"
#include "board.h"
#include "ticks.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define FAULT_PAGES 64u

/* Where loops put what they compute, and what fences come after. */
static uint64_t scrap;

static void
some_getppid(unsigned n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void
some_ticks(unsigned n)
{
	while (n--)
		shmq_store_relaxed_u64(&scrap, bench_ticks());
}

static void
some_clock(unsigned n)
{
	while (n--)
		shmq_store_relaxed_u64(&scrap, bench_now_ns());
}

static void
some_pauses(unsigned n)
{
	while (n--)
		shmq_pause();
}

static void
some_fences(unsigned n)
{
	while (n--) {
		shmq_store_relaxed_u64(&scrap, n);
		/* For its price: a store and a full fence. */
		shmq_fence_seq_cst();
	}
}

static void
some_adds(unsigned n)
{
	/* For its price: a locked addition to a line of our own. */
	while (n--)
		shmq_add_relaxed_u64(&scrap, 1);
}

static void
some_yields(unsigned n)
{
	while (n--)
		sched_yield();
}

static void
some_global(unsigned n)
{
	while (n--)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

static void
some_private(unsigned n)
{
	while (n--)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static unsigned char *fault_pages;

/* The first touch of pages of shared memory: each is found, cleared and mapped. */
static void
some_faults(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fault_pages[i * 4096] = 1;
}

/* Preparing, untimed ------------------------------------------------------------------------ */

static int
new_pages(struct bench_side *side)
{
	(void)side;
	if (fault_pages)
		munmap(fault_pages, FAULT_PAGES * 4096);
	fault_pages = mmap(NULL, FAULT_PAGES * 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return fault_pages == MAP_FAILED ? -errno : 0;
}

/* Pages that others have used: they only have to be mapped. */
static int
old_pages(struct bench_side *side)
{
	if (fault_pages)
		munmap(fault_pages, FAULT_PAGES * 4096);
	fault_pages = bench_map_memory(side->memory_fd, FAULT_PAGES * 4096, NULL);
	return fault_pages ? 0 : -ENOMEM;
}

static int
register_global(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) < 0 ? -errno
											   : 0;
}

static void *
spin(void *argument)
{
	(void)argument;
	for (;;)
		shmq_pause();
	return NULL;
}

/* A thread of ours on the other core, that has to be interrupted; it ends with the process. */
static int
register_private(struct bench_side *side)
{
	static int begun;
	pthread_attr_t attributes;
	pthread_t thread;
	cpu_set_t set;
	int err;

	if (begun++)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)bench_board_of(side)->parties[1].cpu, &set);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
	err = -pthread_create(&thread, &attributes, spin, NULL);
	if (!err && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0)
		err = -errno;
	return err;
}

static const struct call {
	const char *name;
	void (*some)(unsigned n);
	unsigned n;				 /* at once */
	int (*prepare)(struct bench_side *side); /* before each `some` */
	int global;				 /* membarrier() needs others that registered */
} calls[] = {
	{"getppid", some_getppid, 256, NULL, 0},
	{"sched_yield", some_yields, 256, NULL, 0},
	{"ticks", some_ticks, 4096, NULL, 0},
	{"clock_gettime", some_clock, 4096, NULL, 0},
	{"pause", some_pauses, 4096, NULL, 0},
	{"fence_seq_cst", some_fences, 4096, NULL, 0},
	{"locked_add", some_adds, 4096, NULL, 0},
	{"membarrier_global", some_global, 64, NULL, 1},
	{"membarrier_private", some_private, 64, register_private, 0},
	{"page_fault_new", some_faults, FAULT_PAGES, new_pages, 0},
	{"page_fault_mapped", some_faults, FAULT_PAGES, old_pages, 0},
};

/* Time it, over and over; once untimed before. */
static int
caller(struct bench_side *side)
{
	const struct call *call = &calls[side->what.variant];
	uint64_t end, ns = 0, times = 0, begin;
	int err = call->global ? register_global() : 0;

	bench_ready(side);
	end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	while (!err && (times < 2 || bench_now_ns() < end)) {
		if (call->prepare && (err = call->prepare(side)))
			break;
		begin = bench_now_ns();
		call->some(call->n);
		ns += times++ ? bench_now_ns() - begin : 0;
	}
	side->shared->ns = ns;
	side->shared->count = (times - 1) * call->n;
	/* DONE, release: the other core may stop. */
	shmq_add_release_u32(&side->shared->finished, 1);
	return err;
}

/* On the other core: in the way of a global membarrier(), or out of the way. */
static int
bystander(struct bench_side *side)
{
	int global = calls[side->what.variant].global;
	int err = global ? register_global() : 0;

	bench_ready(side);
	/* DONE, acquire: so we may. */
	while (global && !shmq_load_acquire_u32(&side->shared->finished))
		shmq_pause();
	return err;
}

static int
run_call(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, FAULT_PAGES * 4096);

	(void)member;
	if (!err)
		err = bench_pair(&side, caller, bystander);
	if (!err)
		err = bench_sample_rate(&side, out);
	bench_side_free(&side);
	return err;
}

void
ask_calls(void)
{
	const struct bench_what what = {0};

	for (size_t i = 0; i < COUNT(calls); i++) {
		char name[64];

		snprintf(name, sizeof(name), "floors/call/%s", calls[i].name);
		bench_join(bench_add(name, &what, BENCH_COST, BENCH_QUICK, 0.25),
			   &(struct bench_member){"bare", "floor", run_call, NULL, (int)i});
	}
}
