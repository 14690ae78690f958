/* SPDX-License-Identifier: MIT */
/* A pair of Unix sockets that keep messages apart: one send() and one recv() for each. */
#include "socket.h"

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return send(queue->fd, message, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	ssize_t n = recv(queue->fd, message, len, 0);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EPIPE;
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	int err = socket_make(side, SOCK_SEQPACKET);

	(void)queues;
	return err || !descriptor_crowded(&side->what) ? err : socket_poll(side);
}

const struct bench_adapter bench_adapter_unix_seqpacket = {
	.name = "unix_seqpacket",
	.base = "rival",
	.note = "socketpair(AF_UNIX, SOCK_SEQPACKET); sleeps at once",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY | BENCH_SLEEPS,
	.make = make,
	.bodies = bodies,
};
