/* SPDX-License-Identifier: MIT */
/*
 * Round trips, closed loop: send, wait for the answer, send again.
 *
 *   rtt/LEN      every queue for two processes; the floor is the raw ping-pong of two lines (peer_line.c)
 */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

#define CAPACITY 1024

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	const struct bench_adapter *adapter = member->adapter;
	struct bench_side side;
	int err;

	if (!adapter->bodies)
		return -ENOTSUP;
	err = bench_make(&side, adapter, what, 2);
	if (!err)
		err = bench_pair(&side, adapter->bodies[BENCH_PING], adapter->bodies[BENCH_PONG]);
	if (!err)
		err = bench_sample_latency(&side, out);
	bench_unmake(&side, adapter);
	return err;
}

static void
ask(size_t len, enum bench_level level)
{
	const struct bench_adapter *line = bench_adapter_named("line");
	const struct bench_what what = {.len = len, .capacity = CAPACITY};
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "rtt/%zu", len);
	group = bench_add(name, &what, BENCH_LATENCY, level, 1);
	bench_join(group, &(struct bench_member){"line_spin", "floor", run, line, 0});
	bench_join(group, &(struct bench_member){"line_pause", "floor", run, line, 1});
	bench_join(group, &(struct bench_member){"line_pause_4", "floor", run, line, 4});
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
