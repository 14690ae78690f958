/* SPDX-License-Identifier: MIT */
/*
 * Reading the latest value, while the writer on the other core does nothing (quiet), writes once a microsecond (every_us), or
 * writes as fast as it can (full).
 *
 *   latest/LEN/PACE/READERS    how long a read takes: of the first reader; the others read the same on the same core
 *
 * The floor is the bare sequence lock: one value, its number odd while it is written; whoever copied while it changed copies again.
 * Every word of every value must be the same and none older than the one before: a torn one ends the measurement. A read
 * that the writer overtook too often (-EAGAIN) is counted in `missed`, as a share; the floor gives up after SEQLOCK_TRIES.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "bench.h"
#include "loop.h"

/* Reads before counting begins. */
#define WARM 1000u

#define SEQLOCK_TRIES 1000

/* Variants: bits; above them the pace. */
enum { SEQLOCK = 1 };
enum { QUIET, EVERY_US, FULL };
#define PACE_SHIFT 1

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
try_recv(struct queue *queue, uint64_t *message, size_t len)
{
	ssize_t got = shmq_recv(queue->shmq, message, len, 0);

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
lock_recv(struct queue *queue, uint64_t *message, size_t len)
{
	const struct seqlock *lock = queue->lock;

	for (unsigned i = 0; i < SEQLOCK_TRIES; i++) {
		/* WRITTEN: the value is there. */
		uint64_t number = shmq_load_acquire_u64(&lock->number);

		if (number % 2) {
			shmq_pause();
			continue;
		}
		memcpy(message, lock->words, len);
		/* TORN: if any word was of a newer value, the number is not the one it was. */
		shmq_fence_acquire();
		if (shmq_load_relaxed_u64(&lock->number) == number)
			return 0;
	}
	return -EAGAIN;
}

/* Loops ------------------------------------------------------------------------------------- */

LOOP_INLINE int
write_value(loop_send_fn *send, struct queue *queue, uint64_t number, size_t len)
{
	for (size_t i = 0; i < len / 8; i++)
		loop_out[i] = number;
	return send(queue, loop_out, len);
}

/* Until the first reader has enough. */
LOOP_INLINE int
write_values(struct bench_side *side, loop_send_fn *send, struct queue *queue, size_t len)
{
	int pace = side->what.variant >> PACE_SHIFT;
	uint64_t interval = pace == EVERY_US ? (uint64_t)(1000 * bench_ticks_per_ns()) : 0;
	uint64_t number = 1, next = bench_ticks();
	int err = write_value(send, queue, number, len);

	while (!err && !shmq_load_relaxed_u32(&side->shared->finished)) {
		if (pace == QUIET || (interval && bench_ticks() < next)) {
			shmq_pause();
			continue;
		}
		err = write_value(send, queue, ++number, len);
		next += interval;
	}
	side->shared->sent = number;
	side->shared->ns = bench_now_ns() - side->shared->begin_ns;
	return err;
}

LOOP_INLINE int
check_value(const uint64_t *value, uint64_t *last, size_t len)
{
	uint64_t wrong = 0;

	for (size_t i = 1; i < len / 8; i++)
		wrong |= value[i] ^ value[0];
	if (wrong || value[0] < *last)
		return -EBADMSG;
	*last = value[0];
	return 0;
}

LOOP_INLINE int
read_values(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9), last = 0;

	for (uint64_t n = 0; n % 256 || n < 2 * WARM || bench_now_ns() < end; n++) {
		uint64_t begin = bench_ticks(), ticks;
		int err;

		/* A read that was given up costs until one comes through. */
		while ((err = recv(queue, loop_in, len)) == -EAGAIN)
			side->shared->missed += n >= WARM;
		ticks = bench_ticks() - begin;
		if (!err)
			err = check_value(loop_in, &last, len);
		if (err)
			return err;
		if (n >= WARM)
			bench_count(&side->shared->latency, ticks);
	}
	return 0;
}

/* Nobody times these: they are there, and let the first one come, also where nobody takes the core from them (--fifo). */
LOOP_INLINE int
read_along(struct bench_side *side, loop_recv_fn *recv, struct queue *queue, size_t len)
{
	uint64_t last = 0;

	for (unsigned n = 1; !shmq_load_relaxed_u32(&side->shared->finished); n++) {
		int err = recv(queue, loop_in, len);

		if (!err)
			err = check_value(loop_in, &last, len);
		if (err && err != -EAGAIN)
			return err;
		if (n % 1024 == 0)
			sched_yield();
	}
	return 0;
}

/* Apart, for each length that is a constant ------------------------------------------------- */

static LOOP_APART int
write_shmq(struct bench_side *side, struct queue *queue)
{
	return write_values(side, try_send, queue, side->what.len);
}

static LOOP_APART int
write_lock(struct bench_side *side, struct queue *queue)
{
	return side->what.len == 64 ? write_values(side, lock_send, queue, 64)
				    : write_values(side, lock_send, queue, side->what.len);
}

static LOOP_APART int
read_shmq(struct bench_side *side, struct queue *queue)
{
	return side->me == 1 ? read_values(side, try_recv, queue, side->what.len)
			     : read_along(side, try_recv, queue, side->what.len);
}

static LOOP_APART int
read_lock(struct bench_side *side, struct queue *queue)
{
	if (side->me > 1)
		return read_along(side, lock_recv, queue, side->what.len);
	return side->what.len == 64 ? read_values(side, lock_recv, queue, 64)
				    : read_values(side, lock_recv, queue, side->what.len);
}

/* Bodies ------------------------------------------------------------------------------------ */

static int
queue_open(const struct bench_side *side, unsigned role, struct queue *queue)
{
	*queue = (struct queue){.lock = (struct seqlock *)(void *)side->memory};
	if (side->what.variant & SEQLOCK)
		return 0;
	return bench_attach_fd(&queue->shmq, side->fds[0], role | SHMQ_POPULATE);
}

static int
writer(struct bench_side *side)
{
	int lock = side->what.variant & SEQLOCK;
	struct queue queue;
	int err = queue_open(side, SHMQ_PRODUCER, &queue);

	if (err)
		return err;
	err = write_value(lock ? lock_send : try_send, &queue, 0, side->what.len);
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
	err = side->what.variant & SEQLOCK ? read_lock(side, &queue) : read_shmq(side, &queue);
	/* All others end when they see it; nothing else is told. */
	if (side->me == 1)
		shmq_store_relaxed_u32(&side->shared->finished, 1);
	return err;
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
	int lock = what->variant & SEQLOCK;
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

static void
ask(size_t len, int pace, unsigned readers, enum bench_level level)
{
	static const char *const paces[] = {"quiet", "every_us", "full"};
	const struct bench_what what = {.len = len, .producers = 1, .consumers = readers};
	struct bench_member member = {"latest", NULL, run, NULL, pace << PACE_SHIFT};
	struct bench_member floor = {"seqlock", "floor", run, NULL, SEQLOCK | pace << PACE_SHIFT};
	struct bench_group *group;
	char name[64];

	snprintf(name, sizeof(name), "latest/%zu/%s/%u", len, paces[pace], readers);
	group = bench_add(name, &what, BENCH_LATENCY, level, 1);
	bench_join(group, &floor);
	bench_join(group, &member);
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
