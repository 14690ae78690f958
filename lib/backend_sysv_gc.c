/* SPDX-License-Identifier: MIT */
/* Side files, and segments, that dead creators of sysv: queues have left. */
#include "backend_sysv_side.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
clear_side(struct shmqi_gc *gc, const char *path, const char *what, int shmid)
{
	int err = 0;

	if (!gc->dry_run && shmid >= 0 && shmctl(shmid, IPC_RMID, NULL) != 0 && errno != EINVAL &&
	    errno != EIDRM)
		err = -errno;
	if (!gc->dry_run && err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = -errno;
	shmqi_gc_tell(gc, path, what, err);
}

#define NO_SEGMENT (-1)
#define IN_USE (-2)

/*
 * The SysV segment that a dead creator's announcement is about: its shmid. Somebody may be attached
 * to it, if only for a look: then what tells that it is worth nothing must stay. So it must if that
 * is to be told in another PID namespace only.
 */
static int
announced(const struct side *side)
{
	struct shm_info info;
	int top = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);

	for (int i = 0; i <= top; i++) {
		struct format_header header;
		struct shmid_ds ds;
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0 && shmqi_side_untold(side, &ds))
			return IN_USE;
		if (id < 0 || !shmqi_side_made_for(side, id, &ds))
			continue;
		if (ds.shm_nattch)
			return IN_USE;
		if (shmqi_side_peek(id, &header) && header.magic == 0)
			return id;
	}
	return NO_SEGMENT;
}

/* A side file with a shmid in its name, which nobody holds. */
static void
check_named(struct shmqi_gc *gc, const char *path, const struct side *side, int shmid)
{
	struct format_header header;
	char named[SIDE_ROOM];
	struct shmid_ds ds;

	if (shmctl(shmid, IPC_STAT, &ds) != 0) {
		if (errno == EINVAL || errno == EIDRM)
			clear_side(gc, path, "side file without a segment", -1);
		return;
	}
	if (!shmqi_side_peek(shmid, &header))
		return;
	shmqi_side_path(named, shmid, header.uuid);
	if (header.magic == 0 && shmqi_side_left_behind(side, shmid, &ds))
		clear_side(gc, path, "half-made queue of a dead creator", shmid);
	else if (header.magic == FORMAT_MAGIC && strcmp(named, path) != 0)
		clear_side(gc, path, "side file of a segment that is gone", -1);
}

/* The shmid in a side file's name, or -1: anybody can make files there. */
static int
shmid_in(const char *path)
{
	const char *digits = path + strlen(SIDE_DIRECTORY "/.shmq-");
	char *end;
	long shmid = strtol(digits, &end, 10);

	return end != digits && *end == '-' && shmid >= 0 && shmid <= INT_MAX ? (int)shmid : -1;
}

static int
check_side(const char *path, void *arg)
{
	struct shmqi_gc *gc = arg;
	struct side side;
	int ours = shmqi_side_read(path, &side), shmid;

	if (ours != 1 || side.held)
		return ours < 0 ? ours : 0;
	if (strncmp(path, SIDE_DIRECTORY "/" SIDE_NEW, strlen(SIDE_DIRECTORY "/" SIDE_NEW)) == 0) {
		shmid = announced(&side);
		if (shmid != IN_USE)
			clear_side(gc, path, "announcement of a dead creator", shmid);
	} else {
		shmid = shmid_in(path);
		if (shmid >= 0)
			check_named(gc, path, &side, shmid);
	}
	return 0;
}

int
shmqi_side_gc(bool dry_run, void (*each)(const char *what, int err, void *arg), void *arg)
{
	struct shmqi_gc gc = {dry_run, each, arg, 0};
	int err = shmqi_side_each(".shmq-", check_side, &gc);

	return err < 0 ? err : gc.found;
}
