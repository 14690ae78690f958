/* SPDX-License-Identifier: MIT */
/*
 * A pair of Unix stream sockets: one write() and one read() for each message, which comes in
 * several pieces when it is long.
 */
#include "socket.h"

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

static int
make(struct bench_side *side, unsigned queues)
{
	(void)queues;
	return socket_make(side, SOCK_STREAM);
}

const struct bench_adapter bench_adapter_unix_stream = {
	.name = "unix_stream",
	.base = "rival",
	.note = "socketpair(AF_UNIX, SOCK_STREAM); sleeps at once",
	.can = BENCH_PAIR | BENCH_SLEEPS,
	.make = make,
	.bodies = bodies,
};
