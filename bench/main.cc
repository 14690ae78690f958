// SPDX-License-Identifier: MIT
// A thin main: Google Benchmark selects rows, and writes JSON; the measuring is in C.
//
// Each row is one member of a group (bench.h); its iterations are the rounds of that group, timed by the harness. The first row
// of a group that is run measures the whole group. Ratios are made of the JSON (results.py).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <vector>

#include <unistd.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "machine.h"

namespace
{

int failures;
const char *cpus;
int fifo;
size_t groups_begun, groups_chosen;

const char *const units[] = {"latency", "rate", "cost", "bytes"};

/* On a terminal one line that changes, else one for each group. */
void
progress(const char *name, int round)
{
	static double begun;
	int terminal = isatty(STDERR_FILENO);
	double now = machine_seconds();

	if (!round && !groups_begun++)
		begun = now;
	double parts = static_cast<double>(groups_begun - 1) +
		       static_cast<double>(round) / bench_plan.rounds;
	double all = static_cast<double>(groups_chosen);
	double left = parts > 0 ? (now - begun) / parts * (all - parts) : 0;

	if (terminal || !round)
		std::fprintf(stderr, "%s[%zu/%zu] %s, round %d of %d, %.0f min gone%s",
			     terminal ? "\r\033[K" : "", groups_begun, groups_chosen, name,
			     round + 1, bench_plan.rounds, (now - begun) / 60,
			     terminal ? "" : "\n");
	if (terminal && parts > 2)
		std::fprintf(stderr, ", about %.0f to go", left / 60);
}

/* A counter for each round, so that ratios can be made within it. */
void
add_rounds(benchmark::State &state, const bench_group *group, size_t member)
{
	bool latency = bench_group_unit(group) == BENCH_LATENCY;

	for (int i = 0; i < bench_rounds_n(group, member); i++) {
		const bench_sample *sample = bench_round(group, member, i);

		state.counters["r" + std::to_string(i)] = sample->ns;
		if (latency)
			state.counters["t" + std::to_string(i)] = sample->quantiles[BENCH_P999];
	}
	/* Fewer than the others had, as each took so long. */
	if (bench_rounds_n(group, member) < bench_plan.rounds &&
	    bench_group_unit(group) != BENCH_BYTES) {
		state.counters["rounds"] = bench_rounds_n(group, member);
		state.counters["round_s"] = bench_round_seconds(group, member);
	}
}

double
median(std::vector<double> values)
{
	std::sort(values.begin(), values.end());
	return values[values.size() / 2];
}

template <class Get>
double
median_over_rounds(const bench_group *group, size_t member, Get get)
{
	std::vector<double> values;

	for (int i = 0; i < bench_rounds_n(group, member); i++)
		values.push_back(get(bench_round(group, member, i)));
	return median(values);
}

template <class Get>
double
greatest_over_rounds(const bench_group *group, size_t member, Get get)
{
	double greatest = 0;

	for (int i = 0; i < bench_rounds_n(group, member); i++)
		greatest = std::max(greatest, get(bench_round(group, member, i)));
	return greatest;
}

bool
is_fault(const std::string &name)
{
	return name == "faults" || name == "major_faults" || name == "ejected_others";
}

/* Medians over the rounds, of the greatest the greatest. */
void
add_quantiles(benchmark::State &state, const bench_group *group, size_t member)
{
	for (int q = 0; q < BENCH_QUANTILES - 1; q++)
		state.counters[bench_quantile_names[q]] = median_over_rounds(
			group, member, [q](const bench_sample *s) { return s->quantiles[q]; });
	state.counters[bench_quantile_names[BENCH_QUANTILES - 1]] =
		greatest_over_rounds(group, member, [](const bench_sample *s) {
			return s->quantiles[BENCH_QUANTILES - 1];
		});
}

void
add_figures(benchmark::State &state, const bench_group *group, size_t member)
{
	const bench_sample *first = bench_round(group, member, 0);

	for (unsigned f = 0; f < first->figures_n; f++) {
		auto get = [f](const bench_sample *s) { return s->figures[f].value; };
		const char *name = first->figures[f].name;

		/* One round in which something was lost is one too many. */
		state.counters[name] = is_fault(name) ? greatest_over_rounds(group, member, get)
						      : median_over_rounds(group, member, get);
	}
	state.counters["count"] =
		median_over_rounds(group, member, [](const bench_sample *s) { return s->count; });
	state.counters["preempted"] = median_over_rounds(group, member, [](const bench_sample *s) {
		return s->preempted;
	});
	state.counters["taken"] =
		median_over_rounds(group, member, [](const bench_sample *s) { return s->taken; });
	state.counters["stolen_ms"] = bench_stolen(group) / 1e6;
}

/* Where in the grid it is. */
void
add_place(benchmark::State &state, const bench_what *what)
{
	const struct {
		const char *name;
		double value;
	} places[] = {
		{"len", static_cast<double>(what->len)},
		{"capacity", static_cast<double>(what->capacity)},
		{"batch", static_cast<double>(what->batch)},
		{"producers", static_cast<double>(what->producers)},
		{"consumers", static_cast<double>(what->consumers)},
		{"mixed", static_cast<double>(what->mixed)},
		{"load", what->load},
		{"segments", static_cast<double>(what->segments)},
		{"participants", static_cast<double>(what->participants)},
	};

	for (const auto &place : places) {
		if (place.value != 0)
			state.counters[place.name] = place.value;
	}
}

void
fail(benchmark::State &state, const bench_member *member, int err, const char *why)
{
	std::string text = *why ? why : shmq_strerror(err);

	/* A rival that cannot run says why; we must run. */
	if (!member->base && err != -ENOTSUP)
		failures++;
	state.SkipWithError(text.c_str());
}

/* What it is, what is measured, and what it does less than is asked. */
std::string
label(const bench_group *group, size_t i)
{
	const char *less, *base = bench_base(group, i, &less);
	std::string text = std::string(base ? base : "shmq") + " " + units[bench_group_unit(group)];

	return *less ? text + " " + less : text;
}

void
row(benchmark::State &state, bench_group *group, size_t i)
{
	const bench_member *member = bench_member_at(group, i);
	const char *why;

	bench_measure(group, progress);
	state.SetLabel(label(group, i));
	if (int err = bench_error(group, i, &why))
		return fail(state, member, err, why);
	int round = 0;
	for (auto _ : state)
		state.SetIterationTime(
			bench_round(group, i, round++ % bench_rounds_n(group, i))->ns / 1e9);
	add_rounds(state, group, i);
	if (bench_group_unit(group) == BENCH_LATENCY)
		add_quantiles(state, group, i);
	add_figures(state, group, i);
	add_place(state, bench_group_what(group));
}

/* Does Google Benchmark's filter choose this row? A filter that is wrong is its to complain of. */
bool
chosen(const std::string &name)
{
	std::string filter = benchmark::GetBenchmarkFilter();
	bool wanted = filter.empty() || filter[0] != '-';

	if (filter.empty() || filter == "all")
		return true;
	try {
		std::regex part(filter.substr(!wanted), std::regex::extended);

		return std::regex_search(name, part) == wanted;
	} catch (const std::regex_error &) {
		return true;
	}
}

void
register_group(bench_group *group)
{
	bool any = false;

	for (size_t m = 0; m < bench_members_n(group); m++) {
		std::string name = std::string(bench_group_name(group)) + "/" +
				   bench_member_at(group, m)->name;

		benchmark::RegisterBenchmark(name.c_str(), row, group, m)
			->UseManualTime()
			->Iterations(bench_plan.rounds);
		any |= chosen(name + "/iterations:" + std::to_string(bench_plan.rounds) +
			      "/manual_time");
	}
	groups_chosen += any;
}

void
register_rows()
{
	for (size_t g = 0; g < bench_groups_n(); g++)
		register_group(bench_group_at(g));
}

void
ask_all()
{
	void (*const questions[])(void) = {
#define QUESTION(name) ask_##name,
#include "questions.inc"
	};

	for (auto ask : questions)
		ask();
}

/* One short line for each row: what a person wants to see pass by. */
class Lines : public benchmark::BenchmarkReporter
{
public:
	bool ReportContext(const Context &) override
	{
		return true;
	}

