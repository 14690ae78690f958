/* SPDX-License-Identifier: MIT */
/*
 * What adapters over the kernel's descriptors have in common: one that is O_NONBLOCK is
 * polled, by all who inherited it, any other puts its processes to sleep. A crowd is always
 * polled.
 */
#ifndef SHMQ_BENCH_DESCRIPTOR_H
#define SHMQ_BENCH_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

static inline int
descriptor_crowded(const struct bench_what *what)
{
	return what->producers + what->consumers > 0;
}

/** Poll it from now on. 0 or a negated errno. */
static inline int
descriptor_poll(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

/** Write a message whole to a stream of bytes, or not at all: -EAGAIN. */
static inline int
descriptor_write(int fd, const uint64_t *message, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)message;
	size_t done = 0;

	do {
		ssize_t n = write(fd, bytes + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (!n || errno != EAGAIN || !done)
			return n ? -errno : -EIO;
	} while (done < len);
	return 0;
}

/** Read a message whole from a stream of bytes, or nothing at all: -EAGAIN. */
static inline int
descriptor_read(int fd, uint64_t *message, size_t len)
{
	unsigned char *bytes = (unsigned char *)message;
	size_t done = 0;

	do {
		ssize_t n = read(fd, bytes + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (!n || errno != EAGAIN || !done)
			return n ? -errno : -EPIPE;
	} while (done < len);
	return 0;
}

#endif
