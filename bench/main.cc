// SPDX-License-Identifier: MIT
// A thin main: Google Benchmark runs, prints and writes JSON; the measuring is in C.
//
// Each row is one member of a group (bench.h); its iterations are the rounds of that group, timed by the harness. The first row of a group
// that is run measures the whole group.
#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <shmq/shmq.h>

#include "bench.h"

namespace
{

int failures;
const char *cpus;
int fifo;

void
add_ratios(benchmark::State &state, const bench_group *group, const bench_member *member)
{
	static const char *const bases[] = {"floor",	    "boost",	  "ck",	    "futex",
					    "store",	    "alone",	  "kernel", "rival",
					    "per_producer", "one_reader", "slots",  "quiet",
					    "eventfd"};

	for (const char *base : bases) {
		bench_ratio ratio;

		if (member->base || bench_compare(group, member, base, &ratio))
			continue;
		state.counters[std::string("vs_") + base] = ratio.median;
		state.counters[std::string("vs_") + base + "_least"] = ratio.least;
		state.counters[std::string("vs_") + base + "_greatest"] = ratio.greatest;
	}
	for (size_t i = 0; i < bench_targets_n; i++) {
		const bench_target &target = bench_targets[i];

		if (std::strcmp(target.group, group->name) ||
		    std::strcmp(target.member, member->name))
			continue;
		state.counters[std::string(group->more_is_better ? "at_least_" : "at_most_") +
			       target.base] = target.wanted;
	}
}

void
add_figures(benchmark::State &state, const bench_group *group, const bench_member *member)
{
	const bench_sample *median = bench_median(group, member);

	state.counters["preempted"] = median->preempted;
	if (median->missed > 0)
		state.counters["missed"] = median->missed;
	if (group->more_is_better) {
		state.counters["msg_per_s"] = 1e9 / median->ns;
		state.counters["MB_per_s"] =
			static_cast<double>(group->what.len) * 1e3 / median->ns;
		return;
	}
	state.counters["p50_ns"] = median->ns;
	if (median->p99_ns > 0)
		state.counters["p99_ns"] = median->p99_ns;
	if (median->p999_ns > 0)
		state.counters["p999_ns"] = median->p999_ns;
	if (median->send_ns > 0) {
		state.counters["send_ns"] = median->send_ns;
		state.counters["sleeps"] = median->sleeps;
	}
}

void
fail(benchmark::State &state, const bench_member *member, int err)
{
	if (err == -ENOTSUP && member->base)
		return state.SkipWithError("this rival is not installed");
	if (err == -ETIMEDOUT && member->base)
		return state.SkipWithError("this rival did not end in time");
	failures++;
	state.SkipWithError(shmq_strerror(err));
}

void
row(benchmark::State &state, const bench_group *group, const bench_member *member)
{
	int round = 0;

	bench_measure(group);
	if (int err = bench_error(group, member))
		return fail(state, member, err);
	for (auto _ : state)
		state.SetIterationTime(bench_round(group, member, round++)->ns / 1e9);
	add_figures(state, group, member);
	add_ratios(state, group, member);
}

void
register_rows()
{
	for (size_t i = 0; i < bench_groups_n; i++) {
		const bench_group *group = bench_groups[i];

		for (size_t m = 0; m < group->members_n; m++) {
			const bench_member *member = &group->members[m];
			std::string name = std::string(group->name) + "/" + member->name;

			benchmark::RegisterBenchmark(name.c_str(), row, group, member)
				->UseManualTime()
				->Iterations(bench_plan.rounds);
		}
	}
}

// What a reader of the figures must know of the machine; Google Benchmark adds cores, caches and load.
void
describe()
{
	const int *pinned = bench_cpus();

	benchmark::AddCustomContext("shmq", shmq_version());
	benchmark::AddCustomContext("pinned_to",
				    std::to_string(pinned[0]) + "," + std::to_string(pinned[1]));
	benchmark::AddCustomContext("scheduler", fifo ? "SCHED_FIFO" : "SCHED_OTHER");
	benchmark::AddCustomContext("rounds", std::to_string(bench_plan.rounds));
	benchmark::AddCustomContext("seconds_per_round", std::to_string(bench_plan.seconds));
	benchmark::AddCustomContext("other_segments", std::to_string(bench_plan.others));
	benchmark::AddCustomContext("ticks_per_ns", std::to_string(bench_ticks_per_ns()));
}

void
usage(int status)
{
	std::fputs(
		"usage: shmq_bench [--quick | --smoke] [--rounds=N] [--seconds=S] [--cpus=A,B] [--fifo]\n"
		"                  [--benchmark_...]\n"
		"\n"
		"  --quick      3 rounds of 0.1 s: under a minute, for a first look\n"
		"  --smoke      1 round as short as can be: does it work, not how fast\n"
		"  --rounds=N   rounds of each group; ratios are medians over them (7)\n"
		"  --seconds=S  for each measurement in each round (0.3)\n"
		"  --cpus=A,B   the two cores to use (the first two allowed)\n"
		"\n"
		"Others go to Google Benchmark: --benchmark_filter=REGEX, --benchmark_out=FILE, ...\n",
		status ? stderr : stdout);
	std::exit(status);
}

// Take our options out of argv.
void
options(int *argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const char *arg = argv[i];

		if (!std::strcmp(arg, "--quick"))
			bench_plan = {3, 0.1, 1000};
		else if (!std::strcmp(arg, "--smoke"))
			bench_plan = {1, 0.001, 10};
		else if (!std::strncmp(arg, "--rounds=", 9))
			bench_plan.rounds = std::atoi(arg + 9);
		else if (!std::strncmp(arg, "--seconds=", 10))
			bench_plan.seconds = std::atof(arg + 10);
		else if (!std::strncmp(arg, "--cpus=", 7))
			cpus = arg + 7;
		else if (!std::strcmp(arg, "--fifo"))
			fifo = 1;
		else if (!std::strcmp(arg, "--help"))
			usage(0);
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	argv[kept] = nullptr;
	if (bench_plan.rounds < 1 || bench_plan.rounds > BENCH_ROUNDS_MAX ||
	    !(bench_plan.seconds > 0))
		usage(2);
}

} // namespace

int
main(int argc, char **argv)
{
	int err;

	options(&argc, argv);
	err = bench_init(cpus, fifo);
	if (err) {
		std::fputs(
			"shmq_bench: two cores are needed, one for each process; --cpus=A,B names them\n",
			stderr);
		return err == -ENODEV ? 77 : 2;
	}
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	register_rows();
	describe();
	benchmark::RunSpecifiedBenchmarks();
	bench_print_targets();
	return failures ? 1 : 0;
}
