/* SPDX-License-Identifier: MIT */
/*
 * What two cores and the kernel can do at all: all else is measured against these.
 *
 *   floors/line/LEN      a line to the other core and another one back (peer_line.c): a message and
 *                        its number, 64 bytes with 56
 *   floors/store_see     from before the store on one core to where the other has seen it
 *   floors/stream/LEN    copying from core to core (peer_stream.c)
 *   floors/wake/tight    round trips of two who sleep in the kernel, by a bare futex and by an
 *                        eventfd: send, then wait
 *   floors/wake/asleep   the same, and each has been asleep for long when his message comes: they
 *                        wait ASLEEP_NS before they send; the answerer says how long he did, and
 *                        the asker leaves that out. "sleeps": how often the two slept for each
 *                        round trip; 2 is both
 */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "bench.h"
#include "ticks.h"

/* Lines ------------------------------------------------------------------------------------- */

static int
run_there_and_back(const struct bench_what *what, const struct bench_member *member,
		   struct bench_sample *out)
{
	static const struct bench_pairing pairing = {2, BENCH_PING, BENCH_PONG,
						     bench_sample_latency};

	return bench_run_pair(what, member, out, &pairing);
}

static int
run_one_way(const struct bench_what *what, const struct bench_member *member,
	    struct bench_sample *out)
{
	static const struct bench_pairing pairing = {2, BENCH_PING, BENCH_PONG_TIMED,
						     bench_sample_latency};

	return bench_run_pair(what, member, out, &pairing);
}

static void
ask_line(const char *name, size_t len,
	 int (*run)(const struct bench_what *, const struct bench_member *, struct bench_sample *))
{
	const struct bench_adapter *line = bench_adapter_named("line");
	const struct bench_what what = {.len = len, .capacity = 1};
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, BENCH_QUICK, 1);

	bench_join(group, &(struct bench_member){"spin", "floor", run, line, 0});
	bench_join(group, &(struct bench_member){"pause", "floor", run, line, 1});
	bench_join(group, &(struct bench_member){"pause_4", "floor", run, line, 4});
}

static int
run_stream(const struct bench_what *what, const struct bench_member *member,
	   struct bench_sample *out)
{
	static const struct bench_pairing pairing = {1, BENCH_PRODUCE, BENCH_CONSUME,
						     bench_sample_rate};
	int err = bench_run_pair(what, member, out, &pairing);

	if (!err)
		bench_figure(out, "MB_per_s", (double)what->len * 1e3 / out->ns);
	return err;
}

static void
ask_stream(size_t len)
{
	const struct bench_what what = {.len = len, .capacity = 64};
	char name[32];

	snprintf(name, sizeof(name), "floors/stream/%zu", len);
	bench_join_stream(bench_add(name, &what, BENCH_RATE, BENCH_QUICK, 0.5), run_stream);
}

/* Waking ------------------------------------------------------------------------------------ */

#define ASLEEP_NS 200000u
#define WARM_TRIPS 10u
#define LAST UINT64_C(1000000000000)

/* Variants: bits. */
enum { FUTEX = 1, ASLEEP = 2 };

/* One direction of the bare futex: the word to sleep on, the message. */
struct futex_line {
	uint32_t word;
	uint64_t message;
};

/* How one of the two talks; as an eventfd: descriptors. */
struct way {
	struct futex_line *out, *in;
	int out_fd, in_fd;
	uint32_t seen;
};

static int
futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0) < 0 ? -errno : 0;
}

/*
 * Always wakes: it does not know whether somebody sleeps. An eventfd adds up what is written, and 0
 * wakes nobody.
 */
static int
way_send(const struct way *way, uint64_t message)
{
	message++;
	if (!way->out)
		return write(way->out_fd, &message, sizeof(message)) < 0 ? -errno : 0;
	way->out->message = message;
	/* WORD, release: the message is there. */
	shmq_store_release_u32(&way->out->word, shmq_load_relaxed_u32(&way->out->word) + 1);
	return futex(&way->out->word, FUTEX_WAKE, 1);
}

