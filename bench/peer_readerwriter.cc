// SPDX-License-Identifier: MIT
// moodycamel::ReaderWriterQueue is made for two threads: it links its blocks by pointer. It
// works between processes here because memory is at the same address in each, and the parent
// has made all blocks there, which it never grows (try_enqueue()). It takes its blocks from
// std::malloc() by name, so that name means ours while its header is read.
#include <cassert>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "arena.hh"

namespace std
{

inline void *
shmq_bench_take(size_t bytes)
{
	return bench::arena::take(bytes);
}

inline void
shmq_bench_leave(void *)
{
}

} // namespace std

#define malloc shmq_bench_take
#define free shmq_bench_leave
#include <readerwriterqueue/readerwriterqueue.h>
#undef malloc
#undef free

#include "bodies.hh"

namespace
{

// Its default.
constexpr size_t block = 512;

// One less than asked: it rounds up to a power of two of places, of which it leaves one free.
size_t capacity;

// Of the memory, for the queue itself.
constexpr size_t queue_bytes = 4096;

template <size_t Len, size_t> struct peer {
	using type = moodycamel::ReaderWriterQueue<bench_message<Len>, block>;

	static constexpr size_t bytes = sizeof(type);

	static void construct(void *memory)
	{
		new (memory) type(capacity);
	}

	static int open(bench_side *side, unsigned i, bench_end, queue *queue)
	{
		queue->object = bench_queue_memory(side, i);
		return 0;
	}

	static inline int send(queue *queue, const uint64_t *message, size_t)
	{
		const auto *out = reinterpret_cast<const bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->try_enqueue(*out) ? 0 : -EAGAIN;
	}

	static inline int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *in = reinterpret_cast<bench_message<Len> *>(message);

		return static_cast<type *>(queue->object)->try_dequeue(*in) ? 0 : -EAGAIN;
	}
};

using made = bench::bodies_of<bench::any_capacity<peer>>;

// The queue, and its blocks with their heads: one, of the next power of two (so it can hold up to
// twice the capacity), or as many of `block` as hold it, and one more.
size_t
bytes(const bench_what *what)
{
	size_t blocks = what->capacity / (block - 1) + 3;
	size_t messages = what->capacity <= block ? 2 * what->capacity : blocks * block;

	return queue_bytes + blocks * 1024 + messages * what->len;
}

int
make(bench_side *side, unsigned queues)
{
	size_t each = side->memory_bytes / queues;

	capacity = side->what.capacity - 1;
	for (unsigned i = 0; i < queues; i++) {
		unsigned char *memory = bench_queue_memory(side, i);

		bench::arena::next = memory + queue_bytes;
		bench::arena::end = memory + each;
		bench::find(bench::any_capacity<peer>, &side->what)->construct(memory);
	}
	return 0;
}

} // namespace

extern "C" const bench_adapter bench_adapter_readerwriter = {
	"readerwriter",
	"rival",
	"moodycamel::ReaderWriterQueue; between processes only with memory at one "
	"address; lost with a killed process",
	BENCH_PAIR,
	made::fits,
	bytes,
	make,
	nullptr,
	made::bodies,
};
