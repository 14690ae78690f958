/* SPDX-License-Identifier: MIT */
/*
 * Throughput: one process sends as fast as it can, the other receives, checks and counts. Every member makes the receiver see every
 * message, and all but peek/release copy it out into the receiver's own memory.
 *
 *   send_recv   shmq_send(), shmq_recv(), timeout 0: exported calls, run-time length
 *   batch       the same for 32 at a time
 *   zero_copy   reserve, write the message in place, commit; peek, read it in place, release
 *   inline      shmq/inline.h with a constant length
 */
#include "bench.h"

#include <string.h>

#include <shmq/inline.h>
#include <shmq/shmq.h>

#include "loop.h"

#define BATCH 32

/* Operations -------------------------------------------------------------------------------- */

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
place_send(void *queue, const uint64_t *message, size_t len)
{
	struct iovec slot;
	int err = shmq_reserve((struct shmq *)queue, &slot, len, 0);

	if (err)
		return err;
	memcpy(slot.iov_base, message, len);
	return shmq_commit((struct shmq *)queue, &slot);
}

/* Reads the first and the last word only: what the checks want. */
static inline int
place_recv(void *queue, uint64_t *message, size_t len)
{
	struct iovec slot;
	const uint64_t *words;
	int err = shmq_peek((struct shmq *)queue, &slot, 0);

	if (err)
		return err;
	words = (const uint64_t *)slot.iov_base;
	message[0] = words[0];
	message[len / 8 - 1] = words[len / 8 - 1];
	return shmq_release((struct shmq *)queue, &slot);
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

/* Batches: the adapter gathers, and hands over when it has 32 or the end. --------------------- */

struct batch {
	struct shmq *queue;
	struct iovec iov[BATCH];
	uint64_t words[BATCH * BENCH_WORDS_MAX]; /* dense: `len` bytes each */
	size_t len;
	size_t at, filled; /* receiving: the next to give out, of how many */
};

static inline uint64_t *
batch_words(struct batch *batch, size_t i)
{
	return batch->words + i * (batch->len / 8);
}

static void
batch_reset(struct batch *batch)
{
	for (size_t i = 0; i < BATCH; i++)
		batch->iov[i] = (struct iovec){batch_words(batch, i), batch->len};
}

static int
batch_flush(struct batch *batch)
{
	size_t sent = 0;

	while (sent < batch->filled) {
		ssize_t n =
			shmq_send_batch(batch->queue, batch->iov + sent, batch->filled - sent, 0);

		if (n < 0 && n != -EAGAIN)
			return (int)n;
		sent += n > 0 ? (size_t)n : 0;
	}
	batch->filled = 0;
	return 0;
}

static inline int
batch_send(void *queue, const uint64_t *message, size_t len)
{
	struct batch *batch = (struct batch *)queue;

	memcpy(batch_words(batch, batch->filled++), message, len);
	if (batch->filled == BATCH || message[0] == LOOP_LAST)
		return batch_flush(batch);
	return 0;
}

static inline int
batch_recv(void *queue, uint64_t *message, size_t len)
{
	struct batch *batch = (struct batch *)queue;
	const uint64_t *words;

	if (batch->at == batch->filled) {
		ssize_t n;

		batch_reset(batch);
		n = shmq_recv_batch(batch->queue, batch->iov, BATCH, 0);
		if (n < 0)
			return (int)n;
		batch->at = 0;
		batch->filled = (size_t)n;
	}
	words = batch_words(batch, batch->at++);
	message[0] = words[0];
	message[len / 8 - 1] = words[len / 8 - 1];
	return 0;
}

/* Bodies ------------------------------------------------------------------------------------ */

enum { TRY, BATCHED, PLACE, PORT };

static LOOP_APART int
produce_8(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_produce(side, port_send, &port, 8);
}

static LOOP_APART int
consume_8(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_consume(side, port_recv, &port, 8);
}

static LOOP_APART int
produce_56(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_produce(side, port_send, &port, 56);
}

static LOOP_APART int
consume_56(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_consume(side, port_recv, &port, 56);
}

static LOOP_APART int
produce_1024(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_produce(side, port_send, &port, 1024);
}

static LOOP_APART int
consume_1024(struct bench_side *side, struct shmq *queue)
{
	struct shmq_port port;
	int err = shmq_port_open(&port, queue);

	return err ? err : loop_consume(side, port_recv, &port, 1024);
}

static LOOP_APART int
produce_try(struct bench_side *side, struct shmq *queue)
{
	return loop_produce(side, try_send, queue, side->what.len);
}

static LOOP_APART int
consume_try(struct bench_side *side, struct shmq *queue)
{
	return loop_consume(side, try_recv, queue, side->what.len);
}

static LOOP_APART int
produce_place(struct bench_side *side, struct shmq *queue)
{
	return loop_produce(side, place_send, queue, side->what.len);
}

static LOOP_APART int
consume_place(struct bench_side *side, struct shmq *queue)
{
	return loop_consume(side, place_recv, queue, side->what.len);
}

static LOOP_APART int
produce_batch(struct bench_side *side, struct batch *batch)
{
	return loop_produce(side, batch_send, batch, side->what.len);
}

static LOOP_APART int
consume_batch(struct bench_side *side, struct batch *batch)
{
	return loop_consume(side, batch_recv, batch, side->what.len);
}

static int
produce_port(struct bench_side *side, struct shmq *queue)
{
	switch (side->what.len) {
	case 8:
		return produce_8(side, queue);
	case 56:
		return produce_56(side, queue);
	default:
		return produce_1024(side, queue);
	}
}

static int
produce(struct bench_side *side)
{
	struct batch batch = {.len = side->what.len};
	int err = bench_attach_fd(&batch.queue, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (err)
		return err;
	batch_reset(&batch);
	bench_ready(side);
	switch (side->what.variant) {
	case TRY:
		return produce_try(side, batch.queue);
	case BATCHED:
		return produce_batch(side, &batch);
	case PLACE:
		return produce_place(side, batch.queue);
	default:
		return produce_port(side, batch.queue);
	}
}

static int
consume_port(struct bench_side *side, struct shmq *queue)
{
	switch (side->what.len) {
	case 8:
		return consume_8(side, queue);
	case 56:
		return consume_56(side, queue);
	default:
		return consume_1024(side, queue);
	}
}

static int
consume(struct bench_side *side)
{
	struct batch batch = {.len = side->what.len};
	int err = bench_attach_fd(&batch.queue, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	batch_reset(&batch);
	bench_ready(side);
	switch (side->what.variant) {
	case TRY:
		return consume_try(side, batch.queue);
	case BATCHED:
		return consume_batch(side, &batch);
	case PLACE:
		return consume_place(side, batch.queue);
	default:
		return consume_port(side, batch.queue);
	}
}

static int
run_shmq(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	if (!err)
		err = bench_side_queues(&side);
	if (!err)
		err = bench_pair(&side, produce, consume);
	if (!err)
		bench_sample_rate(&side, out);
	bench_side_free(&side);
	return err;
}

static const struct bench_member members[] = {
	{"boost_spsc_queue", "boost", peer_boost_throughput, 0},
	{"inline", NULL, run_shmq, PORT},
	{"send_recv", NULL, run_shmq, TRY},
	{"batch", NULL, run_shmq, BATCHED},
	{"zero_copy", NULL, run_shmq, PLACE},
	{"ck_ring", "ck", peer_ck_throughput, 0},
};

#define MEMBERS members, sizeof(members) / sizeof(*members)

const struct bench_group bench_throughput[6] = {
	{"throughput/8/1024", {.len = 8, .capacity = 1024}, 1, 1, MEMBERS},
	{"throughput/8/65536", {.len = 8, .capacity = 65536}, 1, 1, MEMBERS},
	{"throughput/56/1024", {.len = 56, .capacity = 1024}, 1, 1, MEMBERS},
	{"throughput/56/65536", {.len = 56, .capacity = 65536}, 1, 1, MEMBERS},
	{"throughput/1024/1024", {.len = 1024, .capacity = 1024}, 1, 1, MEMBERS},
	{"throughput/1024/65536", {.len = 1024, .capacity = 65536}, 1, 1, MEMBERS},
};