static int
way_recv(struct way *way, uint64_t *message)
{
	int err = 0;

	if (!way->in && read(way->in_fd, message, sizeof(*message)) < 0)
		return -errno;
	if (way->in) {
		/* WORD, acquire: so is the message. */
		while (shmq_load_acquire_u32(&way->in->word) == way->seen) {
			err = futex(&way->in->word, FUTEX_WAIT, way->seen);
			if (err && err != -EAGAIN && err != -EINTR)
				return err;
		}
		way->seen++;
		*message = way->in->message;
	}
	--*message;
	return 0;
}

static struct way
way_open(struct bench_side *side, int mine)
{
	unsigned char *halves[2] = {side->memory, side->memory + side->memory_bytes / 2};
	struct way way = {NULL, NULL, side->fds[mine], side->fds[!mine], 0};

	if (side->what.variant & FUTEX) {
		way.out = (struct futex_line *)(void *)halves[mine];
		way.in = (struct futex_line *)(void *)halves[!mine];
	}
	bench_ready(side);
	return way;
}

static uint64_t
times_asleep(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

/* Let the other one fall asleep, without leaving the core; the ticks that did pass. */
static uint64_t
let_pass(const struct bench_side *side)
{
	uint64_t wanted = (uint64_t)(ASLEEP_NS * bench_ticks_per_ns());
	uint64_t from = bench_ticks(), passed;

	if (!(side->what.variant & ASLEEP))
		return 0;
	while ((passed = bench_ticks() - from) < wanted)
		shmq_pause();
	return passed;
}

static int
asker(struct bench_side *side)
{
	struct way way = way_open(side, 0);
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9), slept = 0;
	uint64_t trips;

	for (trips = 0; trips < 2 * WARM_TRIPS || bench_now_ns() < end; trips++) {
		uint64_t begin, waited;
		int err;

		if (trips == WARM_TRIPS)
			slept = times_asleep();
		let_pass(side);
		begin = bench_ticks();
		err = way_send(&way, 0);
		if (!err)
			err = way_recv(&way, &waited);
		if (err)
			return err;
		if (trips >= WARM_TRIPS)
			bench_count(&side->shared->latency, bench_ticks() - begin - waited);
	}
	side->shared->words[0] = times_asleep() - slept;
	side->shared->count = trips - WARM_TRIPS;
	return way_send(&way, LAST);
}

/* The answer says how long it was held back. */
static int
answerer(struct bench_side *side)
{
	struct way way = way_open(side, 1);
	uint64_t message, slept = 0;

	for (uint32_t trips = 0;; trips++) {
		int err = way_recv(&way, &message);

		if (trips == WARM_TRIPS)
			slept = times_asleep();
		if (!err && message != LAST)
			err = way_send(&way, let_pass(side));
		if (err)
			return err;
		if (message == LAST)
			break;
	}
	side->shared->words[1] = times_asleep() - slept;
	return 0;
}

static int
run_wake(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 2 * 4096);

	(void)member;
	for (int i = 0; !err && i < 2 && !(what->variant & FUTEX); i++) {
		side.fds[i] = eventfd(0, 0);
		if (side.fds[i] < 0)
			err = -errno;
	}
	if (!err)
		err = bench_pair(&side, asker, answerer);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err)
		bench_figure(out, "sleeps",
			     (double)(side.shared->words[0] + side.shared->words[1]) /
				     (double)side.shared->count);
	bench_side_free(&side);
	return err;
}

static void
ask_wake(const char *name, int variant)
{
	const struct bench_what what = {.len = 8, .capacity = 1};
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, BENCH_QUICK, 1);

	bench_join(group,
		   &(struct bench_member){"futex", "floor", run_wake, NULL, variant | FUTEX});
	bench_join(group, &(struct bench_member){"eventfd", "floor", run_wake, NULL, variant});
}

void
ask_floors(void)
{
	ask_line("floors/line/8", 8, run_there_and_back);
	ask_line("floors/line/56", 56, run_there_and_back);
	ask_line("floors/store_see", 8, run_one_way);
	ask_stream(64);
	ask_stream(4096);
	ask_stream(65536);
	ask_wake("floors/wake/tight", 0);
	ask_wake("floors/wake/asleep", ASLEEP);
}