	void ReportRuns(const std::vector<Run> &runs) override
	{
		if (isatty(STDERR_FILENO))
			std::fputs("\r\033[K", stderr);
		for (const Run &run : runs)
			line(run);
		std::fflush(stdout);
	}

private:
	void line(const Run &run)
	{
		std::string name = run.run_name.function_name;

		if (run.error_occurred) {
			std::printf("%-56s %s\n", name.c_str(), run.error_message.c_str());
			return;
		}
		std::vector<double> rounds;
		for (int i = 0; run.counters.count("r" + std::to_string(i)); i++)
			rounds.push_back(run.counters.at("r" + std::to_string(i)));
		std::sort(rounds.begin(), rounds.end());
		std::string unit = run.report_label.substr(run.report_label.find(' ') + 1);
		bool rate = !unit.compare(0, 4, "rate"), bytes = !unit.compare(0, 5, "bytes");
		double low = rounds.front(), middle = rounds[rounds.size() / 2],
		       high = rounds.back();
		if (rate)
			std::printf("%-56s %10.3f M/s (%.3f - %.3f)\n", name.c_str(), 1e3 / middle,
				    1e3 / high, 1e3 / low);
		else
			std::printf("%-56s %10.1f %s (%.1f - %.1f)\n", name.c_str(), middle,
				    bytes ? "B" : "ns", low, high);
	}
};

void
usage(int status)
{
	std::fputs(
		"usage: shmq_bench [--quick | --full | --smoke] [--rounds=N] [--seconds=S] [--cpus=A,B] [--fifo]\n"
		"                  [--benchmark_...]\n"
		"\n"
		"  --quick      part of the grid, a few minutes (the default)\n"
		"  --full       the whole grid, about an hour\n"
		"  --smoke      1 round as short as can be: does it work, not how fast\n"
		"  --rounds=N   rounds of each group; figures are medians over them (11)\n"
		"  --seconds=S  for each measurement in each round (0.04; --full: 0.06)\n"
		"  --cpus=A,B   the two cores to use (the first two allowed)\n"
		"  --members=P  only members whose name matches, as a shell matches: --members='@(mpmc|rte_*)'\n"
		"  --fifo       measure under SCHED_FIFO\n"
		"  --jitter-seconds=S  add jitter/steady: a locked queue at 1 kHz under memory pressure,\n"
		"               for S seconds over all rounds (one piece: --rounds=1 and a filter)\n"
		"\n"
		"Others go to Google Benchmark: --benchmark_filter=REGEX, --benchmark_out=FILE,\n"
		"--benchmark_list_tests, ...\n",
		status ? stderr : stdout);
	std::exit(status);
}

/* Take our options out of argv. */
void
options(int *argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const char *arg = argv[i];

		if (!std::strcmp(arg, "--quick"))
			continue;
		else if (!std::strcmp(arg, "--full"))
			bench_plan.level = BENCH_FULL, bench_plan.seconds = 0.06;
		else if (!std::strcmp(arg, "--smoke"))
			bench_plan.rounds = 1, bench_plan.seconds = 0.001, bench_plan.smoke = 1;
		else if (!std::strncmp(arg, "--rounds=", 9))
			bench_plan.rounds = std::atoi(arg + 9);
		else if (!std::strncmp(arg, "--seconds=", 10))
			bench_plan.seconds = std::atof(arg + 10);
		else if (!std::strncmp(arg, "--members=", 10))
			bench_plan.members = arg + 10;
		else if (!std::strncmp(arg, "--jitter-seconds=", 17))
			bench_plan.jitter_seconds = std::atof(arg + 17);
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

void
add_context(const char *name, const char *value)
{
	benchmark::AddCustomContext(name, value);
}

/* Two threads of one core measure the core, not the way from one to another. */
void
warn_of_siblings()
{
	const int *pinned = bench_cpus();

	if (!std::strcmp(machine_relation(pinned), "smt"))
		std::fprintf(
			stderr,
			"shmq_bench: warning: CPUs %d and %d are two threads of one core; --cpus=A,B names others\n",
			pinned[0], pinned[1]);
}

/* What a reader of the figures must know of the run and of the machine. */
void
describe()
{
	const int *pinned = bench_cpus();
	std::string pair = std::to_string(pinned[0]) + "," + std::to_string(pinned[1]);

	add_context("shmq", shmq_version());
	add_context("pinned_to", pair.c_str());
	add_context("scheduler", fifo ? "SCHED_FIFO" : "SCHED_OTHER");
	add_context("level", bench_plan.smoke		      ? "smoke"
			     : bench_plan.level == BENCH_FULL ? "full"
							      : "quick");
	add_context("rounds", std::to_string(bench_plan.rounds).c_str());
	add_context("seconds_per_round", std::to_string(bench_plan.seconds).c_str());
	add_context("ticks_per_ns", std::to_string(bench_ticks_per_ns()).c_str());
	machine_describe(pinned, add_context);
	for (size_t i = 0; i < bench_adapters_n; i++)
		add_context((std::string("adapter_") + bench_adapters[i]->name).c_str(),
			    bench_adapters[i]->note);
}

} // namespace

int
main(int argc, char **argv)
{
	if (argc > 1 && !std::strcmp(argv[1], BENCH_PARTY))
		bench_party(argc, argv);
	options(&argc, argv);
	if (int err = bench_init(cpus, fifo)) {
		std::fputs(
			"shmq_bench: two cores are needed, one for each process; --cpus=A,B names them\n",
			stderr);
		return err == -ENODEV ? 77 : 2;
	}
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	ask_all();
	register_rows();
	describe();
	warn_of_siblings();
	Lines lines;
	benchmark::RunSpecifiedBenchmarks(&lines);
	return failures ? 1 : 0;
}
