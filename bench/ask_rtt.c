/* SPDX-License-Identifier: MIT */
/*
 * Round trips, closed loop: send, wait for the answer, send again.
 *
 *   rtt/LEN      every queue for two processes; the floor is the raw ping-pong of two lines (peer_line.c)
 */
#include <stdio.h>

#include "bench.h"

#define CAPACITY 1024

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	static const struct bench_pairing pairing = {2, BENCH_PING, BENCH_PONG,
						     bench_sample_latency};

	return bench_run_pair(what, member, out, &pairing);
}

static void
ask(size_t len, enum bench_level level)
{
	const struct bench_what what = {.len = len, .capacity = CAPACITY, .closed = 1};
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "rtt/%zu", len);
	group = bench_add(name, &what, BENCH_LATENCY, level, 1);
	bench_join_line(group, run);
	bench_join_adapters(group, BENCH_PAIR, run);
}

void
ask_rtt(void)
{
	ask(8, BENCH_QUICK);
	ask(56, BENCH_QUICK);
	ask(1024, BENCH_FULL);
	ask(65536, BENCH_FULL);
}
