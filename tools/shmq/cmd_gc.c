/* SPDX-License-Identifier: MIT */
/* shmq gc: clear what crashed processes left. */
#include "tool.h"

struct sweep {
	const char *sysv_dir;
	bool dry_run;
	int failed;
};

static const struct argp_option options[] = {
	{"dry-run", KEY_DRY_RUN, NULL, 0, "only tell what would be cleared", 0},
	SYSV_DIR_OPTION,
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct sweep *sweep = state->input;

	switch (key) {
	case KEY_DRY_RUN:
		sweep->dry_run = true;
		return 0;
	case KEY_SYSV_DIR:
		sweep->sysv_dir = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
each(const char *what, int err, void *arg)
{
	struct sweep *sweep = arg;

	if (err) {
		sweep->failed++;
		fail_during(DURING_CHANGE, what, "clear", err);
		return;
	}
	fputs(sweep->dry_run ? "would clear " : "cleared ", stdout);
	print_escaped(stdout, what);
	putchar('\n');
}

int
cmd_gc(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Clear what crashed processes left: marked segments that still have a name, "
		       "half-made ones, side files without "
		       "a segment.\vNever touches a complete, unmarked segment, and is safe at any "
		       "time.",
	};
	struct sweep sweep = {0};
	int found;

	argp_parse(&argp, argc, argv, 0, NULL, &sweep);
	if (sweep.sysv_dir)
		return sysv_gc(sweep.sysv_dir, sweep.dry_run);
	found = shmq_gc(sweep.dry_run, each, &sweep);
	if (found < 0)
		return fail_during(DURING_LOOK, "gc", "look around", found);
	printf("%d %s\n", found - sweep.failed, sweep.dry_run ? "to clear" : "cleared");
	return sweep.failed ? EXIT_FAILED : EXIT_DONE;
}
