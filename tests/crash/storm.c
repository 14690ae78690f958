/* SPDX-License-Identifier: MIT */
/* The one who kills: starts processes, kills them, ends rounds, and watches that things go on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "storm.h"
#include "support/process.h"

#define ROUND_KILLS 100
#define LINGER_NS 300000	       /* the longest, between two kills */
#define LIMIT_NS UINT64_C(60000000000) /* no progress for so long is none */

#define CONSUMER false
#define PRODUCER true

static void
sleep_ns(uint64_t ns)
{
	const struct timespec t = {.tv_nsec = (long)ns};

	nanosleep(&t, NULL);
}

/* Lives -------------------------------------------------------------------------------------- */

static pid_t
start(struct storm *storm, struct storm_worker worker)
{
	worker.storm = storm;
	worker.life = ++storm->lives;
	worker.seed = random_next(&storm->seed);
	MUST(storm->lives < STORM_LIVES);
	storm->shared->lives[worker.life] =
		(struct storm_life){.producer = worker.producer, .seat = worker.seat};
	storm->life_of[worker.producer][worker.seat] = worker.life;
	return process_start(worker.producer ? storm_produce : storm_consume, &worker);
}

static void
seat_start(struct storm *storm, bool producer, unsigned seat)
{
	struct storm_worker worker = {.producer = producer, .seat = seat};

	storm->pids[producer][seat] = start(storm, worker);
}

static void
seat_kill(struct storm *storm, bool producer, unsigned seat)
{
	struct storm_life *life = &storm->shared->lives[storm->life_of[producer][seat]];

	process_kill((pid_t)storm->pids[producer][seat]);
	life->killed_ns = clock_now_ns();
	storm->pids[producer][seat] = 0;
	storm->stopped[producer][seat] = false;
	storm->sum.kills++;
	storm->sum.killed_producers += producer;
	storm->sum.killed_consumers += !producer;
}

static unsigned
seats(const struct storm *storm, bool producer)
{
	return producer ? storm->kind->producers : storm->kind->consumers;
}

/* A stopped one is not dead, whatever the others think. */
static void
seat_stop(struct storm *storm, bool producer, unsigned seat)
{
	bool *stopped = &storm->stopped[producer][seat];

	*stopped = !*stopped;
	SAME(0, kill((pid_t)storm->pids[producer][seat], *stopped ? SIGSTOP : SIGCONT));
	storm->sum.stops += *stopped;
}

/*
 * Somebody, by chance: who is down is started; who lives is killed, and mostly followed at once, or
 * stopped for a while.
 */
static void
strike(struct storm *storm)
{
	unsigned all = storm->kind->producers + storm->kind->consumers;
	unsigned n = (unsigned)random_below(&storm->seed, all);
	bool producer = n < storm->kind->producers;
	unsigned seat = producer ? n : n - storm->kind->producers;

	if (storm->pids[producer][seat]) {
		if (random_below(&storm->seed, storm->stopped[producer][seat] ? 2 : 8) == 0) {
			seat_stop(storm, producer, seat);
			return;
		}
		seat_kill(storm, producer, seat);
		if (random_below(&storm->seed, 4) == 0)
			return;
	}
	seat_start(storm, producer, seat);
}

/* Watching ----------------------------------------------------------------------------------- */

/* Who does not end by itself, and does not fail. */
static void
must_live(const struct storm *storm)
{
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		pid_t pid = (pid_t)storm->pids[i % 2][i / 2];

		MUST(pid == 0 || waitpid(pid, NULL, WNOHANG | WNOWAIT) == 0 || errno == EINVAL);
	}
}

static void
steps_of(const struct storm *storm, uint64_t steps[2][STORM_SEATS])
{
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++)
		/* Relaxed: a count. */
		steps[i % 2][i / 2] =
			shmq_load_relaxed_u64(&storm->shared->seats[i % 2][i / 2].steps);
}

