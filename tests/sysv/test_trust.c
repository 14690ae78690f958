/* SPDX-License-Identifier: MIT */
/* Directories and files that are not as they should be, other users, limits, and no room. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "space.h"
#include "support/process.h"

#define STRANGER 54321u

TestSuite(sysv_trust, .init = space_begin, .fini = space_end, .timeout = 120);

static int
made(key_t key, size_t size, int mode)
{
	int id = shmget(key, size, IPC_CREAT | mode);

	MUST(id >= 0);
	return id;
}

static int
at_rc(int id, int flags)
{
	return shmat(id, NULL, flags) == (void *)-1 ? -errno : 0;
}

/* The default directory ------------------------------------------------------------------------ */

static void
use_default(void *arg)
{
	int want = *(int *)arg, got;

	space_become(STRANGER, STRANGER);
	unsetenv("SHMQ_SYSV_DIR");
	got = space_rc(shmget(0x2001, PAGE, IPC_CREAT | 0600));
	if (want < 0) {
		SAME(want, got);
		SAME(want, at_rc(0, 0));
		SAME(want, space_rc(shmctl(0, IPC_RMID, NULL)));
	} else {
		MUST(got >= 0);
		SAME(0, shmctl(got, IPC_RMID, NULL));
	}
}

static void
expect_default(int want)
{
	process_join(process_start(use_default, &want));
}

/* Only one's own, that nobody else can look into: a stranger's is refused whatever is in it. */
Test(sysv_trust, default_directory_is_ours_or_refused)
{
	char path[64], index[80];

	snprintf(path, sizeof(path), "/dev/shm/shmq-sysv-%u", STRANGER);
	snprintf(index, sizeof(index), "%s/index", path);
	unlink(index);
	unlink(path);
	rmdir(path);
	MUST(mkdir(path, 0777) == 0 && chmod(path, 0777) == 0);
	expect_default(-EACCES); /* root's */
	MUST(chown(path, STRANGER, STRANGER) == 0);
	expect_default(-EACCES); /* open to all */
	SAME(0, rmdir(path));
	MUST(symlink(space_path(), path) == 0 && lchown(path, STRANGER, STRANGER) == 0);
	expect_default(-EACCES);
	SAME(0, unlink(path));
	close(open(path, O_CREAT | O_WRONLY, 0600));
	expect_default(-EACCES);
	SAME(0, unlink(path));
	expect_default(0);
	expect_default(0);
	SAME(0, unlink(index));
	SAME(0, rmdir(path));
	SAME(0, space_files());
}

/* What is relative is so to where the program was with its first call: a daemon goes to / then. */
Test(sysv_trust, relative_directory_stays_where_it_was)
{
	int id;

	MUST(chdir("/dev/shm") == 0);
	setenv("SHMQ_SYSV_DIR", space_path() + strlen("/dev/shm/"), 1);
	id = made(0x200c, PAGE, 0600);
	MUST(chdir("/") == 0);
	SAME(0, at_rc(id, 0));
	SAME(0, access(space_file(id), F_OK));
}

/* Users ---------------------------------------------------------------------------------------- */

static int user_id;

static void
nobody_may_not(void *arg)
{
	struct shmid_ds ds = {0};

	(void)arg;
	space_become(NOBODY, NOBODY);
	SAME(-EACCES, at_rc(user_id, 0));
	SAME(-EACCES, at_rc(user_id, SHM_RDONLY));
	SAME(-EACCES, space_rc(shmctl(user_id, IPC_STAT, &ds)));
	SAME(-EPERM, space_rc(shmctl(user_id, IPC_SET, &ds)));
	SAME(-EPERM, space_rc(shmctl(user_id, IPC_RMID, NULL)));
	SAME(-EACCES, space_rc(shmget(0x2002, 0, 0400)));
	SAME(user_id, shmget(0x2002, 0, 0));
	SAME(user_id, shmctl((int)((unsigned)user_id & 32767), SHM_STAT_ANY, &ds));
	SAME(-EACCES, space_rc(open(space_file(user_id), O_RDONLY))); /* nor past us */
}

static void
nobody_may(void *arg)
{
	char *base;

	(void)arg;
	space_become(NOBODY, NOBODY);
	base = shmat(user_id, NULL, 0);
	MUST(base != (void *)-1);
	SAME('r', base[0]);
	base[1] = 'n';
	SAME(0, shmdt(base));
	SAME(0, shmctl(user_id, IPC_RMID, NULL)); /* the owner, if not the creator */
}

/* Given away by IPC_SET: the new owner uses and removes it, and the file lets him. */
Test(sysv_trust, mode_and_owner_decide)
{
	char *base;
	struct shmid_ds ds;

	user_id = made(0x2002, PAGE, 0600);
	base = shmat(user_id, NULL, 0);
	base[0] = 'r';
	process_join(process_start(nobody_may_not, NULL));
	ds = space_stat(user_id);
	ds.shm_perm.uid = NOBODY;
	SAME(0, shmctl(user_id, IPC_SET, &ds));
	process_join(process_start(nobody_may, NULL));
	SAME('n', base[1]);
	MUST(space_stat(user_id).shm_perm.mode & SHM_DEST);
	SAME(0, shmdt(base));
	SAME(0, space_files());
}

