/* SPDX-License-Identifier: MIT */
#include "support/trace.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/process.h"

/* As <sys/ptrace.h>, which does not go together with <linux/ptrace.h>. */
long ptrace(int request, ...);

#define STOP_AT_CALL (SIGTRAP | 0x80)

void
victim_begins(void)
{
	syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
}

void
victim_ends(void)
{
	victim_begins();
}

static void
ask(int request, pid_t pid, long data)
{
	MUST(ptrace(request, pid, 0L, data) == 0);
}

/* Let it run to its next stop: the signal of the stop. */
static int
run(int request, pid_t pid)
{
	int status;

	ask(request, pid, 0);
	status = process_end(pid);
	MUST(WIFSTOPPED(status));
	return WSTOPSIG(status);
}

struct start {
	void (*body)(void *arg);
	void *arg;
};

static void
be_traced(void *arg)
{
	struct start *start = arg;

	ask(PTRACE_TRACEME, 0, 0);
	victim_begins();
	start->body(start->arg);
}

pid_t
victim_start(void (*body)(void *arg), void *arg)
{
	struct start start = {body, arg};
	pid_t pid = process_start(be_traced, &start);
	int status = process_end(pid);

	MUST(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	ask(PTRACE_SETOPTIONS, pid, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
	SAME(SIGSTOP, run(PTRACE_CONT, pid));
	return pid;
}

static bool
advance(int request, pid_t pid, unsigned long count)
{
	while (count-- > 0)
		if (run(request, pid) == SIGSTOP)
			return false;
	return true;
}

bool
victim_step(pid_t pid, unsigned long count)
{
	return advance(PTRACE_SINGLESTEP, pid, count);
}

bool
victim_calls(pid_t pid, unsigned long count)
{
	return advance(PTRACE_SYSCALL, pid, count);
}

bool
victim_reaches(pid_t pid, long number)
{
	struct ptrace_syscall_info info;
	int stop;

	while ((stop = run(PTRACE_SYSCALL, pid)) != SIGSTOP) {
		SAME(STOP_AT_CALL, stop);
		MUST(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && (long)info.entry.nr == number)
			return true;
	}
	return false;
}

void
victim_goes_on(pid_t pid)
{
	SAME(SIGSTOP, run(PTRACE_CONT, pid));
}

void
victim_leaves(pid_t pid)
{
	ask(PTRACE_CONT, pid, 0);
	process_join(pid);
}

void
victim_kill(pid_t pid)
{
	process_kill(pid);
}
