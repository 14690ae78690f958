// SPDX-License-Identifier: MIT
// What an adapter's processes run, for rivals whose queue is a type: of the message's length and, where it must be, of the capacity.
//
// An adapter is a template
//
//   template <size_t Len, size_t Capacity> struct peer {
//           static int open(bench_side *side, unsigned i, bench_end end, queue *queue);
//           static int send(queue *queue, const uint64_t *message, size_t len);
//           static int recv(queue *queue, uint64_t *message, size_t len);
//   };
//
// with the meaning that bodies.h gives these, and bodies<peer> its bodies. fits<peer>() tells which lengths and capacities exist; a
// peer that does not care for the capacity is asked for with Capacity 0 (any_capacity<peer>).
#ifndef SHMQ_BENCH_BODIES_HH
#define SHMQ_BENCH_BODIES_HH

#include "bench.h"
#include "crowd.h"
#include "loop.h"

/* One end of a queue. */
struct queue {
	void *object;
	void *token;
};

template <size_t Len> struct bench_message {
	uint64_t words[Len / 8];
};

namespace bench
{

// The loops of one type of queue.
template <class Peer, size_t Len> struct loops {
	template <class Loop> static int one(bench_side *side, bench_end end, Loop loop)
	{
		queue opened;
		int err = Peer::open(side, 0, end, &opened);

		if (err)
			return err;
		loop_pauses = side->what.pauses;
		bench_ready(side);
		return loop(&opened);
	}

	template <class Loop> static int two(bench_side *side, unsigned sends, Loop loop)
	{
		queue opened[2];
		int err = Peer::open(side, sends, BENCH_SENDS, &opened[sends]);

		if (!err)
			err = Peer::open(side, !sends, BENCH_RECEIVES, &opened[!sends]);
		if (err)
			return err;
		queue *const queues[2] = {&opened[0], &opened[1]};
		loop_pauses = side->what.pauses;
		bench_ready(side);
		return loop(queues);
	}

	static int produce(bench_side *side)
	{
		return one(side, BENCH_SENDS,
			   [=](queue *q) { return loop_produce(side, Peer::send, q, Len); });
	}

	static int consume(bench_side *side)
	{
		return one(side, BENCH_RECEIVES,
			   [=](queue *q) { return loop_consume(side, Peer::recv, q, Len); });
	}

	static int ping(bench_side *side)
	{
		return two(side, 0, [=](queue *const *q) {
			return loop_ping(side, Peer::send, Peer::recv, q, Len);
		});
	}

	static int pong(bench_side *side)
	{
		return two(side, 1, [=](queue *const *q) {
			return loop_pong(Peer::send, Peer::recv, q, Len);
		});
	}

	static int pong_timed(bench_side *side)
	{
		return two(side, 1, [=](queue *const *q) {
			return loop_pong_timed(side, Peer::send, Peer::recv, q, Len);
		});
	}

	static int pace(bench_side *side)
	{
		return one(side, BENCH_SENDS,
			   [=](queue *q) { return loop_pace(side, Peer::send, q, Len); });
	}

	static int arrive(bench_side *side)
	{
		return one(side, BENCH_RECEIVES,
			   [=](queue *q) { return loop_arrive(side, Peer::recv, q, Len); });
	}

	static int crowd_send(bench_side *side)
	{
		return one(side, BENCH_SENDS,
			   [=](queue *q) { return crowd_produce(side, Peer::send, q, Len); });
	}

	static int crowd_recv(bench_side *side)
	{
		return one(side, BENCH_RECEIVES,
			   [=](queue *q) { return crowd_consume(side, Peer::recv, q, Len); });
	}

	static constexpr bench_body *bodies[BENCH_BODIES] = {
		produce, consume, ping, pong, pong_timed, pace, arrive, crowd_send, crowd_recv,
	};
};

// One type of queue among those that were built.
struct choice {
	size_t len, capacity; // capacity 0: any
	bench_body *const *bodies;
	size_t bytes; // of the object
	void (*construct)(void *memory);
};

template <template <size_t, size_t> class Peer, size_t Len, size_t Capacity>
constexpr choice choice_of = {Len, Capacity, loops<Peer<Len, Capacity>, Len>::bodies,
			      Peer<Len, Capacity>::bytes, Peer<Len, Capacity>::construct};

// The grid of ask_throughput.c.
template <template <size_t, size_t> class Peer>
constexpr choice fixed_capacity[] = {
	choice_of<Peer, 8, 64>,	      choice_of<Peer, 8, 1024>,	  choice_of<Peer, 8, 65536>,
	choice_of<Peer, 56, 64>,      choice_of<Peer, 56, 1024>,  choice_of<Peer, 56, 65536>,
	choice_of<Peer, 256, 1024>,   choice_of<Peer, 1024, 64>,  choice_of<Peer, 1024, 1024>,
	choice_of<Peer, 1024, 65536>, choice_of<Peer, 4096, 64>,  choice_of<Peer, 4096, 1024>,
	choice_of<Peer, 4096, 65536>, choice_of<Peer, 65536, 64>, choice_of<Peer, 65536, 1024>,
	choice_of<Peer, 1048576, 64>, choice_of<Peer, 256, 64>,	  choice_of<Peer, 256, 65536>,
};

template <template <size_t, size_t> class Peer>
constexpr choice any_capacity[] = {
	choice_of<Peer, 8, 0>,	     choice_of<Peer, 56, 0>,   choice_of<Peer, 256, 0>,
	choice_of<Peer, 1024, 0>,    choice_of<Peer, 4096, 0>, choice_of<Peer, 65536, 0>,
	choice_of<Peer, 1048576, 0>,
};

// The type for what is asked, or nullptr.
template <size_t N>
const choice *
find(const choice (&choices)[N], const bench_what *what)
{
	for (const choice &c : choices) {
		if (c.len == what->len && (!c.capacity || c.capacity == what->capacity))
			return &c;
	}
	return nullptr;
}

// The bodies of an adapter: which type it is shows when they run.
template <const auto &Choices> struct bodies_of {
	template <int Body> static int run(bench_side *side)
	{
		const choice *found = find(Choices, &side->what);

		return found ? found->bodies[Body](side) : -ENOTSUP;
	}

	static int fits(const bench_what *what)
	{
		return find(Choices, what) != nullptr;
	}

	static size_t bytes(const bench_what *what)
	{
		return find(Choices, what)->bytes;
	}

	// Every queue, in the memory that the processes share.
	static int make(bench_side *side, unsigned queues)
	{
		for (unsigned i = 0; i < queues; i++)
			find(Choices, &side->what)->construct(bench_queue_memory(side, i));
		return 0;
	}

	static constexpr bench_body *bodies[BENCH_BODIES] = {
		run<0>, run<1>, run<2>, run<3>, run<4>, run<5>, run<6>, run<7>, run<8>,
	};
};

} // namespace bench

#endif
