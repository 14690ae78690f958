/* SPDX-License-Identifier: MIT */
/*
 * A histogram of ticks in shared memory: exact below BENCH_EXACT, then 256 bins for each power of two (1 / 256 off, at most), as
 * HdrHistogram has them. C and C++.
 */
#ifndef SHMQ_BENCH_HISTOGRAM_H
#define SHMQ_BENCH_HISTOGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_EXACT_BITS 15
#define BENCH_EXACT (UINT64_C(1) << BENCH_EXACT_BITS)
#define BENCH_BINS (BENCH_EXACT + (64 - BENCH_EXACT_BITS) * 256)

struct bench_histogram {
	uint64_t greatest;
	uint64_t bins[BENCH_BINS];
};

/** The parts of a distribution that are kept, and their names in the JSON; after them the greatest. */
#define BENCH_QUANTILES 11
#define BENCH_P50 2
#define BENCH_P999 7
extern const double bench_quantiles[BENCH_QUANTILES];
extern const char *const bench_quantile_names[BENCH_QUANTILES];

/** Count one. */
static inline void
bench_count(struct bench_histogram *histogram, uint64_t ticks)
{
	uint64_t bin = ticks;

	if (__builtin_expect(ticks >= BENCH_EXACT, 0)) {
		unsigned high = 63u - (unsigned)__builtin_clzll(ticks);

		bin = BENCH_EXACT + (high - BENCH_EXACT_BITS) * UINT64_C(256) +
		      ((ticks >> (high - 8)) & 255);
	}
	histogram->bins[bin]++;
	if (__builtin_expect(ticks > histogram->greatest, 0))
		histogram->greatest = ticks;
}

/** How many were counted. */
uint64_t bench_histogram_count(const struct bench_histogram *histogram);

/**
 * The ticks at `part` (0..1), as the quantile of grouped data: a clock that advances in steps leaves most bins empty, and what
 * was counted at a step lies anywhere halfway to its neighbours. 1: the greatest.
 */
double bench_histogram_at(const struct bench_histogram *histogram, double part);

#ifdef __cplusplus
}
#endif

#endif
