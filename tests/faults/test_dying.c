/* SPDX-License-Identifier: MIT */
/* Dead or alive, where it is hard to tell: exec, threads, children that share memory, recycled
 * pids, and namespaces. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "hold.h"
#include "support/process.h"

TestSuite(dying, .init = place_begin, .fini = place_end, .timeout = 120);

static bool
proc_says(pid_t pid, const char *file, const char *what)
{
	char path[48], text[512] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0);
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 && strstr(text, what);
}

static void
await(pid_t pid, const char *file, const char *what)
{
	while (!proc_says(pid, file, what))
		usleep(1000);
}

/* In the same process ------------------------------------------------------------------------ */

static void
become_sleep(struct scene *s)
{
	(void)s;
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
}

/* The kernel lets go of the old memory's files on the way into the new program: that is asleep. */
static void
await_sleep(pid_t pid)
{
	process_await_call(pid, SYS_clock_nanosleep);
}

Test(dying, test_exec_in_mid_operation_is_dead)
{
	EACH_HOLD(s)
	{
		scene_start(&s, become_sleep);
		await_sleep(s.pid);
		scene_dead(&s);
		process_kill(s.pid);
	}
}

static void *
sleep_on(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void
leave_main_thread(struct scene *s)
{
	pthread_t thread;

	(void)s;
	SAME(0, pthread_create(&thread, NULL, sleep_on, NULL));
	pthread_exit(NULL);
}

/* Its process looks like a zombie, but the memory is there, and another thread may use it. */
Test(dying, test_main_thread_gone_is_alive)
{
	EACH_HOLD(s)
	{
		scene_start(&s, leave_main_thread);
		await(s.pid, "stat", ") Z ");
		scene_alive(&s);
		process_kill(s.pid);
		scene_dead(&s);
	}
}

static void *
exec_sleep(void *arg)
{
	become_sleep(arg);
	return NULL;
}

static void
let_thread_exec(struct scene *s)
{
	pthread_t thread;
	char byte;

	SAME(0, pthread_create(&thread, NULL, exec_sleep, s));
	/* Whatever it may do: waiting, or refused at once. */
	for (;;)
		(void)shmq_recv(s->theirs, &byte, 1, SHMQ_FOREVER);
}

Test(dying, test_exec_by_another_thread_is_dead)
{
	EACH_HOLD(s)
	{
		scene_start(&s, let_thread_exec);
		await_sleep(s.pid);
		scene_dead(&s);
		process_kill(s.pid);
	}
}

/* Children ----------------------------------------------------------------------------------- */

static void
have_children(struct scene *s)
{
	static char *const argv[] = {"true", NULL};
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	process_join(pid);
	pid = vfork();
	if (pid == 0) {
		execv("/bin/true", argv);
		_exit(1);
	}
	process_join(pid);
	SAME(0, posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL));
	process_join(pid);
	gate_open(s->taken);
}

Test(dying, test_vfork_and_spawn_change_nothing)
{
	EACH_HOLD(s)
	{
		scene_start(&s, have_children);
		gate_pass(s.taken);
		scene_alive(&s);
		process_kill(s.pid);
		scene_dead(&s);
	}
}

static pid_t test_pid, victim_pid;

/* Until the test is gone. */
static int
share_memory(void *arg)
{
	(void)arg;
	while (getppid() == victim_pid || getppid() == test_pid)
		usleep(20000);
	return 0;
}

