/* SPDX-License-Identifier: MIT */
/* K14-K15: fork, exec, exit, death. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

static void
say_nattch(struct scene *s, const char *label)
{
	say_count(s, of(label, "nattch"), facts_of(s, &s->places[0], BY_ID).nattch);
}

/* K14. --------------------------------------------------------------------- */

/* Two attaches of the scene's process, inherited by its children. */
static struct held k14_one, k14_two;

static void
k14_grandchild(struct scene *s)
{
	say_nattch(s, "grandchild");
	drop(s, &k14_one);
	drop(s, &k14_two);
	say_nattch(s, "grandchild detached");
}

static void
k14_child(struct scene *s, struct other *o)
{
	say_nattch(s, "child");
	say_fact(s, "child sees the parent's store", *(volatile char *)k14_one.base == 'p');
	((volatile char *)k14_two.base)[1] = 'c';
	other_tell(o);
	other_wait(o);
	in_child(s, k14_grandchild);
	drop(s, &k14_one);
	say_nattch(s, "child detached one");
	other_tell(o);
	other_wait(o);
}

/* A process made by clone alone, past every handler of the C library: it waits for a byte and goes. */
static void
k14_raw_clone(struct scene *s)
{
	int ear[2];
	char c;
	long pid;

	need(s, pipe(ear), "pipe");
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L);
	if (pid == 0) {
		close(ear[1]);
		_exit(read(ear[0], &c, 1) == 0 ? 0 : 1);
	}
	need(s, pid > 0 ? 0 : -EAGAIN, "clone");
	say_nattch(s, "raw clone");
	close(ear[1]);
	close(ear[0]);
	need(s, waitpid((pid_t)pid, NULL, 0) == pid ? 0 : -ECHILD, "wait");
	say_nattch(s, "raw clone gone");
}

static void
k14_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);
	struct held third;
	struct other o;

	hold(s, &third, p, 0);
	hold(s, &k14_one, p, 0);
	hold(s, &k14_two, p, 0);
	*(volatile char *)k14_one.base = 'p';
	say_nattch(s, "before");
	other_start(s, &o, k14_child);
	other_await(s, &o);
	say_nattch(s, "forked");
	say_fact(s, "parent sees the child's store", ((volatile char *)k14_one.base)[1] == 'c');
	drop(s, &third);
	say_nattch(s, "parent detached one");
	other_go(s, &o);
	other_await(s, &o);
	say_nattch(s, "child detached one, says the parent");
	other_go(s, &o);
	say_count(s, "the child's end", other_end(s, &o));
	say_nattch(s, "child gone");
	k14_raw_clone(s);
	drop(s, &k14_one);
	drop(s, &k14_two);
	say_nattch(s, "after");
	need(s, s->world->remove(p, BY_ID), "remove");
}

static const struct exception k14_exceptions[] = {
	{ON_MMAP, "raw clone: nattch", "K14",
	 "fork() counts through an atfork handler; a raw clone() child is not counted"},
	{ON_PRELOAD, "raw clone: nattch", "K14",
	 "a raw clone() child shares its parent's lock: it keeps the segment attached, but is not counted"},
	{0},
};

Test(kernel, k14_fork_inherits_attaches)
{
	row_check(&(struct row){"K14", "fork: the child has every attach of its parent",
				ORACLE_SYSV, k14_play, k14_exceptions});
}

/* K15. --------------------------------------------------------------------- */

/* Attach twice, then wait for the end, which the label names. */
static void
k15_attached(struct scene *s, struct other *o)
{
	struct held one, two;

	hold(s, &one, &s->places[0], 0);
	hold(s, &two, &s->places[0], SHM_RDONLY);
	other_tell(o);
	other_wait(o);
	if (strcmp(s->label, "exit") == 0)
		exit(0);
	if (strcmp(s->label, "SIGSEGV") == 0)
		*(volatile char *)two.base = 1;
	if (strcmp(s->label, "exec") == 0) {
		dup2(o->down[0], 0);
		dup2(o->up[1], 1);
		execl("/bin/cat", "cat", (char *)NULL);
	}
	for (;;)
		pause();
}

/* Until it is a zombie; somebody else will reap it. */
static void
await_zombie(struct scene *s, const struct other *o)
{
	siginfo_t info;

	need(s, waitid(P_PID, (id_t)o->pid, &info, WEXITED | WNOWAIT) == 0 ? 0 : -errno, "waitid");
}

