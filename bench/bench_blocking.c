/* SPDX-License-Identifier: MIT */
/*
 * Round trips of those who sleep.
 *
 * blocking/tight   Send, then wait without limit: the plain ping-pong. shmq spins for a while before it sleeps, so here it may
 *                  never sleep; the bare futex always sleeps.
 * blocking/asleep  Both sides are asleep in the futex when their message arrives, every time: each waits ASLEEP_NS (far beyond the
 *                  library's spin budget) before it sends, by looking at the clock. The answerer says in its message how long it
 *                  waited really, from waking to sending, and the asker subtracts that: what is left is the way of the message
 *                  there, the waking of the answerer, the way of the answer, the waking of the asker. The bare futex does exactly the same.
 *                  That both did sleep is measured: voluntary context switches for each round trip (2 when both slept).
 *
 * The bare futex is the classical one: one word for each direction in shared memory; store, FUTEX_WAKE; FUTEX_WAIT until it changes.
 * It carries the same 8 bytes, and always wakes, as it does not know whether somebody sleeps.
 */
#include "bench.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "ticks.h"

#define ASLEEP_NS 200000u
#define WARM_TRIPS 20u
#define LAST UINT64_MAX

/* Variants: bits. */
enum { FUTEX = 1, ASLEEP = 2 };

/* One direction of the bare futex: the word to sleep on, the message. */
struct futex_line {
	uint32_t word;
	uint64_t message;
};

/* Either kind of way to talk. */
struct way {
	struct shmq *out, *in;
	struct futex_line *futex_out, *futex_in;
	uint32_t seen;
};

/* Ways -------------------------------------------------------------------------------------- */

static int
futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int
way_send(struct way *way, uint64_t message)
{
	struct futex_line *line = way->futex_out;

	if (way->out)
		return shmq_send(way->out, &message, sizeof(message), SHMQ_FOREVER);
	line->message = message;
	shmq_store_release_u32(&line->word, shmq_load_relaxed_u32(&line->word) + 1);
	return futex(&line->word, FUTEX_WAKE, 1);
}

static int
way_recv(struct way *way, uint64_t *message)
{
	struct futex_line *line = way->futex_in;

	if (way->in) {
		ssize_t n = shmq_recv(way->in, message, sizeof(*message), SHMQ_FOREVER);

		return n < 0 ? (int)n : 0;
	}
	while (shmq_load_acquire_u32(&line->word) == way->seen) {
		int err = futex(&line->word, FUTEX_WAIT, way->seen);

		if (err && err != -EAGAIN && err != -EINTR)
			return err;
	}
	way->seen++;
	*message = line->message;
	return 0;
}

static int
way_open(struct bench_side *side, struct way *way, int mine)
{
	unsigned char *halves[2] = {side->memory, side->memory + side->memory_bytes / 2};
	int err;

	*way = (struct way){0};
	if (side->what.variant & FUTEX) {
		way->futex_out = (struct futex_line *)(void *)halves[mine];
		way->futex_in = (struct futex_line *)(void *)halves[!mine];
		return 0;
	}
	err = bench_attach_fd(&way->out, side->fds[mine], SHMQ_PRODUCER | SHMQ_POPULATE);
	if (!err)
		err = bench_attach_fd(&way->in, side->fds[!mine], SHMQ_CONSUMER | SHMQ_POPULATE);
	return err;
}

/* Bodies ------------------------------------------------------------------------------------ */

static uint64_t
times_asleep(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

/* Let `ns` pass without leaving the core; the ticks that did pass since `from`. */
static uint64_t
let_pass(uint64_t from, uint64_t ns)
{
	uint64_t wanted = (uint64_t)((double)ns * bench_ticks_per_ns());
	uint64_t passed;

	while ((passed = bench_ticks() - from) < wanted)
		shmq_pause();
	return passed;
}

/* One round trip: the time of it without the answerer's wait, and of the send. */
static int
trip(struct way *way, uint64_t *whole, uint64_t *sending)
{
	uint64_t begin = bench_ticks(), waited = 0;
	int err = way_send(way, 0);

	*sending = bench_ticks() - begin;
	if (!err)
		err = way_recv(way, &waited);
	*whole = bench_ticks() - begin - waited;
	return err;
}

static int
ask(struct bench_side *side, struct way *way, uint64_t wait_ns)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t asleep = 0, whole, sending;

	for (uint32_t i = 0; i < 2 * WARM_TRIPS || bench_now_ns() < end; i++) {
		int err;

		if (i == WARM_TRIPS)
			asleep = times_asleep();
		let_pass(bench_ticks(), wait_ns);
		err = trip(way, &whole, &sending);
		if (err)
			return err;
		if (i < WARM_TRIPS)
			continue;
		bench_count(side->shared->bins, whole);
		bench_count(side->shared->send_bins, sending);
	}
	side->shared->sleeps = times_asleep() - asleep;
	return way_send(way, LAST);
}

/* The answer says how long it was held back, in ticks. */
static int
answer(struct bench_side *side, struct way *way, uint64_t wait_ns)
{
	uint64_t asleep = 0;

	for (uint32_t i = 0;; i++) {
		uint64_t message = 0;
		int err = way_recv(way, &message);
		uint64_t woken = bench_ticks();

		if (i == WARM_TRIPS)
			asleep = times_asleep();
		/* The asker's own are there: it stored them before it sent the last message. */
		if (message == LAST)
			side->shared->sleeps += times_asleep() - asleep;
		if (err || message == LAST)
			return err;
		err = way_send(way, wait_ns ? let_pass(woken, wait_ns) : 0);
		if (err)
			return err;
	}
}

static uint64_t
wait_of(const struct bench_side *side)
{
	return side->what.variant & ASLEEP ? ASLEEP_NS : 0;
}

static int
asker(struct bench_side *side)
{
	struct way way;
	int err = way_open(side, &way, 0);

	if (err)
		return err;
	bench_ready(side);
	return ask(side, &way, wait_of(side));
}

static int
answerer(struct bench_side *side)
{
	struct way way;
	int err = way_open(side, &way, 1);

	if (err)
		return err;
	bench_ready(side);
	return answer(side, &way, wait_of(side));
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 2 * 4096);

	if (!err)
		err = bench_side_queues(&side);
	if (!err)
		err = bench_pair(&side, asker, answerer);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}

static const struct bench_member asleep[] = {
	{"bare_futex", "futex", run, ASLEEP | FUTEX},
	{"send_recv", NULL, run, ASLEEP},
};

static const struct bench_member tight[] = {
	{"bare_futex", "futex", run, FUTEX},
	{"send_recv", NULL, run, 0},
};

const struct bench_group bench_blocking[2] = {
	{"blocking/asleep",
	 {.len = 8, .capacity = 1024},
	 0,
	 2,
	 asleep,
	 sizeof(asleep) / sizeof(*asleep)},
	{"blocking/tight", {.len = 8, .capacity = 1024}, 0, 1, tight, sizeof(tight) / sizeof(*tight)},
};
