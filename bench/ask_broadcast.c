/* SPDX-License-Identifier: MIT */
/*
 * One writer on the first core, its readers on the second: every message to each of them.
 *
 *   broadcast/LEN/READERS    lossless, as fast as the slowest reader follows: messages a second; all readers must get all
 *   lossy/LEN/READERS        what a message costs the writer, who never waits; what readers get is in order and not torn
 *   .../LEN/READERS/256      the same beside rivals, which hold so many messages
 *
 * Members: slots, records, and the floor, a ring with nothing but numbers (bare_ring.h), with two ways to wait. With more than one
 * reader there are more processes than cores: who finds nothing yields after a while, the same for all.
 */
#include <errno.h>
#include <stdio.h>

#include <shmq/shmq.h>

#include "bare_ring.h"
#include "bench.h"
#include "crowd.h"

#define CAPACITY 1024

/* What iceoryx can hold. */
#define CAPACITY_RIVALS 256
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Variants: bits; above them how long one waits. */
enum { RECORDS = 1, BARE = 2 };
#define PAUSES_SHIFT 2

struct queue {
	struct shmq *shmq;
	struct bare_ring bare;
};

static int
try_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, 0);
}

static int
try_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv(queue->shmq, message, len, 0);
}

LOOP_INLINE int
ring_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return bare_send(&queue->bare, message, len);
}

LOOP_INLINE int
ring_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return bare_recv(&queue->bare, message, len);
}

LOOP_INLINE int
ring_send_lossy(struct queue *queue, const uint64_t *message, size_t len)
{
	return bare_send_lossy(&queue->bare, message, len);
}

LOOP_INLINE int
ring_recv_lossy(struct queue *queue, uint64_t *message, size_t len)
{
	return bare_recv_lossy(&queue->bare, message, len);
}

/* Writers and readers ----------------------------------------------------------------------- */

LOOP_INLINE int
write_as(struct bench_side *side, loop_send_fn *send, struct queue *queue)
{
	switch (side->what.len) {
	case 8:
		return crowd_produce(side, send, queue, 8);
	case 56:
		return crowd_produce(side, send, queue, 56);
	default:
		return crowd_produce(side, send, queue, side->what.len);
	}
}

LOOP_INLINE int
read_as(struct bench_side *side, loop_recv_fn *recv, struct queue *queue)
{
	switch (side->what.len) {
	case 8:
		return crowd_consume(side, recv, queue, 8);
	case 56:
		return crowd_consume(side, recv, queue, 56);
	default:
		return crowd_consume(side, recv, queue, side->what.len);
	}
}

static LOOP_APART int
write_shmq(struct bench_side *side, struct queue *queue)
{
	return write_as(side, try_send, queue);
}

static LOOP_APART int
write_bare(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return write_as(side, ring_send, &queue);
}

static LOOP_APART int
write_bare_lossy(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return write_as(side, ring_send_lossy, &queue);
}

static LOOP_APART int
read_shmq(struct bench_side *side, struct queue *queue)
{
	return read_as(side, try_recv, queue);
}

static LOOP_APART int
read_bare(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return read_as(side, ring_recv, &queue);
}

static LOOP_APART int
read_bare_lossy(struct bench_side *side, const struct queue *opened)
{
	struct queue queue = *opened;

	return read_as(side, ring_recv_lossy, &queue);
}

/* Bodies ------------------------------------------------------------------------------------ */

static int
queue_open(const struct bench_side *side, unsigned role, struct queue *queue)
{
	*queue = (struct queue){0};
	loop_pauses = side->what.variant >> PAUSES_SHIFT;
	if (side->what.variant & BARE) {
		queue->bare = bare_ring_open(side);
		return 0;
	}
	return bench_attach_fd(&queue->shmq, side->fds[0], role | SHMQ_POPULATE);
}

static int
writer(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, SHMQ_PRODUCER, &queue);

	if (err)
		return err;
	bench_ready(side);
	if (!(side->what.variant & BARE))
		return write_shmq(side, &queue);
	return side->what.lossy ? write_bare_lossy(side, &queue) : write_bare(side, &queue);
}

static int
reader(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, SHMQ_CONSUMER, &queue);

	if (err)
		return err;
	bench_ready(side);
	if (!(side->what.variant & BARE))
		return read_shmq(side, &queue);
	return side->what.lossy ? read_bare_lossy(side, &queue) : read_bare(side, &queue);
}

/* In the parent ----------------------------------------------------------------------------- */

static struct shmq_opts
options(const struct bench_what *what)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = SHMQ_BROADCAST,
		.msg_max = what->len,
		.capacity = what->capacity,
	};

	if (what->lossy)
		opts.flags |= SHMQ_LOSSY;
	if (what->variant & RECORDS) {
		opts.flags |= SHMQ_RECORDS;
		opts.capacity *= 8 + what->len; /* as many messages */
	}
	return opts;
}

