// SPDX-License-Identifier: MIT
// iceoryx 2 for the latest value: a queue of one place, whose chunk a newer one puts out, and a
// history of one for who comes late. A reader keeps the chunk he took last and looks at it, in
// place, until there is a newer one.
#include "iceoryx.hh"
#include "latest.h"

struct queue {
	const uint64_t *kept; // of a reader: nullptr: nothing has come yet
};

namespace
{

int
write_one(queue *, const uint64_t *message, size_t len)
{
	return iceoryx::send(message, len);
}

// What a user may touch of it: its first and last word are read here, where they are timed.
int
look(queue *queue, const uint64_t **value, size_t len)
{
	const uint64_t *newer;
	int err = iceoryx::take(&newer);

	if (!err) {
		if (queue->kept)
			iceoryx::in->release(queue->kept);
		queue->kept = newer;
	} else if (err != -EAGAIN || !queue->kept) {
		return err;
	}
	loop_in[0] = queue->kept[0];
	loop_in[len / 8 - 1] = queue->kept[len / 8 - 1];
	*value = queue->kept;
	return 0;
}

int
writer(bench_side *side)
{
	iox::popo::PublisherOptions options;
	queue none = {nullptr};

	options.historyCapacity = 1;
	iceoryx::join(side);
	iceoryx::open_out(side, 0, options);
	iceoryx::wait_until_connected();
	int err = latest_write(write_one, &none, 0, side->what.len);

	bench_ready(side);
	return err ? err : latest_write_all(side, write_one, &none, side->what.len);
}

int
reader(bench_side *side)
{
	iox::popo::SubscriberOptions options;
	queue queue = {nullptr};

	options.queueCapacity = 1;
	options.historyRequest = 1;
	iceoryx::join(side);
	iceoryx::open_in(side, 0, options);
	iceoryx::wait_until_connected();
	bench_ready(side);
	return latest_read_all(side, look, &queue, side->what.len);
}

int
make(bench_side *, unsigned)
{
	return roudi_start();
}

constexpr bench_body *bodies[BENCH_BODIES] = {
	nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, writer, reader,
};

} // namespace

extern "C" const bench_adapter bench_adapter_iceoryx_latest = {
	"iceoryx_latest",
	"rival",
	"iceoryx 2, a queue of one place and a history of one, polled, read in place",
	BENCH_LATEST,
	nullptr,
	nullptr,
	make,
	nullptr,
	bodies,
};
