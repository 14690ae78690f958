/* SPDX-License-Identifier: MIT */
/*
 * nng's pub0 and sub0 over Unix sockets (ipc): a pub0 that never waits, and a sub0 for each reader,
 * polled. Each process has several threads beside its own, on the same core. Its buffers hold what
 * is asked at both ends, so twice as much can be under way; who is too slow loses messages at
 * either end.
 */
#include <stdio.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include <shmq/atomic.h>

#include "bench.h"
#include "nng_error.h"

struct queue {
	nng_socket socket;
};

/* Readers that have come. */
static uint32_t come;

/* In one of its threads. */
static void
count_reader(nng_pipe pipe, nng_pipe_ev event, void *unused)
{
	(void)pipe, (void)event, (void)unused;
	/* COME, reader: it gets what is sent from now on. */
	shmq_add_release_u32(&come, 1);
}

static int
open_publisher(const struct bench_side *side, nng_socket *socket, const char *url)
{
	int err = nng_pub0_open(socket);

	if (!err)
		err = nng_socket_set_int(*socket, NNG_OPT_SENDBUF, (int)side->what.capacity);
	if (!err)
		err = nng_pipe_notify(*socket, NNG_PIPE_EV_ADD_POST, count_reader, NULL);
	if (!err)
		err = nng_listen(*socket, url, NULL, 0);
	/* COME, publisher: all are there. */
	while (!err && shmq_load_acquire_u32(&come) < side->what.consumers)
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	return err;
}

static int
open_subscriber(const struct bench_side *side, nng_socket *socket, const char *url)
{
	int err = nng_sub0_open(socket);

	if (!err)
		err = nng_socket_set_int(*socket, NNG_OPT_RECVBUF, (int)side->what.capacity);
	if (!err)
		err = nng_socket_set_ms(*socket, NNG_OPT_RECONNMINT, 1);
	if (!err)
		err = nng_socket_set(*socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
	return err ? err : nng_dial(*socket, url, NULL, NNG_FLAG_NONBLOCK);
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	char url[80];

	(void)i;
	/* In the abstract name space: nothing to take away. */
	snprintf(url, sizeof(url), "abstract://%s", side->name);
	return nng_error(end == BENCH_SENDS ? open_publisher(side, &queue->socket, url)
					    : open_subscriber(side, &queue->socket, url));
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	/* nng does not write what it is given, but asks for no const. */
	return nng_error(
		nng_send(queue->socket, (void *)(uintptr_t)message, len, NNG_FLAG_NONBLOCK));
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return nng_error(nng_recv(queue->socket, message, &len, NNG_FLAG_NONBLOCK));
}

#include "bodies.h"

static int
make(struct bench_side *side, unsigned queues)
{
	(void)queues;
	bench_holds(&side->what, 2 * side->what.capacity);
	return 0;
}

const struct bench_adapter bench_adapter_nng_pub = {
	.name = "nng_pub",
	.base = "rival",
	.note = "nng, pub0 and sub0 over ipc, polled; holds twice what is asked",
	.can = BENCH_LOSSY,
	.make = make,
	.bodies = bodies,
};
