/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define MEMBERS_MAX 64
#define SLEEPERS_CAPACITY_MAX 1024

/* Variant of a rival: its loop pauses. */
#define PAUSING (1 << 30)

/* A measurement in which the kernel takes a core away more often than this, each second, is made again, once. */
#define PREEMPTED_PER_S 200

/* So is one of a crowd of which somebody else had this share of a core. */
#define TAKEN_MAX 0.1

/*
 * A member whose rounds took longer than this, and than several times what was planned, has no more of them: some rivals take seconds for a
 * round when one of them has lost his core in the middle of something. The rounds that it has count.
 */
#define PATIENCE_S 3.0
#define PATIENCE_TIMES 4
#define ROUNDS_MIN 3

struct bench_group {
	char name[64];
	struct bench_what what;
	enum bench_unit unit;
	double time_factor;
	size_t members_n;
	struct bench_member members[MEMBERS_MAX];
	int errors[MEMBERS_MAX];
	char whys[MEMBERS_MAX][128];
	char less[MEMBERS_MAX][128];
	struct bench_sample *rounds; /* members_n rows of plan.rounds; NULL: not measured yet */
	int rounds_n[MEMBERS_MAX];   /* that were measured */
	double took_s[MEMBERS_MAX];  /* all of them together */
	double stolen;
};

struct bench_plan bench_plan = {.rounds = 11, .seconds = 0.04, .level = BENCH_QUICK};

static struct bench_group **groups;
static size_t groups_n;
static char why_last[128], weaker_last[128];

static void *
never_null(void *memory)
{
	if (memory)
		return memory;
	fputs("shmq_bench: out of memory\n", stderr);
	exit(2);
}

/* Registering ------------------------------------------------------------------------------- */

struct bench_group *
bench_add(const char *name, const struct bench_what *what, enum bench_unit unit,
	  enum bench_level level, double time_factor)
{
	struct bench_group *group;

	if (level > bench_plan.level)
		return NULL;
	group = never_null(calloc(1, sizeof(*group)));
	snprintf(group->name, sizeof(group->name), "%s", name);
	group->what = *what;
	group->unit = unit;
	group->time_factor = time_factor;
	groups = never_null(realloc(groups, (groups_n + 1) * sizeof(*groups)));
	groups[groups_n++] = group;
	return group;
}

void
bench_join(struct bench_group *group, const struct bench_member *member)
{
	if (!group ||
	    (bench_plan.members && fnmatch(bench_plan.members, member->name, FNM_EXTMATCH)))
		return;
	if (group->members_n == MEMBERS_MAX) {
		fprintf(stderr, "shmq_bench: %s: too many members\n", group->name);
		exit(2);
	}
	group->members[group->members_n++] = *member;
}

/* The name of a member that pauses in its loop; kept for good. */
static const char *
pausing_name(const struct bench_adapter *adapter)
{
	size_t bytes = strlen(adapter->name) + sizeof("+pause");
	char *name = never_null(malloc(bytes));

	snprintf(name, bytes, "%s+pause", adapter->name);
	return name;
}

/* Whoever cannot carry what is asked stands in the report with the reason. */
static int
carries(const struct bench_adapter *adapter, const struct bench_what *what)
{
	/* Those who sleep in the kernel have rings of its making, and take seconds for a long lap. */
	if (adapter->base && adapter->can & BENCH_SLEEPS && what->capacity > SLEEPERS_CAPACITY_MAX)
		return 0;
	return !adapter->fits || adapter->fits(what);
}

void
bench_join_adapters(struct bench_group *group, unsigned can,
		    int (*run)(const struct bench_what *, const struct bench_member *,
			       struct bench_sample *))
{
	for (size_t i = 0; group && i < bench_adapters_n; i++) {
		const struct bench_adapter *adapter = bench_adapters[i];
		int rival = adapter->base && adapter->bodies && !(adapter->can & BENCH_SLEEPS);

		if ((adapter->can & can) != can)
			continue;
		if (!carries(adapter, &group->what)) {
			bench_join(group, &(struct bench_member){adapter->name, adapter->base, NULL,
								 adapter, 0});
			continue;
		}
		bench_join(group,
			   &(struct bench_member){adapter->name, adapter->base, run, adapter, 0});
		/* How one spins matters; the best way counts. A crowd's loop pauses for all. */
		if (rival && can == BENCH_PAIR)
			bench_join(group,
				   &(struct bench_member){pausing_name(adapter), adapter->base, run,
							  adapter, PAUSING});
	}
}

