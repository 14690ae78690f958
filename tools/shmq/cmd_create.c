/* SPDX-License-Identifier: MIT */
/* shmq create: make a queue, and print the address to use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct arguments {
	const char *addr;
	struct shmq_opts opts;
};

#define DEFAULT_MSG_MAX 4096

static const struct argp_option options[] = {
	{"kind", KEY_KIND, "KIND", 0, "spsc (the default), mpsc, mpmc, broadcast or latest", 0},
	{"msg-max", KEY_MSG_MAX, "BYTES", 0,
	 "the longest message (4096); K, M, G are powers of 1024", 0},
	{"capacity", KEY_CAPACITY, "N", 0,
	 "how many messages it holds (1024; mpsc: of each producer, 128; latest: 4); with "
	 "--records how many bytes (1M; mpsc: 64K); K, M, G as above",
	 0},
	{"participants", KEY_PARTICIPANTS, "N", 0,
	 "how many may be attached (64); mpsc has room for messages for each", 0},
	{"mode", KEY_MODE, "OCTAL", 0, "permissions (0600); the umask does not apply", 0},
	{"lock", KEY_LOCK, NULL, 0, "every attach locks the memory, or fails", 0},
	{"populate", KEY_POPULATE, NULL, 0, "every page present at once", 0},
	{"huge", KEY_HUGE, "2M|1G", 0, "huge pages of that size, where the backend has them", 0},
	{"lossy", KEY_LOSSY, NULL, 0, "broadcast: overwrite rather than wait", 0},
	{"slow-limit", KEY_SLOW_LIMIT, "N", 0,
	 "broadcast: a consumer that falls that many messages behind is ejected", 0},
	{"records", KEY_RECORDS, NULL, 0,
	 "spsc, mpsc, broadcast: messages take the room that they need", 0},
	{"redeliver", KEY_REDELIVER, NULL, 0, "mpmc: what a dead consumer had claimed comes again",
	 0},
	{"max-deliveries", KEY_MAX_DELIVERIES, "N", 0,
	 "with --redeliver: how often at most, before it is dropped (16)", 0},
	{0},
};

static int
parse_kind(const char *text, struct argp_state *state)
{
	for (int kind = SHMQ_SPSC; kind <= SHMQ_LATEST; kind++)
		if (strcmp(text, text_kind(kind)) == 0)
			return kind;
	argp_error(state, "--kind: '%s' is none of spsc, mpsc, mpmc, broadcast, latest", text);
	return SHMQ_SPSC;
}

static size_t
parse_huge(const char *text, struct argp_state *state)
{
	if (strcmp(text, "2M") == 0)
		return (size_t)2 << 20;
	if (strcmp(text, "1G") == 0)
		return (size_t)1 << 30;
	argp_error(state, "--huge: '%s' is neither 2M nor 1G", text);
	return 0;
}

/* The library takes mode 0 for "the default"; a queue that nobody may open has no use either. */
static mode_t
parse_create_mode(const char *text, struct argp_state *state)
{
	mode_t mode = parse_mode(text, state);

	if (mode == 0)
		argp_error(state,
			   "--mode: 0 lets nobody in; make it with 0600 and use \"shmq set\"");
	return mode;
}

static unsigned
flag_of(int key)
{
	switch (key) {
	case KEY_LOCK:
		return SHMQ_LOCK;
	case KEY_POPULATE:
		return SHMQ_POPULATE;
	case KEY_LOSSY:
		return SHMQ_LOSSY;
	case KEY_RECORDS:
		return SHMQ_RECORDS;
	case KEY_REDELIVER:
		return SHMQ_REDELIVER;
	default:
		return 0;
	}
}

/* The numbers that must not be 0; false: the key is none of them. */
static bool
parse_counts(int key, const char *arg, struct shmq_opts *opts, struct argp_state *state)
{
	switch (key) {
	case KEY_CAPACITY:
		opts->capacity = parse_count(arg, SHMQ_CAPACITY_MAX, "--capacity", state);
		return true;
	case KEY_PARTICIPANTS:
		opts->participants =
			(unsigned)parse_count(arg, SHMQ_PARTICIPANTS_MAX, "--participants", state);
		return true;
	case KEY_SLOW_LIMIT:
		opts->slow_limit = parse_count(arg, SHMQ_CAPACITY_MAX, "--slow-limit", state);
		return true;
	case KEY_MAX_DELIVERIES:
		opts->max_deliveries =
			(unsigned)parse_count(arg, SHMQ_DELIVERIES_MAX, "--max-deliveries", state);
		return true;
	default:
		return false;
	}
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (parse_counts(key, arg, &a->opts, state))
		return 0;
	switch (key) {
	case KEY_KIND:
		a->opts.kind = parse_kind(arg, state);
		return 0;
	case KEY_MSG_MAX:
		a->opts.msg_max = parse_size(arg, SHMQ_MSG_MAX, "--msg-max", state);
		return 0;
	case KEY_MODE:
		a->opts.mode = parse_create_mode(arg, state);
		return 0;
	case KEY_HUGE:
		a->opts.page_size = parse_huge(arg, state);
		return 0;
	default:
		a->opts.flags |= flag_of(key);
		return flag_of(key) ? 0 : parse_address(key, arg, &a->addr, state);
	}
}

