/* SPDX-License-Identifier: MIT */
/*
 * Each call killed at every system call that it makes: whoever comes next finds a whole table, each segment there or not, and can
 * remove everything.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge_scene.h"
#include "support/process.h"
#include "support/trace.h"

TestSuite(sysv_kill, .init = space_begin, .fini = space_end, .timeout = 300);

#define KEY 0x3001
#define OTHER 0x3002

/* What is there before: `other` beside it, and `id` but for creation. */
struct scene {
	int id, other;
	char *base; /* our own attach */
	bool finished;
};

static struct scene scene;
static int kind; /* SHM_HUGETLB, or 0 */

static void
prepare_nothing(void)
{
	scene.other = shmget(OTHER, PAGE, IPC_CREAT | 0600);
	MUST(scene.other >= 0);
}

static void
prepare_one(void)
{
	prepare_nothing();
	scene.id = shmget(KEY, PAGE, IPC_CREAT | kind | 0600);
	MUST(scene.id >= 0);
}

static void
prepare_attached(void)
{
	prepare_one();
	scene.base = shmat(scene.id, NULL, 0);
	MUST(scene.base != (void *)-1);
}

static void
prepare_marked(void)
{
	prepare_attached();
	SAME(0, shmctl(scene.id, IPC_RMID, NULL));
}

static void
act_create(void *arg)
{
	(void)arg;
	victim_begins();
	MUST(shmget(KEY, PAGE, IPC_CREAT | kind | 0600) >= 0);
	victim_ends();
}

static void
act_remove(void *arg)
{
	(void)arg;
	victim_begins();
	SAME(0, shmctl(scene.id, IPC_RMID, NULL));
	victim_ends();
}

static void
act_attach(void *arg)
{
	(void)arg;
	victim_begins();
	MUST(shmat(scene.id, NULL, 0) != (void *)-1);
	victim_ends();
}

static void
act_detach(void *arg)
{
	(void)arg;
	victim_begins();
	SAME(0, shmdt(scene.base));
	victim_ends();
}

static void
act_set(void *arg)
{
	struct shmid_ds ds = space_stat(scene.id);

	(void)arg;
	ds.shm_perm.mode = 0640;
	ds.shm_perm.gid = NOBODY;
	victim_begins();
	SAME(0, shmctl(scene.id, IPC_SET, &ds));
	victim_ends();
}

/* The victim is gone, so what is ours is all there is. */
static void
check(long attached)
{
	struct shmid_ds ds;
	int id = shmget(KEY, 0, 0), again;

	space_consistent();
	if (id >= 0)
		SAME(attached, space_nattch(id));
	again = shmget(KEY, PAGE, IPC_CREAT | kind | 0600);
	MUST(again >= 0 && (id < 0 || id == again));
	SAME(0, shmctl(again, IPC_STAT, &ds));
	SAME(scene.other, shmget(OTHER, 0, 0));
	if (scene.base)
		SAME(0, shmdt(scene.base));
	scene.base = NULL;
	space_consistent();
	space_clear();
}

static void
kill_everywhere(void (*prepare)(void), void (*act)(void *arg), long attached)
{
	unsigned long stop = 0;

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	do {
		pid_t victim;

		scene = (struct scene){.id = -1};
		prepare();
		victim = victim_start(act, NULL);
		scene.finished = !victim_calls(victim, ++stop);
		victim_kill(victim);
		while (waitpid(-1, NULL, 0) > 0) /* its child */
			;
		check(attached);
	} while (!scene.finished);
	MUST(stop > 10);
}

Test(sysv_kill, creation)
{
	kill_everywhere(prepare_nothing, act_create, 0);
}

Test(sysv_kill, removal)
{
	kill_everywhere(prepare_one, act_remove, 0);
}

Test(sysv_kill, removal_while_attached)
{
	kill_everywhere(prepare_attached, act_remove, 1);
}

Test(sysv_kill, attach)
{
	kill_everywhere(prepare_one, act_attach, 0);
}

Test(sysv_kill, detach)
{
	kill_everywhere(prepare_attached, act_detach, 1);
}

Test(sysv_kill, last_detach_of_a_marked_one)
{
	kill_everywhere(prepare_marked, act_detach, 1);
}

Test(sysv_kill, set)
{
	kill_everywhere(prepare_one, act_set, 0);
}

/* fork() with attaches, of a victim that dies anywhere in it; the child may live or not, and goes, too. */
static void
act_fork(void *arg)
{
	pid_t pid;

	(void)arg;
	victim_begins();
	pid = fork();
	if (pid == 0)
		_exit(0);
	victim_ends();
}

Test(sysv_kill, fork_with_an_attach)
{
	kill_everywhere(prepare_attached, act_fork, 1);
}

/* With huge pages: the file is elsewhere, and what was reserved for it must come back. */
TestSuite(sysv_kill_huge, .init = huge_scene_begin, .fini = huge_scene_end, .timeout = 300);

static void
kill_everywhere_huge(void (*prepare)(void), void (*act)(void *arg), long attached)
{
	long before = huge_free();

	huge_scene_need();
	kind = SHM_HUGETLB;
	kill_everywhere(prepare, act, attached);
	SAME(before, huge_free());
}

Test(sysv_kill_huge, creation)
{
	kill_everywhere_huge(prepare_nothing, act_create, 0);
}

Test(sysv_kill_huge, removal)
{
	kill_everywhere_huge(prepare_one, act_remove, 0);
}

Test(sysv_kill_huge, last_detach_of_a_marked_one)
{
	kill_everywhere_huge(prepare_marked, act_detach, 1);
}

Test(sysv_kill_huge, fork_with_an_attach)
{
	kill_everywhere_huge(prepare_attached, act_fork, 1);
}
