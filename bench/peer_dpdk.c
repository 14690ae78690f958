/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring in anonymous shared memory set up before the processes part, without the rest of DPDK: several producers, one or
 * several consumers, in its default mode and in its relaxed tail mode (RTS), which is meant for more threads than cores. Exactly
 * `capacity` messages.
 */
#include "bench.h"

#include <errno.h>

#include <rte_config.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "crowd.h"

static inline int
send_8(void *ring, const uint64_t *message, size_t len)
{
	(void)len;
	return rte_ring_mp_enqueue((struct rte_ring *)ring, (void *)(uintptr_t)message[0]) ? -EAGAIN
											   : 0;
}

static inline int
recv_8(void *ring, uint64_t *message, size_t len)
{
	void *entry;

	(void)len;
	if (rte_ring_mc_dequeue((struct rte_ring *)ring, &entry))
		return -EAGAIN;
	message[0] = (uintptr_t)entry;
	return 0;
}

static inline int
recv_8_alone(void *ring, uint64_t *message, size_t len)
{
	void *entry;

	(void)len;
	if (rte_ring_sc_dequeue((struct rte_ring *)ring, &entry))
		return -EAGAIN;
	message[0] = (uintptr_t)entry;
	return 0;
}

static inline int
send_56(void *ring, const uint64_t *message, size_t len)
{
	void *entry = (void *)(uintptr_t)message;

	(void)len;
	return rte_ring_mp_enqueue_elem((struct rte_ring *)ring, entry, 56) ? -EAGAIN : 0;
}

static inline int
recv_56(void *ring, uint64_t *message, size_t len)
{
	(void)len;
	return rte_ring_mc_dequeue_elem((struct rte_ring *)ring, message, 56) ? -EAGAIN : 0;
}

static inline int
recv_56_alone(void *ring, uint64_t *message, size_t len)
{
	(void)len;
	return rte_ring_sc_dequeue_elem((struct rte_ring *)ring, message, 56) ? -EAGAIN : 0;
}

/* Relaxed tail: bulks of one. */
static inline int
send_rts(void *ring, const uint64_t *message, size_t len)
{
	return rte_ring_mp_rts_enqueue_bulk_elem((struct rte_ring *)ring, message, (unsigned)len, 1,
						 NULL)
		       ? 0
		       : -EAGAIN;
}

static inline int
recv_rts(void *ring, uint64_t *message, size_t len)
{
	return rte_ring_mc_rts_dequeue_bulk_elem((struct rte_ring *)ring, message, (unsigned)len, 1,
						 NULL)
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
produce_8_rts(struct bench_side *side)
{
	return crowd_produce(side, send_rts, side->memory, 8);
}

static LOOP_APART int
produce_56_rts(struct bench_side *side)
{
	return crowd_produce(side, send_rts, side->memory, 56);
}

static LOOP_APART int
consume_8(struct bench_side *side)
{
	return crowd_consume(side, recv_8, side->memory, 8);
}

static LOOP_APART int
consume_56(struct bench_side *side)
{
	return crowd_consume(side, recv_56, side->memory, 56);
}

static LOOP_APART int
consume_8_alone(struct bench_side *side)
{
	return crowd_consume(side, recv_8_alone, side->memory, 8);
}

static LOOP_APART int
consume_56_alone(struct bench_side *side)
{
	return crowd_consume(side, recv_56_alone, side->memory, 56);
}

static LOOP_APART int
consume_8_rts(struct bench_side *side)
{
	return crowd_consume(side, recv_rts, side->memory, 8);
}

static LOOP_APART int
consume_56_rts(struct bench_side *side)
{
	return crowd_consume(side, recv_rts, side->memory, 56);
}

static int
produce(struct bench_side *side)
{
	bench_ready(side);
	if (side->what.variant & PEER_RTS)
		return side->what.len == 8 ? produce_8_rts(side) : produce_56_rts(side);
	return side->what.len == 8 ? produce_8(side) : produce_56(side);
}

static int
consume(struct bench_side *side)
{
	bench_ready(side);
	if (side->what.variant & PEER_ONE_CONSUMER)
		return side->what.len == 8 ? consume_8_alone(side) : consume_56_alone(side);
	if (side->what.variant & PEER_RTS)
		return side->what.len == 8 ? consume_8_rts(side) : consume_56_rts(side);
	return side->what.len == 8 ? consume_8(side) : consume_56(side);
}

static unsigned
ring_flags(int variant)
{
	unsigned flags = RING_F_EXACT_SZ;

	if (variant & PEER_RTS)
		flags |= RING_F_MP_RTS_ENQ;
	if (variant & PEER_ONE_CONSUMER)
		flags |= RING_F_SC_DEQ;
	else if (variant & PEER_RTS)
		flags |= RING_F_MC_RTS_DEQ;
	return flags;
}

int
peer_dpdk_crowd(const struct bench_what *what, struct bench_sample *out)
{
	unsigned slots = (unsigned)what->capacity * 2; /* EXACT_SZ takes the next power of two */
	ssize_t bytes = rte_ring_get_memsize_elem((unsigned)what->len, slots);
	struct bench_side side;
	int err = bytes < 0 ? (int)bytes : bench_side_init(&side, what, (size_t)bytes);

	if (bytes < 0)
		return err;
	if (!err)
		err = rte_ring_init((struct rte_ring *)(void *)side.memory, "bench",
				    (unsigned)what->capacity, ring_flags(what->variant));
	if (!err)
		err = bench_crowd(&side, produce, consume);
	if (!err)
		err = bench_sample_crowd(&side, out);
	bench_side_free(&side);
	return err;
}
