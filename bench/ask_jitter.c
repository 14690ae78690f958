/* SPDX-License-Identifier: MIT */
/*
 * A control loop: 1 kHz under SCHED_FIFO, in two processes half a period apart. The first sends
 * one message and takes the answer to the last one, and times that alone: how late it was woken is
 * a figure of its own. Messages are as long as a page, so that a loop whose pages are not there
 * touches a new one each time, and the rings are not gone round in a round.
 *
 *   jitter/quiet       nothing else runs
 *   jitter/pressure    stress-ng takes and gives back most of the free memory, on the second
 *                      core, and what it leaves is filled with pages of a file
 *   jitter/steady      the same for the locked queue alone, and as long as --jitter-seconds says
 *
 * Each process locks what is its own first (mlockall), as a real-time program does; what differs
 * is how the queue is attached; under pressure the kernel is kept from moving locked pages
 * (vm.compact_unevictable_allowed), where we may. The figure `faults` counts both processes' page faults, minor and
 * major, after the first ticks, and has to be 0 for a locked queue.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "pressure.h"
#include "ticks.h"

#define LEN 4096u
#define CAPACITY 4096u
#define PERIOD_NS UINT64_C(1000000)
#define TICKS_WARM 20u
#define PRIORITY 10

/* In place of a number: the end. */
#define LAST UINT64_MAX

/* shared->words: */
enum { MINOR, MAJOR = MINOR + 2, MISSED = MAJOR + 2 };

enum { LOCKED, POPULATED, UNTOUCHED };

/* The loop ---------------------------------------------------------------------------------- */

struct port {
	struct shmq *out, *in;
	uint64_t next; /* when the next tick is */
	uint64_t message[LEN / 8];
};

struct faults {
	uint64_t minor, major;
};

static struct faults
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct faults){(uint64_t)usage.ru_minflt, (uint64_t)usage.ru_majflt};
}

/* Tell the parent what came since `before`. */
static void
tell_faults(struct bench_side *side, struct faults before)
{
	struct faults now = faults();

	side->shared->words[MINOR + side->me] = now.minor - before.minor;
	side->shared->words[MAJOR + side->me] = now.major - before.major;
}

static int
become_real_time(struct bench_side *side)
{
	const struct sched_param param = {.sched_priority = PRIORITY};

	if (sched_setscheduler(0, SCHED_FIFO, &param)) {
		snprintf(side->shared->why, sizeof(side->shared->why),
			 "SCHED_FIFO is not allowed (CAP_SYS_NICE, ulimit -r)");
		return -ENOTSUP;
	}
	if (mlockall(MCL_CURRENT)) {
		snprintf(side->shared->why, sizeof(side->shared->why),
			 "mlockall() is not allowed (CAP_IPC_LOCK, ulimit -l)");
		return -ENOTSUP;
	}
	return 0;
}

static int
open_port(struct bench_side *side, struct port *port)
{
	static const unsigned how[] = {SHMQ_LOCK | SHMQ_POPULATE, SHMQ_POPULATE, 0};
	unsigned flags = how[side->what.variant];
	int err = become_real_time(side);

	memset(port, 0, sizeof(*port));
	if (!err)
		err = bench_attach_fd(&port->out, side->fds[side->me], SHMQ_PRODUCER | flags);
	if (!err)
		err = bench_attach_fd(&port->in, side->fds[!side->me], SHMQ_CONSUMER | flags);
	if (err)
		return err;
	bench_ready(side);
	port->next = (bench_now_ns() / PERIOD_NS + 2) * PERIOD_NS + side->me * PERIOD_NS / 2;
	return 0;
}

/* Sleep to the next tick. How late it is now, in ticks of the clock. */
static uint64_t
wait_tick(struct port *port)
{
	const struct timespec at = {.tv_sec = (time_t)(port->next / 1000000000u),
				    .tv_nsec = (long)(port->next % 1000000000u)};
	double late;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		continue;
	late = (double)(bench_now_ns() - port->next);
	port->next += PERIOD_NS;
	return (uint64_t)(late * bench_ticks_per_ns());
}

/*
 * One tick's work: send `number`, take what has come. 0, or -EAGAIN: one of them could not be
 * done.
 */
static int
work(struct port *port, uint64_t number)
{
	int sent, received;

	port->message[0] = port->message[LEN / 8 - 1] = number;
	sent = shmq_send(port->out, port->message, LEN, 0);
	received = (int)shmq_recv(port->in, port->message, LEN, 0);
	if (received > 0 && port->message[0] != port->message[LEN / 8 - 1])
		return -EBADMSG;
	return sent ? sent : received < 0 ? received : 0;
}

static uint64_t
periods(const struct bench_side *side)
{
	uint64_t n = (uint64_t)(side->what.seconds * 1e9) / PERIOD_NS;

	return n < TICKS_WARM ? TICKS_WARM : n;
}

static int
body_control(struct bench_side *side)
{
	static struct port port;
	uint64_t n = TICKS_WARM + periods(side);
	struct faults before = {0, 0};
	int err = open_port(side, &port);

	for (uint64_t i = 0; !err && i < n; i++) {
		uint64_t late = wait_tick(&port), begin, end;

		if (i == TICKS_WARM)
			before = faults();
		begin = bench_ticks();
		err = work(&port, i);
		end = bench_ticks();
		if (i >= TICKS_WARM) {
			bench_count(&side->shared->latency, end - begin);
			bench_count(&side->shared->other, late);
			side->shared->words[MISSED] += err == -EAGAIN;
		}
		err = err == -EAGAIN ? 0 : err;
	}
	tell_faults(side, before);
	port.message[0] = LAST;
	return err ? err : shmq_send(port.out, port.message, LEN, SHMQ_FOREVER);
}

