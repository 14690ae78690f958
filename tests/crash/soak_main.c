/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "soak_driver.h"
#include "support/leak.h"
#include "support/list.h"
#include "support/process.h"

#define HOUR_NS 3600e9
#define KILLS 25
#define PERIOD_S 60
#define SEGMENTS "segments"
#define MMAP_BYTES (1 << 17)

static volatile int interrupted;

struct options {
	const char *kinds;
	uint64_t seed, period_s;
	double hours;
	unsigned kills;
	enum soak_plant plant;
	bool find_plants;
};

static void
usage(int status)
{
	fputs("usage: crash_soak [OPTION...] HOURS\n"
	      "  --kinds=NAME,...  these kinds (and \"" SEGMENTS "\"), not all\n"
	      "  --kills=N         in a round (25)\n"
	      "  --period=SECONDS  between two checks (60)\n"
	      "  --seed=N          of the random numbers\n"
	      "  --plant=NAME      with a fault that must be found\n"
	      "  --find-plants     run with each of these faults, a few seconds each\n",
	      status ? stderr : stdout);
	exit(status);
}

static enum soak_plant
plant_named(const char *name)
{
	for (enum soak_plant plant = NO_PLANT; plant < PLANTS; plant++)
		if (strcmp(soak_plant_name(plant), name) == 0)
			return plant;
	usage(2);
	return NO_PLANT;
}

static void
set_option(struct options *o, int option)
{
	switch (option) {
	case 'k':
		o->kinds = optarg;
		return;
	case 'n':
		o->kills = (unsigned)strtoul(optarg, NULL, 0);
		return;
	case 't':
		o->period_s = strtoull(optarg, NULL, 0);
		return;
	case 's':
		o->seed = strtoull(optarg, NULL, 0);
		return;
	case 'p':
		o->plant = plant_named(optarg);
		return;
	case 'f':
		o->find_plants = true;
		return;
	case 'h':
		usage(0);
		return;
	default:
		usage(2);
	}
}

static struct options
parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"kinds", required_argument, NULL, 'k'},  {"kills", required_argument, NULL, 'n'},
		{"period", required_argument, NULL, 't'}, {"seed", required_argument, NULL, 's'},
		{"plant", required_argument, NULL, 'p'},  {"find-plants", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	struct options o = {.kills = KILLS,
			    .period_s = PERIOD_S,
			    .seed = (uint64_t)time(NULL) << 20 | (uint64_t)getpid()};
	char *end = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0)
		set_option(&o, option);
	if (optind + 1 == argc)
		o.hours = strtod(argv[optind], &end);
	if (!o.find_plants && (!end || *end || !(o.hours > 0) || !o.kills || !o.period_s))
		usage(2);
	return o;
}

static void
add_runner(struct soak *soak, const struct options *o, const struct storm_kind *kind,
	   unsigned index)
{
	struct soak_runner *r = &soak->runners[soak->count];

	*r = (struct soak_runner){.name = kind ? kind->name : SEGMENTS,
				  .kind = kind,
				  .index = index,
				  .seed = o->seed + index,
				  .kills = o->kills,
				  .plant = o->plant == PLANT_DRIVER ? NO_PLANT : o->plant};
	soak->count += list_has(o->kinds, r->name);
}

static void
interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Once: in order. Twice: at once. */
static void
take_signals(void)
{
	const struct sigaction action = {.sa_handler = interrupt,
					 .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	SAME(0, sigaction(SIGINT, &action, NULL));
	SAME(0, sigaction(SIGTERM, &action, NULL));
}

static int
run(const struct options *o)
{
	static struct soak soak;

	for (unsigned i = 0; i < storm_kind_count; i++)
		add_runner(&soak, o, &storm_kinds[i], i);
	add_runner(&soak, o, NULL, storm_kind_count);
	if (soak.count == 0)
		usage(2);
	soak.plant = o->plant;
	soak.board = process_share(sizeof(*soak.board));
	soak.period_ns = o->period_s * UINT64_C(1000000000);
	soak.began_ns = clock_now_ns();
	soak.end_ns = soak.began_ns + (uint64_t)(o->hours * HOUR_NS);
	printf("soak: %u runners, %g hours, seed %llu\n", soak.count, o->hours,
	       (unsigned long long)o->seed);
	take_signals();
	soak_drive(&soak, &interrupted);
	soak_print_summary(&soak);
	return soak.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Heap that can be counted: without caches of threads, whose chunks count as used, and with what is
 * large mapped and given back, from a threshold that does not move. That takes a new start.
 */
static void
plain_heap(char **argv)
{
	char program[PATH_MAX] = "";

	if (!getenv("GLIBC_TUNABLES")) {
		MUST(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
		SAME(0, setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1));
		execv(program, argv);
		MUST(false && "started again");
	}
	MUST(mallopt(M_MMAP_THRESHOLD, MMAP_BYTES) == 1 || leak_sanitizer());
}

int
main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	plain_heap(argv);
	if (o.find_plants)
		return soak_find_plants("/proc/self/exe");
	place_begin();
	if (place_is_private()) {
		status = run(&o);
	} else {
		fputs("soak: needs a mount and an IPC namespace of its own: run it as root\n",
		      stderr);
		status = SOAK_SKIPPED;
	}
	place_end();
	return status;
}
