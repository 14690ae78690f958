/* SPDX-License-Identifier: MIT */
/*
 * nng over Unix sockets (ipc), a pair0 at each end. Each process has several threads beside
 * its own, on the same core. Its buffers, at both ends, hold what is asked, at most 8192
 * messages. It can only sleep sensibly: one that polls takes the core from its threads.
 */
#include <stdio.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "bench.h"
#include "nng_error.h"
#include "parting.h"

#define BUFFER_MAX 8192

/* Carries both directions. */
static nng_socket socket_of_all;
static int is_open;

struct queue {
	uint32_t *parted;
};

static int
open_socket(const struct bench_side *side)
{
	int buffer = (int)side->what.capacity;
	char url[80];
	int err = nng_pair0_open(&socket_of_all);

	if (!err)
		err = nng_socket_set_int(socket_of_all, NNG_OPT_SENDBUF, buffer);
	if (!err)
		err = nng_socket_set_int(socket_of_all, NNG_OPT_RECVBUF, buffer);
	if (!err)
		err = nng_socket_set_size(socket_of_all, NNG_OPT_RECVMAXSZ, 0);
	if (!err)
		err = nng_socket_set_ms(socket_of_all, NNG_OPT_RECONNMINT, 1);
	if (err)
		return nng_error(err);
	/* In the abstract name space: nothing to take away. */
	snprintf(url, sizeof(url), "abstract://%s", side->name);
	if (side->me)
		err = nng_dial(socket_of_all, url, NULL, NNG_FLAG_NONBLOCK);
	else
		err = nng_listen(socket_of_all, url, NULL, 0);
	is_open = 1;
	return nng_error(err);
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	queue->parted = (uint32_t *)(void *)bench_queue_memory(side, i);
	return is_open ? 0 : open_socket(side);
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	/* nng does not write what it is given, but asks for no const. */
	int err = nng_send(socket_of_all, (void *)(uintptr_t)message, len, 0);

	if (err)
		return nng_error(err);
	if (parting_is_last(message))
		parting_wait(queue->parted);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	int err = nng_recv(socket_of_all, message, &len, 0);

	if (err)
		return nng_error(err);
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
fits(const struct bench_what *what)
{
	return what->capacity <= BUFFER_MAX;
}

static int
make(struct bench_side *side, unsigned queues)
{
	(void)queues;
	bench_holds(&side->what, 2 * side->what.capacity);
	return 0;
}

const struct bench_adapter bench_adapter_nng = {
	.name = "nng",
	.base = "rival",
	.note = "nng, a pair0 over ipc; sleeps, and so do its threads",
	.can = BENCH_PAIR | BENCH_SLEEPS,
	.fits = fits,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
