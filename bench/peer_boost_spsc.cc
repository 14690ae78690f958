// SPDX-License-Identifier: MIT
// boost::lockfree::spsc_queue: capacity fixed at compile time, so that it holds no pointer and can be in shared memory; one push and
// one pop at a time, all inlined.
#include <boost/lockfree/spsc_queue.hpp>

#include "peer_boost.hh"

namespace
{

template <size_t Len, size_t Capacity>
using type_of =
	boost::lockfree::spsc_queue<bench_message<Len>, boost::lockfree::capacity<Capacity>>;

template <size_t Len, size_t Capacity> struct peer : boost_peer<type_of<Len, Capacity>, Len> {
	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto *out = reinterpret_cast<const bench_message<Len> *>(message);

		return static_cast<type_of<Len, Capacity> *>(queue->object)->push(*out) ? 0
											: -EAGAIN;
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
