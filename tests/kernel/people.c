/* SPDX-License-Identifier: MIT */
/* Other processes, other users, and worlds with little room. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

static int
errno_of(int rc)
{
	return rc < 0 ? -errno : rc;
}

/*
 * The other begins when fork() has returned here. Until then shmq counts the attaches that a child inherits in both processes: the
 * child may run ahead of its parent's atfork handler.
 */
void
other_start(struct scene *s, struct other *o, void (*body)(struct scene *s, struct other *o))
{
	need(s, errno_of(pipe2(o->up, O_CLOEXEC)), "pipe");
	need(s, errno_of(pipe2(o->down, O_CLOEXEC)), "pipe");
	o->pid = fork();
	need(s, errno_of(o->pid), "fork");
	if (o->pid == 0) {
		close(o->up[0]);
		close(o->down[1]);
		other_wait(o);
		body(s, o);
		_exit(0);
	}
	close(o->up[1]);
	close(o->down[0]);
	other_go(s, o);
}

void
other_await(struct scene *s, struct other *o)
{
	char c;

	need(s, read(o->up[0], &c, 1) == 1 ? 0 : -EPIPE, "the other process's word");
}

void
other_go(struct scene *s, struct other *o)
{
	need(s, write(o->down[1], "", 1) == 1 ? 0 : -EPIPE, "the other process's ear");
}

void
other_tell(struct other *o)
{
	if (write(o->up[1], "", 1) != 1)
		_exit(1);
}

void
other_wait(struct other *o)
{
	char c;

	if (read(o->down[0], &c, 1) != 1)
		_exit(1);
}

int
other_end(struct scene *s, struct other *o)
{
	int status;

	close(o->down[1]);
	close(o->up[0]);
	need(s, errno_of(waitpid(o->pid, &status, 0)), "wait");
	return status;
}

/* What run_to_end() has to run, for the process that does. */
struct task {
	void (*prepare)(struct scene *s);
	void (*body)(struct scene *s);
};

static struct task task;

static void
do_task(struct scene *s, struct other *o)
{
	(void)o;
	task.prepare(s);
	task.body(s);
}

static void
run_to_end(struct scene *s, void (*prepare)(struct scene *s), void (*body)(struct scene *s))
{
	struct other o;
	int status;

	task = (struct task){prepare, body};
	other_start(s, &o, do_task);
	status = other_end(s, &o);
	if (s->out.broken[0])
		_exit(1);
	need(s, status == 0 ? 0 : -ECHILD, "a child's normal end");
}

static void
stay_root(struct scene *s)
{
	(void)s;
}

/* The process becomes dumpable again, as after the exec that a log-in ends with: /proc/self is its own. */
static void
become_nobody(struct scene *s)
{
	need(s, errno_of(setgroups(0, NULL)), "setgroups");
	need(s, errno_of(setresgid(NOBODY, NOBODY, NOBODY)), "setgid");
	need(s, errno_of(setresuid(NOBODY, NOBODY, NOBODY)), "setuid");
	need(s, errno_of(prctl(PR_SET_DUMPABLE, 1)), "prctl");
}

void
in_child(struct scene *s, void (*body)(struct scene *s))
{
	run_to_end(s, stay_root, body);
}

void
as_nobody(struct scene *s, void (*body)(struct scene *s))
{
	run_to_end(s, become_nobody, body);
}

static void
touch(const volatile char *byte, bool write)
{
	if (write)
		*(volatile char *)(uintptr_t)byte = 1;
	else
		(void)*byte;
	_exit(0);
}

int
touch_signal(struct scene *s, const volatile void *byte, bool write)
{
	pid_t pid = fork();
	int status;

	need(s, errno_of(pid), "fork");
	if (pid == 0)
		touch(byte, write);
	need(s, errno_of(waitpid(pid, &status, 0)), "wait");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
put(struct scene *s, const char *path, size_t value)
{
	FILE *f = fopen(path, "w");

	need(s, f ? fprintf(f, "%zu", value) : -errno, path);
	need(s, errno_of(fclose(f)), path);
}

void
small_world(struct scene *s, size_t bytes)
{
	char size[64];

	s->apart = true;
	need(s, errno_of(unshare(CLONE_NEWNS | CLONE_NEWIPC)), "unshare");
	need(s, errno_of(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)), "mount private");
	snprintf(size, sizeof(size), "size=%zu,mode=1777", bytes);
	need(s, errno_of(mount("tmpfs", "/dev/shm", "tmpfs", 0, size)), "mount /dev/shm");
	need(s, errno_of(mount("tmpfs", scene_dir(), "tmpfs", 0, size)), "mount file:");
	need(s, errno_of(mkdir(getenv("SHMQ_SYSV_DIR"), 0700)), "mkdir");
	need(s, errno_of(chmod(getenv("SHMQ_SYSV_DIR"), 01777)), "chmod");
	put(s, "/proc/sys/kernel/shmall", bytes / PAGE);
}

void
memlock_limit(struct scene *s, size_t bytes)
{
	struct rlimit limit = {bytes, bytes};

	need(s, errno_of(setrlimit(RLIMIT_MEMLOCK, &limit)), "setrlimit");
}

struct place *
made_by_nobody(struct scene *s, int slot, size_t size, mode_t mode)
{
	struct place *p;

	need(s, errno_of(setegid(NOBODY)), "setegid");
	need(s, errno_of(seteuid(NOBODY)), "seteuid");
	p = made(s, slot, size, mode);
	need(s, errno_of(seteuid(0)), "seteuid back");
	need(s, errno_of(setegid(0)), "setegid back");
	return p;
}
