/* SPDX-License-Identifier: MIT */
/* What the rest of a program does: handlers of fork of its own, closed standard descriptors, limits, groups. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "space.h"
#include "support/process.h"

#define GROUP 4242u
#define CALLS 3000

TestSuite(sysv_around, .init = space_begin, .fini = space_end, .timeout = 30);

static int
one_page(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);

	MUST(id >= 0);
	return id;
}

/* What a program registers before it has ever called us; each test turns on what it needs. */
static void *inherited;
static bool locking;
static pthread_mutex_t program = PTHREAD_MUTEX_INITIALIZER;

static void
before(void)
{
	if (inherited)
		SAME(0, shmctl(one_page(), IPC_RMID, NULL));
	if (locking)
		pthread_mutex_lock(&program);
}

static void
in_parent(void)
{
	if (locking)
		pthread_mutex_unlock(&program);
	if (inherited)
		SAME(0, shmctl(one_page(), IPC_RMID, NULL));
}

static void
in_child(void)
{
	if (locking)
		pthread_mutex_unlock(&program);
	if (inherited)
		SAME(0, shmdt(inherited));
}

static __attribute__((constructor)) void
register_handlers(void)
{
	MUST(pthread_atfork(before, in_parent, in_child) == 0);
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* Run, all of them, outside of what our own handlers hold. */
Test(sysv_around, handlers_of_fork_may_call)
{
	int id = one_page();

	inherited = shmat(id, NULL, 0);
	process_join(process_start(nothing, NULL));
	SAME(1, space_nattch(id));
	SAME(0, shmdt(inherited));
}

static uint32_t stop;

static void *
call_under_lock(void *arg)
{
	while (!shmq_load_relaxed_u32(&stop)) {
		pthread_mutex_lock(&program);
		(void)space_nattch(*(int *)arg);
		pthread_mutex_unlock(&program);
	}
	return NULL;
}

Test(sysv_around, lock_of_a_program_that_forks_is_no_deadlock)
{
	int id = one_page();
	pthread_t thread;

	MUST(shmat(id, NULL, 0) != (void *)-1);
	locking = true;
	SAME(0, pthread_create(&thread, NULL, call_under_lock, &id));
	for (int i = 0; i < 100; i++)
		process_join(process_start(nothing, NULL));
	shmq_store_relaxed_u32(&stop, 1);
	SAME(0, pthread_join(thread, NULL));
}

static void *
print(void *arg)
{
	unsigned *printed = arg;

	while (!shmq_load_relaxed_u32(&stop))
		/* The bare call: TSan takes a descriptor that is not ours for a race, which it is. */
		*printed += syscall(SYS_write, STDOUT_FILENO, "hello\n", 6) == 6;
	return NULL;
}

/* What is printed to a descriptor that is closed is not written into our files. */
Test(sysv_around, closed_standard_output_stays_closed)
{
	unsigned printed = 0;
	pthread_t thread;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	SAME(0, pthread_create(&thread, NULL, print, &printed));
	for (int i = 0; i < CALLS; i++)
		SAME(0, shmctl(one_page(), IPC_RMID, NULL));
	shmq_store_relaxed_u32(&stop, 1);
	SAME(0, pthread_join(thread, NULL));
	SAME(0, printed);
	space_consistent();
}

static void
attach_without_files(void *arg)
{
	int *id = arg;

	SAME(0, setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}));
	(void)shmat(*id, NULL, 0);
	(void)space_rc(shmctl(*id, IPC_RMID, NULL));
}

/* No signal, which would end the program. */
Test(sysv_around, limit_of_file_size_kills_nobody)
{
	int id = one_page();

	process_join(process_start(attach_without_files, &id));
}

static void
index_is(mode_t directory, mode_t want)
{
	struct stat st;
	char path[4096];

	SAME(0, chown(space_path(), (uid_t)-1, GROUP));
	SAME(0, chmod(space_path(), directory));
	(void)one_page();
	cr_assert(snprintf(path, sizeof(path), "%s/index", space_path()) > 0);
	SAME(0, stat(path, &st));
	SAME(want, st.st_mode & 0777);
	SAME(GROUP, st.st_gid);
	space_clear();
	SAME(0, unlink(path));
}

/* Who may make files there may use it; who may only look could but hold a lock on it. */
Test(sysv_around, index_is_for_those_who_may_write_the_directory)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	index_is(0755, 0600);
	index_is(0770, 0660);
	index_is(0775, 0660);
	index_is(0777, 0666);
}
