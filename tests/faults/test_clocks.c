/* SPDX-License-Identifier: MIT */
/* Clocks that differ between processes, or jump. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"
#include "support/process.h"
#include "support/trace.h"

TestSuite(clocks, .init = place_begin, .fini = place_end, .timeout = 120);

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)
#define SECOND INT64_C(1000000000)
#define HOUR 3600
#define NEWTIME 0x00000080 /* CLONE_NEWTIME; glibc 2.36 names it in <linux/sched.h> only */

static int64_t
now_ns(void)
{
	struct timespec now;

	SAME(0, clock_gettime(CLOCK_MONOTONIC, &now));
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* Other monotonic clocks --------------------------------------------------------------------- */

/* Children get a clock that is so much later. */
static bool
children_later(int64_t seconds)
{
	char text[96];
	int length = snprintf(text, sizeof(text), "monotonic %lld 0\nboottime %lld 0\n",
			      (long long)seconds, (long long)seconds);
	int fd;
	bool done;

	if (unshare(NEWTIME) != 0)
		return false;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, (size_t)length) == length;
	if (fd >= 0)
		close(fd);
	return done;
}

static void
try_later(void *arg)
{
	_exit(!children_later(*(int64_t *)arg));
}

static void
need_later(int64_t *seconds)
{
	if (process_end(process_start(try_later, seconds)) != 0)
		cr_skip_test("needs CAP_SYS_ADMIN, and time namespaces");
}

/* 2 ms to 20 ms, of the clock that is here. */
static void
time_out(struct shmq *q)
{
	for (int64_t ns = 2000000; ns <= 20000000; ns *= 10) {
		int64_t begin = now_ns();
		char byte;

		SAME(-ETIMEDOUT, shmq_recv(q, &byte, 1, ns));
		MUST(now_ns() - begin >= ns);
		MUST(now_ns() - begin < ns + 10 * SECOND);
	}
}

struct pair {
	struct place to, from;
	int64_t seconds;
};

#define ROUNDS 300

/* Every way of waiting, in turn: without limit, limited, by descriptor. */
static void
await_letter(struct shmq *q, int i)
{
	struct pollfd ready = {.fd = shmq_fd(q), .events = POLLIN};
	int64_t timeout = i % 3 == 0 ? SHMQ_FOREVER : 30 * SECOND;
	char byte = 0;

	while (i % 3 == 2) {
		ssize_t got = shmq_recv(q, &byte, 1, 0);

		if (got == 1)
			return;
		SAME(-EAGAIN, got);
		MUST(poll(&ready, 1, 30000) == 1);
	}
	SAME(1, shmq_recv(q, &byte, 1, timeout));
}

static void
be_echo(void *arg)
{
	struct pair *pair = arg;
	struct shmq *in = NULL, *out = NULL;

	SAME(0, shmq_attach(&in, pair->to.attach, SHMQ_CONSUMER));
	SAME(0, shmq_attach(&out, pair->from.attach, SHMQ_PRODUCER));
	for (int i = 0; i < ROUNDS; i++) {
		await_letter(in, i);
		SAME(0, shmq_send(out, "x", 1, SHMQ_FOREVER));
	}
	time_out(in);
	SAME(0, shmq_detach(in));
	SAME(0, shmq_detach(out));
}

/* An echo on another clock; this end now and then sleeps, so that the other one does, too. */
static void
exchange(void *arg)
{
	struct pair *pair = arg;
	struct shmq *in = NULL, *out = NULL;
	pid_t echo;

	SAME(0, shmq_attach(&out, pair->to.attach, SHMQ_PRODUCER));
	SAME(0, shmq_attach(&in, pair->from.attach, SHMQ_CONSUMER));
	MUST(children_later(pair->seconds));
	echo = process_start(be_echo, pair);
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 10 == 0)
			usleep(2000);
		SAME(0, shmq_send(out, "x", 1, SHMQ_FOREVER));
		await_letter(in, i);
	}
	process_join(echo);
	time_out(in);
	SAME(0, shmq_detach(in));
	SAME(0, shmq_detach(out));
}

static void
exchange_with(int64_t seconds)
{
	need_later(&seconds);
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct pair pair = {place_queue(on, 0, NULL), place_queue(on, 1, NULL), seconds};

		process_join(process_start(exchange, &pair));
		place_remove(&pair.to);
		place_remove(&pair.from);
	}
}

