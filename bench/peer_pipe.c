/* SPDX-License-Identifier: MIT */
/*
 * A pipe: one write() and one read() for each message. It is as large as what is asked for, or
 * as large as this user may make one (/proc/sys/fs/pipe-max-size). What is not longer than
 * PIPE_BUF is written and read whole, by many, too.
 */
#include <limits.h>
#include <stdio.h>

#include "descriptor.h"

struct queue {
	int fd;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	queue->fd = side->fds[i];
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return descriptor_write(queue->fd, message, len);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return descriptor_read(queue->fd, message, len);
}

#include "bodies.h"

/* A message does not cross the end of a page when a page has room for it. */
static size_t
pipe_bytes(const struct bench_what *what)
{
	size_t page = 4096, in_a_page = page / what->len;

	return in_a_page ? (what->capacity + in_a_page - 1) / in_a_page * page
			 : what->capacity * what->len;
}

static void
widen(int fd, size_t bytes)
{
	while (fcntl(fd, F_SETPIPE_SZ, (int)bytes) < 0 && bytes > 65536)
		bytes /= 2;
}

/* A pipe behind one descriptor, which reads and writes. */
static int
make_one(void)
{
	char name[64];
	int ends[2], fd;

	if (pipe(ends))
		return -errno;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
	fd = open(name, O_RDWR);
	if (fd < 0)
		fd = -errno;
	close(ends[0]);
	close(ends[1]);
	return fd;
}

/* This user may not have one that is large enough. */
static void
tell_room(const struct bench_what *what, int fd)
{
	int bytes = fcntl(fd, F_GETPIPE_SZ);

	if (bytes > 0 && (size_t)bytes < pipe_bytes(what))
		bench_holds(what, (size_t)bytes / what->len);
}

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++) {
		int fd = make_one();

		if (fd < 0)
			return fd;
		side->fds[i] = fd;
		widen(fd, pipe_bytes(&side->what));
		tell_room(&side->what, fd);
		if (descriptor_crowded(&side->what) && descriptor_poll(fd))
			return -EIO;
	}
	return 0;
}

static int
make_polled(struct bench_side *side, unsigned queues)
{
	int err = make(side, queues);

	for (unsigned i = 0; i < queues && !err; i++)
		err = descriptor_poll(side->fds[i]);
	return err;
}

static int
fits(const struct bench_what *what)
{
	return what->len <= PIPE_BUF || !descriptor_crowded(what);
}

const struct bench_adapter bench_adapter_pipe = {
	.name = "pipe",
	.base = "rival",
	.note = "a pipe, as large as asked or as the user may; sleeps at once",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY | BENCH_SLEEPS,
	.fits = fits,
	.make = make,
	.bodies = bodies,
};

const struct bench_adapter bench_adapter_pipe_poll = {
	.name = "pipe_poll",
	.base = "rival",
	.note = "a pipe, polled (O_NONBLOCK)",
	.can = BENCH_PAIR,
	.make = make_polled,
	.bodies = bodies,
};