static void
k15_end(struct scene *s, const char *label, int signal_number)
{
	struct facts f;
	struct other o;

	strcpy(s->label, label);
	other_start(s, &o, k15_attached);
	other_await(s, &o);
	say_nattch(s, of(label, "attached"));
	if (signal_number)
		need(s, kill(o.pid, signal_number), "kill");
	else
		other_go(s, &o);
	await_zombie(s, &o);
	f = facts_of(s, &s->places[0], BY_ID);
	say_count(s, of(label, "a zombie: nattch"), f.nattch);
	say(s, of(label, "a zombie: dtime"), when(s, f.dtime));
	say_fact(s, of(label, "a zombie: lpid is its"), f.lpid == o.pid);
	other_end(s, &o);
	say_nattch(s, of(label, "reaped"));
}

/* After exec the process lives: it echoes what we say. */
static void
k15_exec(struct scene *s)
{
	struct facts f;
	struct other o;

	strcpy(s->label, "exec");
	other_start(s, &o, k15_attached);
	other_await(s, &o);
	say_nattch(s, "exec: attached");
	other_go(s, &o);
	other_go(s, &o);
	other_await(s, &o);
	f = facts_of(s, &s->places[0], BY_ID);
	say_count(s, "exec: lives on: nattch", f.nattch);
	say(s, "exec: lives on: dtime", when(s, f.dtime));
	say_count(s, "exec: the end", other_end(s, &o));
}

/* The last one attached to a marked segment dies: nobody is there to clean up, and yet it is gone. */
static void
k15_marked(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);
	struct facts f;
	struct other o;
	int rc;

	strcpy(s->label, "marked");
	other_start(s, &o, k15_attached);
	other_await(s, &o);
	need(s, s->world->remove(p, BY_ID), "remove");
	need(s, kill(o.pid, SIGKILL), "kill");
	await_zombie(s, &o);
	rc = s->world->stat(p, BY_ID, &f);
	say_fact(s, "marked and killed: destroyed", rc == -EINVAL || rc == -EIDRM || rc == -ENOENT);
	other_end(s, &o);
}

/* Attach, and have a child that lives on. */
static void
k15_parent(struct scene *s, struct other *o)
{
	struct held h;
	char c;

	hold(s, &h, &s->places[0], 0);
	if (fork() == 0) {
		close(o->up[1]);
		_exit(read(o->down[0], &c, 1) == 0 ? 0 : 1);
	}
	other_tell(o);
	for (;;)
		pause();
}

/* What died is not kept attached by a child of it; the child has its own attach. */
static void
k15_orphan(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);
	struct other o;

	need(s, prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	other_start(s, &o, k15_parent);
	other_await(s, &o);
	say_nattch(s, "parent and child");
	need(s, kill(o.pid, SIGKILL), "kill");
	await_zombie(s, &o);
	say_nattch(s, "parent killed, its child lives");
	other_end(s, &o);
	need(s, waitpid(-1, NULL, 0) > 0 ? 0 : -errno, "wait for the orphan");
	say_nattch(s, "both gone");
	need(s, s->world->remove(p, BY_ID), "remove");
}

/* Each end on a new segment, as dtime is in seconds. */
static void
k15_case(struct scene *s, const char *label, int signal_number)
{
	struct place *p = made(s, 0, PAGE, 0600);

	if (strcmp(label, "exec") == 0)
		k15_exec(s);
	else
		k15_end(s, label, signal_number);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k15_play(struct scene *s)
{
	mark(s);
	k15_case(s, "exit", 0);
	k15_case(s, "exec", 0);
	k15_case(s, "SIGSEGV", 0);
	k15_case(s, "SIGTERM", SIGTERM);
	k15_case(s, "SIGKILL", SIGKILL);
	k15_marked(s);
	k15_orphan(s);
}

#define K15_NOBODY "the kernel unmaps the memory of a dead process; nobody is left to write dtime"

static const struct exception k15_exceptions[] = {
	{ON_MMAP, "exit: a zombie: dtime", "K15", K15_NOBODY},
	{ON_MMAP, "exec: lives on: dtime", "K15", K15_NOBODY},
	{ON_MMAP, "SIGSEGV: a zombie: dtime", "K15", K15_NOBODY},
	{ON_MMAP, "SIGTERM: a zombie: dtime", "K15", K15_NOBODY},
	{ON_MMAP, "SIGKILL: a zombie: dtime", "K15", K15_NOBODY},
	{0},
};

Test(kernel, k15_every_end_detaches)
{
	row_check(&(struct row){"K15", "exit, exec and any signal detach all", ORACLE_SYSV,
				k15_play, k15_exceptions});
}
