// SPDX-License-Identifier: MIT
// moodycamel::ConcurrentQueue, a message with each call. Order is that of each producer, as in an
// MPSC queue: among several consumers it is no rival of one with a total order.
#include "moodycamel.hh"

namespace
{

template <size_t Len, size_t Capacity> struct peer : bench::moody::base<Len, Capacity> {
	using type = typename bench::moody::base<Len, Capacity>::type;

	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto &token = *static_cast<moodycamel::ProducerToken *>(queue->token);
		const auto *out = reinterpret_cast<const bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->try_enqueue(token, *out) ? 0 : -EAGAIN;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto &token = *static_cast<moodycamel::ConsumerToken *>(queue->token);
		auto *in = reinterpret_cast<bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->try_dequeue(token, *in) ? 0 : -EAGAIN;
	}
};

// For two processes, and for crowds what one of 2, 4 or 8 producers has.
template <template <size_t, size_t> class Peer>
constexpr bench::choice choices[] = {
	bench::choice_of<Peer, 8, 64>,	     bench::choice_of<Peer, 8, 1024>,
	bench::choice_of<Peer, 8, 65536>,    bench::choice_of<Peer, 56, 64>,
	bench::choice_of<Peer, 56, 1024>,    bench::choice_of<Peer, 56, 65536>,
	bench::choice_of<Peer, 256, 64>,     bench::choice_of<Peer, 256, 1024>,
	bench::choice_of<Peer, 256, 65536>,  bench::choice_of<Peer, 1024, 64>,
	bench::choice_of<Peer, 1024, 1024>,  bench::choice_of<Peer, 1024, 65536>,
	bench::choice_of<Peer, 4096, 64>,    bench::choice_of<Peer, 4096, 1024>,
	bench::choice_of<Peer, 4096, 65536>, bench::choice_of<Peer, 65536, 64>,
	bench::choice_of<Peer, 65536, 1024>, bench::choice_of<Peer, 1048576, 64>,
	bench::choice_of<Peer, 8, 512>,	     bench::choice_of<Peer, 8, 256>,
	bench::choice_of<Peer, 8, 128>,	     bench::choice_of<Peer, 8, 32768>,
	bench::choice_of<Peer, 8, 16384>,    bench::choice_of<Peer, 56, 512>,
	bench::choice_of<Peer, 56, 256>,     bench::choice_of<Peer, 56, 32768>,
	bench::choice_of<Peer, 56, 16384>,
};

using made = bench::moody::made<choices<peer>>;

int
make(bench_side *side, unsigned queues)
{
	if (side->what.producers > 1 && side->what.consumers > 1)
		bench_weaker("keeps the order of each producer only");
	return made::make(side, queues);
}

} // namespace

extern "C" const bench_adapter bench_adapter_moodycamel = {
	"moodycamel",
	"rival",
	"moodycamel::ConcurrentQueue with tokens, order of each producer; between "
	"processes only with memory at one address; lost with a killed process",
	BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	made::fits,
	bench::moody::bytes,
	make,
	nullptr,
	bench::bodies_of<choices<peer>>::bodies,
};
