// SPDX-License-Identifier: MIT
// iceoryx 2: the publisher borrows a chunk and copies the message into it, the subscriber takes
// it, reads its first and last word there and gives it back, as in peer_zero_copy.c; both are
// polled. It loses nothing (BLOCK_PRODUCER), or, where the sender is not to wait, the oldest
// (DISCARD_OLDEST_DATA). It holds what is asked, at most 256 messages, 32 of the longest.
#include "bodies.hh"
#include "iceoryx.hh"

namespace
{

void
open_out(const bench_side *side, unsigned i)
{
	iox::popo::PublisherOptions options;

	if (!side->what.lossy)
		options.subscriberTooSlowPolicy =
			iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
	iceoryx::open_out(side, i, options);
}

void
open_in(const bench_side *side, unsigned i)
{
	iox::popo::SubscriberOptions options;

	options.queueCapacity = iceoryx::holds(&side->what);
	if (!side->what.lossy)
		options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
	iceoryx::open_in(side, i, options);
}

template <size_t Len, size_t> struct peer {
	static constexpr size_t bytes = 0;

	static void construct(void *)
	{
	}

	static int open(bench_side *side, unsigned i, bench_end end, queue *)
	{
		static unsigned ends;

		if (!ends)
			iceoryx::join(side);
		if (end == BENCH_SENDS)
			open_out(side, i);
		else
			open_in(side, i);
		if (++ends == side->queues)
			iceoryx::wait_until_connected();
		return 0;
	}

	static int send(queue *, const uint64_t *message, size_t)
	{
		return iceoryx::send(message, Len);
	}

	static int recv(queue *, uint64_t *message, size_t)
	{
		const uint64_t *words;
		int err = iceoryx::take(&words);

		if (err)
			return err;
		message[0] = words[0];
		message[Len / 8 - 1] = words[Len / 8 - 1];
		iceoryx::in->release(words);
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
make(bench_side *side, unsigned)
{
	bench_holds(&side->what, iceoryx::holds(&side->what));
	return roudi_start();
}

} // namespace

extern "C" const bench_adapter bench_adapter_iceoryx = {
	"iceoryx",
	"rival",
	"iceoryx 2, lossless (broadcast also lossy), polled, without a copy; at most 256 messages; "
	"with its daemon",
	BENCH_PAIR | BENCH_BROADCAST | BENCH_LOSSY,
	fits,
	nullptr,
	make,
	nullptr,
	made::bodies,
};
