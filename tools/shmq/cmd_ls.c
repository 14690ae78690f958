/* SPDX-License-Identifier: MIT */
/* shmq ls: what there is, how much in all, and the kernel's limits for SysV segments. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>
#include <sys/shm.h>
#include <unistd.h>

#include "tool.h"

struct listing {
	struct shmq_stat *rows;
	size_t count, room;
	uint64_t bytes, resident;
};

/* IPC_INFO and SHM_INFO. */
struct sysv {
	struct shminfo limits;
	struct shm_info use;
};

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0,
	 "one JSON object: segments (as of shmq stat), totals, sysv_limits", 0},
	SYSV_DIR_OPTION,
	{0},
};

struct arguments {
	const char *sysv_dir;
	bool json;
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
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
keep(const struct shmq_stat *st, void *arg)
{
	struct listing *list = arg;
	struct shmq_stat *rows = list->rows;

	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		rows = reallocarray(list->rows, list->room, sizeof *rows);
		if (!rows)
			return -ENOMEM;
		list->rows = rows;
	}
	rows[list->count++] = *st;
	list->bytes += st->segsz;
	if (st->resident_bytes > 0)
		list->resident += (uint64_t)st->resident_bytes;
	return 0;
}

/* Zero where the kernel has no SysV shared memory. */
static void
ask_sysv(struct sysv *sysv)
{
	memset(sysv, 0, sizeof *sysv);
	shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&sysv->limits);
	shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&sysv->use);
}

/* The limits are unsigned long in the kernel, and "no limit" is near its maximum. */
static json_t *
json_limit(unsigned long value)
{
	return json_integer(value > INT64_MAX ? (json_int_t)INT64_MAX : (json_int_t)value);
}

static json_t *
json_totals(const struct listing *list)
{
	json_t *object = json_object();

	json_object_set_new(object, "segments", json_integer((json_int_t)list->count));
	json_object_set_new(object, "bytes", json_integer((json_int_t)list->bytes));
	json_object_set_new(object, "resident_bytes", json_integer((json_int_t)list->resident));
	return object;
}

static json_t *
json_sysv(const struct sysv *sysv)
{
	json_t *object = json_object();

	json_object_set_new(object, "shmmax", json_limit(sysv->limits.shmmax));
	json_object_set_new(object, "shmmin", json_limit(sysv->limits.shmmin));
	json_object_set_new(object, "shmmni", json_limit(sysv->limits.shmmni));
	json_object_set_new(object, "shmall", json_limit(sysv->limits.shmall));
	json_object_set_new(object, "used_ids", json_integer(sysv->use.used_ids));
	json_object_set_new(object, "total_pages", json_limit(sysv->use.shm_tot));
	json_object_set_new(object, "resident_pages", json_limit(sysv->use.shm_rss));
	json_object_set_new(object, "swapped_pages", json_limit(sysv->use.shm_swp));
	return object;
}

static int
print_json(const struct listing *list, const struct sysv *sysv)
{
	json_t *object = json_object();
	json_t *segments = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(segments, json_stat(&list->rows[i]));
	json_object_set_new(object, "segments", segments);
	json_object_set_new(object, "totals", json_totals(list));
	json_object_set_new(object, "sysv_limits", json_sysv(sysv));
	return json_print(object);
}

static int
address_width(const struct listing *list)
{
	size_t width = strlen("ADDRESS");

	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->rows[i].address) > width)
			width = strlen(list->rows[i].address);
	return (int)(width > 60 ? 60 : width);
}

/*
 * The address comes last in the making of a line: it may hold anything, and be as wide as it
 * likes.
 */
static void
print_row(const struct shmq_stat *st, int width)
{
	char owner[TEXT_MAX], size[TEXT_MAX], nattch[TEXT_MAX], depth[TEXT_MAX];
	int pad = width - (int)strlen(st->address);

	print_escaped(stdout, st->address[0] ? st->address : "-");
	pad -= st->address[0] ? 0 : 1;
	printf("%*s  %-9s %04o%s%s  %-12s %10s %6s %8s\n", pad > 0 ? pad : 0, "",
	       text_kind(st->kind), st->mode & 0777u, st->mode & SHMQ_DEST ? "D" : "-",
	       st->mode & SHMQ_LOCKED ? "L" : "-", text_user(owner, st->uid),
	       text_bytes(size, st->segsz), text_count(nattch, st->nattch),
	       st->kind >= 0 ? text_count(depth, (int64_t)st->depth) : "-");
}

/* "no limit" is what the kernel's default comes to: more than there is address space. */
static const char *
limit_text(char buf[TEXT_MAX], unsigned long value, unsigned long unit)
{
	if (value >= ULONG_MAX / unit / 2 || value * unit >= 1ul << 62)
		snprintf(buf, TEXT_MAX, "no limit");
	else
		text_bytes(buf, value * unit);
	return buf;
}

static void
print_totals(const struct listing *list, const struct sysv *sysv)
{
	char bytes[TEXT_MAX], resident[TEXT_MAX], shmmax[TEXT_MAX], shmall[TEXT_MAX];
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);

	printf("total: %zu segments, %s, %s resident\n", list->count,
	       text_bytes(bytes, list->bytes), text_bytes(resident, list->resident));
	printf("sysv limits: largest segment (shmmax) %s, segments (shmmni) %lu of which %d used, "
	       "all segments (shmall) %s\n",
	       limit_text(shmmax, sysv->limits.shmmax, 1), sysv->limits.shmmni, sysv->use.used_ids,
	       limit_text(shmall, sysv->limits.shmall, page));
}

static void
print_table(const struct listing *list, const struct sysv *sysv)
{
	int width = address_width(list);

	printf("%-*s  %-9s %-6s  %-12s %10s %6s %8s\n", width, "ADDRESS", "KIND", "MODE", "OWNER",
	       "SIZE", "NATTCH", "DEPTH");
	for (size_t i = 0; i < list->count; i++)
		print_row(&list->rows[i], width);
	print_totals(list, sysv);
}

int
cmd_ls(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "List segments and queues: SysV ones of anybody, shm: ones of shmq; totals "
		       "and SysV limits.\v"
		       "MODE is followed by D (marked: goes with the last detach) and L (locked).",
	};
	struct listing list = {0};
	struct sysv sysv;
	struct arguments a = {0};
	int status = EXIT_DONE;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.sysv_dir)
		return sysv_ls(a.sysv_dir, a.json);
	err = shmq_list(keep, &list);
	ask_sysv(&sysv);
	if (err)
		status = fail_during(DURING_LOOK, "ls", "list", err);
	else if (a.json)
		status = print_json(&list, &sysv);
	else
		print_table(&list, &sysv);
	free(list.rows);
	return status;
}
