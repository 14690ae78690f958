/* SPDX-License-Identifier: MIT */
/*
 * The first message after an attach: an attach gives the process a fresh mapping, so that the
 * first touch of each page is a page fault, unless all were made present (SHMQ_POPULATE,
 * SHMQ_LOCK).
 *
 *   first/send/N  first/recv/N     the N-th call after attach, and the faults that it took
 *
 * An attach looks at the place where it goes on, and the kernel maps some pages around that: so
 * the first message may find its page.
 *
 * One process with two handles: one stays, the other is attached afresh for every sample.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "ticks.h"

/* Each message has a page of its own. */
#define LEN 4096u
#define CAPACITY 1024u
#define WARM_TIMES 3

/* Messages from one sample to the next: none begins where the attach has always begun. */
#define ONWARDS 37u

enum { SEND, RECV };
enum { POPULATED, LOCKED, UNTOUCHED, HOWS };

/* bench_what.variant */
#define VARIANT(op, how) ((op)*HOWS + (how))

/* shared->words: */
enum { FAULTS };

static uint64_t message[LEN / 8];

static uint64_t
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

static int
call(struct shmq *queue, int op)
{
	int err;

	if (op == SEND)
		return shmq_send(queue, message, LEN, 0);
	err = (int)shmq_recv(queue, message, LEN, 0);
	return err < 0 ? err : 0;
}

static int
call_times(struct shmq *queue, int op, unsigned times)
{
	int err = 0;

	for (unsigned i = 0; i < times && !err; i++)
		err = call(queue, op);
	return err;
}

/* One sample: what.batch says which call it is that counts. */
static int
sample(struct bench_side *side, struct shmq *stays, int counts)
{
	static const unsigned flags[HOWS] = {SHMQ_POPULATE, SHMQ_POPULATE | SHMQ_LOCK, 0};
	int op = side->what.variant / HOWS, err;
	unsigned role = op == SEND ? SHMQ_PRODUCER : SHMQ_CONSUMER, n = side->what.batch;
	uint64_t before, begin, end;
	struct shmq *fresh;

	err = op == RECV ? call_times(stays, SEND, n + ONWARDS) : 0;
	if (!err)
		err = bench_attach_fd(&fresh, side->fds[0],
				      role | flags[side->what.variant % HOWS]);
	if (err)
		return err;
	err = call_times(fresh, op, n - 1);
	before = faults();
	begin = bench_ticks();
	if (!err)
		err = call(fresh, op);
	end = bench_ticks();
	if (!err && counts) {
		side->shared->words[FAULTS] += faults() - before;
		bench_count(&side->shared->latency, end - begin);
	}
	if (!err)
		err = call_times(fresh, op, ONWARDS);
	if (!err)
		err = shmq_detach(fresh);
	return err || op == RECV ? err : call_times(stays, RECV, n + ONWARDS);
}

static int
body(struct bench_side *side)
{
	int send = side->what.variant / HOWS == SEND;
	struct shmq *stays;
	int err = bench_attach_fd(&stays, side->fds[0],
				  (send ? SHMQ_CONSUMER : SHMQ_PRODUCER) | SHMQ_POPULATE);
	uint64_t end;

	if (err)
		return err;
	bench_ready(side);
	end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	for (int i = 0; !err && (i < 2 * WARM_TIMES || bench_now_ns() < end); i++)
		err = sample(side, stays, i >= WARM_TIMES);
	return err;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	static const struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = LEN, .capacity = CAPACITY, .participants = 2};
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	if (!err && what->variant % HOWS == LOCKED &&
	    shmq_memlock((size_t)shmq_footprint(&opts), NULL)) {
		bench_why("memory cannot be locked (CAP_IPC_LOCK, ulimit -l)");
		err = -ENOTSUP;
	}
	if (!err)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_solo(&side, body);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err)
		bench_figure(out, "faults", (double)side.shared->words[FAULTS] / out->count);
	bench_side_free(&side);
	return err;
}

static void
ask(int op, unsigned n)
{
	const struct bench_what what = {.len = LEN, .capacity = CAPACITY, .batch = n};
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "first/%s/%u", op == SEND ? "send" : "recv", n);
	group = bench_add(name, &what, BENCH_LATENCY, n == 2 ? BENCH_FULL : BENCH_QUICK, 0.25);
	bench_join(group,
		   &(struct bench_member){"populate", NULL, run, NULL, VARIANT(op, POPULATED)});
	bench_join(group,
		   &(struct bench_member){"lock_populate", NULL, run, NULL, VARIANT(op, LOCKED)});
	bench_join(group, &(struct bench_member){"neither", "untouched", run, NULL,
						 VARIANT(op, UNTOUCHED)});
}

void
ask_first(void)
{
	static const unsigned counts[] = {1, 2, 100};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		ask(SEND, counts[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		ask(RECV, counts[i]);
}
