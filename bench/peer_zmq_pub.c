/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ's PUB and SUB over Unix sockets (ipc://): an XPUB that never waits, and a SUB for each
 * reader, polled. Each process has an I/O thread beside its own, on the same core. Its marks are
 * set to what is asked, at both ends, so twice as much can be under way; who is too slow loses the
 * newest messages, not the oldest.
 */
#include <errno.h>
#include <stdio.h>

#include <zmq.h>

#include "bench.h"

struct queue {
	void *socket;
};

static int
set(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) ? -errno : 0;
}

/* Every reader's subscription comes as a message. */
static int
wait_for_readers(void *socket, unsigned readers)
{
	char topic[8];

	for (unsigned i = 0; i < readers; i++) {
		if (zmq_recv(socket, topic, sizeof(topic), 0) < 0)
			return -errno;
	}
	return 0;
}

static int
open_publisher(const struct bench_side *side, void *socket, const char *endpoint)
{
	int err = set(socket, ZMQ_XPUB_VERBOSE, 1);

	if (!err)
		err = set(socket, ZMQ_SNDHWM, (int)side->what.capacity);
	if (!err && zmq_bind(socket, endpoint))
		err = -errno;
	return err ? err : wait_for_readers(socket, side->what.consumers);
}

static int
open_subscriber(const struct bench_side *side, void *socket, const char *endpoint)
{
	int err = set(socket, ZMQ_RCVHWM, (int)side->what.capacity);

	if (!err)
		err = set(socket, ZMQ_RECONNECT_IVL, 1);
	if (!err && zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0))
		err = -errno;
	if (!err && zmq_connect(socket, endpoint))
		err = -errno;
	return err;
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	int sends = end == BENCH_SENDS;
	void *context = zmq_ctx_new();
	char endpoint[64];

	(void)i;
	queue->socket = context ? zmq_socket(context, sends ? ZMQ_XPUB : ZMQ_SUB) : NULL;
	if (!queue->socket)
		return -errno;
	/* In the abstract name space: nothing to take away. */
	snprintf(endpoint, sizeof(endpoint), "ipc://@%s", side->name);
	return sends ? open_publisher(side, queue->socket, endpoint)
		     : open_subscriber(side, queue->socket, endpoint);
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return zmq_send(queue->socket, message, len, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return zmq_recv(queue->socket, message, len, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	(void)side, (void)queues;
	bench_weaker("a slow reader loses the newest messages, not the oldest");
	return 0;
}

const struct bench_adapter bench_adapter_zmq_pub = {
	.name = "zmq_pub",
	.base = "rival",
	.note = "ZeroMQ, PUB and SUB over ipc://, polled",
	.can = BENCH_LOSSY,
	.make = make,
	.bodies = bodies,
};