void
bench_join_line(struct bench_group *group,
		int (*run)(const struct bench_what *, const struct bench_member *,
			   struct bench_sample *))
{
	static const struct {
		const char *name;
		int pauses;
	} ways[] = {{"line_spin", 0}, {"line_pause", 1}, {"line_pause_4", 4}};
	const struct bench_adapter *line = bench_adapter_named("line");

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		bench_join(group, &(struct bench_member){ways[i].name, line->base, run, line,
							 ways[i].pauses});
}

void
bench_join_stream(struct bench_group *group,
		  int (*run)(const struct bench_what *, const struct bench_member *,
			     struct bench_sample *))
{
	static const struct {
		const char *name;
		int pauses;
	} ways[] = {{"stream_spin", 0}, {"stream_pause_32", 32}, {"stream_pause_512", 512}};
	const struct bench_adapter *stream = bench_adapter_named("stream");

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		bench_join(group, &(struct bench_member){ways[i].name, stream->base, run, stream,
							 ways[i].pauses});
}

size_t
bench_groups_n(void)
{
	return groups_n;
}

struct bench_group *
bench_group_at(size_t i)
{
	return groups[i];
}

const char *
bench_group_name(const struct bench_group *group)
{
	return group->name;
}

enum bench_unit
bench_group_unit(const struct bench_group *group)
{
	return group->unit;
}

const struct bench_what *
bench_group_what(const struct bench_group *group)
{
	return &group->what;
}

size_t
bench_members_n(const struct bench_group *group)
{
	return group->members_n;
}

const struct bench_member *
bench_member_at(const struct bench_group *group, size_t i)
{
	return &group->members[i];
}

/* Queues of an adapter ---------------------------------------------------------------------- */

static size_t
queue_bytes(const struct bench_adapter *adapter, const struct bench_what *what)
{
	return adapter->bytes ? (adapter->bytes(what) + 4095) / 4096 * 4096 : 0;
}

unsigned char *
bench_queue_memory(const struct bench_side *side, unsigned i)
{
	return side->memory + side->memory_bytes / side->queues * i;
}

/* What is made just now, for whoever is told to stop. */
static struct bench_side *made_side;
static const struct bench_adapter *made_adapter;

static void
unmake_current(void)
{
	if (made_side && made_adapter->unmake)
		made_adapter->unmake(made_side);
	made_side = NULL;
}

int
bench_make(struct bench_side *side, const struct bench_adapter *adapter,
	   const struct bench_what *what, unsigned queues)
{
	int err = bench_side_init(side, what, queues * queue_bytes(adapter, what));

	side->queues = queues;
	bench_at_stop(unmake_current);
	made_side = side;
	made_adapter = adapter;
	if (err)
		return err;
	return adapter->make ? adapter->make(side, queues) : 0;
}

void
bench_unmake(struct bench_side *side, const struct bench_adapter *adapter)
{
	made_side = NULL;
	if (adapter->unmake)
		adapter->unmake(side);
	bench_side_free(side);
}

/* `start`: bench_pair() or bench_crowd(). */
static int
run_adapter(const struct bench_what *what, const struct bench_member *member,
	    struct bench_sample *out, const struct bench_pairing *pairing,
	    int (*start)(struct bench_side *side, bench_body *one, bench_body *other))
{
	const struct bench_adapter *adapter = member->adapter;
	struct bench_side side;
	int err;

	if (!adapter->bodies)
		return -ENOTSUP;
	err = bench_make(&side, adapter, what, pairing->queues);
	if (!err)
		err = start(&side, adapter->bodies[pairing->first],
			    adapter->bodies[pairing->second]);
	if (!err)
		err = pairing->sample(&side, out);
	bench_unmake(&side, adapter);
	return err;
}

int
bench_run_pair(const struct bench_what *what, const struct bench_member *member,
	       struct bench_sample *out, const struct bench_pairing *pairing)
{
	return run_adapter(what, member, out, pairing, bench_pair);
}

int
bench_run_crowd(const struct bench_what *what, const struct bench_member *member,
		struct bench_sample *out,
		int (*sample)(const struct bench_side *side, struct bench_sample *out))
{
	const struct bench_pairing crowd = {1, BENCH_CROWD_PRODUCE, BENCH_CROWD_CONSUME, sample};

	return run_adapter(what, member, out, &crowd, bench_crowd);
}

/* Measuring --------------------------------------------------------------------------------- */

void
bench_why(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why_last, sizeof(why_last), format, arguments);
	va_end(arguments);
}

void
bench_weaker(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(weaker_last, sizeof(weaker_last), format, arguments);
	va_end(arguments);
}

