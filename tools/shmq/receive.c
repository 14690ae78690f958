/* SPDX-License-Identifier: MIT */
/*
 * What recv and tap have in common: waiting for a message, and writing it out.
 *
 * A message is shown in place where the queue can do that, and copied where the producer may
 * overwrite it: lossy broadcast, latest, slow_limit, and for an observer.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

int
reception_start(struct reception *in, bool observer)
{
	size_t longest = in->t.st.msg_max ? in->t.st.msg_max : 1;
	struct iovec msg;

	/* What is peeked now is what the first look finds. */
	if (!observer && shmq_peek(in->t.q, &msg, 0) != -ENOTSUP)
		return 0;
	in->buffer = malloc(longest);
	in->t.progress.counts_missed = true;
	return in->buffer ? 0 : -ENOMEM;
}

static int
look(const struct reception *in, struct iovec *msg, int64_t timeout_ns)
{
	ssize_t length;

	if (!in->buffer)
		return shmq_peek(in->t.q, msg, timeout_ns);
	length = shmq_recv(in->t.q, in->buffer, in->t.st.msg_max, timeout_ns);
	if (length < 0)
		return (int)length;
	*msg = (struct iovec){in->buffer, (size_t)length};
	return 0;
}

/* The part of the wait until the next look around; 0 when the time is up. */
static int64_t
slice(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns == SHMQ_FOREVER)
		return SLICE_NS;
	left = deadline_ns - clock_ns();
	if (left <= 0)
		return 0;
	return left < SLICE_NS ? left : SLICE_NS;
}

static bool
nothing_yet(int err)
{
	return err == -EAGAIN || err == -ETIMEDOUT || err == -EINTR;
}

/* A latest value is given again to those who do not wait at all. */
static int64_t
shortest(const struct reception *in)
{
	return in->t.st.kind == SHMQ_LATEST ? 1 : 0;
}

int
reception_next(struct reception *in, struct iovec *msg)
{
	int64_t deadline = SHMQ_FOREVER;
	int err = look(in, msg, shortest(in));

	if (nothing_yet(err) && in->timeout_ns != SHMQ_FOREVER)
		deadline = clock_ns() + in->timeout_ns;
	while (nothing_yet(err)) {
		int64_t wait_ns = slice(deadline);

		if (interrupted())
			return -EINTR;
		if (wait_ns == 0)
			return -ETIMEDOUT;
		progress_idle(&in->t.progress);
		err = look(in, msg, wait_ns);
	}
	return err;
}

int
reception_write(const struct reception *in, const struct iovec *msg)
{
	const char *p = msg->iov_base;
	size_t left = msg->iov_len;

	while (left > 0) {
		ssize_t n = write(STDOUT_FILENO, p, left);

		if (n >= 0) {
			p += n;
			left -= (size_t)n;
			continue;
		}
		if (errno == EAGAIN)
			wait_for(STDOUT_FILENO, POLLOUT, -1);
		else if (errno != EINTR)
			return fail_plain(
				in->t.addr, "write standard output: %s; %s", strerror(errno),
				in->buffer ? in->stuck : "what was not written stays in the queue");
		if (interrupted())
			return -EINTR;
	}
	return 0;
}

int
reception_timed_out(const struct reception *in)
{
	return fail_plain(
		in->t.addr,
		"%s: no message for %g s; start a producer, or wait longer with --timeout",
		in->doing, (double)in->timeout_ns / 1e9);
}
