/* SPDX-License-Identifier: MIT */
/* From what the processes counted to one sample. */
#include <errno.h>

#include "board.h"

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

/* The share of a core's time, from when all were ready until the last of its processes left, that none of them had. */
static double
taken_from(const struct bench_side *side, int cpu)
{
	const struct bench_board *board = bench_board_of(side);
	const struct bench_shared *shared = side->shared;
	uint64_t used = 0, end = shared->begin_ns;

	for (uint32_t i = 0; i < shared->parties; i++) {
		if (board->parties[i].cpu != cpu)
			continue;
		used += shared->cpu_ns[i];
		end = end < shared->left_ns[i] ? shared->left_ns[i] : end;
	}
	if (end - shared->begin_ns <= used)
		return 0;
	return 1 - (double)used / (double)(end - shared->begin_ns);
}

void
bench_sample_disturbed(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;

	out->preempted = shared->parties > 2 ? 0 : (double)shared->preempted;
	out->taken = 0;
	for (int i = 0; i < 2 && shared->parties > 2; i++) {
		double taken = taken_from(side, bench_cpus()[i]);

		out->taken = taken > out->taken ? taken : out->taken;
	}
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
	out->count = (double)shared->in_time;
	out->ns = side->what.seconds * 1e9 / (double)shared->in_time;
	/* Nobody had anything before the time was over. */
	if (!shared->in_time) {
		out->count = (double)shared->received;
		out->ns = (double)(shared->end_ns - shared->begin_ns) / out->count;
	}
	bench_sample_disturbed(side, out);
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

	for (int i = 0; i < 2; i++) {
		double wall = (double)(shared->left_ns[i] - shared->begin_ns);

		bench_figure(sample, i ? "cpu_second" : "cpu_first",
			     (double)shared->cpu_ns[i] / wall);
	}
}
