/* SPDX-License-Identifier: MIT */
/*
 * Groups, members, rounds. A group is what is compared with each other: its members are run one after the other, round by round, and a
 * ratio is the median of the ratios within a round, so that a disturbance of the machine hits both sides of it or one round only.
 */
#ifndef SHMQ_BENCH_H
#define SHMQ_BENCH_H

#include "harness.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One thing to measure. */
struct bench_member {
	const char *name;
	const char *
		base; /**< label under which others are compared with it; of several under one label the best counts */
	int (*run)(const struct bench_what *what, struct bench_sample *out);
	int variant;
};

struct bench_group {
	const char *name;
	struct bench_what what; /**< variant and seconds are filled in for each run */
	int more_is_better;	/**< throughput: ratios are of rates; latency: of times */
	double time_factor;	/**< of the time a member is given; 0: 1 */
	const struct bench_member *members;
	size_t members_n;
};

/** What the project wants of a ratio. */
struct bench_target {
	const char *group, *member, *base;
	double wanted; /**< at most (latency), at least (throughput) */
};

/** Median, least and greatest over the rounds. */
struct bench_ratio {
	double median, least, greatest;
};

#define BENCH_ROUNDS_MAX 101

/** Said once, before the first measurement. */
struct bench_plan {
	int rounds;
	double seconds; /**< for each member in each round */
	int others;	/**< segments beside the one that is attached */
};

extern struct bench_plan bench_plan;

/* Every group, in the order of the report. */
extern const struct bench_group *const bench_groups[];
extern const size_t bench_groups_n;
extern const struct bench_target bench_targets[];
extern const size_t bench_targets_n;

/* Where the groups come from. */
extern const struct bench_group bench_rtt[3], bench_throughput[6], bench_blocking[2],
	bench_publish[1], bench_attach[3], bench_mpsc[8], bench_mpmc[14], bench_broadcast[11],
	bench_latest[1], bench_epoll[1];

/** Run all rounds of a group, unless done already; afterwards results can be asked for. */
void bench_measure(const struct bench_group *group);

/** 0, or the negated errno with which a member failed; -ENOTSUP: a rival that is not installed. */
int bench_error(const struct bench_group *group, const struct bench_member *member);

/** Rounds that were run, and one of them. */
const struct bench_sample *bench_round(const struct bench_group *group,
				       const struct bench_member *member, int round);

/** The round whose time is the median. */
const struct bench_sample *bench_median(const struct bench_group *group,
					const struct bench_member *member);

/** Compare with the best of the members labelled `base`. 0 or -ENOENT: there is none. */
int bench_compare(const struct bench_group *group, const struct bench_member *member,
		  const char *base, struct bench_ratio *out);

/** The table of targets, as far as measured; how many were missed. */
int bench_print_targets(void);

/** Remove what the attach groups have named in the system. */
void bench_attach_clean(void);

/* Rivals; -ENOTSUP where they are not installed. */
int peer_boost_throughput(const struct bench_what *what, struct bench_sample *out);
int peer_boost_rtt(const struct bench_what *what, struct bench_sample *out);
int peer_ck_throughput(const struct bench_what *what, struct bench_sample *out);
int peer_ck_rtt(const struct bench_what *what, struct bench_sample *out);

/* Of crowds; variants: bits of enum peer_crowd. */
enum peer_crowd { PEER_ONE_CONSUMER = 1, PEER_RTS = 2 };

int peer_boost_crowd(const struct bench_what *what, struct bench_sample *out);
int peer_ck_crowd(const struct bench_what *what, struct bench_sample *out);
int peer_dpdk_crowd(const struct bench_what *what, struct bench_sample *out);
int peer_moodycamel_crowd(const struct bench_what *what, struct bench_sample *out);

#ifdef __cplusplus
}
#endif

#endif
