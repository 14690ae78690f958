/* SPDX-License-Identifier: MIT */
/*
 * Round trips of two event loops: each waits in epoll, takes what is there, answers.
 *
 *   eventfd   the bare one: epoll_wait(), read() of the eventfd, write() to the other's
 *   shmq_fd   epoll_wait() on shmq_fd(), shmq_recv() until -EAGAIN, shmq_send()
 */
#include "bench.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "ticks.h"

#define WARM_TRIPS 100u
#define LAST UINT64_MAX

enum { EVENTFD, SHMQ_FD };

struct loop {
	int epoll;
	int in_fd, out_fd; /* eventfd */
	struct shmq *in, *out;
};

static int
loop_open(struct bench_side *side, struct loop *loop, int mine)
{
	struct epoll_event event = {.events = EPOLLIN};
	int err = 0, fd;

	*loop = (struct loop){.in_fd = side->fds[!mine], .out_fd = side->fds[mine]};
	if (side->what.variant == SHMQ_FD) {
		err = bench_attach_fd(&loop->out, loop->out_fd, SHMQ_PRODUCER | SHMQ_POPULATE);
		if (!err)
			err = bench_attach_fd(&loop->in, loop->in_fd,
					      SHMQ_CONSUMER | SHMQ_POPULATE);
		if (err)
			return err;
	}
	fd = loop->in ? shmq_fd(loop->in) : loop->in_fd;
	if (fd < 0)
		return fd;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return 0;
}

static int
loop_send(struct loop *loop, uint64_t message)
{
	if (loop->out)
		return shmq_send(loop->out, &message, sizeof(message), 0);
	/* An eventfd adds up; there is one at a time. */
	return write(loop->out_fd, &message, sizeof(message)) == sizeof(message) ? 0 : -errno;
}

/* All that is there: 1: a message came; 0: woken for nothing. */
static int
loop_take(struct loop *loop, uint64_t *message)
{
	int came = 0;

	if (!loop->in) {
		if (read(loop->in_fd, message, sizeof(*message)) == sizeof(*message))
			return 1;
		return errno == EAGAIN ? 0 : -errno;
	}
	for (;;) {
		ssize_t got = shmq_recv(loop->in, message, sizeof(*message), 0);

		if (got < 0)
			return got == -EAGAIN ? came : (int)got;
		came = 1;
	}
}

static int
loop_recv(struct loop *loop, uint64_t *message)
{
	struct epoll_event event;
	int got;

	do {
		if (epoll_wait(loop->epoll, &event, 1, -1) < 0)
			return -errno;
		got = loop_take(loop, message);
	} while (got == 0);
	return got < 0 ? got : 0;
}

static int
asker(struct bench_side *side)
{
	struct loop loop;
	int err = loop_open(side, &loop, 0);
	uint64_t end, answer = 0;

	if (err)
		return err;
	bench_ready(side);
	end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	for (uint64_t i = 1; i < 2 * WARM_TRIPS || bench_now_ns() < end; i++) {
		uint64_t begin = bench_ticks();

		err = loop_send(&loop, i);
		if (!err)
			err = loop_recv(&loop, &answer);
		if (err || answer != i)
			return err ? err : -EBADMSG;
		if (i > WARM_TRIPS)
			bench_count(side->shared->bins, bench_ticks() - begin);
	}
	return loop_send(&loop, LAST - 1);
}

static int
answerer(struct bench_side *side)
{
	struct loop loop;
	uint64_t message = 0;
	int err = loop_open(side, &loop, 1);

	if (err)
		return err;
	bench_ready(side);
	for (;;) {
		err = loop_recv(&loop, &message);
		if (err || message == LAST - 1)
			return err;
		err = loop_send(&loop, message);
		if (err)
			return err;
	}
}

static int
open_eventfds(struct bench_side *side)
{
	for (int i = 0; i < 2; i++) {
		side->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (side->fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	if (!err)
		err = what->variant == EVENTFD ? open_eventfds(&side) : bench_side_queues(&side);
	if (!err)
		err = bench_pair(&side, asker, answerer);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}

static const struct bench_member members[] = {
	{"bare_eventfd", "eventfd", run, EVENTFD},
	{"shmq_fd", NULL, run, SHMQ_FD},
};

const struct bench_group bench_epoll[1] = {
	{"epoll/8", {.len = 8, .capacity = 1024}, 0, 1, members, sizeof(members) / sizeof(*members)},
};
