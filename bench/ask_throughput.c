/* SPDX-License-Identifier: MIT */
/*
 * One process sends as fast as it can, the other checks every message.
 *
 *   throughput/LEN/CAPACITY   every queue for two processes; the floor is copying from core to core
 *                             (peer_stream.c)
 *   batch/LEN/CAPACITY/N      those that move N messages with each call, and beside them one by one
 */
#include <stdio.h>

#include "bench.h"

static const size_t lens[] = {8, 56, 256, 1024, 4096, 65536, (size_t)1 << 20};
static const size_t capacities[] = {64, 1024, 65536};

#define BYTES_MAX ((size_t)256 << 20)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	static const struct bench_pairing pairing = {1, BENCH_PRODUCE, BENCH_CONSUME,
						     bench_sample_rate};
	int err = bench_run_pair(what, member, out, &pairing);

	if (!err)
		bench_figure(out, "MB_per_s", (double)what->len * 1e3 / out->ns);
	return err;
}

/* What a first look needs of the grid. */
static enum bench_level
level(size_t len, size_t capacity)
{
	if (len == 8)
		return capacity > 64 ? BENCH_QUICK : BENCH_FULL;
	return capacity == 1024 && (len == 56 || len == 4096) ? BENCH_QUICK : BENCH_FULL;
}

static void
ask(size_t len, size_t capacity)
{
	const struct bench_what what = {.len = len, .capacity = capacity};
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "throughput/%zu/%zu", len, capacity);
	group = bench_add(name, &what, BENCH_RATE, level(len, capacity), 0.5);
	bench_join_stream(group, run);
	bench_join_adapters(group, BENCH_PAIR, run);
}

static void
ask_batch(size_t len, size_t capacity, unsigned batch)
{
	const struct bench_what what = {.len = len, .capacity = capacity, .batch = batch};
	const struct bench_adapter *single = bench_adapter_named("send_recv");
	int quick = batch == 32 && len <= 56 && capacity == 1024;
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "batch/%zu/%zu/%u", len, capacity, batch);
	group = bench_add(name, &what, BENCH_RATE, quick ? BENCH_QUICK : BENCH_FULL, 0.5);
	bench_join(group, &(struct bench_member){single->name, "one_by_one", run, single, 0});
	bench_join_adapters(group, BENCH_BATCH, run);
}

static void
ask_batches(size_t len, size_t capacity)
{
	static const unsigned batches[] = {1, 8, 32, 256};

	for (size_t b = 0; b < COUNT(batches); b++)
		ask_batch(len, capacity, batches[b]);
}

/* Of the grid what tells most of it. */
static int
batched(size_t len, size_t capacity)
{
	return capacity > 64 && (len == 8 || len == 56 || len == 1024);
}

void
ask_throughput(void)
{
	for (size_t l = 0; l < COUNT(lens); l++) {
		for (size_t c = 0; c < COUNT(capacities); c++) {
			if (lens[l] * capacities[c] <= BYTES_MAX)
				ask(lens[l], capacities[c]);
		}
	}
	for (size_t l = 0; l < COUNT(lens); l++) {
		for (size_t c = 0; c < COUNT(capacities); c++) {
			if (batched(lens[l], capacities[c]))
				ask_batches(lens[l], capacities[c]);
		}
	}
}
