/* SPDX-License-Identifier: MIT */
/*
 * Records, packed back to back, beside slots of msg_max bytes: one sends as fast as it can, the other checks every message.
 *
 *   records/KIND/LEN        all messages as long as msg_max: what records cost where they save nothing
 *   records/KIND/mixed      lengths from 8 bytes to MIXED_MAX, as many of each power of two: in as many messages, and, for records,
 *                           in the memory that so many take on average, a fifth of the slots'
 *
 * Kinds: SPSC, MPSC with one sender, lossless broadcast with one reader. Slots are what records are compared with.
 */
#include <stdio.h>
#include <string.h>

#include "shmq_queue.h"

#define CAPACITY 1024
#define MIXED_MAX 4096
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Variants: the kind; bits. */
enum { RECORDS = 8, MIXED = 16 };

/* The lengths of mixed messages follow from their numbers: 8, 16, ... MIXED_MAX, all as often, in no order that can be learnt. */
#define MIXED_LENS 10

static inline size_t
length_of(uint64_t number)
{
	return (size_t)8 << (number * UINT64_C(0x9e3779b97f4a7c15) >> 40) % MIXED_LENS;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, 0);
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv(queue->shmq, message, len, 0);
}

#include "bodies.h"

/* Mixed: what loop_produce() does, each message as long as its number says ------------------- */

static LOOP_APART int
produce_mixed(struct bench_side *side, struct queue *queue)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t least = loop_laps(side), number = 1;
	int err = 0;

	do {
		for (uint32_t i = 0; i < LOOP_STRIDE && !err; i++, number++) {
			size_t len = length_of(number);

			loop_stamp(loop_out, number, len);
			err = loop_send(queue_send, queue, loop_out, len);
		}
	} while (!err && (bench_now_ns() < end || number < least));
	loop_stamp(loop_out, LOOP_LAST, 8);
	return err ? err : loop_send(queue_send, queue, loop_out, 8);
}

/* The next one, of the length it must have. 1: the end. */
static inline int
receive_mixed(struct queue *queue, uint64_t number)
{
	int got;

	do
		got = (int)shmq_recv(queue->shmq, loop_in, MIXED_MAX, 0);
	while (got == -EAGAIN);
	if (got < 0)
		return got;
	if (got == 8 && loop_in[0] == LOOP_LAST)
		return 1;
	return (size_t)got == length_of(number) ? loop_check(loop_in, number, (size_t)got)
						: -EBADMSG;
}

static LOOP_APART int
consume_mixed(struct bench_side *side, struct queue *queue)
{
	uint64_t number = 1, begin = 0;
	int err = 0;

	while (!err) {
		if (number == CAPACITY)
			begin = bench_now_ns();
		err = receive_mixed(queue, number++);
	}
	side->shared->ns = bench_now_ns() - begin;
	side->shared->count = number - 1 - CAPACITY;
	return err == 1 ? 0 : err;
}

static int
producer(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, 0, BENCH_SENDS, &queue);

	if (err)
		return err;
	bench_ready(side);
	return produce_mixed(side, &queue);
}

static int
consumer(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, 0, BENCH_RECEIVES, &queue);

	if (err)
		return err;
	bench_ready(side);
	return consume_mixed(side, &queue);
}

/* In the parent ----------------------------------------------------------------------------- */

/* The bytes of so many records: all of one length, or of all that are mixed as many. */
static size_t
record_bytes(const struct bench_what *what)
{
	size_t of_all = 0;

	if (!(what->variant & MIXED))
		return what->capacity * (8 + what->len);
	for (unsigned i = 0; i < MIXED_LENS; i++)
		of_all += 8 + ((size_t)8 << i);
	return what->capacity * of_all / MIXED_LENS;
}

static struct shmq_opts
options(const struct bench_what *what)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = what->variant % RECORDS,
				 .msg_max = what->len,
				 .capacity = what->capacity,
				 .participants = 2};

	if (what->variant & RECORDS) {
		opts.flags = SHMQ_RECORDS;
		opts.capacity = record_bytes(what);
	}
	return opts;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = options(what);
	int mixed = what->variant & MIXED;
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	if (!err)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_pair(&side, mixed ? producer : bodies[BENCH_PRODUCE],
				 mixed ? consumer : bodies[BENCH_CONSUME]);
	if (!err)
		err = bench_sample_rate(&side, out);
	if (!err)
		bench_figure(out, "footprint", (double)shmq_footprint(&opts));
	bench_side_free(&side);
	return err;
}

static void
ask(int kind, size_t len, int mixed, enum bench_level level)
{
	static const char *const kinds[] = {
		[SHMQ_SPSC] = "spsc", [SHMQ_MPSC] = "mpsc", [SHMQ_BROADCAST] = "broadcast"};
	const struct bench_what what = {.len = len, .capacity = CAPACITY};
	struct bench_group *group;
	char name[64], cell[16] = "mixed";

	if (!mixed)
		snprintf(cell, sizeof(cell), "%zu", len);
	snprintf(name, sizeof(name), "records/%s/%s", kinds[kind], cell);
	group = bench_add(name, &what, BENCH_RATE, level, 1);
	bench_join(group, &(struct bench_member){"slots", "slots", run, NULL, kind | mixed});
	bench_join(group,
		   &(struct bench_member){"records", NULL, run, NULL, kind | mixed | RECORDS});
}

void
ask_records(void)
{
	static const int kinds[] = {SHMQ_SPSC, SHMQ_MPSC, SHMQ_BROADCAST};
	static const size_t lens[] = {8, 56, 256, 1024, 4096};

	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t l = 0; l < COUNT(lens); l++) {
			int quick = lens[l] == 56 ||
				    (kinds[k] == SHMQ_SPSC && lens[l] <= 1024 && lens[l] != 256);

			ask(kinds[k], lens[l], 0, quick ? BENCH_QUICK : BENCH_FULL);
		}
		ask(kinds[k], MIXED_MAX, MIXED, kinds[k] == SHMQ_SPSC ? BENCH_QUICK : BENCH_FULL);
	}
}
