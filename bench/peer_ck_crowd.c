/* SPDX-License-Identifier: MIT */
/*
 * ck_ring with several producers, one or several consumers, in anonymous shared memory set up before the processes part. It holds one
 * message less than its size.
 */
#include "bench.h"

#include <errno.h>
#include <stdint.h>

#include <ck_ring.h>

#include "crowd.h"

struct message_56 {
	uint64_t words[7];
};

CK_RING_PROTOTYPE(message_56, message_56)

/* The ring, and on the next page its entries. */
#define ENTRIES_AT 4096u

static inline void *
entries(void *queue)
{
	return (unsigned char *)queue + ENTRIES_AT;
}

static inline int
send_8(void *queue, const uint64_t *message, size_t len)
{
	const void *entry = (const void *)(uintptr_t)message[0];

	(void)len;
	return ck_ring_enqueue_mpmc((struct ck_ring *)queue, entries(queue), entry) ? 0 : -EAGAIN;
}

static inline int
recv_8(void *queue, uint64_t *message, size_t len)
{
	void *entry;

	(void)len;
	if (!ck_ring_dequeue_mpmc((struct ck_ring *)queue, entries(queue), &entry))
		return -EAGAIN;
	message[0] = (uintptr_t)entry;
	return 0;
}

static inline int
recv_8_alone(void *queue, uint64_t *message, size_t len)
{
	void *entry;

	(void)len;
	if (!ck_ring_dequeue_mpsc((struct ck_ring *)queue, entries(queue), &entry))
		return -EAGAIN;
	message[0] = (uintptr_t)entry;
	return 0;
}

static inline int
send_56(void *queue, const uint64_t *message, size_t len)
{
	struct message_56 *out = (struct message_56 *)(uintptr_t)message;

	(void)len;
	return ck_ring_enqueue_mpmc_message_56((struct ck_ring *)queue, entries(queue), out)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_56(void *queue, uint64_t *message, size_t len)
{
	struct message_56 *in = (struct message_56 *)(void *)message;

	(void)len;
	return ck_ring_dequeue_mpmc_message_56((struct ck_ring *)queue, entries(queue), in)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_56_alone(void *queue, uint64_t *message, size_t len)
{
	struct message_56 *in = (struct message_56 *)(void *)message;

	(void)len;
	return ck_ring_dequeue_mpsc_message_56((struct ck_ring *)queue, entries(queue), in)
		       ? 0
		       : -EAGAIN;
}

static LOOP_APART int
produce_8(struct bench_side *side)
{
	return crowd_produce(side, send_8, side->memory, 8);
}

static LOOP_APART int
produce_56(struct bench_side *side)
{
	return crowd_produce(side, send_56, side->memory, 56);
}

static LOOP_APART int
consume_8(struct bench_side *side)
{
	return crowd_consume(side, recv_8, side->memory, 8);
}

static LOOP_APART int
consume_8_alone(struct bench_side *side)
{
	return crowd_consume(side, recv_8_alone, side->memory, 8);
}

static LOOP_APART int
consume_56(struct bench_side *side)
{
	return crowd_consume(side, recv_56, side->memory, 56);
}

static LOOP_APART int
consume_56_alone(struct bench_side *side)
{
	return crowd_consume(side, recv_56_alone, side->memory, 56);
}

static int
produce(struct bench_side *side)
{
	bench_ready(side);
	return side->what.len == 8 ? produce_8(side) : produce_56(side);
}

static int
consume(struct bench_side *side)
{
	bench_ready(side);
	if (side->what.variant & PEER_ONE_CONSUMER)
		return side->what.len == 8 ? consume_8_alone(side) : consume_56_alone(side);
	return side->what.len == 8 ? consume_8(side) : consume_56(side);
}

int
peer_ck_crowd(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, ENTRIES_AT + what->capacity * what->len);

	if (!err) {
		ck_ring_init((struct ck_ring *)(void *)side.memory, (unsigned)what->capacity);
		err = bench_crowd(&side, produce, consume);
	}
	if (!err)
		err = bench_sample_crowd(&side, out);
	bench_side_free(&side);
	return err;
}
