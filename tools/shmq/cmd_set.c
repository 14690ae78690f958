/* SPDX-License-Identifier: MIT */
/* shmq set: change mode and owner, as IPC_SET. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct arguments {
	const char *addr;
	struct shmq_perm perm;
	bool any;
};

static const struct argp_option options[] = {
	{"mode", KEY_MODE, "OCTAL", 0, "permissions, 0 to 0777", 0},
	{"owner", KEY_OWNER, "USER[:GROUP]", 0, "names or numbers; :GROUP changes the group alone",
	 0},
	{0},
};

/* A number below the "leave it" value; -1: not one. */
static int64_t
plain_id(const char *text)
{
	char *end = NULL;
	unsigned long value;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	value = strtoul(text, &end, 10);
	return *end == '\0' && errno == 0 && value < UINT32_MAX ? (int64_t)value : -1;
}

static uid_t
parse_user(const char *text, struct argp_state *state)
{
	const struct passwd *entry = getpwnam(text);

	if (!entry && plain_id(text) < 0)
		argp_error(state, "--owner: there is no user '%s'", text);
	return entry ? entry->pw_uid : (uid_t)plain_id(text);
}

static gid_t
parse_group(const char *text, struct argp_state *state)
{
	const struct group *entry = getgrnam(text);

	if (!entry && plain_id(text) < 0)
		argp_error(state, "--owner: there is no group '%s'", text);
	return entry ? entry->gr_gid : (gid_t)plain_id(text);
}

static void
parse_owner(const char *text, struct shmq_perm *perm, struct argp_state *state)
{
	char user[256];
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	if ((length == 0 && !colon) || (colon && colon[1] == '\0') || length >= sizeof user)
		argp_error(state, "--owner: '%s' is not USER, USER:GROUP or :GROUP", text);
	snprintf(user, sizeof user, "%.*s", (int)length, text);
	if (length > 0)
		perm->uid = parse_user(user, state);
	if (colon)
		perm->gid = parse_group(colon + 1, state);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_MODE:
		a->perm.mode = parse_mode(arg, state);
		a->any = true;
		return 0;
	case KEY_OWNER:
		parse_owner(arg, &a->perm, state);
		a->any = true;
		return 0;
	case ARGP_KEY_SUCCESS:
		if (!a->any)
			argp_error(state, "set what? --mode, --owner or both");
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
}

int
cmd_set(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Change the mode or the owner of a segment or queue.",
	};
	struct arguments a = {.perm = {sizeof a.perm, (uid_t)-1, (gid_t)-1, (mode_t)-1}};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	err = shmq_set(a.addr, &a.perm);
	if (err)
		return fail_during(DURING_CHANGE, a.addr, "set", err);
	return EXIT_DONE;
}