/* A ring with a place that is never used does the same job, and who rounds up a little does not do more. */
void
bench_holds(const struct bench_what *what, size_t messages)
{
	if (!what->closed &&
	    (messages + 1 < what->capacity || messages > what->capacity + what->capacity / 2))
		bench_weaker("holds %zu messages, %zu are asked", messages, what->capacity);
}

/* What the hypervisor has kept from all cores so far, in ticks of the kernel's accounts. */
static double
stolen_so_far(void)
{
	unsigned long long fields[8] = {0};
	FILE *file = fopen("/proc/stat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &fields[0], &fields[1],
		   &fields[2], &fields[3], &fields[4], &fields[5], &fields[6], &fields[7]) != 8)
		fields[7] = 0;
	fclose(file);
	return (double)fields[7] * 1e7;
}

/* Whoever sleeps in the kernel leaves its core to others. */
static int
disturbed(const struct bench_member *member, const struct bench_sample *sample, double seconds)
{
	int sleeps = member->adapter && member->adapter->can & BENCH_SLEEPS;

	return sample->preempted > 2 + PREEMPTED_PER_S * seconds ||
	       (!sleeps && sample->taken > TAKEN_MAX);
}

static int
run_one(const struct bench_group *group, const struct bench_member *member,
	struct bench_sample *out)
{
	struct bench_what what = group->what;
	struct bench_sample again = {0};
	int err;

	what.variant = member->variant;
	what.pauses = member->variant & PAUSING ? 1 : 0;
	what.seconds = bench_plan.seconds * group->time_factor;
	if (!member->run)
		return -ENOTSUP;
	err = member->run(&what, member, out);
	if (err || bench_plan.smoke || !disturbed(member, out, what.seconds))
		return err;
	if (!member->run(&what, member, &again) &&
	    (again.preempted < out->preempted || again.taken < out->taken))
		*out = again;
	return 0;
}

/* Bytes do not change from round to round. */
static int
has_enough(const struct bench_group *group, size_t i)
{
	double planned = bench_plan.rounds * bench_plan.seconds * group->time_factor;

	if (group->unit == BENCH_BYTES)
		return group->rounds_n[i] > 0;
	return group->rounds_n[i] >= ROUNDS_MIN &&
	       group->took_s[i] > PATIENCE_S + PATIENCE_TIMES * planned;
}

static void
run_member(struct bench_group *group, size_t i, int round)
{
	const struct bench_member *member = &group->members[i];
	double begin = machine_seconds();

	if (group->errors[i] || has_enough(group, i))
		return;
	bench_why("%s", member->run		  ? ""
			: member->adapter->bodies ? "cannot carry this length or capacity"
						  : member->adapter->note);
	weaker_last[0] = 0;
	group->errors[i] = run_one(group, member,
				   &group->rounds[i * (size_t)bench_plan.rounds + (size_t)round]);
	group->took_s[i] += machine_seconds() - begin;
	group->rounds_n[i] = round + 1;
	if (group->errors[i])
		memcpy(group->whys[i], why_last, sizeof(why_last));
	memcpy(group->less[i], weaker_last, sizeof(weaker_last));
}

void
bench_measure(struct bench_group *group, void (*progress)(const char *name, int round))
{
	size_t n = group->members_n;

	if (group->rounds)
		return;
	group->rounds = never_null(calloc(n * (size_t)bench_plan.rounds, sizeof(*group->rounds)));
	group->stolen = -stolen_so_far();
	for (int round = 0; round < bench_plan.rounds; round++) {
		progress(group->name, round);
		for (size_t i = 0; i < n; i++)
			run_member(group, (i + (size_t)round) % n, round);
	}
	group->stolen += stolen_so_far();
	/* Daemons, pressure, other segments: the next group does without. */
	bench_clean();
}

int
bench_error(const struct bench_group *group, size_t member, const char **why)
{
	*why = group->whys[member];
	return group->errors[member];
}

const char *
bench_base(const struct bench_group *group, size_t member, const char **less)
{
	*less = group->less[member];
	return **less ? "weaker" : group->members[member].base;
}

const struct bench_sample *
bench_round(const struct bench_group *group, size_t member, int round)
{
	return &group->rounds[member * (size_t)bench_plan.rounds + (size_t)round];
}

int
bench_rounds_n(const struct bench_group *group, size_t member)
{
	return group->rounds_n[member];
}

double
bench_round_seconds(const struct bench_group *group, size_t member)
{
	return group->took_s[member] / group->rounds_n[member];
}

double
bench_stolen(const struct bench_group *group)
{
	return group->stolen;
}
