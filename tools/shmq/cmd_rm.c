/* SPDX-License-Identifier: MIT */
/* shmq rm: remove; the memory goes with the last detach. */
#include "tool.h"

struct arguments {
	const char *sysv_dir;
	int first;
};

static const struct argp_option options[] = {
	SYSV_DIR_OPTION,
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_SYSV_DIR:
		a->sysv_dir = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which address?");
		return 0;
	case ARGP_KEY_ARGS:
		a->first = state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
cmd_rm(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR...",
		.doc = "Remove segments and queues: the address is free at once, the memory goes "
		       "with the last detach.\v"
		       "Goes on after a failure; the exit status is then 1.",
	};
	struct arguments a = {.first = argc};
	int status = EXIT_DONE;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	for (int i = a.first; a.sysv_dir && i < argc; i++)
		if (sysv_rm(a.sysv_dir, argv[i]))
			status = EXIT_FAILED;
	for (int i = a.first; !a.sysv_dir && i < argc; i++) {
		int err = shmq_remove(argv[i]);

		if (err)
			status = fail_during(DURING_CHANGE, argv[i], "remove", err);
	}
	return status;
}
