/* SPDX-License-Identifier: MIT */
/*
 * shmq recv: a queue to standard output.
 *
 * A message is written from where it lies in the queue, and released only when all its bytes are
 * out: a recv that is killed loses nothing. The next one repeats at most the message that was
 * being written.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct arguments {
	const char *addr;
	uint64_t count;	    /* messages still wanted */
	int64_t timeout_ns; /* how long to wait for one */
	bool follow;
	bool verbose;
};

static const struct argp_option options[] = {
	{"count", KEY_COUNT, "N", 0, "end after N messages; K, M, G are powers of 1024", 0},
	{"timeout", KEY_TIMEOUT, "S", 0,
	 "fail when no message comes for S seconds (fractions allowed)", 0},
	{"follow", KEY_FOLLOW, NULL, 0,
	 "go on when the producers have gone; ends when the queue is removed", 0},
	{"verbose", KEY_VERBOSE, NULL, 0, "say at the end how much was received", 0},
	{0},
};

static uint64_t
parse_count(const char *text, struct argp_state *state)
{
	uint64_t count = parse_size(text, SIZE_MAX, "--count", state);

	if (count == 0)
		argp_error(state, "--count: at least 1");
	return count;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_COUNT:
		a->count = parse_count(arg, state);
		return 0;
	case KEY_TIMEOUT:
		a->timeout_ns = parse_seconds(arg, "--timeout", state);
		return 0;
	case KEY_FOLLOW:
		a->follow = true;
		return 0;
	case KEY_VERBOSE:
		a->verbose = true;
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
}

static int
timed_out(const struct arguments *a)
{
	return fail_plain(
		a->addr,
		"receive: no message for %g s; start a producer, or wait longer with --timeout",
		(double)a->timeout_ns / 1e9);
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

/* Wait for a message. 0, 1 after a line about the time, or a negated errno. */
static int
next_message(struct transfer *t, struct iovec *msg, const struct arguments *a)
{
	int64_t deadline = SHMQ_FOREVER;
	int err = shmq_peek(t->q, msg, 0);

	if (err == -EAGAIN && a->timeout_ns != SHMQ_FOREVER)
		deadline = clock_ns() + a->timeout_ns;
	while (err == -EAGAIN || err == -ETIMEDOUT || err == -EINTR) {
		int64_t wait_ns = slice(deadline);

		if (interrupted())
			return -EINTR;
		if (wait_ns == 0)
			return timed_out(a);
		progress_idle(&t->progress);
		err = shmq_peek(t->q, msg, wait_ns);
	}
	return err;
}

static int
write_all(const struct transfer *t, const struct iovec *msg)
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
				t->addr,
				"write standard output: %s; what was not written stays in the "
				"queue",
				strerror(errno));
		if (interrupted())
			return -EINTR;
	}
	return 0;
}

static int
receive_one(struct transfer *t, const struct arguments *a)
{
	struct iovec msg;
	size_t length;
	int err = next_message(t, &msg, a);

	if (err)
		return err;
	length = msg.iov_len;
	err = write_all(t, &msg);
	if (err)
		return err;
	progress_add(&t->progress, 1, length);
	return shmq_release(t->q, &msg);
}

/* The producers have come and gone, or the queue was removed: both are the end, not a failure. */
static int
receive_all(struct transfer *t, const struct arguments *a)
{
	uint64_t left = a->count;
	int err = 0;

	while (!err && left > 0) {
		err = interrupted() ? -EINTR : receive_one(t, a);
		left--;
	}
	return err == -EPIPE || err == -EIDRM ? 0 : err;
}

int
cmd_recv(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Receive from a queue, which is created with defaults if it is absent, and "
		       "write to standard output.\v"
		       "Ends when the producers have come and gone and nothing is left, or the "
		       "queue was removed. What could not be "
		       "written stays in the queue.",
	};
	struct arguments a = {.count = UINT64_MAX, .timeout_ns = SHMQ_FOREVER};
	struct transfer t = {0};
	int result;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	interrupt_arm();
	if (transfer_open(&t, a.addr, SHMQ_CONSUMER | (a.follow ? 0 : SHMQ_HANGUP)))
		return EXIT_FAILED;
	progress_start(&t.progress, a.addr, STDOUT_FILENO, a.verbose);
	result = receive_all(&t, &a);
	return transfer_close(&t, result, "receive");
}
