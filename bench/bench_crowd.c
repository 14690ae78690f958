/* SPDX-License-Identifier: MIT */
/*
 * Many producers, on two cores: throughput of the crowd together, against the queues that take several producers.
 *
 *   mpsc/LEN/CAPACITY/PRODUCERS
 *   mpmc/LEN/CAPACITY/PRODUCERS x CONSUMERS
 *
 * Producers share the first core and consumers the second; in the groups called mixed each core has some of both, so that both sides
 * are fought over across cores. All queues have room for as many messages: an MPSC queue's lanes share what the others have in one ring.
 *
 * The rivals are those that unrelated processes can share, and one that only processes forked from one can (peer_moodycamel.cc), which is
 * compared apart.
 *
 *   send_recv       shmq_send(), shmq_recv(), timeout 0
 *   send_recv_wait  the same, waiting in the library instead of in the loop
 *   send_recv_64    MPSC: with 64 lanes, most of which nobody uses
 */
#include "bench.h"

#include <shmq/shmq.h>

#include "crowd.h"

/* A consumer looks that often whether all producers have finished. */
#define WAIT_NS 20000000

enum { TRY = 0, WAIT = 1, LANES = 2, MPMC = 4 };

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

static int
wait_send(void *queue, const uint64_t *message, size_t len)
{
	return shmq_send((struct shmq *)queue, message, len, SHMQ_FOREVER);
}

static int
wait_recv(void *queue, uint64_t *message, size_t len)
{
	int got = (int)shmq_recv((struct shmq *)queue, message, len, WAIT_NS);

	return got == -ETIMEDOUT ? -EAGAIN : got;
}

static LOOP_APART int
produce_try(struct bench_side *side, struct shmq *queue)
{
	return crowd_produce(side, try_send, queue, side->what.len);
}

static LOOP_APART int
produce_wait(struct bench_side *side, struct shmq *queue)
{
	return crowd_produce(side, wait_send, queue, side->what.len);
}

static LOOP_APART int
consume_try(struct bench_side *side, struct shmq *queue)
{
	return crowd_consume(side, try_recv, queue, side->what.len);
}

static LOOP_APART int
consume_wait(struct bench_side *side, struct shmq *queue)
{
	return crowd_consume(side, wait_recv, queue, side->what.len);
}

static int
produce(struct bench_side *side)
{
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	return side->what.variant & WAIT ? produce_wait(side, queue) : produce_try(side, queue);
}

static int
consume(struct bench_side *side)
{
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	return side->what.variant & WAIT ? consume_wait(side, queue) : consume_try(side, queue);
}

static struct shmq_opts
options(const struct bench_what *what)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = what->variant & MPMC ? SHMQ_MPMC : SHMQ_MPSC,
		.msg_max = what->len,
		.capacity = what->capacity,
		.participants = what->producers + what->consumers,
	};

	if (!(what->variant & MPMC))
		opts.capacity /= what->producers;
	if (what->variant & LANES)
		opts.participants = 64;
	return opts;
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct shmq_opts opts = options(what);
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	if (!err)
		err = bench_side_queue(&side, &opts);
	if (!err)
		err = bench_crowd(&side, produce, consume);
	if (!err)
		err = bench_sample_crowd(&side, out);
	bench_side_free(&side);
	return err;
}

static const struct bench_member mpsc[] = {
	{"rte_ring", "rival", peer_dpdk_crowd, PEER_ONE_CONSUMER},
	{"rte_ring_rts", "rival", peer_dpdk_crowd, PEER_ONE_CONSUMER | PEER_RTS},
	{"send_recv", NULL, run, TRY},
	{"send_recv_wait", NULL, run, WAIT},
	{"send_recv_64", NULL, run, TRY | LANES},
	{"ck_ring", "rival", peer_ck_crowd, PEER_ONE_CONSUMER},
	{"boost_queue", "rival", peer_boost_crowd, 0},
	{"moodycamel", "per_producer", peer_moodycamel_crowd, 0},
};

static const struct bench_member mpmc[] = {
	{"rte_ring", "rival", peer_dpdk_crowd, 0},
	{"rte_ring_rts", "rival", peer_dpdk_crowd, PEER_RTS},
	{"send_recv", NULL, run, MPMC | TRY},
	{"send_recv_wait", NULL, run, MPMC | WAIT},
	{"ck_ring", "rival", peer_ck_crowd, 0},
	{"boost_queue", "rival", peer_boost_crowd, 0},
	{"moodycamel", "per_producer", peer_moodycamel_crowd, 0},
};

/* Half the time: there are many of them. */
#define GROUP(name, members, bytes, slots, p, c, mix)                       \
	{                                                                   \
		name,                                                       \
			{.len = bytes,                                      \
			 .capacity = slots,                                 \
			 .producers = p,                                    \
			 .consumers = c,                                    \
			 .mixed = mix},                                     \
			1, 0.5, members, sizeof(members) / sizeof(*members) \
	}

const struct bench_group bench_mpsc[8] = {
	GROUP("mpsc/8/65536/1p", mpsc, 8, 65536, 1, 1, 0),
	GROUP("mpsc/8/65536/2p", mpsc, 8, 65536, 2, 1, 0),
	GROUP("mpsc/8/65536/4p", mpsc, 8, 65536, 4, 1, 0),
	GROUP("mpsc/8/65536/4p_mixed", mpsc, 8, 65536, 4, 1, 1),
	GROUP("mpsc/8/1024/4p", mpsc, 8, 1024, 4, 1, 0),
	GROUP("mpsc/56/65536/1p", mpsc, 56, 65536, 1, 1, 0),
	GROUP("mpsc/56/65536/2p", mpsc, 56, 65536, 2, 1, 0),
	GROUP("mpsc/56/65536/4p", mpsc, 56, 65536, 4, 1, 0),
};

const struct bench_group bench_mpmc[14] = {
	GROUP("mpmc/8/65536/1p1c", mpmc, 8, 65536, 1, 1, 0),
	GROUP("mpmc/8/65536/2p2c", mpmc, 8, 65536, 2, 2, 0),
	GROUP("mpmc/8/65536/4p4c", mpmc, 8, 65536, 4, 4, 0),
	GROUP("mpmc/8/65536/2p2c_mixed", mpmc, 8, 65536, 2, 2, 1),
	GROUP("mpmc/8/65536/4p4c_mixed", mpmc, 8, 65536, 4, 4, 1),
	GROUP("mpmc/8/1024/1p1c", mpmc, 8, 1024, 1, 1, 0),
	GROUP("mpmc/8/1024/2p2c", mpmc, 8, 1024, 2, 2, 0),
	GROUP("mpmc/8/1024/4p4c", mpmc, 8, 1024, 4, 4, 0),
	GROUP("mpmc/56/65536/1p1c", mpmc, 56, 65536, 1, 1, 0),
	GROUP("mpmc/56/65536/2p2c", mpmc, 56, 65536, 2, 2, 0),
	GROUP("mpmc/56/65536/4p4c", mpmc, 56, 65536, 4, 4, 0),
	GROUP("mpmc/56/1024/1p1c", mpmc, 56, 1024, 1, 1, 0),
	GROUP("mpmc/56/1024/2p2c", mpmc, 56, 1024, 2, 2, 0),
	GROUP("mpmc/56/1024/4p4c", mpmc, 56, 1024, 4, 4, 0),
};
