/* SPDX-License-Identifier: MIT */
/* What send and recv have in common: coming, going, and being stopped by a signal. */
#include <errno.h>
#include <poll.h>

#include "tool.h"

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

	failure.doing = role & SHMQ_PRODUCER ? "attach as producer" : "attach as consumer";
	if (there == 0) {
		failure.locking = st.mode & SHMQ_LOCKED;
		failure.bytes = st.lock_needed_bytes > 0 ? (size_t)st.lock_needed_bytes : st.segsz;
	} else if (there == -ENOENT) {
		failure.during = DURING_CREATE;
		failure.doing = "create with defaults";
		failure.bytes = bytes > 0 ? (size_t)bytes : 0;
	}
	return fail(&failure);
}

int
transfer_open(struct transfer *t, const char *addr, unsigned role)
{
	struct shmq_stat st = {.size = sizeof st};
	int err = shmq_open(&t->q, addr, NULL, role);

	t->addr = addr;
	if (err)
		return open_failed(addr, err, role);
	err = shmq_qstat(t->q, &st);
	if (err) {
		shmq_detach(t->q);
		return fail_during(DURING_LOOK, addr, "stat", err);
	}
	t->msg_max = st.msg_max;
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
