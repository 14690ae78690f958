/* SPDX-License-Identifier: MIT */
/*
 * SHM_HUGETLB: what there is to see is played twice, with the kernel's own system calls and with ours.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "huge_scene.h"
#include "support/process.h"

#define SIZE_OF(shift) ((int)((unsigned)(shift) << 26))
#define TWO (2 * HUGE)

TestSuite(sysv_huge_kernel, .init = huge_scene_begin, .fini = huge_scene_end, .timeout = 120);

struct calls {
	int (*get)(key_t key, size_t size, int flags);
	void *(*at)(int id, const void *at, int flags);
	int (*dt)(const void *at);
	int (*ctl)(int id, int command, struct shmid_ds *buffer);
};

static int
kernel_get(key_t key, size_t size, int flags)
{
	return (int)syscall(SYS_shmget, key, size, flags);
}

static void *
kernel_at(int id, const void *at, int flags)
{
	return (void *)syscall(SYS_shmat, id, at, flags);
}

static int
kernel_dt(const void *at)
{
	return (int)syscall(SYS_shmdt, at);
}

static int
kernel_ctl(int id, int command, struct shmid_ds *buffer)
{
	return (int)syscall(SYS_shmctl, id, command, buffer);
}

static const struct calls kernel = {kernel_get, kernel_at, kernel_dt, kernel_ctl},
			  ours = {shmget, shmat, shmdt, shmctl};

/* What has been seen, in order. */
struct seen {
	const struct calls *calls;
	unsigned count;
	struct {
		const char *what;
		long value;
	} all[96];
};

static void
see(struct seen *seen, const char *what, long value)
{
	MUST(seen->count < 96);
	seen->all[seen->count].what = what;
	seen->all[seen->count++].value = value;
}

#define SEE(seen, value) see(seen, #value, value)

/* Both play, in an IPC namespace of this test's own; nothing is left of either. */
static void
compare(void (*play)(struct seen *seen))
{
	struct seen one = {.calls = &kernel}, other = {.calls = &ours};
	long before = huge_free();

	play(&one);
	SAME(before, huge_free());
	play(&other);
	SAME(before, huge_free());
	SAME(0, space_files());
	SAME(one.count, other.count);
	for (unsigned i = 0; i < one.count; i++)
		process_same(one.all[i].value, other.all[i].value, one.all[i].what,
			     "as the kernel");
	space_consistent();
}

/* An outcome; what was made is removed. */
static long
try_get(const struct seen *seen, size_t size, int flags)
{
	int id = seen->calls->get(IPC_PRIVATE, size, 0600 | flags);

	if (id < 0)
		return -errno;
	SAME(0, seen->calls->ctl(id, IPC_RMID, NULL));
	return 0;
}

static void
play_get(struct seen *s)
{
	size_t more = (size_t)(huge_free() + 1) * HUGE;
	int key = s->calls->get(0x5001, PAGE, IPC_CREAT | 0600);

	SEE(s, try_get(s, 1, SHM_HUGETLB));
	SEE(s, try_get(s, TWO, SHM_HUGETLB | SIZE_OF(21)));
	SEE(s, try_get(s, HUGE, SHM_HUGETLB | SIZE_OF(30)));
	SEE(s, try_get(s, HUGE, SHM_HUGETLB | SIZE_OF(5)));
	SEE(s, try_get(s, HUGE, SHM_HUGETLB | SIZE_OF(63)));
	SEE(s, try_get(s, HUGE, SIZE_OF(5)));
	SEE(s, try_get(s, 0, SHM_HUGETLB));
	SEE(s, try_get(s, SIZE_MAX, SHM_HUGETLB));
	SEE(s, try_get(s, SIZE_MAX / 2, SHM_HUGETLB));
	SEE(s, try_get(s, (size_t)1 << 46, SHM_HUGETLB));
	SEE(s, try_get(s, more, SHM_HUGETLB));
	SEE(s, try_get(s, more, SHM_HUGETLB | SHM_NORESERVE));
	SEE(s, s->calls->get(0x5001, 0, SHM_HUGETLB | SIZE_OF(5)) == key);
	SAME(0, s->calls->ctl(key, IPC_RMID, NULL));
}

Test(sysv_huge, creation_is_as_the_kernels)
{
	huge_scene_need();
	compare(play_get);
}

static long
try_at(const struct seen *seen, int id, const void *at, int flags)
{
	char *base = seen->calls->at(id, at, flags);

	if (base == (void *)-1)
		return -errno;
	MUST((uintptr_t)base % HUGE == 0);
	SAME(0, seen->calls->dt(base));
	return !at || base == at;
}

static struct shmid_ds
stat_of(const struct seen *seen, int id)
{
	struct shmid_ds ds;

	SAME(0, seen->calls->ctl(id, IPC_STAT, &ds));
	return ds;
}

