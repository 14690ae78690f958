/* SPDX-License-Identifier: MIT */
/*
 * Several processes send as fast as they can, several receive; everything that was sent must come,
 * each sender's in order.
 *
 *   crowd/LEN/CAPACITY/PpCc          P senders on one core, C receivers on the other
 *   crowd/LEN/CAPACITY/PpCc_mixed    half of each on each core
 *
 * One receiver: every queue for several senders; more: every queue for several of both. There are
 * two cores, so more than two processes take turns, and what is measured is also how a queue bears
 * that one which is in the middle of something loses its core: "oversubscribed" is the number of
 * processes for each core.
 */
#include <stdio.h>

#include "bench.h"

#define CORES 2.0
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const unsigned sizes[] = {1, 2, 4, 8};

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	int err = bench_run_crowd(what, member, out, bench_sample_crowd);

	if (!err)
		bench_figure(out, "oversubscribed", (what->producers + what->consumers) / CORES);
	return err;
}

/* What a first look needs of the grid. */
static enum bench_level
level_of(const struct bench_what *what)
{
	unsigned p = what->producers, c = what->consumers;

	if (what->len > 8 || what->capacity > 1024 || what->mixed || p > 4)
		return BENCH_FULL;
	return p > 1 && (c == 1 || p == c) ? BENCH_QUICK : BENCH_FULL;
}

/* With more processes than cores each must have had some turns, of 3 or 4 ms, whatever a round is otherwise. */
static double
time_factor(unsigned processes)
{
	double least = 0.04 / bench_plan.seconds;

	if (processes == 2 || bench_plan.smoke)
		return 0.25;
	return least > 0.5 ? least : 0.5;
}

static void
ask(const struct bench_what *what)
{
	unsigned p = what->producers, c = what->consumers;
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "crowd/%zu/%zu/%up%uc%s", what->len, what->capacity, p, c,
		 what->mixed ? "_mixed" : "");
	group = bench_add(name, what, BENCH_RATE, level_of(what), time_factor(p + c));
	bench_join_adapters(group, c > 1 ? BENCH_MANY : BENCH_MANY_SEND, run);
}

/*
 * Of one length and capacity the whole grid, of the others what tells most of it: rivals that wait
 * for one who was preempted take seconds for each cell.
 */
static int
wanted(size_t len, size_t capacity, unsigned p, unsigned c)
{
	return (len == 8 && capacity == 1024) || (p == 4 && c == 1) || (p == 2 && c == 2);
}

static void
ask_grid(size_t len, size_t capacity)
{
	for (size_t p = 0; p < COUNT(sizes); p++) {
		for (size_t c = 0; c < COUNT(sizes); c++) {
			struct bench_what what = {.len = len,
						  .capacity = capacity,
						  .producers = sizes[p],
						  .consumers = sizes[c]};

			if (!wanted(len, capacity, sizes[p], sizes[c]))
				continue;
			ask(&what);
			what.mixed = 1;
			if (len == 8 && p == c && (sizes[p] == 2 || sizes[p] == 4))
				ask(&what);
		}
	}
}

void
ask_crowd(void)
{
	ask_grid(8, 1024);
	ask_grid(8, 65536);
	ask_grid(56, 1024);
	ask_grid(56, 65536);
}
