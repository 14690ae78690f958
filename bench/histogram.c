/* SPDX-License-Identifier: MIT */
#include "histogram.h"

const double bench_quantiles[BENCH_QUANTILES] = {
	0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1,
};
const char *const bench_quantile_names[BENCH_QUANTILES] = {
	"p10", "p25", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "p99999", "max",
};

/* The first value that is counted in a bin. */
static double
bin_begin(uint64_t bin)
{
	uint64_t octave, part;

	if (bin < BENCH_EXACT)
		return (double)bin;
	octave = (bin - BENCH_EXACT) / 256 + BENCH_EXACT_BITS;
	part = (bin - BENCH_EXACT) % 256;
	return (double)((256 + part) << (octave - 8));
}

uint64_t
bench_histogram_count(const struct bench_histogram *histogram)
{
	uint64_t count = 0;

	for (uint64_t bin = 0; bin < BENCH_BINS; bin++)
		count += histogram->bins[bin];
	return count;
}

/* What a bin stands for. */
static double
bin_value(uint64_t bin)
{
	return (bin_begin(bin) + bin_begin(bin + 1) - 1) / 2;
}

/* The next bin that is not empty, or `bin` where there is none. */
static uint64_t
next_bin(const struct bench_histogram *histogram, uint64_t bin)
{
	for (uint64_t next = bin + 1; next < BENCH_BINS; next++) {
		if (histogram->bins[next])
			return next;
	}
	return bin;
}

double
bench_histogram_at(const struct bench_histogram *histogram, double part)
{
	double wanted = part * (double)bench_histogram_count(histogram), below = 0;
	uint64_t before = histogram->bins[0] ? 0 : next_bin(histogram, 0);

	if (part >= 1)
		return (double)histogram->greatest;
	for (uint64_t bin = 0; bin < BENCH_BINS; bin++) {
		double here = (double)histogram->bins[bin], begin, end;

		if (!histogram->bins[bin])
			continue;
		if (below + here < wanted) {
			below += here;
			before = bin;
			continue;
		}
		begin = (bin_value(before) + bin_value(bin)) / 2;
		end = (bin_value(bin) + bin_value(next_bin(histogram, bin))) / 2;
		return begin + (end - begin) * (wanted - below) / here;
	}
	return 0;
}