static void
play_attach(struct seen *s)
{
	int id = s->calls->get(IPC_PRIVATE, HUGE + 1, SHM_HUGETLB | 0600);
	char *room = mmap(NULL, 4 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *free;
	char *base = s->calls->at(id, NULL, 0);

	MUST(id >= 0 && room != MAP_FAILED && base != (void *)-1);
	SAME(0, munmap(room, 4 * HUGE));
	free = room + (HUGE - (uintptr_t)room % HUGE);
	SEE(s, try_at(s, id, NULL, SHM_RDONLY));
	SEE(s, try_at(s, id, NULL, SHM_EXEC));
	SEE(s, try_at(s, id, free, 0));
	SEE(s, try_at(s, id, free + PAGE, 0));
	SEE(s, try_at(s, id, free + PAGE, SHM_RND));
	SEE(s, try_at(s, id, free + PAGE + 1, SHM_RND));
	SEE(s, try_at(s, id, free + 1, SHM_RND));
	SEE(s, try_at(s, id, free + PAGE, SHM_REMAP));
	SEE(s, try_at(s, id, (void *)(UINTPTR_MAX - TWO + 1), 0));
	SEE(s, try_at(s, id, base, 0));
	SEE(s, try_at(s, id, base + HUGE, 0));
	memset(base, 1, TWO);
	SEE(s, s->calls->dt(base + PAGE));
	SEE(s, s->calls->dt(base + HUGE));
	SEE(s, (long)stat_of(s, id).shm_segsz);
	SEE(s, (long)stat_of(s, id).shm_nattch);
	SAME(0, mprotect(base + HUGE, HUGE, PROT_READ));
	SEE(s, (long)stat_of(s, id).shm_nattch);
	SAME(0, s->calls->ctl(id, IPC_RMID, NULL));
	SEE(s, stat_of(s, id).shm_perm.mode);
	SEE(s, s->calls->dt(base)); /* both pieces */
	SEE(s, msync(base, TWO, MS_ASYNC) == 0);
	SEE(s, s->calls->dt(base));
	SEE(s, s->calls->ctl(id, IPC_RMID, NULL));
}

Test(sysv_huge, attach_is_as_the_kernels)
{
	huge_scene_need();
	compare(play_attach);
}

static int lock_id;
static size_t lock_limit;

static void
lock_as_nobody(void *arg)
{
	struct seen *s = arg;
	struct rlimit limit = {lock_limit, lock_limit};

	MUST(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	space_become(NOBODY, NOBODY);
	SEE(s, s->calls->ctl(lock_id, SHM_LOCK, NULL) ? -errno : 0);
	SEE(s, s->calls->ctl(lock_id, SHM_UNLOCK, NULL) ? -errno : 0);
}

/* What nobody has seen, in `s`. */
static void
lock_with(struct seen *s, size_t limit)
{
	struct seen *shared = process_share(sizeof(*shared));

	*shared = *s;
	lock_limit = limit;
	process_join(process_start(lock_as_nobody, shared));
	*s = *shared;
}

static void
play_lock(struct seen *s)
{
	struct shmid_ds ds;

	lock_id = s->calls->get(IPC_PRIVATE, HUGE, SHM_HUGETLB | 0600);
	SEE(s, s->calls->ctl(lock_id, SHM_LOCK, NULL));
	SEE(s, stat_of(s, lock_id).shm_perm.mode);
	SEE(s, s->calls->ctl(lock_id, SHM_UNLOCK, NULL));
	lock_with(s, HUGE);
	ds = stat_of(s, lock_id);
	ds.shm_perm.uid = NOBODY;
	SEE(s, s->calls->ctl(lock_id, IPC_SET, &ds));
	lock_with(s, 0);
	lock_with(s, PAGE);
	SEE(s, stat_of(s, lock_id).shm_perm.mode);
	SAME(0, s->calls->ctl(lock_id, IPC_RMID, NULL));
}

Test(sysv_huge, lock_is_as_the_kernels)
{
	huge_scene_need();
	compare(play_lock);
}

/* Limits: what is refused first, when more than one thing is wrong ------------------------------ */

static void
set_limit(const char *name, const char *variable, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	fd = open(path, O_WRONLY);
	MUST(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
	setenv(variable, value, 1);
}

static void
play_order(struct seen *s)
{
	size_t more = (size_t)(huge_free() + 1) * HUGE;
	int ids[2];

	SEE(s, try_get(s, 64 * HUGE + 1, SHM_HUGETLB | SIZE_OF(5)));
	SEE(s, try_get(s, 64 * HUGE, SHM_HUGETLB | SIZE_OF(5)));
	SEE(s, try_get(s, 64 * HUGE, SHM_HUGETLB));
	SEE(s, try_get(s, more, SHM_HUGETLB | SIZE_OF(5)));
	for (int i = 0; i < 2; i++)
		ids[i] = s->calls->get(IPC_PRIVATE, 1, 0600);
	SEE(s, try_get(s, HUGE, SHM_HUGETLB | SIZE_OF(5)));
	SEE(s, try_get(s, more, SHM_HUGETLB));
	SEE(s, try_get(s, HUGE, SHM_HUGETLB));
	SEE(s, try_get(s, 1, 0));
	for (int i = 0; i < 2; i++)
		SAME(0, s->calls->ctl(ids[i], IPC_RMID, NULL));
	SEE(s, try_get(s, HUGE, SHM_HUGETLB));
}

/* SHMMAX, SHMALL, then the memory, then SHMMNI. */
Test(sysv_huge, limits_are_looked_at_in_the_kernels_order)
{
	char all[24];

	huge_scene_need();
	if (unshare(CLONE_NEWIPC) != 0)
		huge_scene_skip("needs an IPC namespace");
	snprintf(all, sizeof(all), "%zu", 64 * HUGE);
	set_limit("shmmax", "SHMQ_SYSV_SHMMAX", all);
	snprintf(all, sizeof(all), "%zu", 63 * HUGE / PAGE);
	set_limit("shmall", "SHMQ_SYSV_SHMALL", all);
	set_limit("shmmni", "SHMQ_SYSV_SHMMNI", "2");
	compare(play_order);
}
