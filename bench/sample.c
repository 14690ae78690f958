/* SPDX-License-Identifier: MIT */
/* From what the processes counted to one sample. */
#include <errno.h>

#include "harness.h"

int
bench_sample_latency(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	*out = (struct bench_sample){.preempted = (double)shared->preempted};
	out->count = (double)bench_histogram_count(&shared->latency);
	for (int i = 0; i < BENCH_QUANTILES; i++)
		out->quantiles[i] = bench_histogram_at(&shared->latency, bench_quantiles[i]) /
				    bench_ticks_per_ns();
	out->ns = out->quantiles[BENCH_P50];
	return out->count > 0 ? 0 : -ENODATA;
}

int
bench_sample_rate(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	*out = (struct bench_sample){.preempted = (double)shared->preempted};
	out->count = (double)shared->count;
	if (!shared->count)
		return -ENODATA;
	out->ns = (double)shared->ns / (double)shared->count;
	return 0;
}

int
bench_sample_crowd(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	*out = (struct bench_sample){0};
	if (shared->sent != shared->received || shared->sent_sum != shared->received_sum)
		return -EBADMSG;
	if (!shared->received)
		return -ENODATA;
	out->count = (double)shared->received;
	/* With two on a core the kernel must take it away from each now and then. */
	out->preempted = shared->parties > 2 ? 0 : (double)shared->preempted;
	out->ns = (double)(shared->end_ns - shared->begin_ns) / (double)shared->received;
	return 0;
}

void
bench_figure(struct bench_sample *sample, const char *name, double value)
{
	if (sample->figures_n < BENCH_FIGURES_MAX)
		sample->figures[sample->figures_n++] = (struct bench_figure){name, value};
}

void
bench_figure_cpu(const struct bench_side *side, struct bench_sample *sample)
{
	const struct bench_shared *shared = side->shared;
	double wall = side->what.seconds * 1e9;

	bench_figure(sample, "cpu_first", (double)shared->cpu_ns[0] / wall);
	bench_figure(sample, "cpu_second", (double)shared->cpu_ns[1] / wall);
}
