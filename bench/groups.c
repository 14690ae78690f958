/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 64
#define MEMBERS_MAX 10

/* A measurement in which the kernel takes a core away more often than this, each second, is made again, once. */
#define PREEMPTED_PER_S 20

const struct bench_group *const bench_groups[] = {
	&bench_rtt[0],	      &bench_rtt[1],	    &bench_rtt[2],	  &bench_throughput[0],
	&bench_throughput[1], &bench_throughput[2], &bench_throughput[3], &bench_throughput[4],
	&bench_throughput[5], &bench_blocking[0],   &bench_blocking[1],	  &bench_publish[0],
	&bench_attach[0],     &bench_attach[1],	    &bench_attach[2],	  &bench_mpsc[0],
	&bench_mpsc[1],	      &bench_mpsc[2],	    &bench_mpsc[3],	  &bench_mpsc[4],
	&bench_mpsc[5],	      &bench_mpsc[6],	    &bench_mpsc[7],	  &bench_mpmc[0],
	&bench_mpmc[1],	      &bench_mpmc[2],	    &bench_mpmc[3],	  &bench_mpmc[4],
	&bench_mpmc[5],	      &bench_mpmc[6],	    &bench_mpmc[7],	  &bench_mpmc[8],
	&bench_mpmc[9],	      &bench_mpmc[10],	    &bench_mpmc[11],	  &bench_mpmc[12],
	&bench_mpmc[13],      &bench_broadcast[0],  &bench_broadcast[1],  &bench_broadcast[2],
	&bench_broadcast[3],  &bench_broadcast[4],  &bench_broadcast[5],  &bench_broadcast[6],
	&bench_broadcast[7],  &bench_broadcast[8],  &bench_broadcast[9],  &bench_broadcast[10],
	&bench_latest[0],     &bench_epoll[0],
};
const size_t bench_groups_n = sizeof(bench_groups) / sizeof(*bench_groups);

const struct bench_target bench_targets[] = {
	{"rtt/8", "send_recv", "floor", 1.15},
	{"rtt/56", "send_recv", "floor", 1.15},
	{"throughput/8/65536", "inline", "boost", 6},
	{"throughput/8/65536", "send_recv", "boost", 1.5},
	{"throughput/56/65536", "inline", "boost", 4},
	{"blocking/asleep", "send_recv", "futex", 1.1},
	{"mpsc/8/65536/4p", "send_recv", "rival", 3},
	{"mpsc/56/65536/4p", "send_recv", "rival", 3},
	{"mpsc/8/1024/4p", "send_recv", "rival", 3},
	{"mpmc/8/65536/1p1c", "send_recv", "rival", 1},
	{"mpmc/8/65536/2p2c", "send_recv", "rival", 1},
	{"mpmc/8/65536/4p4c", "send_recv", "rival", 1},
	{"mpmc/8/1024/1p1c", "send_recv", "rival", 1},
	{"mpmc/8/1024/2p2c", "send_recv", "rival", 1},
	{"mpmc/8/1024/4p4c", "send_recv", "rival", 1},
	{"mpmc/56/65536/1p1c", "send_recv", "rival", 1},
	{"mpmc/56/65536/2p2c", "send_recv", "rival", 1},
	{"mpmc/56/65536/4p4c", "send_recv", "rival", 1},
	{"mpmc/56/1024/1p1c", "send_recv", "rival", 1},
	{"mpmc/56/1024/2p2c", "send_recv", "rival", 1},
	{"mpmc/56/1024/4p4c", "send_recv", "rival", 1},
	{"lossy/8", "readers_8", "one_reader", 1.3},
	{"lossy/56", "readers_8", "one_reader", 1.3},
	{"lossy/56/records", "readers_8", "one_reader", 1.3},
	{"epoll/8", "shmq_fd", "eventfd", 1.2},
};
const size_t bench_targets_n = sizeof(bench_targets) / sizeof(*bench_targets);

struct bench_plan bench_plan = {.rounds = 7, .seconds = 0.3, .others = 1000};

_Static_assert(sizeof(bench_groups) / sizeof(*bench_groups) <= GROUPS_MAX, "results");

/* What has been measured. */
static struct results {
	int done;
	int errors[MEMBERS_MAX];
	struct bench_sample rounds[MEMBERS_MAX][BENCH_ROUNDS_MAX];
} results[GROUPS_MAX];

static struct results *
results_of(const struct bench_group *group)
{
	size_t i = 0;

	while (bench_groups[i] != group)
		i++;
	return &results[i];
}

static size_t
index_of(const struct bench_group *group, const struct bench_member *member)
{
	return (size_t)(member - group->members);
}

/* Measuring --------------------------------------------------------------------------------- */

static int
run_one(const struct bench_group *group, const struct bench_member *member,
	struct bench_sample *out)
{
	struct bench_what what = group->what;
	struct bench_sample again;
	int err;