static void
share_with_child(struct scene *s)
{
	static _Alignas(16) char stack[65536];

	victim_pid = getpid();
	*s->number = clone(share_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	MUST(*s->number > 0);
	gate_open(s->taken);
}

/* While anybody has the memory, it may still be written. */
Test(dying, test_dead_with_child_that_shares_memory_is_alive)
{
	test_pid = getpid();
	SAME(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	EACH_HOLD(s)
	{
		scene_start(&s, share_with_child);
		gate_pass(s.taken);
		process_kill(s.pid);
		scene_alive(&s);
		process_kill(*s.number);
		scene_dead(&s);
	}
}

/* Namespaces --------------------------------------------------------------------------------- */

static void
be_in_pid_namespace(void *arg)
{
	struct scene *s = arg;

	SAME(0, unshare(CLONE_NEWPID));
	shmq_store_release_u32((uint32_t *)s->number, (uint32_t)process_start(scene_victim, s));
	SAME(SIGKILL, process_end(*s->number));
}

/* Its pid there is 1, which here is somebody who lives. */
Test(dying, test_in_other_pid_namespace_alive_then_dead)
{
	if (geteuid() != 0)
		cr_skip_test("needs CAP_SYS_ADMIN");
	EACH_HOLD(s)
	{
		s.pid = process_start(be_in_pid_namespace, &s);
		scene_taken(&s);
		scene_alive(&s);
		/* The victim may be there before its number is. */
		while (shmq_load_acquire_u32((const uint32_t *)s.number) == 0)
			sched_yield();
		SAME(0, kill(*s.number, SIGKILL));
		process_join(s.pid);
		scene_dead(&s);
	}
}

struct outside {
	struct scene scene;
	int ready, kill, killed; /* gates */
};

/* The others, in a namespace where the victim has no pid at all. */
static void
be_others(void *arg)
{
	struct outside *o = arg;

	scene_open(&o->scene);
	gate_open(o->ready);
	scene_taken(&o->scene);
	scene_alive(&o->scene);
	gate_open(o->kill);
	gate_pass(o->killed);
	scene_dead(&o->scene);
}

static void
be_outside(void *arg)
{
	struct outside *o = arg;

	gate_pass(o->ready);
	scene_victim(&o->scene);
}

static void
see_from_inside(void *arg)
{
	struct outside *o = arg;
	pid_t victim = process_start(be_outside, o), others;

	SAME(0, unshare(CLONE_NEWPID));
	others = process_start(be_others, o);
	gate_pass(o->kill);
	process_kill(victim);
	gate_open(o->killed);
	process_join(others);
}

Test(dying, test_seen_from_other_pid_namespace_alive_then_dead)
{
	if (geteuid() != 0)
		cr_skip_test("needs CAP_SYS_ADMIN");
	for (unsigned h = 0; h < HOLDS; h++) {
		struct outside o = {scene_plan(&holds[h], ON_SHM), gate_new(), gate_new(),
				    gate_new()};

		process_join(process_start(see_from_inside, &o));
	}
}

/* A recycled pid ----------------------------------------------------------------------------- */

static void
tell_pid(struct scene *s)
{
	*s->number = getpid();
	gate_open(s->taken);
}

/* In the namespace: the next process gets this pid. */
static void
next_pid(void *arg)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", *(int *)arg - 1);

	MUST(fd >= 0);
	SAME(length, write(fd, text, (size_t)length));
}

static void
be_init(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

/* Somebody else with the dead one's pid, who has the queue open, too, but as an observer. */
static void
be_impostor(void *arg)
{
	struct scene *s = arg;
	struct shmq *q = NULL;

	SAME(*s->number, getpid());
	SAME(0, shmq_attach(&q, s->place.attach, SHMQ_OBSERVER));
	gate_open(s->taken);
	gate_pass(s->go);
	SAME(0, shmq_detach(q));
}

static void
recycle_one(void *arg)
{
	struct scene *s = arg;
	pid_t init, impostor;

	SAME(0, unshare(CLONE_NEWPID));
	init = process_start(be_init, NULL);
	scene_open(s);
	scene_start(s, tell_pid);
	gate_pass(s->taken);
	scene_alive(s);
	process_kill(s->pid);
	process_join(process_start(next_pid, s->number));
	impostor = process_start(be_impostor, s);
	gate_pass(s->taken);
	SAME(scene_own_rows(s), scene_alive_rows(s));
	s->hold->dead(s);
	SAME(scene_own_rows(s), scene_alive_rows(s));
	gate_open(s->go);
	process_join(impostor);
	place_remove(&s->place);
	process_kill(init);
}

Test(dying, test_recycled_pid_is_not_the_dead_one)
{
	if (geteuid() != 0 || access("/proc/sys/kernel/ns_last_pid", W_OK) != 0)
		cr_skip_test("needs CAP_SYS_ADMIN, and ns_last_pid");
	for (unsigned h = 0; h < HOLDS; h++) {
		struct scene s = scene_plan(&holds[h], (enum place_backend)(h % PLACES));

		process_join(process_start(recycle_one, &s));
	}
}
