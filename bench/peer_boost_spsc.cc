// SPDX-License-Identifier: MIT
// boost::lockfree::spsc_queue: capacity fixed at compile time, so that it holds no pointer and can be in shared memory; one push and
// one pop at a time, all inlined.
#include <new>

#include <boost/lockfree/spsc_queue.hpp>

#include "bodies.hh"

namespace
{

template <size_t Len, size_t Capacity> struct peer {
	using type =
		boost::lockfree::spsc_queue<bench_message<Len>, boost::lockfree::capacity<Capacity>>;

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

		return static_cast<type *>(queue->object)->push(*out) ? 0 : -EAGAIN;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *in = reinterpret_cast<bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->pop(*in) ? 0 : -EAGAIN;
	}
};

using made = bench::bodies_of<bench::fixed_capacity<peer>>;

} // namespace

extern "C" const bench_adapter bench_adapter_boost_spsc = {
	"boost_spsc",
	"rival",
	"boost::lockfree::spsc_queue, its capacity fixed at compile time; lost with a killed process",
	BENCH_PAIR,
	made::fits,
	made::bytes,
	made::make,
	nullptr,
	made::bodies,
};
