/* SPDX-License-Identifier: MIT */
/*
 * One writer on the first core, its readers on the second.
 *
 *   lossy/LEN[/records]  what a message costs the writer, which never waits, with readers that follow as fast as they can: 0, 1, 8
 *   broadcast/LEN/READERS  lossless: messages a second, each to every reader; in slots and in records
 *   records/LEN     the same two for SPSC
 */
#include "bench.h"

#include <errno.h>

#include <shmq/shmq.h>

#include "crowd.h"

#define CAPACITY 1024

/* Variants: bits, and above them the readers where a group has members of several numbers. */
enum { LOSSY = 1, RECORDS = 2, SPSC = 4, NO_READER = 8 };
#define READERS_SHIFT 4

static int
try_send(void *queue, const uint64_t *message, size_t len)
{
	return shmq_send((struct shmq *)queue, message, len, 0);
}

static int
try_recv(void *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv((struct shmq *)queue, message, len, 0);
}

static LOOP_APART int
write_all(struct bench_side *side, struct shmq *queue)
{
	return crowd_produce(side, try_send, queue, side->what.len);
}

static LOOP_APART int
read_all(struct bench_side *side, struct shmq *queue, struct crowd_seen *seen)
{
	return crowd_consume_all(side, try_recv, queue, side->what.len, seen);
}

static int
writer(struct bench_side *side)
{
	struct shmq *queue;
	uint64_t begin;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	begin = bench_now_ns();
	err = write_all(side, queue);
	side->shared->ns = bench_now_ns() - begin;
	return err;
}

static int
reader(struct bench_side *side)
{
	struct crowd_seen seen = crowd_nothing_seen(!(side->what.variant & LOSSY));
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	err = read_all(side, queue, &seen);
	shmq_add_relaxed_u64(&side->shared->received, seen.count);
	shmq_max_relaxed_u64(&side->shared->end_ns, bench_now_ns());
	return err;
}

static struct shmq_opts
options(const struct bench_what *what)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = what->variant & SPSC ? SHMQ_SPSC : SHMQ_BROADCAST,
		.msg_max = what->len,
		.capacity = what->capacity,
	};

	if (what->variant & LOSSY)
		opts.flags |= SHMQ_LOSSY;
	if (what->variant & RECORDS) {
		opts.flags |= SHMQ_RECORDS;
		opts.capacity *= 8 + (what->len + 7) / 8 * 8; /* as many messages */
	}
	return opts;
}

/* Lossy: the writer's time for each. Lossless: the time until all had it, and all must have it. */
static int
sample(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	uint64_t copies = shared->sent * side->what.consumers;
	int lossy = side->what.variant & LOSSY;
	uint64_t ns = lossy ? shared->ns : shared->end_ns - shared->begin_ns;

	*out = (struct bench_sample){.count = (double)shared->sent};
	if (lossy ? shared->received > copies : shared->received != copies)
		return -EBADMSG;
	out->ns = (double)ns / (double)shared->sent;
	if (copies)
		out->missed = 1 - (double)shared->received / (double)copies;
	return 0;
}

static int
run(const struct bench_what *given, struct bench_sample *out)
{
	struct bench_what what = *given;
	struct shmq_opts opts = options(&what);
	struct bench_side side;
	int err;

	what.producers = 1;
	if (what.variant & LOSSY)
		what.consumers = (unsigned)what.variant >> READERS_SHIFT;
	err = bench_side_init(&side, &what, 0);
	if (!err)
		err = bench_side_queue(&side, &opts);
	if (!err)
		err = bench_crowd(&side, writer, reader);
	if (!err)
		err = sample(&side, out);
	bench_side_free(&side);
	return err;
}

#define READERS(n) (LOSSY | (n) << READERS_SHIFT)

static const struct bench_member lossy[] = {
	{"readers_0", NULL, run, READERS(0)},
	{"readers_1", "one_reader", run, READERS(1)},
	{"readers_8", NULL, run, READERS(8)},
};

static const struct bench_member lossy_records[] = {
	{"readers_0", NULL, run, RECORDS | READERS(0)},
	{"readers_1", "one_reader", run, RECORDS | READERS(1)},
	{"readers_8", NULL, run, RECORDS | READERS(8)},
};

static const struct bench_member lossless[] = {
	{"slots", "slots", run, 0},
	{"records", NULL, run, RECORDS},
};

static const struct bench_member spsc[] = {
	{"slots", "slots", run, SPSC},
	{"records", NULL, run, SPSC | RECORDS},
};

#define GROUP(name, bytes, readers, more, members)                                         \
	{                                                                                  \
		name, {.len = bytes, .capacity = CAPACITY, .consumers = readers}, more, 1, \
			members, sizeof(members) / sizeof(*members)                        \
	}

const struct bench_group bench_broadcast[11] = {
	GROUP("lossy/8", 8, 0, 0, lossy),
	GROUP("lossy/56", 56, 0, 0, lossy),
	GROUP("lossy/56/records", 56, 0, 0, lossy_records),
	GROUP("broadcast/8/1", 8, 1, 1, lossless),
	GROUP("broadcast/8/4", 8, 4, 1, lossless),
	GROUP("broadcast/8/8", 8, 8, 1, lossless),
	GROUP("broadcast/56/1", 56, 1, 1, lossless),
	GROUP("broadcast/56/4", 56, 4, 1, lossless),
	GROUP("broadcast/56/8", 56, 8, 1, lossless),
	GROUP("records/8", 8, 1, 1, spsc),
	GROUP("records/56", 56, 1, 1, spsc),
};
