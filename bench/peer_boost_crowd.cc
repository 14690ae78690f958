/* SPDX-License-Identifier: MIT */
/*
 * boost::lockfree::queue in shared memory: capacity fixed at compile time, so that it links its nodes by index instead of by pointer and
 * allocates nothing; constructed in anonymous shared memory before the processes part. It can have no more than 65534 nodes.
 */
#include "bench.h"

#include <cerrno>
#include <cstdint>
#include <new>

#include <boost/lockfree/queue.hpp>

#include "crowd.h"

namespace
{

template <size_t Len> struct message {
	uint64_t words[Len / 8];
};

template <size_t Len, size_t Capacity> struct peer {
	using queue_type =
		boost::lockfree::queue<message<Len>, boost::lockfree::capacity<Capacity>>;

	static inline int send(void *to, const uint64_t *words, size_t)
	{
		const auto *out = reinterpret_cast<const message<Len> *>(words);

		return static_cast<queue_type *>(to)->bounded_push(*out) ? 0 : -EAGAIN;
	}

	static inline int recv(void *from, uint64_t *words, size_t)
	{
		auto *in = reinterpret_cast<message<Len> *>(words);

		return static_cast<queue_type *>(from)->pop(*in) ? 0 : -EAGAIN;
	}

	static int produce(struct bench_side *side)
	{
		bench_ready(side);
		return crowd_produce(side, send, side->memory, Len);
	}

	static int consume(struct bench_side *side)
	{
		bench_ready(side);
		return crowd_consume(side, recv, side->memory, Len);
	}

	static int crowd(const struct bench_what *what, struct bench_sample *out)
	{
		struct bench_side side;
		int err = bench_side_init(&side, what, sizeof(queue_type));

		if (!err) {
			new (side.memory) queue_type;
			err = bench_crowd(&side, produce, consume);
		}
		if (!err)
			err = bench_sample_crowd(&side, out);
		bench_side_free(&side);
		return err;
	}
};

} // namespace

int
peer_boost_crowd(const struct bench_what *what, struct bench_sample *out)
{
	bool small = what->capacity == 1024;

	if (what->len == 8)
		return small ? peer<8, 1024>::crowd(what, out) : peer<8, 65534>::crowd(what, out);
	return small ? peer<56, 1024>::crowd(what, out) : peer<56, 65534>::crowd(what, out);
}