/* Send back all that has come. 1: the end has. */
static int
answer(struct port *port)
{
	for (;;) {
		int err = (int)shmq_recv(port->in, port->message, LEN, 0);

		if (err < 0)
			return err == -EAGAIN ? 0 : err;
		if (port->message[0] == LAST)
			return 1;
		err = shmq_send(port->out, port->message, LEN, 0);
		if (err)
			return err;
	}
}

static int
body_answer(struct bench_side *side)
{
	static struct port port;
	struct faults before = {0, 0};
	int err = open_port(side, &port);

	for (uint64_t i = 0; !err; i++) {
		wait_tick(&port);
		if (i == TICKS_WARM)
			before = faults();
		err = answer(&port);
	}
	tell_faults(side, before);
	return err < 0 ? err : 0;
}

/* Members ----------------------------------------------------------------------------------- */

static void
add_figures(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	const struct bench_histogram *late = &side->shared->other;

	double minor = (double)(shared->words[MINOR] + shared->words[MINOR + 1]);
	double major = (double)(shared->words[MAJOR] + shared->words[MAJOR + 1]);

	bench_figure(out, "faults", minor + major);
	bench_figure(out, "major_faults", major);
	bench_figure(out, "missed", (double)shared->words[MISSED]);
	bench_figure(out, "late_p50", bench_histogram_at(late, 0.5) / bench_ticks_per_ns());
	bench_figure(out, "late_p999", bench_histogram_at(late, 0.999) / bench_ticks_per_ns());
	bench_figure(out, "late_max", (double)late->greatest / bench_ticks_per_ns());
	/* It is a matter of the kernel's other work here, and no reason to measure again. */
	bench_figure(out, "preemptions", out->preempted);
	out->preempted = 0;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	static const struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = LEN, .capacity = CAPACITY, .participants = 2};
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	for (int i = 0; i < 2 && !err; i++)
		err = bench_side_queue(&side, i, &opts);
	if (!err)
		err = bench_pair(&side, body_control, body_answer);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err)
		add_figures(&side, out);
	else if (side.shared && side.shared->why[0])
		bench_why("%s", side.shared->why);
	bench_side_free(&side);
	return err;
}

/* stress-ng runs from the first member of a group to the last round of the last one. */
static void
count_down(const struct bench_what *what, unsigned members, int failed)
{
	static int done[3];
	int left = 0;

	done[what->variant] = failed ? bench_plan.rounds : done[what->variant] + 1;
	for (unsigned i = 0; i < members; i++)
		left += done[i] < bench_plan.rounds;
	if (left)
		return;
	pressure_end();
	memset(done, 0, sizeof(done));
}

/* In a quick run there is hardly time for it to build up; then its row says so itself. */
static int
add_pressure(struct bench_sample *out, double reclaimed)
{
	bench_figure(out, "pressed_MB", pressure_bytes() / 1e6);
	bench_figure(out, "reclaimed_pages", reclaimed);
	if (reclaimed > 0 || bench_plan.level < BENCH_FULL)
		return 0;
	bench_why("the kernel had to reclaim nothing: there was no pressure");
	return -ENOTSUP;
}

static int
run_pressed(const struct bench_what *what, const struct bench_member *member,
	    struct bench_sample *out)
{
	double before = pressure_reclaimed();
	int err = pressure_begin();

	if (!err)
		err = run(what, member, out);
	if (!err)
		err = add_pressure(out, pressure_reclaimed() - before);
	count_down(what, 3, err != 0);
	return err;
}

static int
run_steady(const struct bench_what *what, const struct bench_member *member,
	   struct bench_sample *out)
{
	double before = pressure_reclaimed();
	int err = pressure_begin();

	if (!err)
		err = run(what, member, out);
	if (!err)
		err = add_pressure(out, pressure_reclaimed() - before);
	count_down(what, 1, err != 0);
	return err;
}

static void
ask(const char *name,
    int (*how)(const struct bench_what *, const struct bench_member *, struct bench_sample *))
{
	const struct bench_what what = {.len = LEN, .capacity = CAPACITY};
	/* A second of each member in all its rounds; in full ten. */
	double factor = bench_plan.level == BENCH_FULL ? 9 : 2.25;
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, BENCH_QUICK, factor);

	bench_join(group, &(struct bench_member){"lock_populate", NULL, how, NULL, LOCKED});
	bench_join(group, &(struct bench_member){"populate", "unlocked", how, NULL, POPULATED});
	bench_join(group, &(struct bench_member){"neither", "untouched", how, NULL, UNTOUCHED});
}

void
ask_jitter(void)
{
	const struct bench_what what = {.len = LEN, .capacity = CAPACITY};
	double factor = bench_plan.jitter_seconds / bench_plan.rounds / bench_plan.seconds;

	ask("jitter/quiet", run);
	ask("jitter/pressure", run_pressed);
	if (factor > 0)
		bench_join(bench_add("jitter/steady", &what, BENCH_LATENCY, BENCH_QUICK, factor),
			   &(struct bench_member){"lock_populate", NULL, run_steady, NULL, LOCKED});
}
