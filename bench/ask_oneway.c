/* SPDX-License-Identifier: MIT */
/*
 * The way of a message, from before the send to after the receive, on the clock that both cores
 * share.
 *
 *   oneway/LEN          closed loop: the next is sent when the answer to the last has come; the
 *                       floor is one line, stored on one core and seen on the other (peer_line.c)
 *   open/LEN/PERCENT    open loop: a message is sent whenever the clock says so, at a share of what
 *                       this very queue can carry (measured right before, in the same round, by the
 *                       same bodies sending without a break), and timed from when it was to be
 *                       sent: who is late is charged for all that he holds up (no coordinated
 *                       omission)
 */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

#define CAPACITY 1024
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Of the time of an open loop: to find out what the queue can carry. */
#define FLAT_OUT 0.25

/* Messages that are sent by the clock, however slow the queue. */
#define LEAST 16

/* Closed loop ------------------------------------------------------------------------------- */

static int
run_closed(const struct bench_what *what, const struct bench_member *member,
	   struct bench_sample *out)
{
	static const struct bench_pairing pairing = {2, BENCH_PING, BENCH_PONG_TIMED,
						     bench_sample_latency};

	return bench_run_pair(what, member, out, &pairing);
}

static void
ask_closed(size_t len, enum bench_level level)
{
	const struct bench_what what = {.len = len, .capacity = CAPACITY, .closed = 1};
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "oneway/%zu", len);
	group = bench_add(name, &what, BENCH_LATENCY, level, 0.5);
	bench_join_line(group, run_closed);
	bench_join_adapters(group, BENCH_PAIR, run_closed);
}

/* Open loop --------------------------------------------------------------------------------- */

/*
 * One run of the two bodies: at which rate messages came, how long each took (NULL: not asked).
 */
static int
run_pace(const struct bench_what *what, const struct bench_adapter *adapter,
	 struct bench_sample *rate, struct bench_sample *latency)
{
	struct bench_side side;
	int err = bench_make(&side, adapter, what, 1);

	if (!err)
		err = bench_pair(&side, adapter->bodies[BENCH_PACE], adapter->bodies[BENCH_ARRIVE]);
	if (!err && side.shared->sent != side.shared->received)
		err = -EBADMSG;
	if (!err)
		err = bench_sample_rate(&side, rate);
	if (!err && latency)
		err = bench_sample_latency(&side, latency);
	bench_unmake(&side, adapter);
	return err;
}

static int
run_open(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	const struct bench_adapter *adapter = member->adapter;
	struct bench_what flat_out = *what, paced = *what;
	struct bench_sample rate;
	int err;

	if (!adapter->bodies)
		return -ENOTSUP;
	flat_out.seconds = what->seconds * FLAT_OUT;
	err = run_pace(&flat_out, adapter, &rate, NULL);
	if (err)
		return err;
	paced.seconds = what->seconds * (1 - FLAT_OUT);
	paced.interval_ns = rate.ns / what->load;
	if (paced.interval_ns > paced.seconds * 1e9 / LEAST)
		paced.interval_ns = paced.seconds * 1e9 / LEAST;
	err = run_pace(&paced, adapter, &rate, out);
	if (err)
		return err;
	bench_figure(out, "offered_per_s", 1e9 / paced.interval_ns);
	bench_figure(out, "achieved_per_s", 1e9 / rate.ns);
	return 0;
}

static void
ask_open(size_t len, unsigned percent, enum bench_level level)
{
	const struct bench_what what = {.len = len, .capacity = CAPACITY, .load = percent / 100.0};
	const struct bench_adapter *stream = bench_adapter_named("stream");
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "open/%zu/%u", len, percent);
	group = bench_add(name, &what, BENCH_LATENCY, level, 0.75);
	bench_join(group, &(struct bench_member){"stream_spin", "floor", run_open, stream, 0});
	bench_join_adapters(group, BENCH_PAIR, run_open);
}

void
ask_oneway(void)
{
	static const size_t lens[] = {8, 56, 1024};
	static const unsigned percents[] = {10, 50, 80, 90};

	ask_closed(8, BENCH_QUICK);
	ask_closed(56, BENCH_FULL);
	ask_closed(1024, BENCH_FULL);
	for (size_t l = 0; l < COUNT(lens); l++) {
		for (size_t p = 0; p < COUNT(percents); p++)
			ask_open(lens[l], percents[p],
				 lens[l] == 8 && percents[p] == 80 ? BENCH_QUICK : BENCH_FULL);
	}
}