Test(clocks, test_peer_with_later_clock_waits_and_wakes)
{
	exchange_with(100 * INT64_C(86400));
}

Test(clocks, test_peer_with_earlier_clock_waits_and_wakes)
{
	exchange_with(-(now_ns() / SECOND / 2));
}

static void
hold_on_other_clock(void *arg)
{
	struct scene *s = arg;

	MUST(children_later(100 * INT64_C(86400)));
	scene_open(s);
	scene_start(s, NULL);
	scene_alive(s);
	process_kill(s->pid);
	scene_dead(s);
}

Test(clocks, test_holder_with_later_clock_alive_then_dead)
{
	int64_t seconds = 1;

	need_later(&seconds);
	for (unsigned h = 0; h < HOLDS; h++) {
		struct scene s = scene_plan(&holds[h], (enum place_backend)(h % PLACES));

		process_join(process_start(hold_on_other_clock, &s));
	}
}

/* The wall clock jumps ----------------------------------------------------------------------- */

/* What the library is told by time(), the one way that it may ask for the date. */
static int64_t jump_s;

/* And who takes it for a clock to wait by finds it earlier, from one look to the next. */
static bool running_back;

__attribute__((visibility("default"))) int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int64_t back;

	if (syscall(SYS_clock_gettime, clock, now) != 0)
		return -1;
	if (running_back && clock != CLOCK_MONOTONIC)
		now->tv_sec -= back += HOUR;
	return 0;
}

__attribute__((visibility("default"))) time_t
time(time_t *out)
{
	struct timespec now;

	if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) != 0)
		return (time_t)-1;
	if (out)
		*out = now.tv_sec + jump_s;
	return now.tv_sec + jump_s;
}

static bool
about(int64_t want, int64_t got)
{
	return got >= want && got <= want + 60;
}

static void
use_and_wait(struct shmq *q)
{
	char byte;

	SAME(0, shmq_send(q, "x", 1, SECOND));
	SAME(1, shmq_recv(q, &byte, 1, SECOND));
	time_out(q);
}

static const int64_t jumps[] = {HOUR, -HOUR, 10 * 365 * 24 * (int64_t)HOUR, 0};

Test(clocks, test_wall_clock_jumps_times_say_so_and_nothing_else)
{
	const struct shmq_perm same = {
		.size = sizeof(same), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0600};

	running_back = true;
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, NULL);
		struct shmq *q = NULL, *other = NULL;

		SAME(0, shmq_attach(&q, place.attach, BOTH));
		MUST(shmq_fd(q) >= 0);
		for (unsigned i = 0; i < 4; i++) {
			int64_t date;

			jump_s = jumps[i];
			date = (int64_t)time(NULL);
			use_and_wait(q);
			SAME(0, shmq_gc(0, NULL, NULL));
			SAME(0, shmq_attach(&other, place.attach, SHMQ_OBSERVER));
			SAME(0, shmq_detach(other));
			SAME(0, shmq_set(place.attach, &same));
			if (on != ON_SYSV) /* the kernel's own dates */
				MUST(about(date, place_stat(&place).ctime));
		}
		jump_s = 0;
		SAME(0, shmq_detach(q));
		place_remove(&place);
	}
}

static void
open_bell(void *arg)
{
	struct shmq *q = NULL;
	char byte;

	SAME(0, shmq_attach(&q, ((struct place *)arg)->attach, BOTH));
	victim_begins();
	MUST(shmq_fd(q) >= 0);
	victim_ends();
	SAME(-EAGAIN, shmq_recv(q, &byte, 1, 0));
	SAME(0, shmq_detach(q));
}

/*
 * gc tells half-made FIFOs of the dead by their age: with a clock that has jumped it takes one that
 * is being made. Its maker makes another.
 */
Test(clocks, test_gc_after_jump_takes_fifo_at_work_maker_begins_again)
{
	struct place place = place_queue(ON_SHM, 0, NULL);
	pid_t pid = victim_start(open_bell, &place);
	int found;

	MUST(victim_reaches(pid, SYS_flock));
	jump_s = HOUR;
	found = shmq_gc(0, NULL, NULL);
	jump_s = 0;
	if (place_is_private())
		SAME(1, found);
	MUST(!victim_calls(pid, 10000)); /* to its end */
	victim_kill(pid);
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	place_remove(&place);
	if (place_is_private())
		SAME(0, place_leftovers());
}
