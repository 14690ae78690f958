/* SPDX-License-Identifier: MIT */
/* People with other permissions, and what strangers leave in directories that anybody may write to. */
#include "unit.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <shmq/inline.h>
#include <unistd.h>

#define NOBODY 65534
#define LIMIT (512 << 10)

TestSuite(strangers, .init = unit_begin, .fini = place_end);

static void
need_private_root(void)
{
	if (!place_is_private() || geteuid() != 0)
		cr_skip_test("needs root and a /dev/shm of its own");
}

/* gc ----------------------------------------------------------------------------------------- */

struct finds {
	int count, err;
};

static void
note(const char *what, int err, void *arg)
{
	struct finds *finds = arg;

	(void)what;
	finds->count++;
	finds->err = err;
}

/* Told of one thing, which is another's and stays. */
static void
gc_in_vain(void *arg)
{
	int want = *(int *)arg;
	struct finds finds = {0};

	SAME(1, shmq_gc(0, note, &finds));
	SAME(1, finds.count);
	SAME(want, finds.err);
}

static void
clear_as_root(void)
{
	place_expect_leftovers(1);
	SAME(1, shmq_gc(0, NULL, NULL));
	place_expect_leftovers(0);
}

static void
marked_name(mode_t mode, int want)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 1, .mode = mode};
	struct place p = spot_segment(SPOT_SHM, 0, &opts);
	struct object o = object_map(&p);

	shmq_store_relaxed_u32((uint32_t *)(void *)(o.bytes + 4096), 1);
	object_unmap(&o);
	unit_as_nobody(gc_in_vain, &want, 0);
	clear_as_root();
}

Test(strangers, test_gc_marked_name_of_another_is_told_and_stays)
{
	need_private_root();
	marked_name(0644, -EACCES);
	marked_name(0666, -EPERM);
}

Test(strangers, test_gc_side_file_of_another_is_told_and_stays)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .mode = 0666};
	struct place p;
	int want = -EPERM;

	need_private_root();
	p = spot_queue(SPOT_SYSV, 0, &opts);
	SAME(0, shmctl(object_shmid(&p), IPC_RMID, NULL));
	unit_as_nobody(gc_in_vain, &want, 0);
	clear_as_root();
}

/* The one file whose name begins like that. */
static void
only_file(char out[PATH_MAX], const char *pattern)
{
	glob_t found;

	SAME(0, glob(pattern, GLOB_PERIOD, NULL, &found));
	SAME(1, found.gl_pathc);
	snprintf(out, PATH_MAX, "%s", found.gl_pathv[0]);
	globfree(&found);
}

static void
side_file(char out[PATH_MAX], const struct place *p)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "/dev/shm/.shmq-%d-*", object_shmid(p));
	only_file(out, pattern);
}

/* The segment's id was given to another one since. */
Test(strangers, test_gc_side_file_of_an_id_given_again_is_cleared)
{
	char path[PATH_MAX], old[PATH_MAX];
	struct place p;

	need_private_root();
	p = spot_queue(SPOT_SYSV, 0, NULL);
	side_file(path, &p);
	snprintf(old, sizeof(old), "%s", path);
	old[strlen(old) - 1] ^= 1;
	SAME(0, link(path, old)); /* two names: it is not what we make */
	SAME(0, shmq_gc(0, NULL, NULL));
	SAME(0, rename(path, "/dev/shm/kept"));
	SAME(0, unlink(old));
	SAME(0, rename("/dev/shm/kept", old));
	SAME(1, shmq_gc(1, NULL, NULL));
	SAME(1, shmq_gc(0, NULL, NULL));
	SAME(-1, access(old, F_OK));
	SAME(0, shmctl(object_shmid(&p), IPC_RMID, NULL));
}

/* A queue whose creator died before it was one, of a world that is not ours to clear. */
static void
die_making(void *arg)
{
	const struct place *p = arg;
	struct object o = object_map(p);

	shmq_store_relaxed_u64((uint64_t *)(void *)o.bytes, 0);
	SAME(0, kill(getpid(), SIGKILL));
}

static void
gc_half_made(void *arg)
{
	struct finds finds = {0};

	(void)arg;
	SAME(1, shmq_gc(0, note, &finds));
	SAME(-EPERM, finds.err);
}

Test(strangers, test_gc_half_made_queue_of_another_is_told_and_stays)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .mode = 0666};
	struct place p;
	pid_t pid;

	need_private_root();
	p = spot_queue(SPOT_SYSV, 0, &opts);
	pid = process_start(die_making, &p);
	MUST(process_end(pid) == SIGKILL);
	unit_as_nobody(gc_half_made, NULL, 0);
	MUST(shmctl(object_shmid(&p), IPC_RMID, NULL) == 0);
	SAME(1, shmq_gc(0, NULL, NULL));
	place_expect_leftovers(0);
}

static void
touch(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	MUST(fd >= 0);
	close(fd);
}

static int
never(const struct shmq_stat *st, void *arg)
{
	(void)st;
	(void)arg;
	return 1;
}

