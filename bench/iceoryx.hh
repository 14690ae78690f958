// SPDX-License-Identifier: MIT
// What the adapters of iceoryx 2 have in common: publish and subscribe without a copy, through
// chunks of shared memory that its daemon RouDi hands out. Publisher and subscribers know each
// other before anything is timed.
#ifndef SHMQ_BENCH_ICEORYX_HH
#define SHMQ_BENCH_ICEORYX_HH

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "bench.h"
#include "roudi.h"

namespace iceoryx
{

using publisher = iox::popo::UntypedPublisher;
using subscriber = iox::popo::UntypedSubscriber;

// The ends this process has.
inline publisher *out;
inline subscriber *in;

// What a subscriber's queue can hold; of the longest messages RouDi has only so many.
inline size_t
holds(const bench_what *what)
{
	size_t most = what->len > 131072 ? 32 : 256;

	return what->capacity < most ? what->capacity : most;
}

inline iox::capro::IdString_t
text(const char *characters)
{
	return {iox::cxx::TruncateToCapacity, characters, std::strlen(characters)};
}

inline void
join(const bench_side *side)
{
	char name[32];

	iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
		iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
	// The same names each time: the daemon forgets the dead one of that name.
	std::snprintf(name, sizeof(name), ROUDI_PARTY, side->me);
	iox::runtime::PoshRuntime::initRuntime(text(name));
}

inline iox::capro::ServiceDescription
service(const bench_side *side, unsigned i)
{
	return {"shmq-bench", text(side->name), i ? "1" : "0"};
}

inline void
open_out(const bench_side *side, unsigned i, const iox::popo::PublisherOptions &options)
{
	out = new publisher(service(side, i), options);
}

inline void
open_in(const bench_side *side, unsigned i, const iox::popo::SubscriberOptions &options)
{
	in = new subscriber(service(side, i), options);
}

// The daemon brings them together, which takes it a while. A publisher of several knows that all
// are there by the barrier at the start, as each of them waits here.
inline void
wait_until_connected()
{
	const timespec nap = {0, 500000};

	while (out && !out->hasSubscribers())
		nanosleep(&nap, nullptr);
	while (in && in->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED)
		nanosleep(&nap, nullptr);
}

// Copy a message into a chunk, and publish that.
inline int
send(const uint64_t *message, size_t len)
{
	auto chunk = out->loan(static_cast<uint32_t>(len), alignof(uint64_t));

	if (chunk.has_error())
		return -ENOMEM;
	std::memcpy(chunk.value(), message, len);
	out->publish(chunk.value());
	return 0;
}

// Take a chunk, which is read in place; in->release() it.
inline int
take(const uint64_t **words)
{
	auto chunk = in->take();

	if (chunk.has_error())
		return chunk.get_error() == iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE
			       ? -EAGAIN
			       : -EIO;
	*words = static_cast<const uint64_t *>(chunk.value());
	return 0;
}

} // namespace iceoryx

#endif
