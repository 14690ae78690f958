/* SPDX-License-Identifier: MIT */
/*
 * What sending costs the sender when nobody sleeps: no system call, no fence. One process, one core, 8 bytes: a burst of sends is timed,
 * then received untimed. The yardstick is the store nobody can do without: the message and its sequence word into a ring of lines.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include <shmq/atomic.h>
#include <shmq/inline.h>
#include <shmq/shmq.h>

#include "loop.h"
#include "ticks.h"

#define BURST 512u
#define LEN 8

enum { STORE, SEND, PORT };

/* As a slot: 16 bytes. */
struct cell {
	uint64_t message, sequence;
};

struct store {
	struct cell *cells;
	uint64_t sent, received;
};

static inline int
store_send(void *queue, const uint64_t *message, size_t len)
{
	struct store *store = (struct store *)queue;
	struct cell *cell = &store->cells[store->sent++ % BURST];

	memcpy(&cell->message, message, len);
	shmq_store_release_u64(&cell->sequence, store->sent);
	return 0;
}

static inline int
store_recv(void *queue, uint64_t *message, size_t len)
{
	struct store *store = (struct store *)queue;
	struct cell *cell = &store->cells[store->received++ % BURST];

	if (shmq_load_acquire_u64(&cell->sequence) != store->received)
		return -EAGAIN;
	memcpy(message, &cell->message, len);
	return 0;
}

static int
try_send(void *queue, const uint64_t *message, size_t len)
{
	return shmq_send((struct shmq *)queue, message, len, 0);
}

static int
try_recv(void *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv((struct shmq *)queue, message, len, 0);
}

static inline int
port_send(void *port, const uint64_t *message, size_t len)
{
	return shmq_port_send((struct shmq_port *)port, message, len);
}

static inline int
port_recv(void *port, uint64_t *message, size_t len)
{
	return (int)shmq_port_recv((struct shmq_port *)port, message, len);
}

/* Bursts for side->what.seconds; the histogram holds ticks of whole bursts. */
LOOP_INLINE int
bursts(struct bench_side *side, int (*send)(void *, const uint64_t *, size_t),
       int (*recv)(void *, uint64_t *, size_t), void *queue, size_t len)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t out[1], in[1], begin;
	int err = 0;

	do {
		begin = bench_ticks();
		for (uint64_t i = 0; i < BURST && !err; i++) {
			out[0] = i;
			err = loop_send(send, queue, out, len);
		}
		bench_count(side->shared->bins, bench_ticks() - begin);
		for (uint64_t i = 0; i < BURST && !err; i++) {
			err = loop_recv(recv, queue, in, len);
			if (!err)
				err = loop_check(in, i, len);
		}
	} while (!err && bench_now_ns() < end);
	return err;
}

static LOOP_APART int
store_bursts(struct bench_side *side)
{
	struct store store = {.cells = (struct cell *)(void *)side->memory};

	return bursts(side, store_send, store_recv, &store, LEN);
}

static LOOP_APART int
send_bursts(struct bench_side *side, struct shmq *queue)
{
	return bursts(side, try_send, try_recv, queue, LEN);
}

static LOOP_APART int
port_bursts(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : bursts(side, port_send, port_recv, &port, LEN);
}

static int
body(struct bench_side *side)
{
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0],
				  SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	switch (side->what.variant) {
	case STORE:
		return store_bursts(side);
	case SEND:
		return send_bursts(side, queue);
	default:
		return port_bursts(side, queue);
	}
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, BURST * sizeof(struct cell));

	if (!err)
		err = bench_side_queues(&side);
	if (!err)
		err = bench_solo(&side, body);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	out->ns /= BURST;
	out->p99_ns /= BURST;
	return err;
}

static const struct bench_member members[] = {
	{"bare_store", "store", run, STORE},
	{"send", NULL, run, SEND},
	{"inline", NULL, run, PORT},
};

const struct bench_group bench_publish[1] = {
	{"publish/8",
	 {.len = LEN, .capacity = 1024},
	 0,
	 0.3,
	 members,
	 sizeof(members) / sizeof(*members)},
};