	what.variant = member->variant;
	what.seconds = bench_plan.seconds * (group->time_factor > 0 ? group->time_factor : 1);
	err = member->run(&what, out);
	if (err || out->preempted <= 2 + PREEMPTED_PER_S * what.seconds)
		return err;
	err = member->run(&what, &again);
	if (!err && again.preempted < out->preempted)
		*out = again;
	return err;
}

void
bench_measure(const struct bench_group *group)
{
	struct results *all = results_of(group);

	for (int round = 0; round < bench_plan.rounds && !all->done; round++) {
		for (size_t i = 0; i < group->members_n; i++) {
			if (!all->errors[i])
				all->errors[i] =
					run_one(group, &group->members[i], &all->rounds[i][round]);
		}
	}
	all->done = 1;
}

int
bench_error(const struct bench_group *group, const struct bench_member *member)
{
	return results_of(group)->errors[index_of(group, member)];
}

const struct bench_sample *
bench_round(const struct bench_group *group, const struct bench_member *member, int round)
{
	return &results_of(group)->rounds[index_of(group, member)][round];
}

/* Medians and ratios ------------------------------------------------------------------------ */

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

const struct bench_sample *
bench_median(const struct bench_group *group, const struct bench_member *member)
{
	double times[BENCH_ROUNDS_MAX];
	int round = 0;

	for (int i = 0; i < bench_plan.rounds; i++)
		times[i] = bench_round(group, member, i)->ns;
	qsort(times, (size_t)bench_plan.rounds, sizeof(*times), by_size);
	while (bench_round(group, member, round)->ns != times[bench_plan.rounds / 2])
		round++;
	return bench_round(group, member, round);
}

/* Of several ways to do the same, the best is what others are held against. */
static const struct bench_member *
best_of(const struct bench_group *group, const char *base)
{
	const struct bench_member *best = NULL;

	for (size_t i = 0; i < group->members_n; i++) {
		const struct bench_member *member = &group->members[i];

		if (!member->base || strcmp(member->base, base) || bench_error(group, member))
			continue;
		if (!best || bench_median(group, member)->ns < bench_median(group, best)->ns)
			best = member;
	}
	return best;
}

int
bench_compare(const struct bench_group *group, const struct bench_member *member, const char *base,
	      struct bench_ratio *out)
{
	const struct bench_member *rival = best_of(group, base);
	double ratios[BENCH_ROUNDS_MAX];

	if (!rival || bench_error(group, member))
		return -ENOENT;
	for (int i = 0; i < bench_plan.rounds; i++) {
		double ours = bench_round(group, member, i)->ns;
		double theirs = bench_round(group, rival, i)->ns;

		ratios[i] = group->more_is_better ? theirs / ours : ours / theirs;
	}
	qsort(ratios, (size_t)bench_plan.rounds, sizeof(*ratios), by_size);
	out->median = ratios[bench_plan.rounds / 2];
	out->least = ratios[0];
	out->greatest = ratios[bench_plan.rounds - 1];
	return 0;
}

/* Targets ----------------------------------------------------------------------------------- */

static const struct bench_group *
group_named(const char *name)
{
	for (size_t i = 0; i < bench_groups_n; i++) {
		if (!strcmp(bench_groups[i]->name, name))
			return bench_groups[i];
	}
	return NULL;
}

static const struct bench_member *
member_named(const struct bench_group *group, const char *name)
{
	for (size_t i = 0; i < group->members_n; i++) {
		if (!strcmp(group->members[i].name, name))
			return &group->members[i];
	}
	return NULL;
}

/* 1: missed. */
static int
print_target(const struct bench_target *target)
{
	const struct bench_group *group = group_named(target->group);
	const struct bench_member *member = member_named(group, target->member);
	struct bench_ratio ratio;
	char name[64];
	int met;

	if (!results_of(group)->done || bench_compare(group, member, target->base, &ratio))
		return 0;
	met = group->more_is_better ? ratio.median >= target->wanted
				    : ratio.median <= target->wanted;
	snprintf(name, sizeof(name), "%s %s / %s", target->group, target->member, target->base);
	printf("%-44s | %7.2f (%.2f - %.2f) | %s %4.2f | %s\n", name, ratio.median, ratio.least,
	       ratio.greatest, group->more_is_better ? ">=" : "<=", target->wanted,
	       met ? "met" : "MISSED");
	return !met;
}

int
bench_print_targets(void)
{
	int missed = 0;

	printf("\n%-44s | measured, median of %d rounds (least - greatest) | wanted | verdict\n",
	       "ratio", bench_plan.rounds);
	for (size_t i = 0; i < bench_targets_n; i++)
		missed += print_target(&bench_targets[i]);
	return missed;
}
