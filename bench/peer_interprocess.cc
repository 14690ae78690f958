// SPDX-License-Identifier: MIT
// boost::interprocess::message_queue: messages in a heap of priorities in shared memory, under
// one mutex and two condition variables; asleep (send(), receive()) and polled (try_send(),
// try_receive()). Who is killed with the mutex stops all others.
#include <cerrno>
#include <exception>
#include <string>

#include <boost/interprocess/ipc/message_queue.hpp>

#include "bodies.hh"

namespace
{

using boost::interprocess::message_queue;

std::string
name_of(const bench_side *side, unsigned i)
{
	return std::string(side->name) + "-" + std::to_string(i);
}

template <size_t Len, size_t> struct polled {
	static constexpr size_t bytes = 0;

	static void construct(void *)
	{
	}

	static int open(bench_side *side, unsigned i, bench_end, queue *queue)
	{
		try {
			queue->object = new message_queue(boost::interprocess::open_only,
							  name_of(side, i).c_str());
			return 0;
		} catch (const std::exception &) {
			return -EIO;
		}
	}

	static int send(queue *queue, const uint64_t *message, size_t)
	{
		auto *to = static_cast<message_queue *>(queue->object);

		return to->try_send(message, Len, 0) ? 0 : -EAGAIN;
	}

	static int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *from = static_cast<message_queue *>(queue->object);
		message_queue::size_type got;
		unsigned priority;

		return from->try_receive(message, Len, got, priority) ? 0 : -EAGAIN;
	}
};

template <size_t Len, size_t Capacity> struct asleep : polled<Len, Capacity> {
	static int send(queue *queue, const uint64_t *message, size_t)
	{
		static_cast<message_queue *>(queue->object)->send(message, Len, 0);
		return 0;
	}

	static int recv(queue *queue, uint64_t *message, size_t)
	{
		auto *from = static_cast<message_queue *>(queue->object);
		message_queue::size_type got;
		unsigned priority;

		from->receive(message, Len, got, priority);
		return 0;
	}
};

using made_polled = bench::bodies_of<bench::any_capacity<polled>>;
using made_asleep = bench::bodies_of<bench::any_capacity<asleep>>;

void
unmake(bench_side *side)
{
	for (unsigned i = 0; i < side->queues; i++)
		message_queue::remove(name_of(side, i).c_str());
}

int
make(bench_side *side, unsigned queues)
{
	try {
		for (unsigned i = 0; i < queues; i++)
			message_queue(boost::interprocess::create_only, name_of(side, i).c_str(),
				      side->what.capacity, side->what.len);
		return 0;
	} catch (const std::exception &why) {
		bench_why("message_queue: %s", why.what());
		return -EIO;
	}
}

} // namespace

extern "C" const bench_adapter bench_adapter_interprocess = {
	"interprocess",
	"rival",
	"boost::interprocess::message_queue, send() and receive(); hangs with a killed process",
	BENCH_PAIR | BENCH_SLEEPS,
	made_asleep::fits,
	nullptr,
	make,
	unmake,
	made_asleep::bodies,
};

extern "C" const bench_adapter bench_adapter_interprocess_poll = {
	"interprocess_poll",
	"rival",
	"boost::interprocess::message_queue, try_send() and try_receive()",
	BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY,
	made_polled::fits,
	nullptr,
	make,
	unmake,
	made_polled::bodies,
};
