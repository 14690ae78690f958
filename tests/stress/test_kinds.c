/* SPDX-License-Identifier: MIT */
/*
 * Every kind, from one sender and one receiver up to eight of each, all calls mixed by chance:
 * nothing is lost, repeated, out of order or torn, and nobody starves. And the same with a fault
 * planted in the test's own path, which must be found for what it is.
 */
#include <criterion/criterion.h>

#include "stress/traffic.h"
#include "support/process.h"

TestSuite(kinds, .init = place_begin, .fini = place_end, .timeout = 3600);

/* The crowds of a short run; the long one has all of them. */
static const unsigned some[][2] = {{1, 1}, {2, 3}, {8, 8}};

static unsigned
at_most(unsigned n, unsigned most)
{
	return n < most ? n : most;
}

static void
run(const struct traffic_kind *kind, enum place_backend on, unsigned senders, unsigned receivers)
{
	static uint64_t seed;
	struct traffic traffic = {
		.kind = kind,
		.on = on,
		.senders = senders,
		.receivers = receivers,
		.quota = (uint64_t)1000 * SCALE,
		.seed = seed += 1000,
	};

	SAME(TRAFFIC_FINE, traffic_run(&traffic));
}

static void
every_crowd(const struct traffic_kind *kind, enum place_backend on)
{
	for (unsigned s = 1; s <= kind->senders; s++)
		for (unsigned r = 1; r <= kind->receivers; r++)
			run(kind, on, s, r);
}

static void
some_crowds(const struct traffic_kind *kind, enum place_backend on)
{
	unsigned before[2] = {0, 0};

	for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		unsigned s = at_most(some[i][0], kind->senders);
		unsigned r = at_most(some[i][1], kind->receivers);

		if (s != before[0] || r != before[1])
			run(kind, on, s, r);
		before[0] = s;
		before[1] = r;
	}
}

static void
crowds(const struct traffic_kind *kind)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		if (on == ON_FILE)
			continue; /* as shm: */
		if (SCALE > 1)
			every_crowd(kind, on);
		else
			some_crowds(kind, on);
	}
}

Test(kinds, test_spsc_crowds_exact)
{
	crowds(&traffic_spsc);
}

Test(kinds, test_spsc_records_crowds_exact)
{
	crowds(&traffic_spsc_records);
}

Test(kinds, test_mpsc_crowds_exact)
{
	crowds(&traffic_mpsc);
}

Test(kinds, test_mpsc_records_crowds_exact)
{
	crowds(&traffic_mpsc_records);
}

Test(kinds, test_mpmc_crowds_exact)
{
	crowds(&traffic_mpmc);
}

Test(kinds, test_mpmc_redeliver_crowds_exact)
{
	crowds(&traffic_mpmc_redeliver);
}

Test(kinds, test_broadcast_crowds_exact)
{
	crowds(&traffic_broadcast);
}

Test(kinds, test_broadcast_records_crowds_exact)
{
	crowds(&traffic_broadcast_records);
}

Test(kinds, test_broadcast_limit_crowds_exact)
{
	crowds(&traffic_broadcast_limit);
}

Test(kinds, test_lossy_crowds_loss_is_exact)
{
	crowds(&traffic_lossy);
}

Test(kinds, test_lossy_records_crowds_loss_is_exact)
{
	crowds(&traffic_lossy_records);
}

Test(kinds, test_latest_crowds_newest_and_whole)
{
	crowds(&traffic_latest);
}

/* Planted faults ------------------------------------------------------------------------------ */

/* Two receivers of MPMC could not tell the order of two letters. */
static void
plant(enum traffic_verdict fault)
{
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++) {
		const struct traffic_kind *kind = traffic_kinds[i];
		struct traffic traffic = {
			.kind = kind,
			.on = ON_SHM,
			.senders = at_most(2, kind->senders),
			.receivers = fault == TRAFFIC_STARVED ? at_most(2, kind->receivers) : 1,
			.quota = 300,
			.seed = i,
			.plant = fault,
			.patience_ms = fault == TRAFFIC_STARVED ? 100 : 0,
		};
		enum traffic_verdict verdict = traffic_run(&traffic);

		cr_expect_eq(verdict, fault, "%s: verdict %d", kind->name, (int)verdict);
	}
}

Test(kinds, test_planted_loss_is_found)
{
	plant(TRAFFIC_LOST);
}

Test(kinds, test_planted_repetition_is_found)
{
	plant(TRAFFIC_REPEATED);
}

Test(kinds, test_planted_disorder_is_found)
{
	plant(TRAFFIC_DISORDER);
}

Test(kinds, test_planted_tear_is_found)
{
	plant(TRAFFIC_TORN);
}

Test(kinds, test_planted_starvation_is_found)
{
	plant(TRAFFIC_STARVED);
}
