/* SPDX-License-Identifier: MIT */
/* SHM_HUGETLB: where the pages are, who may have them, what becomes of them. On a machine that can spare some. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "huge_scene.h"
#include "support/process.h"

#define SIZE_OF(shift) ((int)((unsigned)(shift) << 26))
#define TWO (2 * HUGE)

TestSuite(sysv_huge, .init = huge_scene_begin, .fini = huge_scene_end, .timeout = 120);

static int
made(key_t key, size_t size, int flags)
{
	int id = shmget(key, size, IPC_CREAT | SHM_HUGETLB | 0600 | flags);

	MUST(id >= 0);
	return id;
}

static int
get_rc(size_t size, int flags)
{
	return space_rc(shmget(IPC_PRIVATE, size, 0600 | flags));
}

static int
at_rc(int id, const void *at, int flags)
{
	return shmat(id, at, flags) == (void *)-1 ? -errno : 0;
}

/* The pages ----------------------------------------------------------------------------------- */

static void
look_in(void *arg)
{
	int id = *(int *)arg;
	char *base = shmat(id, NULL, SHM_RDONLY), *inherited;

	MUST(base != (void *)-1 && base[TWO] == 'x');
	SAME(-EACCES, space_rc(mprotect(base, HUGE, PROT_READ | PROT_WRITE)));
	SAME(3, space_nattch(id)); /* ours, the parent's, and what we have of the parent's */
	inherited = shmat(id, NULL, 0);
	inherited[0] = 'y';
	SAME(0, shmdt(inherited));
}

/* Memory of huge pages, reserved at the start, given back with the last detach. */
Test(sysv_huge, life_of_a_segment)
{
	long before;
	char *base;
	int id;

	huge_scene_need();
	before = huge_free();
	id = made(0x5002, TWO + 1, 0);
	SAME(before - 3, huge_free());
	SAME(TWO + 1, space_stat(id).shm_segsz);
	space_consistent();
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	base[TWO] = 'x';
	process_join(process_start(look_in, &id));
	SAME('y', base[0]);
	SAME(1, space_nattch(id));
	SAME(0, shmctl(id, IPC_RMID, NULL));
	SAME(1, space_files());
	SAME(before - 3, huge_free());
	SAME(0, shmdt(base));
	SAME(0, space_files());
	SAME(before, huge_free());
}

/* Who is first has them: later ones are refused, and leave nothing; whoever attaches can touch all. */
Test(sysv_huge, reserved_pages_are_there)
{
	size_t all;
	int id;
	char *base;

	huge_scene_need();
	all = (size_t)huge_free() * HUGE;
	id = made(0x5003, all - HUGE, 0);
	SAME(-ENOMEM, get_rc(TWO, SHM_HUGETLB));
	SAME(1, space_files());
	(void)made(0x5004, HUGE, 0);
	SAME(-ENOMEM, get_rc(1, SHM_HUGETLB));
	(void)made(0x5005, all, SHM_NORESERVE);
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	for (size_t at = 0; at < all - HUGE; at += HUGE)
		base[at] = 1;
	SAME(0, shmdt(base));
	space_consistent();
	space_clear();
	SAME(all, (size_t)huge_free() * HUGE);
}

static void
touch_in_child(void *arg)
{
	char *base = arg;

	base[0]++;
}

/* To inherit an attach asks for no pages, either. */
Test(sysv_huge, fork_inherits_what_is_not_reserved)
{
	size_t more;
	char *base;
	int id;

	huge_scene_need();
	more = (size_t)(huge_free() + 1) * HUGE;
	id = made(0x5006, more, SHM_NORESERVE);
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	process_join(process_start(touch_in_child, base));
	SAME(1, base[0]);
	SAME(1, space_nattch(id));
	SAME(0, shmdt(base));
}

/* Huge pages are no part of the namespace's own file system. */
Test(sysv_huge, room_of_small_pages_is_another)
{
	huge_scene_need();
	MUST(mount("tmpfs", space_path(), "tmpfs", 0, "size=1m,mode=0777") == 0);
	(void)made(0x5007, HUGE, 0);
	SAME(0, shmctl(shmget(0x5008, 400 << 10, IPC_CREAT | 0600), IPC_RMID, NULL));
	space_clear();
	MUST(umount2(space_path(), MNT_DETACH) == 0);
}

/* Where they are ------------------------------------------------------------------------------ */

