/* SPDX-License-Identifier: MIT */
/* shmq stat: all that is known of one segment or queue. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tool.h"

struct arguments {
	const char *addr, *sysv_dir;
	bool json;
};

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0,
	 "one JSON object, the fields of struct shmq_stat, and rows, those of struct "
	 "shmq_participant; null: not known here",
	 0},
	SYSV_DIR_OPTION,
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_JSON:
		a->json = true;
		return 0;
	case KEY_SYSV_DIR:
		a->sysv_dir = arg;
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
}

/* Who is attached. `known`: false where they cannot be asked for. */
struct rows {
	struct shmq_participant *row;
	size_t count, room;
	bool known;
};

static int
keep(const struct shmq_participant *row, void *arg)
{
	struct rows *rows = arg;
	struct shmq_participant *more;

	if (rows->count == rows->room) {
		rows->room = rows->room ? 2 * rows->room : 16;
		more = reallocarray(rows->row, rows->room, sizeof *more);
		if (!more)
			return -ENOMEM;
		rows->row = more;
	}
	rows->row[rows->count++] = *row;
	return 0;
}

static void
print_identity(const struct shmq_stat *st)
{
	char user[TEXT_MAX], group[TEXT_MAX], cuser[TEXT_MAX], cgroup[TEXT_MAX];

	fputs("address        ", stdout);
	print_escaped(stdout, st->address[0] ? st->address : "-");
	printf("\nbackend        %s\n", text_backend(st->backend));
	printf("kind           %s%s%s%s\n", text_kind(st->kind),
	       st->flags & SHMQ_LOSSY ? " lossy" : "", st->flags & SHMQ_RECORDS ? " records" : "",
	       st->flags & SHMQ_REDELIVER ? " redeliver" : "");
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
	printf("capacity       %zu%s\n", st->capacity, st->flags & SHMQ_RECORDS ? " bytes" : "");
	printf("msg max        %zu\n", st->msg_max);
	printf("participants   at most %u\n", st->participants);
	if (st->slow_limit)
		printf("slow limit     %zu%s\n", st->slow_limit,
		       st->flags & SHMQ_RECORDS ? " bytes" : "");
	if (st->max_deliveries)
		printf("max deliveries %u\n", st->max_deliveries);
	printf("depth          %" PRIu64 "\n", st->depth);
	printf("sent           %" PRIu64 "\n", st->sent);
	printf("received       %" PRIu64 "\n", st->received);
	printf("lost           %" PRIu64 "\n", st->lost);
	printf("redelivered    %" PRIu64 "\n", st->redelivered);
	printf("dead           %" PRIu64 "\n", st->dead);
	printf("producers      %u\n", st->producers);
	printf("consumers      %u\n", st->consumers);
}

static const char *
roles_text(unsigned roles)
{
	switch (roles & (SHMQ_PRODUCER | SHMQ_CONSUMER)) {
	case SHMQ_PRODUCER:
		return "producer";
	case SHMQ_CONSUMER:
		return "consumer";
	default:
		return "both";
	}
}

static void
print_rows(const struct rows *rows)
{
	char messages[TEXT_MAX], position[TEXT_MAX], lag[TEXT_MAX], lost[TEXT_MAX];

	if (rows->count)
		printf("\n%5s  %-8s %10s %5s %10s %12s %12s %8s %8s\n", "INDEX", "ROLE", "PID",
		       "ALIVE", "GENERATION", "MESSAGES", "POSITION", "LAG", "LOST");
	for (size_t i = 0; i < rows->count; i++) {
		const struct shmq_participant *row = &rows->row[i];

		printf("%5u  %-8s %10d %5s %10" PRIu64 " %12s %12s %8s %8s\n", row->index,
		       roles_text(row->roles), (int)row->pid, row->alive ? "yes" : "no",
		       row->generation, text_count(messages, row->messages),
		       text_count(position, row->position), text_count(lag, row->lag),
		       text_count(lost, row->lost));
	}
}

static json_t *
json_of_both(const struct shmq_stat *st, const struct rows *rows)
{
	json_t *object = json_stat(st);
	json_t *array = rows->known ? json_array() : json_null();

	for (size_t i = 0; i < rows->count; i++)
		json_array_append_new(array, json_participant(&rows->row[i]));
	json_object_set_new(object, "rows", array);
	return object;
}

static int
look(const char *addr, struct shmq_stat *st, struct rows *rows)
{
	int err = shmq_stat(addr, st);

	if (err)
		return fail_during(DURING_LOOK, addr, "stat", err);
	/* A queue that is marked can be looked at, but not attached, so these may stay unknown. */
	rows->known = st->kind >= 0 && shmq_participants(addr, keep, rows) == 0;
	return EXIT_DONE;
}

int
cmd_stat(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Tell all that is known of a segment or queue, and of those who are "
		       "attached to it.",
	};
	struct shmq_stat st = {.size = sizeof st};
	struct arguments a = {0};
	struct rows rows = {0};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.sysv_dir)
		status = sysv_look(a.sysv_dir, a.addr, &st);
	else
		status = look(a.addr, &st, &rows);
	if (status)
		return status;
	if (a.json) {
		status = json_print(json_of_both(&st, &rows));
	} else {
		print_identity(&st);
		print_memory(&st);
		print_queue(&st);
		print_rows(&rows);
	}
	free(rows.row);
	return status;
}
