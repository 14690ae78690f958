/* SPDX-License-Identifier: MIT */
/*
 * What an attach costs, with how much there is and with how many are there already.
 *
 *   attach/memfd/CAPACITY/PARTICIPANTS    the time of shmq_attach() as the last of so many, without
 *                                         populate
 *
 * The others are attached all the time, in the same process. A newcomer looks for an entry that
 * nobody has, so that it passes all of theirs. The floor is the kernel's mmap() of the same bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "ticks.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define LEN 56
#define PARTICIPANTS_MAX 512
#define WARM_TIMES 5

enum { SHMQ, KERNEL };

static struct shmq_opts
opts_of(const struct bench_what *what)
{
	return (struct shmq_opts){.size = sizeof(struct shmq_opts),
				  .kind = SHMQ_MPMC,
				  .msg_max = LEN,
				  .capacity = what->capacity,
				  .participants = what->participants + 1};
}

static int
attach_others(const struct bench_side *side)
{
	struct shmq *other;
	struct rlimit files;
	int err = 0;

	/* Each has a descriptor. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (unsigned i = 1; i < side->what.participants && !err; i++)
		err = bench_attach_fd(&other, side->fds[0], SHMQ_CONSUMER);
	return err;
}

/* Once in and out: the ticks that the way in took, or a negated errno. */
static int64_t
attach(const struct bench_side *side)
{
	uint64_t begin = bench_ticks(), end;
	struct shmq *shmq;
	int err = bench_attach_fd(&shmq, side->fds[0], SHMQ_PRODUCER);

	end = bench_ticks();
	if (!err)
		err = shmq_detach(shmq);
	return err ? err : (int64_t)(end - begin);
}

static int64_t
map(const struct bench_side *side)
{
	struct shmq_opts opts = opts_of(&side->what);
	size_t bytes = (size_t)shmq_footprint(&opts);
	uint64_t begin = bench_ticks(), end;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, side->fds[0], 0);

	end = bench_ticks();
	if (memory == MAP_FAILED || munmap(memory, bytes))
		return -errno;
	return (int64_t)(end - begin);
}

static int
body(struct bench_side *side)
{
	int err = attach_others(side);
	uint64_t end;

	bench_ready(side);
	end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	for (int i = 0; !err && (i < 2 * WARM_TIMES || bench_now_ns() < end); i++) {
		int64_t took = side->what.variant == KERNEL ? map(side) : attach(side);

		if (took < 0)
			err = (int)took;
		else if (i >= WARM_TIMES)
			bench_count(&side->shared->latency, (uint64_t)took);
	}
	return err;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = opts_of(what);
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	if (!err)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_solo(&side, body);
	if (!err)
		err = bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}

static void
ask(size_t capacity, unsigned participants)
{
	const struct bench_what what = {
		.len = LEN, .capacity = capacity, .participants = participants};
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "attach/memfd/%zu/%u", capacity, participants);
	group = bench_add(name, &what, BENCH_LATENCY, BENCH_FULL, 0.25);
	bench_join(group, &(struct bench_member){"shmq", NULL, run, NULL, SHMQ});
	bench_join(group, &(struct bench_member){"kernel", "floor", run, NULL, KERNEL});
}

void
ask_attach(void)
{
	static const size_t capacities[] = {64, 1024, 65536};

	for (unsigned n = 1; n <= PARTICIPANTS_MAX; n *= 8)
		ask(1024, n);
	for (size_t c = 0; c < COUNT(capacities); c++) {
		if (capacities[c] != 1024)
			ask(capacities[c], 1);
	}
}