/* Longer than any name of ours, and files of no kind of ours. */
Test(strangers, test_strange_names_left_alone)
{
	char side[NAME_MAX + 16], bell[NAME_MAX + 16];

	need_private_root();
	snprintf(side, sizeof(side), "/dev/shm/.shmq-%0*d", NAME_MAX - 6, 1);
	snprintf(bell, sizeof(bell), "/dev/shm/.shmq-bell-%0*d", NAME_MAX - 11, 1);
	touch(side);
	touch(bell);
	touch("/dev/shm/.shmq-x-1");
	touch("/dev/shm/.shmq-1");
	touch("/dev/shm/.shmq--1-1");
	touch("/dev/shm/.shmq-99999999999-1");
	SAME(0, mkdir("/dev/shm/directory", 0700));
	SAME(0, shmq_gc(0, NULL, NULL));
	SAME(0, shmq_list(never, NULL));
	SAME(0, access(side, F_OK));
	SAME(0, access(bell, F_OK));
}

/* Locks -------------------------------------------------------------------------------------- */

/* Anybody who may read the file may lock more than one byte of it, and hide who is attached. */
Test(strangers, test_long_lock_attaches_are_not_known)
{
	struct flock all = {.l_type = F_RDLCK, .l_start = INT64_C(1) << 62};
	struct place p = spot_segment(SPOT_SHM, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	char path[160];
	int fd;

	object_path(path, sizeof(path), &p);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	SAME(1, place_stat(&p).nattch);
	SAME(0, fcntl(fd, F_OFD_SETLK, &all));
	SAME(-1, place_stat(&p).nattch);
	close(fd);
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

/* Owners ------------------------------------------------------------------------------------- */

/* A file of one's own without permission to write it: the owner may do all the same. */
static void
control_own_read_only(void *arg)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .mode = 0400};
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0};
	struct place *p = arg;

	for (int i = 0; i < 2; i++) {
		SAME(0, shmq_create(p->create, &opts));
		SAME(0400, place_stat(p).mode & 0777);
		SAME(0, shmq_lock(p->attach));
		SAME(0, shmq_unlock(p->attach));
		if (i)
			SAME(0, shmq_set(p->attach, &perm));
		SAME(0, shmq_remove(p->attach));
	}
}

Test(strangers, test_owner_without_write_permission_controls)
{
	struct place p;

	need_private_root();
	p = place_name(ON_SHM, 0);
	unit_as_nobody(control_own_read_only, &p, LIMIT);
	place_expect_leftovers(0);
}

static void
create_own(void *arg)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .mode = 0444};
	const struct place *p = arg;

	SAME(0, shmq_create(p->create, &opts));
}

/* It was given away, and may be read only. */
static void
control_given_away(void *arg)
{
	const struct place *p = arg;

	SAME(-EACCES, shmq_lock(p->attach));
	SAME(-EACCES, shmq_remove(p->attach));
}

Test(strangers, test_creator_without_write_permission_eacces)
{
	const struct shmq_perm perm = {sizeof(perm), 0, 0, 0444};
	struct place p;

	need_private_root();
	p = place_name(ON_SHM, 0);
	unit_as_nobody(create_own, &p, 0);
	SAME(0, shmq_set(p.attach, &perm));
	unit_as_nobody(control_given_away, &p, LIMIT);
	SAME(0, place_stat(&p).mode & SHMQ_DEST);
	place_remove(&p);
}

/* Who may take a name out of a directory --------------------------------------------------- */

static void
remove_works(void *arg)
{
	const struct place *p = arg;

	SAME(0, shmq_remove(p->attach));
}

static void
remove_refused(void *arg)
{
	const struct place *p = arg;

	SAME(-EPERM, shmq_remove(p->attach));
	SAME(0, place_stat(p).mode & SHMQ_DEST); /* and nothing has changed */
}

/* The creator of a file that is root's now, whose directory is its own, or is not. */
static void
created_in(mode_t mode, uid_t owner, void (*body)(void *arg))
{
	const struct shmq_perm away = {sizeof(away), 0, 0, 0666};
	struct place p = place_name(ON_FILE, 0);
	char path[64];

	snprintf(path, sizeof(path), "%s/own", place_directory());
	SAME(0, mkdir(path, 0777));
	SAME(0, chown(path, owner, owner));
	SAME(0, chmod(path, 0777));
	snprintf(p.create, sizeof(p.create), "file:%s/q", path);
	snprintf(p.attach, sizeof(p.attach), "%s", p.create);
	unit_as_nobody(create_own, &p, 0);
	SAME(0, shmq_set(p.attach, &away));
	SAME(0, chmod(path, mode));
	unit_as_nobody(body, &p, 0);
	(void)shmq_remove(p.attach);
	SAME(0, rmdir(path));
}

Test(strangers, test_remove_by_creator_directory_decides)
{
	need_private_root();
	created_in(01777, NOBODY, remove_works);
	created_in(01777, 0, remove_refused);
	created_in(0777, 0, remove_works);
	created_in(0755, 0, remove_refused);
}

/* A world whose root directory is a directory of ours, without /proc. */
static void
in_a_cell(void *arg)
{
	(void)arg;
	SAME(0, chroot(place_directory()));
	SAME(0, chdir("/"));
	SAME(0, shmq_create("file:/q", NULL));
	SAME(-EEXIST, shmq_create("file:/q", NULL));
	SAME(0, shmq_remove("file:/q"));
	SAME(-ENOENT, shmq_remove("file:/q"));
}

Test(strangers, test_root_directory_without_proc_works)
{
	need_private_root();
	process_join(process_start(in_a_cell, NULL));
}
