// SPDX-License-Identifier: MIT
// boost::lockfree::spsc_queue, capacity fixed at compile time: what.batch messages for each push
// and each pop.
#include <new>

#include <boost/lockfree/spsc_queue.hpp>

#include "bodies.hh"
#include "gather.h"

namespace
{

template <class Message, class Ring>
inline void
push_all(Ring *ring, gather *all)
{
	const auto *room = reinterpret_cast<const Message *>(all->room);

	for (size_t sent = 0; sent < all->at;)
		sent += ring->push(room + sent, all->at - sent);
	all->at = 0;
}

/* How many there were; 0: what has been handed out is not touched. */
template <class Message, class Ring>
inline size_t
pop_some(Ring *ring, gather *all)
{
	size_t n = ring->pop(reinterpret_cast<Message *>(all->room), all->batch);

	if (n) {
		all->at = 0;
		all->filled = n;
	}
	return n;
}

template <size_t Len, size_t Capacity> struct peer {
	using message_type = bench_message<Len>;
	using type = boost::lockfree::spsc_queue<message_type, boost::lockfree::capacity<Capacity>>;

	static constexpr size_t bytes = sizeof(type);

	static void construct(void *memory)
	{
		new (memory) type;
	}

	static int open(bench_side *side, unsigned i, bench_end, queue *queue)
	{
		static gather one;

		queue->object = bench_queue_memory(side, i);
		queue->token = &one;
		return gather_open(&one, &side->what);
	}

	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		auto *all = static_cast<gather *>(queue->token);

		if (gather_put(all, message, Len))
			push_all<message_type>(static_cast<type *>(queue->object), all);
		return 0;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *all = static_cast<gather *>(queue->token);

		if (all->at == all->filled &&
		    !pop_some<message_type>(static_cast<type *>(queue->object), all))
			return -EAGAIN;
		gather_take(all, message, Len);
		return 0;
	}
};

using made = bench::bodies_of<bench::fixed_capacity<peer>>;

} // namespace

extern "C" const bench_adapter bench_adapter_boost_spsc_bulk = {
	"boost_spsc_bulk",
	"rival",
	"boost::lockfree::spsc_queue, arrays of messages pushed and popped",
	BENCH_BATCH,
	made::fits,
	made::bytes,
	made::make,
	nullptr,
	made::bodies,
};
