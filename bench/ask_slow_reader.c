/* SPDX-License-Identifier: MIT */
/*
 * One reader who cannot follow: what he costs the writer, who wants to send once a microsecond.
 *
 *   slow_reader/LEN/READERS    how long a send takes: the distribution
 *
 * The first of the readers sleeps SLEEP_NS after every READS_AWAKE messages, so that he takes a sixteenth of what is sent.
 *
 *   no_slow       lossless; all readers follow: what the others are compared with
 *   waits         lossless; the writer waits for the slow one
 *   slow_limit    lossless; the slow one is ejected when he is CAPACITY behind, and learns it (-ESTALE); the others get all
 *   lossy         he loses what he had no time for, and is told how many that were: each time exactly what is missing
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "crowd.h"

#define CAPACITY 8192
#define INTERVAL_NS 1000
#define READS_AWAKE 64
#define SLEEP_NS 1000000

enum { NO_SLOW, WAITS, SLOW_LIMIT, LOSSY };

/* Where the readers put what they have found: in shared->words. */
enum { EJECTED, EJECTED_OTHERS, RECEIVED, SLOW_RECEIVED, SLOW_LOST };

struct queue {
	struct shmq *shmq;
};

static int
try_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, 0);
}

/* The writer -------------------------------------------------------------------------------- */

/* Never faster than the interval, also when a send before took long. */
static LOOP_APART int
write_paced(struct bench_side *side, struct queue *queue)
{
	struct loop_time time = loop_time_of(side);
	uint64_t interval = (uint64_t)(INTERVAL_NS * bench_ticks_per_ns());
	uint64_t number = 0, begin = bench_ticks();
	int err = 0;

	while (!err && begin < time.end) {
		uint64_t due = begin + interval;

		do
			begin = bench_ticks();
		while (begin < due);
		loop_stamp(loop_out, ++number, side->what.len);
		err = crowd_send(try_send, queue, loop_out, side->what.len);
		bench_count(&side->shared->latency, bench_ticks() - begin);
	}
	side->shared->sent = number;
	/* A reader that sees this finds all that was sent. */
	shmq_add_release_u32(&side->shared->finished, 1);
	return err;
}

static int
writer(struct bench_side *side)
{
	struct queue queue;
	uint64_t begin;
	int err = bench_attach_fd(&queue.shmq, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	begin = bench_now_ns();
	err = write_paced(side, &queue);
	side->shared->ns = bench_now_ns() - begin;
	return err;
}

/* Readers ----------------------------------------------------------------------------------- */

struct reading {
	uint64_t last, count, lost;
	int slow;
};

static void
sleep_a_while(void)
{
	nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
}

/* What is missing is what he is told is missing. */
static int
take(struct bench_side *side, struct shmq *shmq, struct reading *reading)
{
	struct shmq_info info = {.size = sizeof(info)};
	uint64_t number = loop_in[0], missing = number - reading->last - 1;
	int err = shmq_info(shmq, &info);

	if (err)
		return err;
	if (number <= reading->last || loop_check(loop_in, number, side->what.len) ||
	    info.lost != missing)
		return -EBADMSG;
	reading->last = number;
	reading->lost += missing;
	reading->count++;
	if (reading->slow && reading->count % READS_AWAKE == 0 && !crowd_finished(side))
		sleep_a_while();
	return 0;
}

/* 0: read to the end; -ESTALE: ejected. */
static int
read_all(struct bench_side *side, struct shmq *shmq, struct reading *reading)
{
	int finished = 0, err = 0;
	unsigned tries = 0;

	while (!err) {
		ssize_t got = shmq_recv(shmq, loop_in, side->what.len, 0);

		if (got >= 0) {
			tries = 0;
			err = take(side, shmq, reading);
		} else if (got != -EAGAIN) {
			return (int)got;
		} else if (finished) {
			return 0;
		} else {
			finished = crowd_finished(side);
			crowd_wait(&tries);
		}
	}
	return err;
}

static int
reader(struct bench_side *side)
{
	uint64_t *words = side->shared->words;
	struct reading reading = {.slow = side->me == 1 && side->what.variant != NO_SLOW};
	struct shmq *shmq;
	int err = bench_attach_fd(&shmq, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);

	if (err)
		return err;
	bench_ready(side);
	err = read_all(side, shmq, &reading);
	if (reading.slow) {
		words[EJECTED] = err == -ESTALE;
		words[SLOW_RECEIVED] = reading.count;
		words[SLOW_LOST] = reading.lost;
	} else if (err == -ESTALE) {
		shmq_add_relaxed_u64(&words[EJECTED_OTHERS], 1);
	} else {
		shmq_add_relaxed_u64(&words[RECEIVED], reading.count);
	}
	return err == -ESTALE && side->what.variant == SLOW_LIMIT ? 0 : err;
}

/* In the parent ----------------------------------------------------------------------------- */

static int
sample(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	const uint64_t *words = shared->words;
	unsigned whole = side->what.consumers - (side->what.variant != NO_SLOW) -
			 (unsigned)words[EJECTED_OTHERS];
	int err = bench_sample_latency(side, out);

	if (err)
		return err;
	if (side->what.variant != LOSSY && words[RECEIVED] != shared->sent * whole)
		return -EBADMSG;
	/* With two on a core the kernel must take it away from each now and then. */
	out->preempted = 0;
	bench_figure(out, "sent_per_s", (double)shared->sent * 1e9 / (double)shared->ns);
	bench_figure(out, "ejected", (double)words[EJECTED]);
	bench_figure(out, "ejected_others", (double)words[EJECTED_OTHERS]);
	bench_figure(out, "slow_received", (double)words[SLOW_RECEIVED] / (double)shared->sent);
	bench_figure(out, "slow_lost", (double)words[SLOW_LOST] / (double)shared->sent);
	return 0;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = SHMQ_BROADCAST,
		.msg_max = what->len,
		.capacity = what->capacity,
		.flags = what->variant == LOSSY ? SHMQ_LOSSY : 0,
		.slow_limit = what->variant == SLOW_LIMIT ? what->capacity : 0,
	};
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	if (!err)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_crowd(&side, writer, reader);
	if (!err)
		err = sample(&side, out);
	bench_side_free(&side);
	return err;
}

static void
ask(size_t len, unsigned readers, enum bench_level level)
{
	static const struct bench_member members[] = {
		{"no_slow", "no_slow", run, NULL, NO_SLOW},
		{"waits", "waits", run, NULL, WAITS},
		{"slow_limit", NULL, run, NULL, SLOW_LIMIT},
		{"lossy", NULL, run, NULL, LOSSY},
	};
	const struct bench_what what = {
		.len = len, .capacity = CAPACITY, .producers = 1, .consumers = readers};
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "slow_reader/%zu/%u", len, readers);
	group = bench_add(name, &what, BENCH_LATENCY, level, 2);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		bench_join(group, &members[i]);
}

void
ask_slow_reader(void)
{
	ask(56, 1, BENCH_FULL);
	ask(56, 2, BENCH_FULL);
	ask(56, 4, BENCH_QUICK);
	ask(56, 8, BENCH_FULL);
	ask(56, 32, BENCH_FULL);
	ask(1024, 4, BENCH_FULL);
}
