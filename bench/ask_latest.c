/* SPDX-License-Identifier: MIT */
/*
 * Reading the latest value, while the writer on the other core does nothing (quiet), writes once a microsecond (every_us), or
 * writes as fast as it can (full).
 *
 *   latest/LEN/PACE/READERS    how long a read takes: of the first reader; the others read the same on the same core
 *
 * The floor is the bare sequence lock: one value, its number odd while it is written; whoever copied while it changed copies again.
 * A torn value, or an older one than before, ends the measurement (latest.h). A read that the writer overtook too often
 * (-EAGAIN) is counted in `missed`, as a share; the floor gives up after SEQLOCK_TRIES.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "bench.h"
#include "latest.h"

#define SEQLOCK_TRIES 1000

/* Variants. */
enum { LATEST, SEQLOCK };

enum { QUIET, EVERY_US, FULL };

static const struct {
	const char *name;
	double interval_ns;
} paces[] = {{"quiet", INFINITY}, {"every_us", 1000}, {"full", 0}};

struct seqlock {
	uint64_t number;
	uint64_t padding[7];
	uint64_t words[];
};

struct queue {
	struct shmq *shmq;
	struct seqlock *lock;
};

/* Both ways --------------------------------------------------------------------------------- */

static int
try_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->shmq, message, len, 0);
}

static int
try_look(struct queue *queue, const uint64_t **value, size_t len)
{
	ssize_t got = shmq_recv(queue->shmq, loop_in, len, 0);

	*value = loop_in;
	return got < 0 ? (int)got : (size_t)got == len ? 0 : -EBADMSG;
}

LOOP_INLINE int
lock_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct seqlock *lock = queue->lock;
	/* Ours: no one else writes it. */
	uint64_t number = shmq_load_relaxed_u64(&lock->number);

	shmq_store_relaxed_u64(&lock->number, number + 1);
	/* TORN: who copied a word of the new value sees that the number has changed. */
	shmq_fence_release();
	memcpy(lock->words, message, len);
	/* WRITTEN: who sees the even number sees the value. */
	shmq_store_release_u64(&lock->number, number + 2);
	return 0;
}

LOOP_INLINE int
lock_look(struct queue *queue, const uint64_t **value, size_t len)
{
	const struct seqlock *lock = queue->lock;

	*value = loop_in;
	for (unsigned i = 0; i < SEQLOCK_TRIES; i++) {
		/* WRITTEN: the value is there. */
		uint64_t number = shmq_load_acquire_u64(&lock->number);

		if (number % 2) {
			shmq_pause();
			continue;
		}
		memcpy(loop_in, lock->words, len);
		/* TORN: if any word was of a newer value, the number is not the one it was. */
		shmq_fence_acquire();
		if (shmq_load_relaxed_u64(&lock->number) == number)
			return 0;
	}
	return -EAGAIN;
}

/* Apart, for each length that is a constant ------------------------------------------------- */

static LOOP_APART int
write_shmq(struct bench_side *side, struct queue *queue)
{
	return latest_write_all(side, try_send, queue, side->what.len);
}

static LOOP_APART int
write_lock(struct bench_side *side, struct queue *queue)
{
	return side->what.len == 64 ? latest_write_all(side, lock_send, queue, 64)
				    : latest_write_all(side, lock_send, queue, side->what.len);
}

static LOOP_APART int
read_shmq(struct bench_side *side, struct queue *queue)
{
	return latest_read_all(side, try_look, queue, side->what.len);
}

static LOOP_APART int
read_lock(struct bench_side *side, struct queue *queue)
{
	return side->what.len == 64 ? latest_read_all(side, lock_look, queue, 64)
				    : latest_read_all(side, lock_look, queue, side->what.len);
}

/* Bodies ------------------------------------------------------------------------------------ */

static int
queue_open(const struct bench_side *side, unsigned role, struct queue *queue)
{
	*queue = (struct queue){.lock = (struct seqlock *)(void *)side->memory};
	if (side->what.variant == SEQLOCK)
		return 0;
	return bench_attach_fd(&queue->shmq, side->fds[0], role | SHMQ_POPULATE);
}

static int
writer(struct bench_side *side)
{
	int lock = side->what.variant == SEQLOCK;
	struct queue queue;
	int err = queue_open(side, SHMQ_PRODUCER, &queue);

	if (err)
		return err;
	err = latest_write(lock ? lock_send : try_send, &queue, 0, side->what.len);
	bench_ready(side);
	if (err)
		return err;
	return lock ? write_lock(side, &queue) : write_shmq(side, &queue);
}

static int
reader(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, SHMQ_CONSUMER, &queue);

	if (err)
		return err;
	bench_ready(side);
	return side->what.variant == SEQLOCK ? read_lock(side, &queue) : read_shmq(side, &queue);
}

/* In the parent ----------------------------------------------------------------------------- */

static int
sample(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	int err = bench_sample_latency(side, out);

	if (err)
		return err;
	/* With two on a core the kernel must take it away from each now and then. */
	if (side->what.consumers > 1)
		out->preempted = 0;
	bench_figure(out, "missed", (double)shared->missed / out->count);
	bench_figure(out, "writes_per_s", (double)shared->sent * 1e9 / (double)shared->ns);
	bench_figure(out, "reads_per_s", out->count * 1e9 / (double)shared->ns);
	return 0;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = {.size = sizeof(opts), .kind = SHMQ_LATEST, .msg_max = what->len};
	int lock = what->variant == SEQLOCK;
	struct bench_side side;
	int err = bench_side_init(&side, what, lock ? sizeof(struct seqlock) + what->len : 0);

	(void)member;
	if (!err && !lock)
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

/* Rivals that need a daemon take long to begin: part of the grid. */
static int
beside_rivals(const struct bench_what *what)
{
	if (bench_plan.level == BENCH_QUICK)
		return what->interval_ns == 0 && what->consumers == 1;
	return what->len == 64 || what->len == 4096;
}

static void
ask(size_t len, int pace, unsigned readers, enum bench_level level)
{
	const struct bench_what what = {
		.len = len,
		.producers = 1,
		.consumers = readers,
		.interval_ns = paces[pace].interval_ns,
	};
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "latest/%zu/%s/%u", len, paces[pace].name, readers);
	group = bench_add(name, &what, BENCH_LATENCY, level, 1);
	bench_join(group, &(struct bench_member){"seqlock", "floor", run, NULL, SEQLOCK});
	bench_join(group, &(struct bench_member){"latest", NULL, run, NULL, LATEST});
	if (beside_rivals(&what))
		bench_join_adapters(group, BENCH_LATEST, run_adapter);
}

void
ask_latest(void)
{
	static const size_t lens[] = {8, 64, 256, 1024, 4096};
	static const unsigned readers[] = {2, 4, 8};

	for (int pace = QUIET; pace <= FULL; pace++) {
		for (size_t l = 0; l < sizeof(lens) / sizeof(*lens); l++)
			ask(lens[l], pace, 1, lens[l] == 64 ? BENCH_QUICK : BENCH_FULL);
		for (size_t r = 0; r < sizeof(readers) / sizeof(*readers); r++)
			ask(64, pace, readers[r],
			    readers[r] == 4 && pace == FULL ? BENCH_QUICK : BENCH_FULL);
	}
}