/* Without the variable nobody makes the first; from then on the namespace knows. */
static void
without_variable(void *arg)
{
	unsetenv("SHMQ_SYSV_HUGE_DIR");
	if (!arg) {
		SAME(-ENOMEM, get_rc(HUGE, SHM_HUGETLB));
		SAME(-EINVAL, get_rc(HUGE, SHM_HUGETLB | SIZE_OF(5)));
		space_become(NOBODY, NOBODY);
		SAME(-EPERM, get_rc(HUGE, SHM_HUGETLB));
		SAME(-EINVAL, get_rc(HUGE, SHM_HUGETLB | SIZE_OF(5)));
		return;
	}
	SAME(*(int *)arg, shmget(0x5009, HUGE, 0));
	SAME(0, at_rc(*(int *)arg, NULL, 0));
	SAME(0, shmctl(made(0x500a, HUGE, 0), IPC_RMID, NULL));
}

Test(sysv_huge, the_namespace_knows_where)
{
	char link[96], target[16] = "";
	int id;

	huge_scene_need();
	process_join(process_start(without_variable, NULL));
	id = made(0x5009, HUGE, 0);
	snprintf(link, sizeof(link), "%s/huge", space_path());
	MUST(readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, HUGE_PLACE) == 0);
	process_join(process_start(without_variable, &id));
	space_clear();
}

/* What is not a hugetlbfs has no huge pages. */
static void
with_variable(void *arg)
{
	setenv("SHMQ_SYSV_HUGE_DIR", arg, 1);
	SAME(-ENOMEM, get_rc(HUGE, SHM_HUGETLB));
}

Test(sysv_huge, other_places_are_none)
{
	char link[96];

	huge_scene_need();
	process_join(process_start(with_variable, "/dev/shm"));
	process_join(process_start(with_variable, "/nowhere"));
	process_join(process_start(with_variable, ""));
	snprintf(link, sizeof(link), "%s/huge", space_path());
	MUST(symlink("/dev/shm", link) == 0); /* and a link is not moved */
	process_join(process_start(with_variable, HUGE_PLACE));
	SAME(0, unlink(link));
}

