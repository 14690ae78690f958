// SPDX-License-Identifier: MIT
// moodycamel::ConcurrentQueue is made for threads: it links its blocks by pointer. It works
// between processes here because memory is at the same address in each; the parent makes the
// queue, all blocks and a token for each producer there (a token is linked with the queue, so
// it is in that memory, too; without one it tells threads apart by the address of a
// thread_local variable, which means nothing between processes), and nothing is allocated later
// (try_enqueue()). A consumer's token is its own.
//
// `capacity` is of each producer. Order is that of each producer, as in an MPSC queue: it is no
// rival of one with a total order.
#include <new>

#include <concurrentqueue/concurrentqueue.h>

#include "arena.hh"
#include "bodies.hh"

namespace
{

// How many producers the queue that is being made shall have.
unsigned producers;

template <size_t Capacity> struct traits : moodycamel::ConcurrentQueueDefaultTraits {
	// Else one producer can take all the memory, for good.
	static const size_t MAX_SUBQUEUE_SIZE = Capacity;
	// No producers without a token.
	static const size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;

	static void *malloc(size_t bytes)
	{
		return bench::arena::take(bytes);
	}

	static void free(void *)
	{
	}
};

template <size_t Len, size_t Capacity> struct peer {
	using type = moodycamel::ConcurrentQueue<bench_message<Len>, traits<Capacity>>;

	// What is in shared memory but blocks.
	struct memory {
		type queue;
		alignas(64) moodycamel::ProducerToken tokens[1]; // one for each producer

		static size_t bytes(unsigned n)
		{
			return sizeof(memory) + n * sizeof(moodycamel::ProducerToken);
		}
	};

	static constexpr size_t bytes = sizeof(memory);

	static void construct(void *at)
	{
		auto *made = static_cast<memory *>(at);

		new (&made->queue) type(Capacity, producers, 0);
		for (unsigned i = 0; i < producers; i++)
			new (&made->tokens[i]) moodycamel::ProducerToken(made->queue);
	}

	static int open(bench_side *side, unsigned i, bench_end end, queue *queue)
	{
		auto *made = reinterpret_cast<memory *>(bench_queue_memory(side, i));

		queue->object = &made->queue;
		if (end == BENCH_RECEIVES)
			queue->token = new moodycamel::ConsumerToken(made->queue);
		else
			queue->token = &made->tokens[side->what.producers ? side->me : 0];
		return 0;
	}

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

using made = bench::bodies_of<bench::fixed_capacity<peer>>;

constexpr size_t blocks_at = 16384;

unsigned
producers_of(const bench_what *what)
{
	return what->producers ? what->producers : 1;
}

// Its pool: the capacity of every producer and of one more, two blocks for each, and what links
// them.
size_t
bytes(const bench_what *what)
{
	size_t n = producers_of(what), messages = (n + 1) * what->capacity + (2 * n + 2) * 32;

	return blocks_at + ((n + 1) << 16) + messages * (what->len + 16);
}

int
make(bench_side *side, unsigned queues)
{
	size_t each = side->memory_bytes / queues;

	producers = producers_of(&side->what);
	for (unsigned i = 0; i < queues; i++) {
		unsigned char *memory = bench_queue_memory(side, i);

		bench::arena::next = memory + blocks_at;
		bench::arena::end = memory + each;
		bench::find(bench::fixed_capacity<peer>, &side->what)->construct(memory);
	}
	return 0;
}

} // namespace

extern "C" const bench_adapter bench_adapter_moodycamel = {
	"moodycamel",
	"rival",
	"moodycamel::ConcurrentQueue with tokens, order of each producer; between "
	"processes only with memory at one address; lost with a killed process",
	BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	made::fits,
	bytes,
	make,
	nullptr,
	made::bodies,
};
