/* SPDX-License-Identifier: MIT */
/*
 * ck_ring, single producer and single consumer, in anonymous shared memory set up before the processes part: entries of pointer size for
 * 8 bytes (that is what it is made for), of a struct's size for the others. It holds one message less than its size.
 */
#include "bench.h"

#include <errno.h>
#include <stdint.h>

#include <ck_ring.h>

#include "loop.h"

struct message_56 {
	uint64_t words[7];
};

struct message_1024 {
	uint64_t words[128];
};

CK_RING_PROTOTYPE(message_56, message_56)
CK_RING_PROTOTYPE(message_1024, message_1024)

/* The ring, and on the next page its entries. */
#define ENTRIES_AT 4096u

struct memory {
	struct ck_ring ring;
};

static inline void *
entries(void *queue)
{
	return (unsigned char *)queue + ENTRIES_AT;
}

/* Operations -------------------------------------------------------------------------------- */

static inline int
send_8(void *queue, const uint64_t *message, size_t len)
{
	const void *entry = (const void *)(uintptr_t)message[0];

	(void)len;
	return ck_ring_enqueue_spsc(&((struct memory *)queue)->ring, entries(queue), entry)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_8(void *queue, uint64_t *message, size_t len)
{
	void *entry;

	(void)len;
	if (!ck_ring_dequeue_spsc(&((struct memory *)queue)->ring, entries(queue), &entry))
		return -EAGAIN;
	message[0] = (uintptr_t)entry;
	return 0;
}

static inline int
send_56(void *queue, const uint64_t *message, size_t len)
{
	struct message_56 *out = (struct message_56 *)(uintptr_t)message;

	(void)len;
	return ck_ring_enqueue_spsc_message_56(&((struct memory *)queue)->ring, entries(queue), out)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_56(void *queue, uint64_t *message, size_t len)
{
	struct message_56 *in = (struct message_56 *)(void *)message;

	(void)len;
	return ck_ring_dequeue_spsc_message_56(&((struct memory *)queue)->ring, entries(queue), in)
		       ? 0
		       : -EAGAIN;
}

static inline int
send_1024(void *queue, const uint64_t *message, size_t len)
{
	struct message_1024 *out = (struct message_1024 *)(uintptr_t)message;

	(void)len;
	return ck_ring_enqueue_spsc_message_1024(&((struct memory *)queue)->ring, entries(queue),
						 out)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_1024(void *queue, uint64_t *message, size_t len)
{
	struct message_1024 *in = (struct message_1024 *)(void *)message;

	(void)len;
	return ck_ring_dequeue_spsc_message_1024(&((struct memory *)queue)->ring, entries(queue),
						 in)
		       ? 0
		       : -EAGAIN;
}

/* Bodies ------------------------------------------------------------------------------------ */

static LOOP_APART int
produce_8(struct bench_side *side)
{
	return loop_produce(side, send_8, side->memory, 8);
}

static LOOP_APART int
consume_8(struct bench_side *side)
{
	return loop_consume(side, recv_8, side->memory, 8);
}

static LOOP_APART int
ping_8(struct bench_side *side, void *const queues[2])
{
	return loop_ping(side, send_8, recv_8, queues, 8);
}

static LOOP_APART int
pong_8(void *const queues[2])
{
	return loop_pong(send_8, recv_8, queues, 8);
}

static LOOP_APART int
produce_56(struct bench_side *side)
{
	return loop_produce(side, send_56, side->memory, 56);
}

static LOOP_APART int
consume_56(struct bench_side *side)
{
	return loop_consume(side, recv_56, side->memory, 56);
}

static LOOP_APART int
ping_56(struct bench_side *side, void *const queues[2])
{
	return loop_ping(side, send_56, recv_56, queues, 56);
}

static LOOP_APART int
pong_56(void *const queues[2])
{
	return loop_pong(send_56, recv_56, queues, 56);
}

static LOOP_APART int
produce_1024(struct bench_side *side)
{
	return loop_produce(side, send_1024, side->memory, 1024);
}

static LOOP_APART int
consume_1024(struct bench_side *side)
{
	return loop_consume(side, recv_1024, side->memory, 1024);
}

static LOOP_APART int
ping_1024(struct bench_side *side, void *const queues[2])
{
	return loop_ping(side, send_1024, recv_1024, queues, 1024);
}

static LOOP_APART int
pong_1024(void *const queues[2])
{
	return loop_pong(send_1024, recv_1024, queues, 1024);
}

static int
produce(struct bench_side *side)
{
	bench_ready(side);
	switch (side->what.len) {
	case 8:
		return produce_8(side);
	case 56:
		return produce_56(side);
	default:
		return produce_1024(side);
	}
}

static int
consume(struct bench_side *side)
{
	bench_ready(side);
	switch (side->what.len) {
	case 8:
		return consume_8(side);
	case 56:
		return consume_56(side);
	default:
		return consume_1024(side);
	}
}

static int
ping(struct bench_side *side)
{
	void *const queues[2] = {side->memory, side->memory + side->memory_bytes / 2};

	bench_ready(side);
	switch (side->what.len) {
	case 8:
		return ping_8(side, queues);
	case 56:
		return ping_56(side, queues);
	default:
		return ping_1024(side, queues);
	}
}

static int
pong(struct bench_side *side)
{
	void *const queues[2] = {side->memory, side->memory + side->memory_bytes / 2};

	bench_ready(side);
	switch (side->what.len) {
	case 8:
		return pong_8(queues);
	case 56:
		return pong_56(queues);
	default:
		return pong_1024(queues);
	}
}

static int
init(struct bench_side *side, const struct bench_what *what, size_t queues)
{
	size_t bytes = ENTRIES_AT + what->capacity * what->len;
	int err = bench_side_init(side, what, bytes * queues);

	for (size_t i = 0; i < queues && !err; i++)
		ck_ring_init((struct ck_ring *)(void *)(side->memory + bytes * i),
			     (unsigned)what->capacity);
	return err;
}

int
peer_ck_throughput(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = init(&side, what, 1);

	if (!err)
		err = bench_pair(&side, produce, consume);
	if (!err)
		bench_sample_rate(&side, out);
	bench_side_free(&side);
	return err;
}

int
peer_ck_rtt(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = init(&side, what, 2);

	if (!err)
		err = bench_pair(&side, ping, pong);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}