/* Whether a sender has no more room for notes: then it waits for its end, and others for it. */
static bool
out_of_notes(const struct storm *storm)
{
	const struct storm_seat *producers = storm->shared->seats[PRODUCER];

	for (unsigned i = 0; i < storm->kind->producers; i++) {
		/* Relaxed: a count. */
		if (shmq_load_relaxed_u64(&producers[i].next) + 2 * STORM_BATCH > STORM_SENT)
			return true;
	}
	return false;
}

/* Whether a role goes on: every seat, or, of rivals, one. */
static bool
goes_on(const struct storm *storm, bool producer, uint64_t from[2][STORM_SEATS])
{
	unsigned moved = 0, n = seats(storm, producer);
	uint64_t now[2][STORM_SEATS];

	steps_of(storm, now);
	for (unsigned i = 0; i < n; i++)
		moved += now[producer][i] != from[producer][i];
	return storm->sole[producer] ? moved > 0 : moved == n;
}

/* Nobody is killed any more; whoever sends or receives must get on with it. */
static void
calm(struct storm *storm)
{
	uint64_t from[2][STORM_SEATS], limit = clock_now_ns() + LIMIT_NS;

	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		if (storm->stopped[i % 2][i / 2])
			seat_stop(storm, i % 2, i / 2);
		if (i / 2 < seats(storm, i % 2) && !storm->pids[i % 2][i / 2])
			seat_start(storm, i % 2, i / 2);
	}
	steps_of(storm, from);
	while (!out_of_notes(storm) &&
	       !(goes_on(storm, PRODUCER, from) && goes_on(storm, CONSUMER, from))) {
		must_live(storm);
		MUST(clock_now_ns() < limit && "somebody is stuck");
		sleep_ns(100000);
	}
}

static void
await_end(pid_t pid, const char *who)
{
	uint64_t limit = clock_now_ns() + LIMIT_NS;
	siginfo_t end = {.si_pid = 0};

	while (end.si_pid == 0) {
		if (clock_now_ns() > limit)
			cr_log_error("%s is stuck", who);
		MUST(clock_now_ns() < limit);
		SAME(0, waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG));
		sleep_ns(50000);
	}
	process_join(pid);
}

static void
await_attached(const struct storm *storm, bool producer, unsigned seat)
{
	uint64_t limit = clock_now_ns() + LIMIT_NS;

	/* Relaxed: only a start. */
	while (!shmq_load_relaxed_u64(&storm->shared->seats[producer][seat].attached)) {
		MUST(clock_now_ns() < limit);
		sleep_ns(50000);
	}
}

/* Rounds ------------------------------------------------------------------------------------- */

static void
clear_notes(struct storm *storm)
{
	struct storm_shared *shared = storm->shared;

	for (unsigned i = 0; i < STORM_SEATS; i++) {
		memset(shared->sent[i], 0,
		       (shared->seats[true][i].next + 2 * STORM_BATCH) * sizeof(**shared->sent));
		memset(shared->logs[i].notes, 0,
		       (shared->logs[i].count + 2 * STORM_BATCH) * sizeof(*shared->logs->notes));
		shared->logs[i].count = 0;
	}
	memset(shared, 0, offsetof(struct storm_shared, sent));
	storm->lives = 0;
	storm->sum = (struct storm_sum){0};
}

/* Streams have a witness from before the first message to the last; it is never killed. */
static pid_t
start_witness(struct storm *storm)
{
	struct storm_worker worker = {.seat = storm->kind->consumers, .last = true};
	pid_t pid;

	if (!storm->stream || storm->kind->opts.slow_limit)
		return 0;
	pid = start(storm, worker);
	await_attached(storm, CONSUMER, worker.seat);
	return pid;
}

/* One last message, and all that is left is received. */
static void
drain(struct storm *storm, pid_t witness)
{
	struct storm_worker last = {
		.producer = true, .seat = storm->kind->producers, .last = true, .gate = gate_new()};
	struct storm_worker rest = {.seat = storm->kind->consumers, .last = true};
	pid_t producer = start(storm, last), consumer = witness;

	await_attached(storm, PRODUCER, last.seat);
	if (!storm->stream)
		consumer = start(storm, rest);
	gate_open(last.gate);
	await_end(producer, "the last producer");
	if (consumer)
		await_end(consumer, storm->stream ? "the witness" : "the last consumer");
	close(last.gate);
}

