/* SPDX-License-Identifier: MIT */
/* shmq lock, shmq unlock: keep a segment in RAM, or no longer. */
#include "tool.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	return parse_address(key, arg, state->input, state);
}

/* What one attach would lock, for the error line; 0: not known. */
static size_t
lock_needed(const char *addr)
{
	struct shmq_stat st = {.size = sizeof st};

	if (shmq_stat(addr, &st) != 0)
		return 0;
	return st.lock_needed_bytes > 0 ? (size_t)st.lock_needed_bytes : st.segsz;
}

int
cmd_lock(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Keep a segment or queue in RAM.\v"
		       "On sysv: the kernel does it at once, with nobody attached too. Elsewhere "
		       "every attach from now on locks, or fails.",
	};
	const char *addr = NULL;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &addr);
	err = shmq_lock(addr);
	if (err)
		return fail(
			&(struct failure){addr, "lock", err, DURING_LOCK, lock_needed(addr), true});
	return EXIT_DONE;
}

int
cmd_unlock(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Let a segment or queue be paged out again.",
	};
	const char *addr = NULL;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &addr);
	err = shmq_unlock(addr);
	if (err)
		return fail_during(DURING_LOCK, addr, "unlock", err);
	return EXIT_DONE;
}
