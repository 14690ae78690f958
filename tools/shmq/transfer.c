/* SPDX-License-Identifier: MIT */
/* What send, recv and tap have in common: coming and going. */
#include <errno.h>
#include <poll.h>

#include "tool.h"

static const char *
attach_as(unsigned role)
{
	if (role & SHMQ_OBSERVER)
		return "attach as observer";
	return role & SHMQ_PRODUCER ? "attach as producer" : "attach as consumer";
}

/* A role flag that this kind does not have. */
static int
refused(const char *addr, unsigned role)
{
	if (role & SHMQ_OLDEST)
		return fail_plain(addr,
				  "%s: --oldest is for broadcast; leave it out: the other kinds "
				  "give the oldest, or latest the newest, anyway",
				  attach_as(role));
	return fail_plain(addr,
			  "%s: --hangup is not for lossy broadcast and latest, whose receivers "
			  "leave no trace; leave it out",
			  attach_as(role));
}

/*
 * An absent queue was to be created with defaults; one that is there, to be attached: different
 * remedies.
 */
static int
open_failed(const char *addr, int err, unsigned role)
{
	struct shmq_stat st = {.size = sizeof st};
	struct failure failure = {.addr = addr, .err = err, .during = DURING_ATTACH};
	ssize_t bytes = shmq_footprint(NULL);
	int there = shmq_stat(addr, &st);

	failure.doing = attach_as(role);
	if (err == -ENOTSUP && there == 0)
		return refused(addr, role);
	if (there == 0) {
		failure.locking = st.mode & SHMQ_LOCKED;
		failure.bytes = st.lock_needed_bytes > 0 ? (size_t)st.lock_needed_bytes : st.segsz;
	} else if (there == -ENOENT && !(role & SHMQ_OBSERVER)) {
		failure.during = DURING_CREATE;
		failure.doing = "create with defaults";
		failure.bytes = bytes > 0 ? (size_t)bytes : 0;
	}
	return fail(&failure);
}

int
transfer_open(struct transfer *t, const char *addr, unsigned role)
{
	int err;

	if (role & SHMQ_OBSERVER)
		err = shmq_attach(&t->q, addr, role);
	else
		err = shmq_open(&t->q, addr, NULL, role);
	t->addr = addr;
	t->progress.addr = addr;
	if (err)
		return open_failed(addr, err, role);
	t->st.size = sizeof t->st;
	err = shmq_qstat(t->q, &t->st);
	if (err) {
		shmq_detach(t->q);
		return fail_during(DURING_LOOK, addr, "stat", err);
	}
	return EXIT_DONE;
}

int
transfer_close(struct transfer *t, int err, const char *doing)
{
	shmq_detach(t->q);
	progress_end(&t->progress);
	if (err == -EINTR)
		return EXIT_SIGNAL + interrupted();
	if (err < 0)
		return fail_during(DURING_TRANSFER, t->addr, doing, err);
	return err;
}

int
wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd one = {.fd = fd, .events = events};

	return poll(&one, 1, timeout_ms) > 0;
}
