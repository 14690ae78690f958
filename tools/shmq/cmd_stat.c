/* SPDX-License-Identifier: MIT */
/* shmq stat: all that is known of one segment or queue. */
#include <inttypes.h>

#include "tool.h"

struct arguments {
	const char *addr;
	bool json;
};

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0,
	 "one JSON object, the fields of struct shmq_stat; null: not known here", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (key != KEY_JSON)
		return parse_address(key, arg, &a->addr, state);
	a->json = true;
	return 0;
}

static void
print_identity(const struct shmq_stat *st)
{
	char user[TEXT_MAX], group[TEXT_MAX], cuser[TEXT_MAX], cgroup[TEXT_MAX];

	fputs("address        ", stdout);
	print_escaped(stdout, st->address[0] ? st->address : "-");
	printf("\nbackend        %s\n", text_backend(st->backend));
	printf("kind           %s\n", text_kind(st->kind));
	printf("mode           %04o%s%s\n", st->mode & 0777u, st->mode & SHMQ_DEST ? " dest" : "",
	       st->mode & SHMQ_LOCKED ? " locked" : "");
	printf("owner          %s:%s\n", text_user(user, st->uid), text_group(group, st->gid));
	printf("creator        %s:%s\n", text_user(cuser, st->cuid), text_group(cgroup, st->cgid));
	printf("key            0x%" PRIx64 "\n", (uint64_t)st->key);
	if (st->id >= 0)
		printf("id             %" PRId64 "\n", st->id);
	printf("seq            %u\n", st->seq);
}

static void
print_memory(const struct shmq_stat *st)
{
	char buf[TEXT_MAX];

	printf("size           %zu (%s)\n", st->segsz, text_bytes(buf, st->segsz));
	printf("page size      %s\n", text_bytes(buf, st->page_size));
	printf("resident       %s\n", text_known(buf, st->resident_bytes));
	printf("locked         %s\n", text_known(buf, st->locked_bytes));
	printf("lock needs     %s\n", text_known(buf, st->lock_needed_bytes));
	printf("nattch         %s\n", text_count(buf, st->nattch));
	printf("attached       %s\n", text_time(buf, st->atime));
	printf("detached       %s\n", text_time(buf, st->dtime));
	printf("changed        %s\n", text_time(buf, st->ctime));
	printf("created by     pid %d\n", (int)st->cpid);
	printf("last used by   pid %d\n", (int)st->lpid);
}

static void
print_queue(const struct shmq_stat *st)
{
	if (st->kind < 0)
		return;
	printf("capacity       %zu\n", st->capacity);
	printf("msg max        %zu\n", st->msg_max);
	printf("depth          %" PRIu64 "\n", st->depth);
	printf("sent           %" PRIu64 "\n", st->sent);
	printf("received       %" PRIu64 "\n", st->received);
	printf("lost           %" PRIu64 "\n", st->lost);
	printf("redelivered    %" PRIu64 "\n", st->redelivered);
	printf("dead           %" PRIu64 "\n", st->dead);
	printf("producers      %u\n", st->producers);
	printf("consumers      %u\n", st->consumers);
}

int
cmd_stat(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Tell all that is known of a segment or queue.",
	};
	struct shmq_stat st = {.size = sizeof st};
	struct arguments a = {0};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	err = shmq_stat(a.addr, &st);
	if (err)
		return fail_during(DURING_LOOK, a.addr, "stat", err);
	if (a.json)
		return json_print(json_stat(&st));
	print_identity(&st);
	print_memory(&st);
	print_queue(&st);
	return EXIT_DONE;
}
