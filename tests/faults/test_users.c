/* SPDX-License-Identifier: MIT */
/* User namespaces: who seems to be somebody else, or to have a capability. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"
#include "support/process.h"

TestSuite(users, .init = place_begin, .fini = place_end, .timeout = 120);

#define NOBODY 65534

static void
become_nobody(void)
{
	SAME(0, setgroups(0, NULL));
	SAME(0, setresgid(NOBODY, NOBODY, NOBODY));
	SAME(0, setresuid(NOBODY, NOBODY, NOBODY));
}

/* No id is mapped: everybody's shows as the overflow id, our own, too. */
static void
be_unmapped(void)
{
	SAME(0, unshare(CLONE_NEWUSER));
	SAME(0, prctl(PR_SET_DUMPABLE, 1));
	SAME(0, prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static void
be_unmapped_victim(void *arg)
{
	become_nobody();
	be_unmapped();
	scene_victim(arg);
}

static bool
user_namespaces(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) != 0);
	return geteuid() == 0 && process_end(pid) == 0;
}

static void
give_to_all(const struct place *place)
{
	const struct shmq_perm perm = {
		.size = sizeof(perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0666};

	SAME(0, shmq_set(place->attach, &perm));
}

Test(users, test_in_user_namespace_alive_then_dead)
{
	if (!user_namespaces())
		cr_skip_test("needs root, and user namespaces");
	EACH_HOLD(s)
	{
		give_to_all(&s.place);
		s.pid = process_start(be_unmapped_victim, &s);
		scene_taken(&s);
		scene_alive(&s);
		process_kill(s.pid);
		scene_dead(&s);
	}
}

/* Root in a namespace of its own, as in a container without privilege. */
static void
be_root_of_own_namespace(void)
{
	int fd;

	become_nobody();
	be_unmapped();
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	MUST(fd >= 0);
	SAME(9, write(fd, "0 65534 1", 9));
	close(fd);
	SAME(0, geteuid());
}

static void
try_to_remove(void *arg)
{
	struct place *place = arg;

	become_nobody();
	be_unmapped();
	SAME(-EPERM, shmq_remove(place->attach));
}

static void
try_to_remove_as_root(void *arg)
{
	struct place *place = arg;

	be_root_of_own_namespace();
	SAME(-EPERM, shmq_remove(place->attach));
	SAME(-EPERM, shmq_lock(place->attach));
	SAME(-EPERM, shmq_unlock(place->attach));
}

/* Who may write a queue may not remove it for that, whatever his namespace makes him look like. */
Test(users, test_remove_by_stranger_in_user_namespace_eperm_unchanged)
{
	void (*const ways[])(void *) = {try_to_remove, try_to_remove_as_root};

	if (!user_namespaces())
		cr_skip_test("needs root, and user namespaces");
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, NULL);
		struct shmq *q = NULL;

		give_to_all(&place);
		if (on == ON_FILE) /* sticky, as /dev/shm is */
			SAME(0, chmod(place_directory(), 01777));
		SAME(0, shmq_attach(&q, place.attach, SHMQ_PRODUCER));
		for (unsigned i = 0; i < 2; i++) {
			process_join(process_start(ways[i], &place));
			SAME(0, shmq_send(q, "x", 1, 0));
			MUST(!(place_stat(&place).mode & SHMQ_DEST));
		}
		SAME(0, shmq_detach(q));
		place_remove(&place);
	}
}

/* Its capability to lock is none. */
static void
lock_as_root(void *arg)
{
	const struct rlimit limit = {1 << 20, 1 << 20};
	struct shmq_memlock figures = {.size = sizeof(figures)};

	(void)arg;
	SAME(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	SAME(0, shmq_memlock((size_t)2 << 20, &figures));
	SAME(1, figures.privileged);
	be_root_of_own_namespace();
	SAME(-ENOMEM, shmq_memlock((size_t)2 << 20, &figures));
	SAME(0, figures.privileged);
	SAME(0, shmq_memlock((size_t)1 << 19, NULL));
	SAME(0, setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	SAME(-EPERM, shmq_memlock(1, NULL));
}

Test(users, test_root_of_user_namespace_locks_within_limit)
{
	if (!user_namespaces())
		cr_skip_test("needs root, and user namespaces");
	process_join(process_start(lock_as_root, NULL));
}