static void
create_as_nobody(void *arg)
{
	void *base;
	int id;

	(void)arg;
	space_become(NOBODY, NOBODY);
	id = shmget(0x500b, HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
	if (id < 0)
		_exit(errno == EPERM ? 1 : PROCESS_FAILED);
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	SAME(0, shmctl(id, IPC_RMID, NULL));
	SAME(0, shmdt(base));
}

/* Who may write there may have them; no privilege is asked for. */
Test(sysv_huge, the_directory_says_who_may)
{
	int id, status;

	huge_scene_need();
	id = made(0x500c, HUGE, 0);
	process_join(process_start(create_as_nobody, NULL));
	MUST(chmod(HUGE_PLACE, 0755) == 0);
	status = process_end(process_start(create_as_nobody, NULL));
	SAME(1, WEXITSTATUS(status));
	space_consistent();
	SAME(0, shmctl(id, IPC_RMID, NULL));
}

/* Who comes next takes stock. */
static void
spoil(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/index", space_path());
	fd = open(path, O_WRONLY);
	MUST(fd >= 0 && pwrite(fd, &(uint32_t){1}, 4, 12) == 4);
	close(fd);
}

static void
use_as_owner(void *arg)
{
	int id = *(int *)arg;

	space_become(NOBODY, NOBODY);
	SAME(0600, space_stat(id).shm_perm.mode);
	SAME(-EACCES, at_rc(id, NULL, 0));
	SAME(0, shmctl(id, IPC_RMID, NULL));
}

/* A hugetlbfs has no access lists: a new owner is one of the others to the memory, and the owner to all else. */
Test(sysv_huge, new_owner_has_the_bits_of_others)
{
	struct shmid_ds ds;
	int id;

	huge_scene_need();
	id = made(0x5013, HUGE, 0);
	ds = space_stat(id);
	ds.shm_perm.uid = NOBODY;
	SAME(0, shmctl(id, IPC_SET, &ds));
	process_join(process_start(use_as_owner, &id));
	SAME(-EINVAL, at_rc(id, NULL, 0));
	space_consistent();
}

static void
count_cleared(const char *what, void *arg)
{
	(void)what;
	++*(int *)arg;
}

static void
in_another_namespace(void *arg)
{
	char path[96];
	int id;

	snprintf(path, sizeof(path), "%s/other", space_path());
	MUST(mkdir(path, 0700) == 0 && setenv("SHMQ_SYSV_DIR", path, 1) == 0);
	id = made(0x500d, HUGE, 0);
	SAME(*(int *)arg, id); /* it would be the same file */
	SAME(0, shmctl(id, IPC_RMID, NULL));
	MUST(chdir(path) == 0 && unlink("index") == 0 && unlink("huge") == 0);
	MUST(rmdir(path) == 0);
}

/* Two namespaces may have theirs in one place: neither sees the other's, nor clears it. */
Test(sysv_huge, namespaces_do_not_meet)
{
	int id, told = 0;

	huge_scene_need();
	process_join(process_start(in_another_namespace, &(int){0}));
	SAME(0, made(0x500d, HUGE, 0));
	close(open(HUGE_PLACE "/shmid-7.1.2", O_CREAT | O_WRONLY, 0600));
	id = shmget(0x500d, 0, 0);
	spoil();
	SAME(HUGE, space_stat(id).shm_segsz);
	SAME(2, space_files());
	SAME(0, shmqi_ns_gc(true, count_cleared, &told));
	SAME(0, unlink(HUGE_PLACE "/shmid-7.1.2"));
	space_consistent();
	space_clear();
}

/* Left behind --------------------------------------------------------------------------------- */

/* Somebody who does not see the hugetlbfs (another mount namespace) takes stock: it is not gone for all. */
static void
elsewhere(void *arg)
{
	int id = *(int *)arg;

	MUST(unshare(CLONE_NEWNS) == 0 && umount2(HUGE_PLACE, MNT_DETACH) == 0);
	spoil();
	SAME(-EACCES, at_rc(id, NULL, 0));
	SAME(HUGE, space_stat(id).shm_segsz);
	SAME(0, shmctl(id, IPC_RMID, NULL)); /* marked: somebody may have it */
	MUST(space_stat(id).shm_perm.mode & SHM_DEST);
	SAME(-ENOMEM, get_rc(HUGE, SHM_HUGETLB));
}

Test(sysv_huge, what_others_see_is_not_gone)
{
	int id;
	char *base;

	huge_scene_need();
	id = made(0x500e, HUGE, 0);
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	process_join(process_start(elsewhere, &id));
	SAME(1, space_nattch(id));
	SAME(0, shmdt(base));
	SAME(0, space_files());
}

/* The file of `id` becomes that of an id that is none. */
static void
lose_file(int id)
{
	char file[128], stray[128];

	snprintf(file, sizeof(file), "%s", space_file(id));
	snprintf(stray, sizeof(stray), "%s/huge/shmid-77%s", space_path(),
		 strchr(strrchr(file, '/'), '.'));
	SAME(0, rename(file, stray));
	SAME(-EIDRM, at_rc(id, NULL, 0));
}

/* A file without an entry goes; an entry without a file, too. */
Test(sysv_huge, taking_stock_clears_what_is_left)
{
	long before;

	huge_scene_need();
	before = huge_free();
	lose_file(made(0x500f, HUGE, 0));
	spoil();
	SAME(-ENOENT, space_rc(shmget(0x500f, 0, 0)));
	SAME(0, space_files());
	SAME(before, huge_free());
	space_consistent();
}

Test(sysv_huge, gc_clears_what_is_left)
{
	int kept, told = 0;
	long before;

	huge_scene_need();
	before = huge_free();
	lose_file(made(0x5010, HUGE, 0));
	kept = made(0x5011, HUGE, 0);
	SAME(2, shmqi_ns_gc(true, count_cleared, &told));
	SAME(2, space_files());
	SAME(2, shmqi_ns_gc(false, count_cleared, &told));
	SAME(0, shmqi_ns_gc(false, count_cleared, &told));
	SAME(4, told);
	SAME(kept, shmget(0x5011, 0, 0));
	SAME(before - 1, huge_free());
	space_consistent();
}

/* What `shmq stat` tells besides. */
Test(sysv_huge, pages_are_huge_and_come_with_the_first_touch)
{
	size_t page_bytes = 0;
	char *base;
	int id;

	huge_scene_need();
	id = made(0x5012, TWO, 0);
	base = shmat(id, NULL, 0);
	MUST(base != (void *)-1);
	SAME(0, shmqi_ns_resident_bytes(id, &page_bytes));
	SAME(HUGE, page_bytes);
	base[HUGE] = 1;
	SAME(HUGE, shmqi_ns_resident_bytes(id, &page_bytes));
	SAME(0, shmdt(base));
}
