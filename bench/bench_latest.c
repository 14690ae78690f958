/* SPDX-License-Identifier: MIT */
/*
 * Reading the latest value, 64 bytes, while the writer on the other core does nothing, writes once a microsecond, or writes as fast as
 * it can. Every word of every value read must be the same; a read that the writer overtook too often (-EAGAIN) is counted.
 */
#include "bench.h"

#include <errno.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "loop.h"

#define LEN 64
#define WORDS (LEN / 8)

/* Reads before counting begins. */
#define WARM 1000u

enum { QUIET, PACED, FULL_SPEED };

struct value {
	uint64_t words[WORDS];
};

static int
write_value(struct shmq *queue, uint64_t number)
{
	struct value value;

	for (unsigned i = 0; i < WORDS; i++)
		value.words[i] = number;
	return shmq_send(queue, &value, sizeof(value), 0);
}

/* Until the reader has enough. */
static LOOP_APART int
write_values(struct bench_side *side, struct shmq *queue)
{
	uint64_t pace = side->what.variant == PACED ? (uint64_t)(1000 * bench_ticks_per_ns()) : 0;
	uint64_t number = 1, next = bench_ticks();
	int err = write_value(queue, number);

	while (!err && !shmq_load_relaxed_u32(&side->shared->finished)) {
		if (side->what.variant == QUIET || bench_ticks() < next) {
			shmq_pause();
			continue;
		}
		err = write_value(queue, ++number);
		next += pace;
	}
	side->shared->sent = number;
	return err;
}

static int
check_value(const struct value *value, uint64_t *last)
{
	uint64_t wrong = 0;

	for (unsigned i = 1; i < WORDS; i++)
		wrong |= value->words[i] ^ value->words[0];
	if (wrong || value->words[0] < *last)
		return -EBADMSG;
	*last = value->words[0];
	return 0;
}

static LOOP_APART int
read_values(struct bench_side *side, struct shmq *queue)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9), last = 0;
	struct value value;

	for (uint64_t n = 0; n % 256 || n < 2 * WARM || bench_now_ns() < end; n++) {
		uint64_t begin = bench_ticks();
		ssize_t got = shmq_recv(queue, &value, sizeof(value), 0);
		uint64_t ticks = bench_ticks() - begin;

		if (got != LEN && got != -EAGAIN)
			return got < 0 ? (int)got : -EBADMSG;
		if (got == LEN && check_value(&value, &last))
			return -EBADMSG;
		if (n < WARM)
			continue;
		bench_count(side->shared->bins, ticks);
		side->shared->missed += got == -EAGAIN;
	}
	return 0;
}

static int
writer(struct bench_side *side)
{
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (err)
		return err;
	err = write_value(queue, 0);
	bench_ready(side);
	return err ? err : write_values(side, queue);
}

static int
reader(struct bench_side *side)
{
	struct shmq *queue;
	int err = bench_attach_fd(&queue, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	err = read_values(side, queue);
	shmq_add_release_u32(&side->shared->finished, 1);
	return err;
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct shmq_opts opts = {.size = sizeof(opts), .kind = SHMQ_LATEST, .msg_max = LEN};
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	if (!err)
		err = bench_side_queue(&side, &opts);
	if (!err)
		err = bench_pair(&side, writer, reader);
	if (!err) {
		bench_sample_latency(&side, out);
		out->missed = (double)side.shared->missed / out->count;
	}
	bench_side_free(&side);
	return err;
}

static const struct bench_member members[] = {
	{"quiet", "quiet", run, QUIET},
	{"every_us", NULL, run, PACED},
	{"full_speed", NULL, run, FULL_SPEED},
};

const struct bench_group bench_latest[1] = {
	{"latest/64", {.len = LEN}, 0, 1, members, sizeof(members) / sizeof(*members)},
};
