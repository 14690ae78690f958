// SPDX-License-Identifier: MIT
// What the adapters of moodycamel::ConcurrentQueue have in common. It is made for threads: it links
// its blocks by pointer. It works between processes here because memory is at the same address in
// each; the parent makes the queue, all blocks and a token for each producer there (a token is
// linked with the queue, so it is in that memory, too; without one it tells threads apart by the
// address of a thread_local variable, which means nothing between processes), and nothing is
// allocated later (try_enqueue()). A consumer's token is its own.
//
// The queue's own limit is of each producer: the capacity is divided by their number.
#ifndef SHMQ_BENCH_MOODYCAMEL_HH
#define SHMQ_BENCH_MOODYCAMEL_HH

#include <new>

#include <concurrentqueue/concurrentqueue.h>

#include "arena.hh"
#include "bodies.hh"

namespace bench::moody
{

// How many producers the queue that is being made shall have.
inline unsigned producers;

// Of the memory, for the queue itself and its tokens.
constexpr size_t blocks_at = 16384;

template <size_t Capacity> struct traits : moodycamel::ConcurrentQueueDefaultTraits {
	// Else one producer can take all the memory, for good.
	static const size_t MAX_SUBQUEUE_SIZE = Capacity;
	// No producers without a token.
	static const size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;

	static void *malloc(size_t bytes)
	{
		return arena::take(bytes);
	}

	static void free(void *)
	{
	}
};

// A queue for messages of one length; `Capacity` is of each producer.
template <size_t Len, size_t Capacity> struct base {
	using message_type = bench_message<Len>;
	using type = moodycamel::ConcurrentQueue<message_type, traits<Capacity>>;

	// What is in shared memory but blocks.
	struct memory {
		type queue;
		alignas(64) moodycamel::ProducerToken tokens[1]; // one for each producer
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
};

inline unsigned
producers_of(const bench_what *what)
{
	return what->producers ? what->producers : 1;
}

// What is asked, with the capacity that each producer has of it.
inline bench_what
divided(const bench_what *what)
{
	bench_what each = *what;

	each.capacity /= producers_of(what);
	return each;
}

// Its pool: the capacity and that of one producer more, two blocks for each, and what links them.
inline size_t
bytes(const bench_what *what)
{
	size_t n = producers_of(what), each = what->capacity / n;
	size_t messages = (n + 1) * each + (2 * n + 2) * 32;

	return blocks_at + ((n + 1) << 16) + messages * (what->len + 16);
}

// The choices of an adapter are looked up by what each producer has.
template <const auto &Choices> struct made {
	static int fits(const bench_what *what)
	{
		bench_what each = divided(what);

		return find(Choices, &each) != nullptr;
	}

	static int make(bench_side *side, unsigned queues)
	{
		size_t each = side->memory_bytes / queues;

		producers = producers_of(&side->what);
		side->what = divided(&side->what); // also for the processes
		for (unsigned i = 0; i < queues; i++) {
			unsigned char *memory = bench_queue_memory(side, i);

			arena::next = memory + blocks_at;
			arena::end = memory + each;
			find(Choices, &side->what)->construct(memory);
		}
		return 0;
	}
};

} // namespace bench::moody

#endif
