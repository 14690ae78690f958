// SPDX-License-Identifier: MIT
// What the adapters of boost::lockfree have in common: an object in shared memory, and its pop().
#ifndef SHMQ_BENCH_PEER_BOOST_HH
#define SHMQ_BENCH_PEER_BOOST_HH

#include <new>

#include "bodies.hh"

template <class Type, size_t Len> struct boost_peer {
	using type = Type;

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

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *in = reinterpret_cast<bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->pop(*in) ? 0 : -EAGAIN;
	}
};

#endif
