/* SPDX-License-Identifier: MIT */
/* The one who kills: starts processes, kills them, ends rounds, and watches that things go on. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "storm.h"
#include "support/process.h"

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

void
storm_complain(const struct storm *storm, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "%s on %s: %s\n", storm->kind->name, storm->place.create, text);
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

/* It was killed, or, if it was asked to, has left before. */
static void
seat_ended(struct storm *storm, bool producer, unsigned seat, int status)
{
	bool left = storm->leaving[producer][seat] && status == 0;

	storm->pids[producer][seat] = 0;
	storm->stopped[producer][seat] = storm->leaving[producer][seat] = false;
	if (left) {
		storm->sum.leaves++;
		return;
	}
	SAME(0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	SAME(SIGKILL, WTERMSIG(status));
	storm->shared->lives[storm->life_of[producer][seat]].killed_ns = clock_now_ns();
	storm->sum.kills++;
	storm->sum.killed_producers += producer;
	storm->sum.killed_consumers += !producer;
}

static void
seat_kill(struct storm *storm, bool producer, unsigned seat)
{
	pid_t pid = (pid_t)storm->pids[producer][seat];

	SAME(0, kill(pid, SIGKILL));
	seat_ended(storm, producer, seat, process_end(pid));
}

/* Ask it to leave. It may have to wait for others first. */
static void
seat_leave(struct storm *storm, bool producer, unsigned seat)
{
	storm->leaving[producer][seat] = true;
	/* Relaxed: it carries nothing. */
	shmq_store_relaxed_u64(&storm->shared->seats[producer][seat].leave,
			       storm->life_of[producer][seat]);
}

/* Whether it ended, without waiting. */
static bool
has_ended(pid_t pid)
{
	siginfo_t end = {.si_pid = 0};

	SAME(0, waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG));
	return end.si_pid != 0;
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
 * stopped for a while, or asked to leave.
 */
static void
strike(struct storm *storm)
{
	unsigned all = storm->kind->producers + storm->kind->consumers;
	unsigned n = (unsigned)random_below(&storm->seed, all);
	bool producer = n < storm->kind->producers;
	unsigned seat = producer ? n : n - storm->kind->producers;

	if (storm->pids[producer][seat]) {
		switch (random_below(&storm->seed, storm->stopped[producer][seat] ? 2 : 8)) {
		case 0:
			seat_stop(storm, producer, seat);
			return;
		case 7:
			seat_leave(storm, producer, seat);
			return;
		default:
			break;
		}
		seat_kill(storm, producer, seat);
		if (random_below(&storm->seed, 4) == 0)
			return;
	}
	seat_start(storm, producer, seat);
}

/* Watching ----------------------------------------------------------------------------------- */

/* Nobody ends by itself, and fails, but who was asked to leave: who comes next follows it. */
static void
must_live(struct storm *storm)
{
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		pid_t pid = (pid_t)storm->pids[i % 2][i / 2];

		if (pid == 0 || !has_ended(pid))
			continue;
		MUST(storm->leaving[i % 2][i / 2]);
		seat_ended(storm, i % 2, i / 2, process_end(pid));
		seat_start(storm, i % 2, i / 2);
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

/*
 * Nobody is killed or leaves any more; whoever sends or receives must get on with it. False: there
 * is no room for notes of that, and so nobody knows whether a consumer is attached.
 */
static bool
calm(struct storm *storm)
{
	uint64_t from[2][STORM_SEATS], limit = clock_now_ns() + LIMIT_NS;

	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		if (storm->leaving[i % 2][i / 2])
			seat_kill(storm, i % 2, i / 2);
		if (storm->stopped[i % 2][i / 2])
			seat_stop(storm, i % 2, i / 2);
		if (i / 2 < seats(storm, i % 2) && !storm->pids[i % 2][i / 2])
			seat_start(storm, i % 2, i / 2);
	}
	/* Relaxed: a step after this is by one who has seen it, or sees it before it detaches. */
	shmq_store_relaxed_u64(&storm->shared->settled, 1);
	steps_of(storm, from);
	while (!(goes_on(storm, PRODUCER, from) && goes_on(storm, CONSUMER, from))) {
		if (out_of_notes(storm))
			return false;
		must_live(storm);
		MUST(clock_now_ns() < limit && "somebody is stuck");
		sleep_ns(100000);
	}
	return true;
}

static void
await_end(const struct storm *storm, pid_t pid, const char *who)
{
	uint64_t limit = clock_now_ns() + LIMIT_NS;

	while (!has_ended(pid)) {
		if (clock_now_ns() > limit)
			storm_complain(storm, "%s is stuck", who);
		MUST(clock_now_ns() < limit);
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
	storm->removed_ns = 0;
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
	await_end(storm, producer, "the last producer");
	if (consumer)
		await_end(storm, consumer, storm->stream ? "the witness" : "the last consumer");
	close(last.gate);
}

/* What has the address now is another one. */
static void
use_address_again(const struct storm *storm)
{
	struct place again;

	if (storm->place.on == ON_MEMFD)
		return; /* it has no name */
	again = place_segment(storm->place.on, storm->name, NULL);
	SAME(SHMQ_SEGMENT, place_stat(&again).kind);
	place_remove(&again);
}

/*
 * How the queue stands when so many are attached. On sysv: who only looks (shmq_stat(), shmq_list(),
 * shmq_gc(), of other storms) counts, too, for a moment.
 */
static void
stat_when_left(struct storm *storm, const struct shmq *eyes, int64_t attached)
{
	uint64_t limit = clock_now_ns() + LIMIT_NS;

	for (;;) {
		storm->after = (struct shmq_stat){.size = sizeof(storm->after)};
		if (eyes)
			SAME(0, shmq_qstat(eyes, &storm->after));
		else
			storm->after = place_stat(&storm->place);
		if (storm->after.nattch == attached)
			return;
		if (clock_now_ns() > limit)
			SAME(attached, storm->after.nattch);
		sleep_ns(50000);
	}
}

/*
 * The queue goes under those who use it; they end, once what is left is received. A handle stays,
 * to see how it stands then: an observer's, or, where there is room for one more, a producer's, as
 * an observer is not told what dead consumers of MPMC had.
 */
static void
take_away(struct storm *storm, pid_t witness)
{
	unsigned role = storm->sole[PRODUCER] ? SHMQ_OBSERVER : SHMQ_PRODUCER;
	struct shmq *eyes = NULL;
	int err;

	SAME(0, shmq_attach(&eyes, storm->place.attach, role));
	/* Relaxed: who finds the queue gone sees it, by the system calls on the way. */
	shmq_store_relaxed_u64(&storm->shared->removed, 1);
	/* Who comes between its two steps, with shmq_gc(), may be the first with the second. */
	err = shmq_remove(storm->place.attach);
	if (err != -ENOENT || !storm->bells)
		SAME(0, err);
	storm->removed_ns = clock_now_ns();
	use_address_again(storm);
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++) {
		if (storm->pids[i % 2][i / 2])
			await_end(storm, (pid_t)storm->pids[i % 2][i / 2],
				  i % 2 ? "a producer of a removed queue"
					: "a consumer of a removed queue");
		storm->pids[i % 2][i / 2] = 0;
	}
	if (witness)
		await_end(storm, witness, "the witness of a removed queue");
	stat_when_left(storm, eyes, 1);
	SAME(SHMQ_DEST, storm->after.mode & SHMQ_DEST);
	SAME(storm->lossy || role == SHMQ_PRODUCER,
	     storm->after.producers + storm->after.consumers);
	SAME(0, shmq_detach(eyes));
	if (storm->place.fd >= 0)
		close(storm->place.fd);
	storm->place.attach[0] = '\0';
	storm->sum.removals = 1;
}

/* Everybody is killed, and what is left is received. */
static void
end_by_drain(struct storm *storm, pid_t witness)
{
	for (unsigned i = 0; i < 2 * STORM_SEATS; i++)
		if (storm->pids[i % 2][i / 2])
			seat_kill(storm, i % 2, i / 2);
	drain(storm, witness);
	stat_when_left(storm, NULL, 0);
	SAME(0, storm->after.producers + storm->after.consumers);
	if (!storm->stream)
		SAME(0, storm->after.depth);
}

static void
add_up(struct storm *storm)
{
	uint64_t *total = (uint64_t *)&storm->total;
	const uint64_t *sum = (const uint64_t *)&storm->sum;

	for (size_t i = 0; i < sizeof(storm->sum) / sizeof(*sum); i++)
		total[i] += sum[i];
}

static bool
account(struct storm *storm)
{
	struct storm_sum *sum = &storm->sum;
	const struct shmq_stat *was = &storm->before, *is = &storm->after;

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
	return sum->unexplained == 0;
}

bool
storm_round(struct storm *storm, unsigned kills, enum storm_end end)
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
	if (calm(storm) && end == BY_REMOVAL)
		take_away(storm, witness);
	else
		end_by_drain(storm, witness);
	return account(storm);
}

void
storm_open(struct storm *storm, const struct storm_kind *kind, enum place_backend on)
{
	int type = kind->opts.kind;

	storm->kind = kind;
	storm->sole[CONSUMER] = type == SHMQ_SPSC || type == SHMQ_MPSC;
	storm->sole[PRODUCER] = type != SHMQ_MPSC && type != SHMQ_MPMC;
	storm->stream = type == SHMQ_BROADCAST || type == SHMQ_LATEST;
	storm->lossy = type == SHMQ_LATEST || (kind->opts.flags & SHMQ_LOSSY);
	storm->place = place_queue(on, storm->name, &kind->opts);
	if (!storm->shared)
		storm->shared = process_share(sizeof(*storm->shared));
}

void
storm_close(struct storm *storm)
{
	if (storm->place.attach[0])
		place_remove(&storm->place);
	storm->place.attach[0] = '\0';
}

void
storm_forget(struct storm *storm)
{
	SAME(0, madvise(storm->shared, sizeof(*storm->shared), MADV_REMOVE));
}
