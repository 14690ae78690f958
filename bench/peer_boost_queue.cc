// SPDX-License-Identifier: MIT
// boost::lockfree::queue: capacity fixed at compile time, so that it links its nodes by index
// instead of by pointer, allocates nothing and can be in shared memory. It can have no more
// than 65534 nodes.
#include <boost/lockfree/queue.hpp>

#include "peer_boost.hh"

namespace
{

constexpr size_t nodes_max = 65534;

template <size_t Len, size_t Capacity>
using type_of = boost::lockfree::queue<
	bench_message<Len>,
	boost::lockfree::capacity<(Capacity < nodes_max ? Capacity : nodes_max)>>;

template <size_t Len, size_t Capacity> struct peer : boost_peer<type_of<Len, Capacity>, Len> {
	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto *out = reinterpret_cast<const bench_message<Len> *>(message);

		return static_cast<type_of<Len, Capacity> *>(queue->object)->bounded_push(*out)
			       ? 0
			       : -EAGAIN;
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
