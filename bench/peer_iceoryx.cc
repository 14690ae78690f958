// SPDX-License-Identifier: MIT
// iceoryx 2: publish and subscribe without a copy, through chunks of shared memory that its
// daemon RouDi hands out. The publisher borrows a chunk and copies the message into it, the
// subscriber takes it, reads its first and last word there and gives it back, as in
// peer_zero_copy.c; both are polled. It loses nothing (BLOCK_PRODUCER), and holds what is
// asked, at most 256 messages, 32 of the longest. Publisher and subscriber know each other
// before anything is timed.
#include <cerrno>
#include <cstring>
#include <ctime>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "bodies.hh"
#include "roudi.h"

namespace
{

using publisher = iox::popo::UntypedPublisher;
using subscriber = iox::popo::UntypedSubscriber;

// The ends this process has.
publisher *out;
subscriber *in;
unsigned ends;

template <size_t N>
iox::capro::IdString_t
text(const char (&characters)[N])
{
	return iox::capro::IdString_t(iox::cxx::TruncateToCapacity, characters);
}

iox::capro::ServiceDescription
service(const bench_side *side, unsigned i)
{
	return {"shmq-bench", text(side->name), i ? "1" : "0"};
}

void
open_out(const iox::capro::ServiceDescription &name)
{
	iox::popo::PublisherOptions options;

	options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
	out = new publisher(name, options);
}

void
open_in(const iox::capro::ServiceDescription &name, const bench_what &what)
{
	iox::popo::SubscriberOptions options;
	uint64_t most = what.len > 131072 ? 32 : 256;

	options.queueCapacity = what.capacity < most ? what.capacity : most;
	options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
	in = new subscriber(name, options);
}

// The daemon brings them together, which takes it a while.
void
wait_until_connected()
{
	const timespec nap = {0, 500000};

	while (out && !out->hasSubscribers())
		nanosleep(&nap, nullptr);
	while (in && in->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED)
		nanosleep(&nap, nullptr);
}

template <size_t Len, size_t> struct peer {
	static constexpr size_t bytes = 0;

	static void construct(void *)
	{
	}

	static int open(bench_side *side, unsigned i, bench_end end, queue *)
	{
		iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
			iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
		// The same two names each time: the daemon forgets the dead one of that name.
		iox::runtime::PoshRuntime::initRuntime(side->me ? "shmq-bench-1" : "shmq-bench-0");
		if (end == BENCH_SENDS)
			open_out(service(side, i));
		else
			open_in(service(side, i), side->what);
		if (++ends == side->queues)
			wait_until_connected();
		return 0;
	}

	static int send(queue *, const uint64_t *message, size_t)
	{
		auto chunk = out->loan(Len, alignof(uint64_t));

		if (chunk.has_error())
			return -ENOMEM;
		std::memcpy(chunk.value(), message, Len);
		out->publish(chunk.value());
		return 0;
	}

	static int recv(queue *, uint64_t *message, size_t)
	{
		auto chunk = in->take();

		if (chunk.has_error())
			return chunk.get_error() ==
					       iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE
				       ? -EAGAIN
				       : -EIO;
		const auto *words = static_cast<const uint64_t *>(chunk.value());
		message[0] = words[0];
		message[Len / 8 - 1] = words[Len / 8 - 1];
		in->release(words);
		return 0;
	}
};

using made = bench::bodies_of<bench::any_capacity<peer>>;

// Of rings far beyond what it can hold it has nothing to say.
int
fits(const bench_what *what)
{
	return made::fits(what) && what->capacity <= 1024;
}

int
make(bench_side *, unsigned)
{
	return roudi_start();
}

} // namespace

extern "C" const bench_adapter bench_adapter_iceoryx = {
	"iceoryx",
	"rival",
	"iceoryx 2, lossless, polled, without a copy; at most 256 messages; with its daemon",
	BENCH_PAIR,
	fits,
	nullptr,
	make,
	nullptr,
	made::bodies,
};
