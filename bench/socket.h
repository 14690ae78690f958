/* SPDX-License-Identifier: MIT */
/*
 * What the adapters over a pair of Unix sockets have in common. A pair has two directions:
 * queue 0 is from its first descriptor to its second, queue 1 back. How much it holds is up to
 * the sender's buffer, which the kernel charges for its own structures, too.
 */
#ifndef SHMQ_BENCH_SOCKET_H
#define SHMQ_BENCH_SOCKET_H

#include <limits.h>
#include <sys/socket.h>

#include "descriptor.h"

struct queue {
	int fd;
};

/*
 * What the kernel adds to a short message, about; it doubles what it is asked for, for this
 * reason.
 */
#define SOCKET_OVERHEAD 800u

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	queue->fd = side->fds[end == BENCH_SENDS ? i : !i];
	return 0;
}

/* Room for what is asked, or as much as this user may have (/proc/sys/net/core/wmem_max). */
static inline void
socket_widen(int fd, const struct bench_what *what)
{
	size_t bytes = what->capacity * (what->len + SOCKET_OVERHEAD) / 2 + 4096;
	int wanted = bytes < INT_MAX / 2 ? (int)bytes : INT_MAX / 2, got;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (!getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &(socklen_t){sizeof(got)}) &&
	    got / 2 < wanted)
		bench_holds(what, (size_t)got / (what->len + SOCKET_OVERHEAD));
}

static inline int
socket_make(struct bench_side *side, int type)
{
	if (socketpair(AF_UNIX, type, 0, side->fds))
		return -errno;
	socket_widen(side->fds[0], &side->what);
	socket_widen(side->fds[1], &side->what);
	return 0;
}

static inline int
socket_poll(struct bench_side *side)
{
	int err = descriptor_poll(side->fds[0]);

	return err ? err : descriptor_poll(side->fds[1]);
}

#endif
