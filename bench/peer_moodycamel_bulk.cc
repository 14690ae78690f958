// SPDX-License-Identifier: MIT
// moodycamel::ConcurrentQueue, what.batch messages with each call.
#include "gather.h"
#include "moodycamel.hh"

namespace
{

template <size_t Len, size_t Capacity> struct peer : bench::moody::base<Len, Capacity> {
	using base = bench::moody::base<Len, Capacity>;
	using message_type = typename base::message_type;
	using type = typename base::type;

	// A process has one end.
	static inline gather all;

	static int open(bench_side *side, unsigned i, bench_end end, queue *queue)
	{
		int err = base::open(side, i, end, queue);

		return err ? err : gather_open(&all, &side->what);
	}

	// All or none: what there is no room for is tried again, as the loop has been told that it
	// was sent.
	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto &token = *static_cast<moodycamel::ProducerToken *>(queue->token);
		auto *ring = static_cast<type *>(queue->object);

		if (!gather_put(&all, message, Len))
			return 0;
		while (!ring->try_enqueue_bulk(token, reinterpret_cast<message_type *>(all.room),
					       all.at))
			loop_pause();
		all.at = 0;
		return 0;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		if (all.at == all.filled) {
			auto &token = *static_cast<moodycamel::ConsumerToken *>(queue->token);

			all.at = 0;
			all.filled = static_cast<type *>(queue->object)
					     ->try_dequeue_bulk(
						     token,
						     reinterpret_cast<message_type *>(all.room),
						     all.batch);
			if (!all.filled)
				return -EAGAIN;
		}
		gather_take(&all, message, Len);
		return 0;
	}
};

// The grid of batches in ask_throughput.c.
template <template <size_t, size_t> class Peer>
constexpr bench::choice choices[] = {
	bench::choice_of<Peer, 8, 1024>,
	bench::choice_of<Peer, 56, 1024>,
	bench::choice_of<Peer, 1024, 1024>,
	bench::choice_of<Peer, 8, 65536>,
};

using made = bench::moody::made<choices<peer>>;

} // namespace

extern "C" const bench_adapter bench_adapter_moodycamel_bulk = {
	"moodycamel_bulk",
	"rival",
	"moodycamel::ConcurrentQueue with tokens, try_enqueue_bulk() and try_dequeue_bulk(); between "
	"processes only with memory at one address; lost with a killed process",
	BENCH_BATCH,
	made::fits,
	bench::moody::bytes,
	made::make,
	nullptr,
	bench::bodies_of<choices<peer>>::bodies,
};