/* Lossy: the writer's time for each. Lossless: the time until all had it, and all must have it. */
static int
sample(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	unsigned readers = side->what.consumers;
	uint64_t copies = shared->sent * readers;
	int lossy = side->what.lossy;
	uint64_t ns = lossy ? shared->ns : shared->end_ns - shared->begin_ns;

	*out = (struct bench_sample){.count = (double)shared->sent};
	if (lossy ? shared->received > copies : shared->received != copies)
		return -EBADMSG;
	if (copies && !shared->received) {
		bench_why("none of %llu messages reached a reader",
			  (unsigned long long)shared->sent);
		return -ENODATA;
	}
	bench_sample_disturbed(side, out);
	out->ns = (double)ns / (double)shared->sent;
	bench_figure(out, "oversubscribed", (readers + 1) / 2.0);
	if (lossy && copies)
		bench_figure(out, "lost", 1 - (double)shared->received / (double)copies);
	return 0;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = options(what);
	int bare = what->variant & BARE;
	struct bench_side side;
	int err = bench_side_init(&side, what, bare ? bare_ring_bytes(what) : 0);

	(void)member;
	if (!err && !bare)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_crowd(&side, writer, reader);
	if (!err)
		err = sample(&side, out);
	bench_side_free(&side);
	return err;
}

static int
run_adapter(const struct bench_what *what, const struct bench_member *member,
	    struct bench_sample *out)
{
	return bench_run_crowd(what, member, out, sample);
}

static struct bench_what
what_of(size_t len, size_t capacity, unsigned readers, int lossy)
{
	return (struct bench_what){
		.len = len,
		.capacity = capacity,
		.producers = 1,
		.consumers = readers,
		.broadcast = 1,
		.lossy = lossy,
	};
}

static void
ask(size_t len, unsigned readers, int lossy, enum bench_level level)
{
	static const struct bench_member members[] = {
		{"bare_ring", "floor", run, NULL, BARE},
		{"slots", NULL, run, NULL, 0},
		{"records", NULL, run, NULL, RECORDS},
		{"bare_ring_pause_32", "floor", run, NULL, BARE | 32 << PAUSES_SHIFT},
	};
	const struct bench_what what = what_of(len, CAPACITY, readers, lossy);
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "%s/%zu/%u", lossy ? "lossy" : "broadcast", len, readers);
	group = bench_add(name, &what, lossy ? BENCH_COST : BENCH_RATE, level, 1);
	/* Nobody waits where nobody reads. */
	for (size_t i = 0; i < COUNT(members) - !readers; i++)
		bench_join(group, &members[i]);
}

/* Beside rivals, with as many messages as they hold. */
static void
ask_rivals(size_t len, unsigned readers, int lossy)
{
	const struct bench_what what = what_of(len, CAPACITY_RIVALS, readers, lossy);
	enum bench_level level = len == 56 && readers == 4 ? BENCH_QUICK : BENCH_FULL;
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "%s/%zu/%u/%d", lossy ? "lossy" : "broadcast", len, readers,
		 CAPACITY_RIVALS);
	group = bench_add(name, &what, lossy ? BENCH_COST : BENCH_RATE, level, 1);
	bench_join(group, &(struct bench_member){"slots", NULL, run, NULL, 0});
	bench_join_adapters(group, lossy ? BENCH_LOSSY : BENCH_BROADCAST, run_adapter);
}

void
ask_broadcast(void)
{
	static const size_t lens[] = {8, 56, 1024};
	static const unsigned readers[] = {0, 1, 2, 4, 8, 32};

	for (size_t l = 0; l < COUNT(lens); l++) {
		for (size_t r = 1; r < COUNT(readers); r++) {
			int quick = lens[l] == 56 && (readers[r] == 1 || readers[r] == 8);

			ask(lens[l], readers[r], 0, quick ? BENCH_QUICK : BENCH_FULL);
		}
		for (size_t r = 0; r < COUNT(readers); r++) {
			int quick = lens[l] == 56 &&
				    (readers[r] == 0 || readers[r] == 1 || readers[r] == 8);

			ask(lens[l], readers[r], 1, quick ? BENCH_QUICK : BENCH_FULL);
		}
	}
	for (int lossy = 0; lossy < 2; lossy++) {
		for (size_t r = 1; r < COUNT(readers); r++)
			ask_rivals(56, readers[r], lossy);
		ask_rivals(1024, 1, lossy);
		ask_rivals(1024, 8, lossy);
	}
}
