/* SPDX-License-Identifier: MIT */
/*
 * moodycamel::ConcurrentQueue is made for threads: it links its blocks by pointer. It works between processes here because all of them
 * are forked from the one that made it, with the memory at the same address; it takes that memory from us, uses the tokens that were
 * made before the fork (without them it tells threads apart by the address of a thread_local variable, which forked processes share), and
 * allocates nothing later (try_enqueue()). Processes that do not have a common parent cannot share it.
 *
 * `capacity` is of each producer. Order is that of each producer, as in an MPSC queue: it is no rival of one with a total order.
 */
#include "bench.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include <concurrentqueue/concurrentqueue.h>

#include "crowd.h"

namespace
{

template <size_t Len> struct message {
	uint64_t words[Len / 8];
};

/* What the queue may take; set before it is made. */
struct {
	unsigned char *next, *end;
} arena;

template <size_t Capacity> struct traits : moodycamel::ConcurrentQueueDefaultTraits {
	/* Else one producer can take all the memory, for good. */
	static const size_t MAX_SUBQUEUE_SIZE = Capacity;

	static void *malloc(size_t bytes)
	{
		unsigned char *memory = arena.next;

		bytes = (bytes + 127) / 128 * 128;
		if (bytes > static_cast<size_t>(arena.end - arena.next))
			return nullptr;
		arena.next += bytes;
		return memory;
	}

	static void free(void *)
	{
	}
};

template <size_t Len, size_t Capacity> struct peer {
	using queue_type = moodycamel::ConcurrentQueue<message<Len>, traits<Capacity>>;

	struct end {
		queue_type *queue;
		moodycamel::ProducerToken *producer;
		moodycamel::ConsumerToken *consumer;
	};

	static inline std::vector<moodycamel::ProducerToken> *tokens;

	static inline int send(void *to, const uint64_t *words, size_t)
	{
		auto *end = static_cast<struct end *>(to);
		const auto *out = reinterpret_cast<const message<Len> *>(words);

		return end->queue->try_enqueue(*end->producer, *out) ? 0 : -EAGAIN;
	}

	static inline int recv(void *from, uint64_t *words, size_t)
	{
		auto *end = static_cast<struct end *>(from);
		auto *in = reinterpret_cast<message<Len> *>(words);

		return end->queue->try_dequeue(*end->consumer, *in) ? 0 : -EAGAIN;
	}

	static queue_type *of(struct bench_side *side)
	{
		return reinterpret_cast<queue_type *>(side->memory);
	}

	static int produce(struct bench_side *side)
	{
		struct end end = {of(side), &(*tokens)[side->me], nullptr};

		bench_ready(side);
		return crowd_produce(side, send, &end, Len);
	}

	static int consume(struct bench_side *side)
	{
		moodycamel::ConsumerToken token(*of(side));
		struct end end = {of(side), nullptr, &token};

		bench_ready(side);
		return crowd_consume(side, recv, &end, Len);
	}

	static int run(struct bench_side *side, struct bench_sample *out)
	{
		std::vector<moodycamel::ProducerToken> made;
		int err;

		arena = {side->memory + (sizeof(queue_type) + 127) / 128 * 128,
			 side->memory + side->memory_bytes};
		new (side->memory) queue_type(Capacity, side->what.producers, 0);
		for (unsigned i = 0; i < side->what.producers; i++)
			made.emplace_back(*of(side));
		tokens = &made;
		err = bench_crowd(side, produce, consume);
		return err ? err : bench_sample_crowd(side, out);
	}

	static int crowd(const struct bench_what *what, struct bench_sample *out)
	{
		size_t bytes = (size_t{1} << 20) + (what->producers + 1) * Capacity * (Len + 32);
		struct bench_side side;
		int err = bench_side_init(&side, what, bytes);

		if (!err)
			err = run(&side, out);
		bench_side_free(&side);
		return err;
	}
};

} // namespace

int
peer_moodycamel_crowd(const struct bench_what *what, struct bench_sample *out)
{
	bool small = what->capacity == 1024;

	if (what->len == 8)
		return small ? peer<8, 1024>::crowd(what, out) : peer<8, 65536>::crowd(what, out);
	return small ? peer<56, 1024>::crowd(what, out) : peer<56, 65536>::crowd(what, out);
}