/*
 * What this queue would need, even where the library refuses the options: then the plain product.
 */
static size_t
footprint(const struct shmq_opts *opts)
{
	ssize_t bytes = shmq_footprint(opts);

	return bytes > 0 ? (size_t)bytes : opts->capacity * opts->msg_max;
}

/* What does not go together, and what to do; NULL: nothing of that. */
static const char *
clash(const struct shmq_opts *o)
{
	bool broadcast = o->kind == SHMQ_BROADCAST, lossy = o->flags & SHMQ_LOSSY;
	bool redeliver = o->flags & SHMQ_REDELIVER;

	if (lossy && !broadcast)
		return "--lossy is for broadcast; add --kind broadcast, or leave it out";
	if (redeliver && o->kind != SHMQ_MPMC)
		return "--redeliver is for mpmc; add --kind mpmc, or leave it out";
	if ((o->flags & SHMQ_RECORDS) && (o->kind == SHMQ_MPMC || o->kind == SHMQ_LATEST))
		return "--records is for spsc, mpsc and broadcast; choose one of them, or leave it "
		       "out";
	if (o->max_deliveries && !redeliver)
		return "--max-deliveries is for mpmc with --redeliver; add that, or leave it out";
	if (o->slow_limit && !broadcast)
		return "--slow-limit is for broadcast; add --kind broadcast, or leave it out";
	if (o->slow_limit && lossy)
		return "--slow-limit and --lossy: a lossy producer waits for nobody; leave one out";
	return NULL;
}

/* Whether the slow limit is all that is wrong. */
static bool
is_slow_limit(struct shmq_opts opts)
{
	if (!opts.slow_limit)
		return false;
	opts.slow_limit = 0;
	return shmq_footprint(&opts) > 0;
}

/* One of the numbers does not go with the others. */
static int
misfit(const char *addr, const struct shmq_opts *o)
{
	/* A record has a header of 8 bytes, and ends at a multiple of 8. */
	size_t record = (8 + o->msg_max + 7) / 8 * 8;

	if (is_slow_limit(*o))
		return fail_plain(addr,
				  "create: --slow-limit %zu is more than the capacity; choose at "
				  "most that, or a larger --capacity",
				  o->slow_limit);
	if (o->kind == SHMQ_LATEST && o->capacity == 1)
		return fail_plain(addr,
				  "create: latest keeps 2 values or more; choose --capacity 2, or "
				  "leave it out");
	if ((o->flags & SHMQ_RECORDS) && o->capacity && o->capacity < record)
		return fail_plain(addr,
				  "create: with --records --capacity is in bytes, and a message of "
				  "%zu takes %zu; choose at least that, or a smaller --msg-max",
				  o->msg_max, record);
	return fail_plain(addr, "create: larger than any memory; choose a smaller --capacity, "
				"--msg-max or --participants");
}

/* The remedies that depend on the options, and not only on the error. */
static int
create_failed(const struct arguments *a, int err)
{
	const struct shmq_opts *opts = &a->opts;
	size_t bytes = footprint(opts);
	size_t huge = opts->page_size;

	if (err == -ENOTSUP && clash(opts))
		return fail_plain(a->addr, "create: %s", clash(opts));
	if (err == -EINVAL && shmq_footprint(opts) < 0)
		return misfit(a->addr, opts);
	if (err == -ENOTSUP && huge)
		return fail_plain(a->addr,
				  "create: %s; huge pages are for sysv: and for file: on "
				  "a hugetlbfs mount",
				  shmq_strerror(err));
	if (err == -ENOMEM && huge && !(opts->flags & SHMQ_LOCK))
		return fail_plain(a->addr,
				  "create: not enough huge pages; needs %zu of %zu MiB free, "
				  "\"shmq doctor\" shows how many there are and how to get them",
				  (bytes + huge - 1) / huge, huge >> 20);
	return fail(&(struct failure){.addr = a->addr,
				      .doing = "create",
				      .err = err,
				      .during = DURING_CREATE,
				      .bytes = bytes,
				      .locking = opts->flags & SHMQ_LOCK});
}

/* The canonical address where it is complete; st->address is cut when longer than its field. */
static void
print_address(const char *addr, int result)
{
	struct shmq_stat st = {.size = sizeof st};

	if (strcmp(addr, "sysv:private") == 0)
		printf("sysv:id/%d\n", result);
	else if (shmq_stat(addr, &st) == 0 && st.address[0] &&
		 strlen(st.address) + 1 < sizeof st.address)
		puts(st.address);
	else
		puts(addr);
}

int
cmd_create(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Make a queue, and print its address.\v"
		       "Sizes may end in K, M or G. A memfd: dies with the last process that has "
		       "it, so a program must create it.",
	};
	struct arguments a = {.opts = {.size = sizeof a.opts, .msg_max = DEFAULT_MSG_MAX}};
	int result;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (strncmp(a.addr, "memfd:", 6) == 0)
		return fail_plain(
			a.addr,
			"create: it would die with this command; call shmq_create() in a program "
			"and pass on the "
			"descriptor, whose address is fd:N");
	result = shmq_create(a.addr, &a.opts);
	if (result < 0)
		return create_failed(&a, result);
	print_address(a.addr, result);
	return EXIT_DONE;
}
