// SPDX-License-Identifier: MIT
// boost::lockfree::queue: capacity fixed at compile time, so that it links its nodes by index
// instead of by pointer, allocates nothing and can be in shared memory. It can have no more
// than 65534 nodes.
#include <new>

#include <boost/lockfree/queue.hpp>

#include "bodies.hh"

namespace
{

constexpr size_t nodes_max = 65534;

template <size_t Len, size_t Capacity> struct peer {
	static constexpr size_t nodes = Capacity < nodes_max ? Capacity : nodes_max;

	using type = boost::lockfree::queue<bench_message<Len>, boost::lockfree::capacity<nodes>>;

	static constexpr size_t bytes = sizeof(type);

	static void construct(void *memory)
	{
		new (memory) type;
	}

	static int open(bench_side *side, unsigned i, bench_end, queue *queue)
	{
		queue->object = bench_queue_memory(side, i);
		return 0;
	}

	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto *out = reinterpret_cast<const bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->bounded_push(*out) ? 0 : -EAGAIN;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *in = reinterpret_cast<bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->pop(*in) ? 0 : -EAGAIN;
	}
};

using made = bench::bodies_of<bench::fixed_capacity<peer>>;

} // namespace

extern "C" const bench_adapter bench_adapter_boost_queue = {
	"boost_queue",
	"rival",
	"boost::lockfree::queue, its capacity fixed at compile time, at most 65534",
	BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	made::fits,
	made::bytes,
	made::make,
	nullptr,
	made::bodies,
};
