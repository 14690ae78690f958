/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ over Unix sockets (ipc://), a PAIR at each end. Each process has an I/O thread beside
 * its own, on the same core. Its marks are set to what is asked, at both ends, so twice as
 * much can be under way, and what the sockets hold. It can only sleep sensibly: one that polls
 * takes the core from its I/O thread.
 */
#include <errno.h>
#include <stdio.h>

#include <zmq.h>

#include "bench.h"
#include "parting.h"

/* Carries both directions. */
static void *socket_of_all;

struct queue {
	void *socket;
	uint32_t *parted;
};

static int
set(int option, int value)
{
	return zmq_setsockopt(socket_of_all, option, &value, sizeof(value)) ? -errno : 0;
}

static int
open_socket(const struct bench_side *side)
{
	void *context = zmq_ctx_new();
	char endpoint[64];
	int err;

	socket_of_all = context ? zmq_socket(context, ZMQ_PAIR) : NULL;
	if (!socket_of_all)
		return -errno;
	err = set(ZMQ_SNDHWM, (int)side->what.capacity);
	if (!err)
		err = set(ZMQ_RCVHWM, (int)side->what.capacity);
	if (!err)
		err = set(ZMQ_RECONNECT_IVL, 1);
	if (err)
		return err;
	/* In the abstract name space: nothing to take away. */
	snprintf(endpoint, sizeof(endpoint), "ipc://@%s", side->name);
	err = side->me ? zmq_connect(socket_of_all, endpoint) : zmq_bind(socket_of_all, endpoint);
	return err ? -errno : 0;
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	int err = socket_of_all ? 0 : open_socket(side);

	(void)end;
	*queue = (struct queue){socket_of_all, (uint32_t *)(void *)bench_queue_memory(side, i)};
	return err;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	if (zmq_send(queue->socket, message, len, 0) < 0)
		return -errno;
	if (parting_is_last(message))
		parting_wait(queue->parted);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (zmq_recv(queue->socket, message, len, 0) < 0)
		return -errno;
	if (parting_is_last(message))
		parting_tell(queue->parted);
	return 0;
}

#include "bodies.h"

static size_t
bytes(const struct bench_what *what)
{
	(void)what;
	return sizeof(uint32_t);
}

static int
make(struct bench_side *side, unsigned queues)
{
	(void)queues;
	bench_holds(&side->what, 2 * side->what.capacity);
	return 0;
}

const struct bench_adapter bench_adapter_zmq = {
	.name = "zmq",
	.base = "rival",
	.note = "ZeroMQ, a PAIR over ipc://; sleeps, and so does its I/O thread",
	.can = BENCH_PAIR | BENCH_SLEEPS,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