/* Who changes his user keeps what he has attached, and can let it go. */
static void
detach_as_nobody(void *arg)
{
	(void)arg;
	MUST(chmod(space_path(), 0700) == 0);
	space_become(NOBODY, NOBODY);
	SAME(-EACCES, space_rc(shmget(0x2003, 0, 0)));
	SAME(0, shmdt(arg));
	SAME(-EINVAL, space_rc(shmdt(arg)));
}

Test(sysv_trust, detach_needs_no_permission)
{
	int id = made(0x2003, PAGE, 0600);
	void *base = shmat(id, NULL, 0);

	process_join(process_start(detach_as_nobody, base));
	SAME(1, space_nattch(id));
	SAME(0, shmdt(base));
	SAME(0, space_nattch(id));
}

static void
lock_again(void *arg)
{
	(void)arg;
	MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}) == 0);
	space_become(NOBODY, NOBODY);
	SAME(-EPERM, space_rc(shmctl(user_id, SHM_LOCK, NULL)));
	SAME(0, shmctl(user_id, SHM_UNLOCK, NULL));
}

/* Who may lock nothing may not lock what is locked already, either. */
Test(sysv_trust, locked_already_needs_permission_too)
{
	struct shmid_ds ds;

	user_id = made(0x200e, PAGE, 0600);
	ds = space_stat(user_id);
	ds.shm_perm.uid = NOBODY;
	SAME(0, shmctl(user_id, IPC_SET, &ds));
	SAME(0, shmctl(user_id, SHM_LOCK, NULL));
	process_join(process_start(lock_again, NULL));
	SAME(0, space_stat(user_id).shm_perm.mode & SHM_LOCKED);
}

/* Damage --------------------------------------------------------------------------------------- */

static const char *
index_path(void)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/index", space_path());
	return path;
}

static void
overwrite(const char *path, off_t at, const void *bytes, size_t count)
{
	int fd = open(path, O_WRONLY);

	MUST(fd >= 0 && pwrite(fd, bytes, count, at) == (ssize_t)count);
	close(fd);
}

Test(sysv_trust, foreign_index_is_refused)
{
	int id = made(0x2004, PAGE, 0600);

	overwrite(index_path(), 0, "SOMEBODY", 8);
	SAME(-ENOSYS, space_rc(shmget(0x2004, 0, 0)));
	SAME(-ENOSYS, at_rc(id, 0));
	SAME(-ENOSYS, space_rc(shmctl(id, IPC_RMID, NULL)));
	MUST(truncate(index_path(), 0) == 0);
	SAME(-ENOSYS, space_rc(shmget(IPC_PRIVATE, PAGE, 0600)));
	MUST(unlink(index_path()) == 0 && mkfifo(index_path(), 0600) == 0);
	SAME(-ENOSYS, space_rc(shmget(IPC_PRIVATE, PAGE, 0600)));
}

/* A file that is gone, cut, or not a file: that id alone is refused, and can be removed. */
Test(sysv_trust, damaged_file_spoils_its_id_only)
{
	int ids[5];
	void *base;

	for (int i = 0; i < 5; i++)
		ids[i] = made(0x2010 + i, 2 * PAGE, 0600);
	MUST(unlink(space_file(ids[0])) == 0);
	MUST(truncate(space_file(ids[1]), PAGE) == 0);
	MUST(unlink(space_file(ids[2])) == 0 && symlink("/etc/passwd", space_file(ids[2])) == 0);
	MUST(unlink(space_file(ids[3])) == 0 && mkdir(space_file(ids[3]), 0700) == 0);
	for (int i = 0; i < 4; i++) {
		SAME(-EIDRM, at_rc(ids[i], 0));
		SAME(0, shmctl(ids[i], IPC_RMID, NULL));
		SAME(-EINVAL, at_rc(ids[i], 0));
	}
	base = shmat(ids[4], NULL, 0);
	MUST(base != (void *)-1);
	SAME(0, shmdt(base));
	MUST(rmdir(space_file(ids[3])) == 0);
	space_consistent();
}

static void
call_everything(uint64_t *seed)
{
	key_t key = (key_t)random_below(seed, 8);
	int id = shmget(key, PAGE, (random_below(seed, 2) ? IPC_CREAT : 0) | 0600), top;
	struct shmid_ds ds;
	void *base = shmat(id >= 0 ? id : (int)random_below(seed, 128), NULL, 0);

	if (base != (void *)-1) {
		(void)shmctl(id, IPC_STAT, &ds);
		(void)shmdt(base);
	}
	if (random_below(seed, 2))
		(void)shmctl(id, IPC_RMID, NULL);
	top = shmctl(0, SHM_INFO, &ds);
	for (int i = 0; i <= top && i < 70; i++)
		(void)shmctl(i, SHM_STAT, &ds);
}

