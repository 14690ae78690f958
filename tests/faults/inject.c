/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "support/process.h"

#define PROGRAM_MAX 256

/* The victim --------------------------------------------------------------------------------- */

static unsigned short
notify(struct sock_filter filter[PROGRAM_MAX], unsigned short n, long number)
{
	filter[n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	return n;
}

/* Notify of the calls in the table and of those others, allow the rest. */
static struct sock_fprog
program(struct sock_filter filter[PROGRAM_MAX], const long others[INJECT_OTHERS])
{
	const uint32_t at = offsetof(struct seccomp_data, nr);
	unsigned short n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
	for (const struct call *call = calls; call->name; call++)
		n = notify(filter, n, call->number);
	for (unsigned i = 0; i < INJECT_OTHERS && others[i]; i++)
		n = notify(filter, n, others[i] - 1);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return (struct sock_fprog){n, filter};
}

/* The descriptor to listen on, or -1. */
static int
be_listened_to(const long others[INJECT_OTHERS])
{
	struct sock_filter filter[PROGRAM_MAX];
	struct sock_fprog prog = program(filter, others);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &prog);
}

void
inject_begins(struct inject *inject)
{
	/* Relaxed: each call of ours stops until our parent has looked. */
	shmq_store_relaxed_u32(&inject->shared->active, 1);
}

void
inject_ends(struct inject *inject)
{
	shmq_store_relaxed_u32(&inject->shared->active, 0);
}

struct victim {
	struct inject *inject;
	void (*body)(void *arg);
	void *arg;
};

static void
be_victim(void *arg)
{
	struct victim *victim = arg;
	int listener = be_listened_to(victim->inject->others);

	MUST(listener >= 0);
	/* Relaxed: the number is all. */
	shmq_store_relaxed_u32(&victim->inject->shared->listener, (uint32_t)listener + 1);
	victim->body(victim->arg);
}

/* The parent --------------------------------------------------------------------------------- */

static int
listener_of(const struct inject *inject, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd;
	uint32_t theirs;

	MUST(pidfd >= 0);
	/* Relaxed: the number is all. */
	while ((theirs = shmq_load_relaxed_u32(&inject->shared->listener)) == 0)
		sched_yield();
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)theirs - 1, 0);
	MUST(fd >= 0);
	close(pidfd);
	return fd;
}

/* The error to answer with; 0: let it through. */
static int
answer(struct inject *inject, const struct seccomp_notif *notif)
{
	const struct call *call = call_of(notif->data.nr, notif->data.args);

	/* Relaxed: who asks has stopped. */
	if (!shmq_load_relaxed_u32(&inject->shared->active))
		return 0;
	if (inject->answers)
		return inject->answers(inject, (pid_t)notif->pid, &notif->data);
	if (!call)
		return 0;
	if (inject->longest)
		return notif->data.nr == SYS_fallocate && notif->data.args[3] > inject->longest
			       ? EINTR
			       : 0;
	MUST(inject->count < INJECT_CALLS);
	inject->seen[inject->count++] = call;
	if (inject->count == inject->nth)
		return inject->error;
	if (inject->sticky && inject->nth && inject->count > inject->nth &&
	    inject->seen[inject->nth - 1] == call)
		return inject->error;
	return 0;
}

static void
serve(struct inject *inject, int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	struct seccomp_notif notif;
	struct seccomp_notif_resp reply;

	while (poll(&ready, 1, -1) > 0 && (ready.revents & POLLIN)) {
		memset(&notif, 0, sizeof(notif));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) != 0)
			continue; /* gone */
		memset(&reply, 0, sizeof(reply));
		reply.id = notif.id;
		reply.error = -answer(inject, &notif);
		reply.flags = reply.error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
}

struct inject
inject_new(void)
{
	return (struct inject){.shared = process_share(sizeof(struct inject_shared))};
}

int
inject_run(struct inject *inject, void (*body)(void *arg), void *arg)
{
	struct victim victim = {inject, body, arg};
	int listener;
	pid_t pid;

	memset(inject->shared, 0, sizeof(*inject->shared));
	inject->count = 0;
	pid = process_start(be_victim, &victim);
	listener = listener_of(inject, pid);
	serve(inject, listener);
	close(listener);
	return process_end(pid);
}

static void
try_it(void *arg)
{
	const struct inject *inject = arg;

	_exit(be_listened_to(inject->others) >= 0 ? 0 : 1);
}

bool
inject_possible(void)
{
	struct inject inject = {0};

	return process_end(process_start(try_it, &inject)) == 0;
}
