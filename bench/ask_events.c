/* SPDX-License-Identifier: MIT */
/*
 * Round trips of two event loops: each waits in epoll for one descriptor, takes what is there, answers.
 *
 *   events/8       shmq_fd      epoll_wait() on shmq_fd(), shmq_recv() until -EAGAIN, shmq_send()
 *                  eventfd      the bare one: epoll_wait(), read(), write() of the number; the floor, as it holds but one
 *                  pipe, unix_stream   the same with 8 bytes in a pipe, in a stream socket
 *
 * Descriptors are read until -EAGAIN where that is needed: the eventfd by its one read, the others by a second one, as an event loop
 * that leaves nothing behind does; what comes must be what was sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "loop.h"

#define LEN 8

/* An eventfd has no greater number. */
#define LAST (UINT64_MAX - 1)

enum { SHMQ_FD, EVENTFD, PIPE, UNIX_STREAM };

/* What the parent hangs up in side->memory: for each direction, to write and to read. */
struct ends {
	int fds[2][2];
};

struct event_loop {
	int way, epoll;
	int in_fd, out_fd;
	struct shmq *in, *out;
};

static struct ends *
ends_of(const struct bench_side *side)
{
	return (struct ends *)(void *)side->memory;
}

static int
open_queues(const struct bench_side *side, struct event_loop *loop, int mine)
{
	int err = bench_attach_fd(&loop->out, side->fds[mine], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (!err)
		err = bench_attach_fd(&loop->in, side->fds[!mine], SHMQ_CONSUMER | SHMQ_POPULATE);
	if (err)
		return err;
	loop->in_fd = shmq_fd(loop->in);
	return loop->in_fd < 0 ? loop->in_fd : 0;
}

static int
event_loop_open(const struct bench_side *side, struct event_loop *loop, int mine)
{
	struct epoll_event event = {.events = EPOLLIN};
	int err = 0;

	*loop = (struct event_loop){.way = side->what.variant,
				    .out_fd = ends_of(side)->fds[mine][0],
				    .in_fd = ends_of(side)->fds[!mine][1]};
	if (loop->way == SHMQ_FD)
		err = open_queues(side, loop, mine);
	if (err)
		return err;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->in_fd, &event))
		return -errno;
	return 0;
}

static int
event_loop_send(struct event_loop *loop, uint64_t message)
{
	if (loop->way == SHMQ_FD)
		return shmq_send(loop->out, &message, LEN, 0);
	return write(loop->out_fd, &message, LEN) == LEN ? 0 : -errno;
}

/* 0, -EAGAIN: nothing, or another error. */
static int
take_one(struct event_loop *loop, uint64_t *message)
{
	ssize_t got;

	if (loop->way == SHMQ_FD) {
		got = shmq_recv(loop->in, message, LEN, 0);
		return got < 0 ? (int)got : 0;
	}
	got = read(loop->in_fd, message, LEN);
	return got == LEN ? 0 : got < 0 ? -errno : -EBADMSG;
}

/* All that is there: 1: a message came; 0: woken for nothing. */
static int
take_all(struct event_loop *loop, uint64_t *message)
{
	int err = take_one(loop, message), came = 0;

	while (!err) {
		came = 1;
		if (loop->way == EVENTFD)
			return came;
		err = take_one(loop, message);
	}
	return err == -EAGAIN ? came : err;
}

static int
event_loop_recv(struct event_loop *loop, uint64_t *message)
{
	struct epoll_event event;
	int got;

	do {
		if (epoll_wait(loop->epoll, &event, 1, -1) < 0)
			return -errno;
		got = take_all(loop, message);
	} while (got == 0);
	return got < 0 ? got : 0;
}

/* Bodies ------------------------------------------------------------------------------------ */

static int
ask(struct bench_side *side, struct event_loop *loop)
{
	struct loop_time time = loop_time_of(side);
	uint64_t begin, now, answer = 0, number = 0;
	int err;

	do {
		begin = bench_ticks();
		err = event_loop_send(loop, ++number);
		if (!err)
			err = event_loop_recv(loop, &answer);
		now = bench_ticks();
		if (err || answer != number)
			return err ? err : -EBADMSG;
		if (begin > time.warm)
			bench_count(&side->shared->latency, now - begin);
	} while (now < time.end || begin <= time.warm);
	return event_loop_send(loop, LAST);
}

static int
answer(struct bench_side *side, struct event_loop *loop)
{
	uint64_t message = 0;

	(void)side;
	for (;;) {
		int err = event_loop_recv(loop, &message);

		if (err || message == LAST)
			return err;
		err = event_loop_send(loop, message);
		if (err)
			return err;
	}
}

/* The FIFO behind shmq_fd() has a name, which detaching takes away. */
static int
run_loop(struct bench_side *side, int mine, int (*run)(struct bench_side *, struct event_loop *))
{
	struct event_loop loop;
	int err = event_loop_open(side, &loop, mine);

	if (!err) {
		bench_ready(side);
		err = run(side, &loop);
	}
	if (loop.in)
		shmq_detach(loop.in);
	return err;
}

static int
asker(struct bench_side *side)
{
	return run_loop(side, 0, ask);
}

static int
answerer(struct bench_side *side)
{
	return run_loop(side, 1, answer);
}

/* In the parent ----------------------------------------------------------------------------- */

/* One direction. Pipes and sockets are written and read by other open files, so only reading does not block. */
static int
open_ends(int way, int fds[2])
{
	int ends[2];

	fds[0] = fds[1] = -1;
	if (way == SHMQ_FD)
		return 0;
	if (way == EVENTFD) {
		fds[0] = fds[1] = eventfd(0, EFD_NONBLOCK);
		return fds[0] < 0 ? -errno : 0;
	}
	if (way == PIPE ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -errno;
	fds[0] = ends[1];
	fds[1] = ends[0];
	return fcntl(fds[1], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static int
make(struct bench_side *side)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = SHMQ_SPSC,
				       .msg_max = LEN,
				       .capacity = side->what.capacity};
	struct ends *ends = ends_of(side);
	int err = 0;

	*ends = (struct ends){{{-1, -1}, {-1, -1}}};
	for (int i = 0; i < 2 && !err; i++) {
		if (side->what.variant == SHMQ_FD)
			err = bench_side_queue(side, i, &opts);
		else
			err = open_ends(side->what.variant, ends->fds[i]);
	}
	return err;
}

static void
unmake(struct bench_side *side)
{
	for (int i = 0; side->memory && i < 2; i++) {
		const int *fds = ends_of(side)->fds[i];

		if (fds[0] >= 0)
			close(fds[0]);
		if (fds[1] >= 0 && fds[1] != fds[0])
			close(fds[1]);
	}
	bench_side_free(side);
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, sizeof(struct ends));

	(void)member;
	if (!err)
		err = make(&side);
	if (!err)
		err = bench_pair(&side, asker, answerer);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err) {
		bench_figure(out, "sleeps", (double)side.shared->sleeps / out->count);
		bench_figure_cpu(&side, out);
	}
	unmake(&side);
	return err;
}

void
ask_events(void)
{
	static const struct bench_member members[] = {
		{"eventfd", "floor", run, NULL, EVENTFD},
		{"shmq_fd", NULL, run, NULL, SHMQ_FD},
		{"pipe", "rival", run, NULL, PIPE},
		{"unix_stream", "rival", run, NULL, UNIX_STREAM},
	};
	const struct bench_what what = {.len = LEN, .capacity = 1024};
	struct bench_group *group = bench_add("events/8", &what, BENCH_LATENCY, BENCH_QUICK, 2);

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		bench_join(group, &members[i]);
}