/* Whatever is in the index: errors, but no signal, no endless loop, and no other file is touched. */
Test(sysv_trust, random_bytes_in_the_index_do_no_harm)
{
	uint64_t seed = 6;

	for (int i = 0; i < 1000; i++) {
		/* Where something is: header, bitmap, some buckets, the first slots. */
		off_t at = (off_t)(random_below(&seed, 4) ? 36864 + random_below(&seed, 8192)
							  : 8 + random_below(&seed, 8192));
		uint64_t bytes = random_below(&seed, 2) ? random_next(&seed)
							: random_below(&seed, 64);

		if (i % 50 == 0) {
			space_renew();
			(void)made(7, PAGE, 0600);
		}
		call_everything(&seed);
		overwrite(index_path(), at, &bytes, 1 + random_below(&seed, 8));
		call_everything(&seed);
	}
	space_renew();
	space_clear();
}

/* Limits and room ------------------------------------------------------------------------------ */

Test(sysv_trust, limits_come_from_the_environment)
{
	struct shminfo info;

	setenv("SHMQ_SYSV_SHMMAX", "40960", 1);
	setenv("SHMQ_SYSV_SHMALL", "12", 1);
	setenv("SHMQ_SYSV_SHMMNI", "3", 1);
	SAME(-EINVAL, space_rc(shmget(IPC_PRIVATE, 40961, 0600)));
	(void)made(0x2005, 40960, 0600);
	SAME(-ENOSPC, space_rc(shmget(IPC_PRIVATE, 3 * PAGE, 0600)));
	(void)made(0x2006, PAGE, 0600);
	(void)made(0x2007, 1, 0600);
	SAME(-ENOSPC, space_rc(shmget(IPC_PRIVATE, 1, 0600)));
	SAME(2, shmctl(0, IPC_INFO, (void *)&info));
	SAME(40960, info.shmmax);
	SAME(12, info.shmall);
	SAME(3, info.shmmni);
	SAME(1, info.shmmin);
	space_clear();
}

static void
in_a_small_world(void)
{
	MUST(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	MUST(mount("tmpfs", space_path(), "tmpfs", 0, "size=1m,mode=0777") == 0);
}

/* The directory below can be removed then. */
static void
leave_small_world(void)
{
	MUST(umount2(space_path(), MNT_DETACH) == 0);
}

/* What is promised can be touched; what cannot be is refused, or for those who ask for that not promised. */
Test(sysv_trust, full_file_system_is_an_error_at_creation)
{
	int first, second;
	char *base;

	in_a_small_world();
	SAME(-ENOSPC, space_rc(shmget(IPC_PRIVATE, (size_t)2 << 20, 0600)));
	first = made(0x2008, 400 << 10, 0600);
	second = made(0x2009, 400 << 10, 0600);
	SAME(-ENOSPC, space_rc(shmget(IPC_PRIVATE, 400 << 10, 0600)));
	base = shmat(first, NULL, 0);
	memset(base, 1, 400 << 10);
	SAME(-ENOSPC, space_rc(shmget(IPC_PRIVATE, 400 << 10, 0600)));
	(void)made(IPC_PRIVATE, (size_t)2 << 20, SHM_NORESERVE | 0600);
	SAME(0, shmdt(base));
	base = shmat(second, NULL, 0);
	memset(base, 1, 400 << 10);
	SAME(0, shmdt(base));
	space_clear();
	leave_small_world();
}

/* Not even for the index. */
Test(sysv_trust, no_room_at_all_is_enospc)
{
	char path[96], junk[4096] = {1};
	int fd;

	in_a_small_world();
	snprintf(path, sizeof(path), "%s/junk", space_path());
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	while (write(fd, junk, sizeof(junk)) > 0)
		;
	SAME(-ENOSPC, space_rc(shmget(0x200a, PAGE, IPC_CREAT | 0600)));
	MUST(ftruncate(fd, 0) == 0);
	close(fd);
	SAME(0, shmctl(made(0x200a, PAGE, 0600), IPC_RMID, NULL));
	leave_small_world();
}

/* No descriptor to be had is said so, and changes nothing. */
Test(sysv_trust, no_descriptors_is_an_error)
{
	int id = made(0x200b, PAGE, 0600);
	void *base = shmat(id, NULL, 0);
	struct rlimit before, none = {3, 1024};

	MUST(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none.rlim_max = before.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	SAME(-ENFILE, space_rc(shmget(0x200b, 0, 0)));
	SAME(-ENOMEM, at_rc(id, 0));
	SAME(-ENOMEM, space_rc(shmctl(id, IPC_RMID, NULL)));
	SAME(-ENOMEM, space_rc(shmdt(base)));
	MUST(setrlimit(RLIMIT_NOFILE, &before) == 0);
	SAME(1, space_nattch(id));
	SAME(0, shmdt(base));
	SAME(0, shmctl(id, IPC_RMID, NULL));
}
