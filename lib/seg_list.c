/* SPDX-License-Identifier: MIT */
/* list and gc: every segment there is, and what crashes left. */
#include "os_bell.h"
#include "seg.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHM_DIRECTORY "/dev/shm"

struct walk {
	int (*each)(const struct shmq_stat *st, void *arg);
	void *arg;
};

static int
visit(const struct walk *walk, const char *text)
{
	struct shmq_stat st = {.size = sizeof(st)}, work;
	struct shmqi_address a;
	int err;

	if (shmqi_address_parse(&a, text) != 0 || shmqi_stat_begin(&work, &st) != 0)
		return 0;
	err = shmqi_stat_address(&work, &a);
	if (err)
		return shmqi_os_untold(err) ? err : 0; /* not ours, or not for us, or gone */
	return walk->each(&work, walk->arg);
}

/* As ipcs does: the table's index, not the key; SHM_STAT_ANY would show those that we may not read.
 */
static int
list_sysv(const struct walk *walk)
{
	struct shm_info info;
	int top = shmctl(0, SHM_INFO, (struct shmid_ds *)&info), result = 0;
	struct shmid_ds ds;
	char text[32];

	for (int i = 0; result == 0 && i <= top; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id < 0)
			continue;
		snprintf(text, sizeof(text), ds.shm_perm.__key ? "sysv:0x%x" : "sysv:id/%u",
			 ds.shm_perm.__key ? (unsigned)ds.shm_perm.__key : (unsigned)id);
		result = visit(walk, text);
	}
	return result;
}

/* Call `each` with the address of every name in /dev/shm. */
static int
each_shm(int (*each)(const char *text, void *arg), void *arg)
{
	DIR *dir = opendir(SHM_DIRECTORY);
	struct dirent *entry;
	char text[sizeof("shm:/") + NAME_MAX];
	int result = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (result == 0 && (entry = shmqi_os_next(dir, &result))) {
		if (strncmp(entry->d_name, ".shmq-", 6) == 0 ||
		    (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		snprintf(text, sizeof(text), "shm:/%s", entry->d_name);
		result = each(text, arg);
	}
	closedir(dir);
	return result;
}

static int
visit_shm(const char *text, void *arg)
{
	return visit(arg, text);
}

/* Not to be found by a walk over names: file: and memfd: segments, and those whose name is gone. */
static bool
only_attached(const struct shmq_seg *seg)
{
	if (seg->displaced || seg->shmid >= 0)
		return false;
	if (seg->address.backend != SHMQ_BACKEND_SHM)
		return true;
	return shmq_load_relaxed_u32(&format_lifecycle(seg->object)->removed);
}

/* The segments that only this process's attaches tell of, each once. */
static int
copy_attached(struct shmq_stat **out, size_t *count)
{
	size_t room = 0, used = 0;
	struct shmq_stat *all;

	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next)
		room++;
	all = calloc(room + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next) {
		bool seen = !only_attached(seg);

		for (struct shmq_seg *other = shmqi_seg_first; other != seg && !seen;
		     other = other->next)
			seen = shmqi_inode_same(other->inode, seg->inode);
		all[used].size = sizeof(*all);
		if (!seen && shmq_seg_stat(seg, &all[used]) == 0)
			used++;
	}
	*out = all;
	*count = used;
	return 0;
}

static int
list_attached(const struct walk *walk)
{
	struct shmq_stat *all = NULL;
	size_t count = 0;
	int result, state = shmqi_seg_lock();

	result = copy_attached(&all, &count);
	shmqi_seg_unlock(state);
	for (size_t i = 0; result == 0 && i < count; i++)
		result = walk->each(&all[i], walk->arg);
	free(all);
	return result;
}

int
shmq_list(int (*each)(const struct shmq_stat *st, void *arg), void *arg)
{
	SHMQI_NOT_CANCELLED;
	struct walk walk = {each, arg};
	int result;

	if (!each)
		return -EINVAL;
	result = each_shm(visit_shm, &walk);
	if (result == 0)
		result = list_sysv(&walk);
	return result ? result : list_attached(&walk);
}

/* gc -------------------- */

/* A name whose segment is marked: its remover died between the two. */
static int
clear_marked(const char *text, void *arg)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmqi_address a;
	struct shmqi_gc *gc = arg;
	int err = shmqi_address_parse(&a, text) ? -ENOENT : shmq_stat(text, &st);

	if (err || !(st.mode & SHMQ_DEST))
		return shmqi_os_untold(err) ? err : 0; /* else not ours, or not for us, or gone */
	if (!gc->dry_run)
		err = shmqi_finish_removal(&a);
	if (err == -EEXIST) /* another has, and created anew */
		err = 0;
	shmqi_gc_tell(gc, text, "marked, but its name was left", err);
	return 0;
}

int
shmq_gc(int dry_run, void (*each)(const char *what, int err, void *arg), void *arg)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_gc gc = {dry_run, each, arg, 0};
	int err = each_shm(clear_marked, &gc), sides, fifos;

	if (err < 0)
		return err;
	sides = shmqi_side_gc(dry_run, each, arg);
	if (sides < 0)
		return sides;
	fifos = shmqi_bell_gc(dry_run, each, arg);
	return fifos < 0 ? fifos : gc.found + sides + fifos;
}
