/* SPDX-License-Identifier: MIT */
/* --sysv-dir: ls, stat, rm and gc on a namespace of libshmq-sysv, as ipcs and ipcrm on the kernel's. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "tool.h"

/* The library reads it once, with its first call. */
static int
use(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return fail_plain(dir, "look: %s; name the directory of SHMQ_SYSV_DIR",
				  strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail_plain(dir, "look: not a directory; name the one of SHMQ_SYSV_DIR");
	if (setenv("SHMQ_SYSV_DIR", dir, 1) != 0)
		return fail_plain(dir, "look: %s; free some memory", strerror(errno));
	return EXIT_DONE;
}

static const char *
remedy(int err)
{
	switch (err) {
	case -ENOSYS:
		return "the index is of something else, or damaged: stop its users and remove it";
	case -EINVAL:
	case -ENOENT:
		return "shmq ls --sysv-dir tells what there is: an id, or a key with 0x before it";
	case -EACCES:
	case -EPERM:
		return "do it as its owner, or as root";
	default:
		return "make room there";
	}
}

static int
refused(const char *subject, const char *doing, int err)
{
	return fail_plain(subject, "%s: %s; %s", doing, strerror(-err), remedy(err));
}

/* Another may have the index: it is not for long. */
static bool
busy(int rc)
{
	if (rc == -ERESTART)
		usleep(1000);
	return rc == -ERESTART;
}

static int
ask(int id, int command, void *buffer)
{
	int rc;

	do {
		rc = shmqi_ns_control(id, command, buffer);
	} while (busy(rc));
	return rc;
}

static int
find(int32_t key)
{
	int rc;

	do {
		rc = shmqi_ns_get(key, 0, 0);
	} while (busy(rc));
	return rc;
}

/* A number is an id; with 0x before it, a key. */
static int
id_of(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || value > UINT32_MAX)
		return -EINVAL;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return value ? find((int32_t)value) : -EINVAL;
	return value <= INT_MAX ? (int)value : -EINVAL;
}

static void
fill(struct shmq_stat *st, int id, const struct shmid_ds *ds)
{
	*st = (struct shmq_stat){
		.size = sizeof(*st),
		.key = (uint32_t)ds->shm_perm.__key,
		.id = id,
		.uid = ds->shm_perm.uid,
		.gid = ds->shm_perm.gid,
		.cuid = ds->shm_perm.cuid,
		.cgid = ds->shm_perm.cgid,
		.mode = ds->shm_perm.mode,
		.seq = ds->shm_perm.__seq,
		.segsz = ds->shm_segsz,
		.atime = ds->shm_atime,
		.dtime = ds->shm_dtime,
		.ctime = ds->shm_ctime,
		.cpid = ds->shm_cpid,
		.lpid = ds->shm_lpid,
		.nattch = (int64_t)ds->shm_nattch,
		.backend = SHMQ_BACKEND_SYSV,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.locked_bytes = -1,
		.lock_needed_bytes = -1,
		.kind = SHMQ_SEGMENT,
	};
	st->resident_bytes = shmqi_ns_resident_bytes(id, &st->page_size);
	snprintf(st->address, sizeof(st->address), "shmid-%d", id);
}

/* By index: that needs no permission to read the segment, as the kernel's own table. */
static int
stat_index(struct shmq_stat *st, int index)
{
	struct shmid_ds ds;
	int id = ask(index, SHM_STAT_ANY, &ds);

	if (id >= 0)
		fill(st, id, &ds);
	return id;
}

static int
stat_id(struct shmq_stat *st, int id)
{
	int found = id < 0 ? id : stat_index(st, id);

	return found < 0 ? found : found == id ? 0 : -EINVAL;
}

static void
print_row(const struct shmq_stat *st)
{
	char owner[TEXT_MAX];

	printf("0x%08" PRIx64 " %-10" PRId64 " %-10s %-5o %12zu %7" PRId64 " %s%s\n",
	       (uint64_t)st->key, st->id, text_user(owner, st->uid), st->mode & 0777u, st->segsz,
	       st->nattch, st->mode & SHMQ_DEST ? "dest " : "",
	       st->mode & SHMQ_LOCKED ? "locked" : "");
}

static json_t *
json_totals(const struct shm_info *use, const struct shminfo *limits)
{
	json_t *object = json_object();

	json_object_set_new(object, "segments", json_integer(use->used_ids));
	json_object_set_new(object, "pages", json_integer((json_int_t)use->shm_tot));
	json_object_set_new(object, "resident_pages", json_integer((json_int_t)use->shm_rss));
	json_object_set_new(object, "shmmni", json_integer((json_int_t)limits->shmmni));
	return object;
}

static int
list(struct shm_info *use, int top, json_t *segments)
{
	struct shmq_stat st;

	if (!segments)
		printf("%-10s %-10s %-10s %-5s %12s %7s %s\n", "KEY", "SHMID", "OWNER", "PERMS",
		       "BYTES", "NATTCH", "STATUS");
	for (int i = 0; use->used_ids && i <= top; i++) {
		if (stat_index(&st, i) < 0)
			continue;
		if (segments)
			json_array_append_new(segments, json_stat(&st));
		else
			print_row(&st);
	}
	return EXIT_DONE;
}

int
sysv_ls(const char *dir, bool json)
{
	char bytes[TEXT_MAX], resident[TEXT_MAX];
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	json_t *object, *segments = json ? json_array() : NULL;
	struct shminfo limits;
	struct shm_info used;
	int status = use(dir), top;

	if (status)
		return status;
	top = ask(0, SHM_INFO, &used);
	if (top >= 0)
		(void)ask(0, IPC_INFO, &limits);
	if (top < 0)
		return refused(dir, "ls", top);
	list(&used, top, segments);
	if (!json) {
		printf("total: %d segments, %s, %s resident\n", used.used_ids,
		       text_bytes(bytes, used.shm_tot * page),
		       text_bytes(resident, used.shm_rss * page));
		return EXIT_DONE;
	}
	object = json_object();
	json_object_set_new(object, "segments", segments);
	json_object_set_new(object, "totals", json_totals(&used, &limits));
	return json_print(object);
}

int
sysv_look(const char *dir, const char *text, struct shmq_stat *st)
{
	int status = use(dir), err;

	if (status)
		return status;
	err = stat_id(st, id_of(text));
	return err ? refused(text, "stat", err) : EXIT_DONE;
}

int
sysv_rm(const char *dir, const char *text)
{
	int status = use(dir), id, err;

	if (status)
		return status;
	id = id_of(text);
	err = id < 0 ? id : ask(id, IPC_RMID, NULL);
	return err ? refused(text, "remove", err) : EXIT_DONE;
}

static void
print_cleared(const char *what, void *arg)
{
	printf("%s %s\n", *(bool *)arg ? "would clear" : "cleared", what);
}

int
sysv_gc(const char *dir, bool dry_run)
{
	int status = use(dir), found;

	if (status)
		return status;
	found = shmqi_ns_gc(dry_run, print_cleared, &dry_run);
	if (found < 0)
		return refused(dir, "look around", found);
	printf("%d %s\n", found, dry_run ? "to clear" : "cleared");
	return EXIT_DONE;
}