static void
add_up(struct storm *storm)
{
	uint64_t *total = (uint64_t *)&storm->total;
	const uint64_t *sum = (const uint64_t *)&storm->sum;

	for (size_t i = 0; i < sizeof(storm->sum) / sizeof(*sum); i++)
		total[i] += sum[i];
}

static void
account(struct storm *storm)
{
	struct storm_sum *sum = &storm->sum;
	const struct shmq_stat *was = &storm->before, *is = &storm->after;

	storm->after = place_stat(&storm->place);
	SAME(0, is->nattch);
	SAME(0, is->producers + is->consumers);
	if (!storm->stream)
		SAME(0, is->depth);
	SAME(is->sent, is->received + is->depth + is->lost + is->dead);
	sum->sent = is->sent - was->sent;
	sum->lost = is->lost - was->lost;
	sum->dead = is->dead - was->dead;
	sum->redelivered = is->redelivered - was->redelivered;
	if (storm->stream)
		storm_account_streams(storm);
	else
		storm_account(storm);
	add_up(storm);
	SAME(0, sum->unexplained);
}

static void
run_round(struct storm *storm, unsigned kills)
{
	pid_t witness;

	clear_notes(storm);
	storm->before = place_stat(&storm->place);
	witness = start_witness(storm);
	while (storm->sum.kills < kills) {
		strike(storm);
		must_live(storm);
		sleep_ns(random_below(&storm->seed, LINGER_NS));
	}
	calm(storm);
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		if (storm->pids[i % 2][i / 2])
			seat_kill(storm, i % 2, i / 2);
	}
	drain(storm, witness);
	account(storm);
}

static void
print_table(const struct storm *storm, uint64_t ns)
{
	const struct storm_sum *t = &storm->total;

	printf("%-20s kills %6llu (%llu+%llu), stops %llu  sent %9llu  received %9llu  noted %9llu  "
	       "redelivered %5llu  dropped %6llu  dead %4llu | in doubt: sent %5llu, not %5llu; repeated %5llu; "
	       "unnoted %5llu; unreleased %4llu; uncounted %llu; unexplained %llu | %.1f s\n",
	       storm->kind->name, (unsigned long long)t->kills,
	       (unsigned long long)t->killed_producers, (unsigned long long)t->killed_consumers,
	       (unsigned long long)t->stops, (unsigned long long)t->sent,
	       (unsigned long long)t->received, (unsigned long long)t->all,
	       (unsigned long long)t->redelivered, (unsigned long long)t->lost,
	       (unsigned long long)t->dead, (unsigned long long)t->doubt_sent,
	       (unsigned long long)t->doubt_unsent, (unsigned long long)t->repeated,
	       (unsigned long long)t->unnoted, (unsigned long long)t->unreleased,
	       (unsigned long long)t->uncounted, (unsigned long long)t->unexplained,
	       (double)ns / 1e9);
	fflush(stdout);
}

void
storm_run(const struct storm_kind *kind, unsigned kills)
{
	static struct storm storm;
	uint64_t began = clock_now_ns();
	int type = kind->opts.kind;

	prctl(PR_SET_TIMERSLACK, 1UL);
	storm = (struct storm){.kind = kind, .seed = 4711};
	storm.sole[CONSUMER] = type == SHMQ_SPSC || type == SHMQ_MPSC;
	storm.sole[PRODUCER] = type != SHMQ_MPSC && type != SHMQ_MPMC;
	storm.stream = type == SHMQ_BROADCAST || type == SHMQ_LATEST;
	storm.lossy = type == SHMQ_LATEST || (kind->opts.flags & SHMQ_LOSSY);
	storm.place = place_queue(ON_SHM, 0, &kind->opts);
	storm.shared = process_share(sizeof(*storm.shared));
	while (storm.total.kills < kills)
		run_round(&storm, ROUND_KILLS);
	print_table(&storm, clock_now_ns() - began);
	place_remove(&storm.place);
}
