/* SPDX-License-Identifier: MIT */
/* shmq rm: remove; the memory goes with the last detach. */
#include "tool.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	int *first = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which address?");
		return 0;
	case ARGP_KEY_ARGS:
		*first = state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
cmd_rm(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "ADDR...",
		.doc = "Remove segments and queues: the address is free at once, the memory goes "
		       "with the last detach.\v"
		       "Goes on after a failure; the exit status is then 1.",
	};
	int first = argc;
	int status = EXIT_DONE;

	argp_parse(&argp, argc, argv, 0, NULL, &first);
	for (int i = first; i < argc; i++) {
		int err = shmq_remove(argv[i]);

		if (err)
			status = fail_during(DURING_CHANGE, argv[i], "remove", err);
	}
	return status;
}
