/* SPDX-License-Identifier: MIT */
/*
 * boost::lockfree::spsc_queue in shared memory: capacity fixed at compile time (so that it holds no pointer), constructed in anonymous
 * shared memory before the processes part, one push and one pop at a time, all inlined.
 */
#include "bench.h"

#include <cerrno>
#include <cstdint>
#include <new>

#include <boost/lockfree/spsc_queue.hpp>

#include "loop.h"

namespace
{

template <size_t Len> struct message {
	uint64_t words[Len / 8];
};

template <size_t Len, size_t Capacity>
using queue = boost::lockfree::spsc_queue<message<Len>, boost::lockfree::capacity<Capacity>>;

template <size_t Len, size_t Capacity> struct peer {
	using queue_type = queue<Len, Capacity>;

	static constexpr size_t half = (sizeof(queue_type) + 4095) / 4096 * 4096;

	static inline int send(void *to, const uint64_t *words, size_t)
	{
		const auto *out = reinterpret_cast<const message<Len> *>(words);

		return static_cast<queue_type *>(to)->push(*out) ? 0 : -EAGAIN;
	}

	static inline int recv(void *from, uint64_t *words, size_t)
	{
		auto *in = reinterpret_cast<message<Len> *>(words);

		return static_cast<queue_type *>(from)->pop(*in) ? 0 : -EAGAIN;
	}

	static int produce(struct bench_side *side)
	{
		bench_ready(side);
		return loop_produce(side, send, side->memory, Len);
	}

	static int consume(struct bench_side *side)
	{
		bench_ready(side);
		return loop_consume(side, recv, side->memory, Len);
	}

	static int ping(struct bench_side *side)
	{
		void *const queues[2] = {side->memory, side->memory + half};

		bench_ready(side);
		return loop_ping(side, send, recv, queues, Len);
	}

	static int pong(struct bench_side *side)
	{
		void *const queues[2] = {side->memory, side->memory + half};

		bench_ready(side);
		return loop_pong(send, recv, queues, Len);
	}

	static int init(struct bench_side *side, const struct bench_what *what, int queues)
	{
		int err = bench_side_init(side, what, half * static_cast<size_t>(queues));

		for (int i = 0; i < queues && !err; i++)
			new (side->memory + half * static_cast<size_t>(i)) queue_type;
		return err;
	}

	static int throughput(const struct bench_what *what, struct bench_sample *out)
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

	static int rtt(const struct bench_what *what, struct bench_sample *out)
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
};

} // namespace

int
peer_boost_throughput(const struct bench_what *what, struct bench_sample *out)
{
	bool small = what->capacity == 1024;

	switch (what->len) {
	case 8:
		return small ? peer<8, 1024>::throughput(what, out)
			     : peer<8, 65536>::throughput(what, out);
	case 56:
		return small ? peer<56, 1024>::throughput(what, out)
			     : peer<56, 65536>::throughput(what, out);
	default:
		return small ? peer<1024, 1024>::throughput(what, out)
			     : peer<1024, 65536>::throughput(what, out);
	}
}

int
peer_boost_rtt(const struct bench_what *what, struct bench_sample *out)
{
	switch (what->len) {
	case 8:
		return peer<8, 1024>::rtt(what, out);
	case 56:
		return peer<56, 1024>::rtt(what, out);
	default:
		return peer<1024, 1024>::rtt(what, out);
	}
}
