/* SPDX-License-Identifier: MIT */
/*
 * Those who sleep until their message comes.
 *
 *   sleep/asleep       round trips of two who are both asleep in the kernel when their message arrives, every time: each lets
 *                      ASLEEP_NS pass (far beyond our spin budget) before it sends, by looking at the clock. The answerer says
 *                      in his message how long he waited really, from waking to sending, and the asker subtracts it: what is
 *                      left is two messages and two wake-ups. That both did sleep is counted: `sleeps` for each round trip.
 *   sleep/tight        the same without waiting: who spins for a while may never sleep
 *   sleep/every_TIME   one way: a message every 100 us, 1 ms, 10 ms, from when it was to be sent; the sender spins on the clock,
 *                      the receiver waits as he does. `cpu_second`: the share of its core that he used for it. Every queue that
 *                      sleeps is here; `polled` is what never sleeping gains and costs.
 *
 * The bare futex is the classical one, a word for each direction: store, FUTEX_WAKE; FUTEX_WAIT until it changes. It carries the
 * message beside the word, never looks whether there is room, and always wakes, as it does not know whether somebody sleeps. An
 * eventfd carries a number, and adds up what is written while nobody reads: round trips only. Each of these carries 8 bytes.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "bench.h"

#define ASLEEP_NS 200000u
#define WARM_TRIPS 20u
#define LEAST_MESSAGES 20
#define LEAST_S 0.02
#define LEN 8
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Variants: the way, and whether both are to fall asleep. */
enum { SHMQ_WAITS, SHMQ_POLLS, FUTEX, EVENTFD, PIPE, UNIX_STREAM, WAYS };
enum { ASLEEP = 8 };

/* One direction of the bare futex: nobody looks whether it is full, so it is far longer than any receiver is late. */
#define LINE_MESSAGES 8192u

struct futex_line {
	uint32_t word; /* messages sent */
	/* Descriptors of a direction: to write, to read. Hung up by the parent. */
	int fds[2];
	uint64_t messages[LINE_MESSAGES];
};

#define LINES_BYTES (2 * sizeof(struct futex_line))

/* One end of one direction. */
struct queue {
	int way;
	struct shmq *shmq;
	struct futex_line *line;
	uint32_t seen;
	int fd;
};

static int
way_of(const struct bench_side *side)
{
	return side->what.variant % ASLEEP;
}

static struct futex_line *
line_of(const struct bench_side *side, unsigned i)
{
	return (struct futex_line *)(void *)(side->memory + sizeof(struct futex_line) * i);
}

/* Ways -------------------------------------------------------------------------------------- */

static int
futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int
line_send(struct futex_line *line, uint64_t message)
{
	/* Ours: no one else writes it. */
	uint32_t sent = shmq_load_relaxed_u32(&line->word);

	line->messages[sent % LINE_MESSAGES] = message;
	/* SENT: who sees the word change sees the message. */
	shmq_store_release_u32(&line->word, sent + 1);
	return futex(&line->word, FUTEX_WAKE, 1);
}

static int
line_recv(struct queue *queue, uint64_t *message)
{
	struct futex_line *line = queue->line;

	/* SENT: the message is there. */
	while (shmq_load_acquire_u32(&line->word) == queue->seen) {
		int err = futex(&line->word, FUTEX_WAIT, queue->seen);

		if (err && err != -EAGAIN && err != -EINTR)
			return err;
	}
	*message = line->messages[queue->seen++ % LINE_MESSAGES];
	return 0;
}

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	struct futex_line *line = line_of(side, i);
	unsigned role = end == BENCH_SENDS ? SHMQ_PRODUCER : SHMQ_CONSUMER;

	*queue = (struct queue){
		.way = way_of(side), .line = line, .fd = line->fds[end == BENCH_RECEIVES]};
	if (queue->way > SHMQ_POLLS)
		return 0;
	return bench_attach_fd(&queue->shmq, side->fds[i], role | SHMQ_POPULATE);
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	if (queue->way == SHMQ_WAITS)
		return shmq_send(queue->shmq, message, len, SHMQ_FOREVER);
	if (queue->way == SHMQ_POLLS)
		return shmq_send(queue->shmq, message, len, 0);
	if (queue->way == FUTEX)
		return line_send(queue->line, *message);
	return write(queue->fd, message, LEN) == LEN ? 0 : -errno;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (queue->way == SHMQ_WAITS)
		return (int)shmq_recv(queue->shmq, message, len, SHMQ_FOREVER);
	if (queue->way == SHMQ_POLLS)
		return (int)shmq_recv(queue->shmq, message, len, 0);
	if (queue->way == FUTEX)
		return line_recv(queue, message);
	return read(queue->fd, message, LEN) == LEN ? 0 : -errno;
}

#include "bodies.h"

/* Round trips ------------------------------------------------------------------------------- */

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
trip(struct queue queues[2], uint64_t *whole, uint64_t *sending)
{
	uint64_t begin = bench_ticks(), message = 1;
	int err = loop_send(queue_send, &queues[0], &message, LEN);

	*sending = bench_ticks() - begin;
	if (!err)
		err = loop_recv(queue_recv, &queues[1], &message, LEN);
	/* 1 more, as an eventfd has no 0. */
	*whole = bench_ticks() - begin - (message - 1);
	return err;
}

/* An eventfd has no greater number. */
#define LAST (UINT64_MAX - 1)

static int
ask_all(struct bench_side *side, struct queue queues[2], uint64_t wait_ns)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	uint64_t asleep = 0, whole, sending, last = LAST;

	for (uint32_t i = 0; i < 2 * WARM_TRIPS || bench_now_ns() < end; i++) {
		int err;

		if (i == WARM_TRIPS)
			asleep = times_asleep();
		let_pass(bench_ticks(), wait_ns);
		err = trip(queues, &whole, &sending);
		if (err)
			return err;
		if (i < WARM_TRIPS)
			continue;
		bench_count(&side->shared->latency, whole);
		bench_count(&side->shared->other, sending);
	}
	side->shared->words[0] = times_asleep() - asleep;
	return loop_send(queue_send, &queues[0], &last, LEN);
}

/* The answer says how long it was held back, in ticks, and 1. */
static int
answer_all(struct bench_side *side, struct queue queues[2], uint64_t wait_ns)
{
	uint64_t asleep = 0;

	for (uint32_t i = 0;; i++) {
		uint64_t message = 0;
		int err = loop_recv(queue_recv, &queues[0], &message, LEN);
		uint64_t woken = bench_ticks();

		if (i == WARM_TRIPS)
			asleep = times_asleep();
		if (message == LAST)
			side->shared->words[1] = times_asleep() - asleep;
		if (err || message == LAST)
			return err;
		message = 1 + (wait_ns ? let_pass(woken, wait_ns) : 0);
		err = loop_send(queue_send, &queues[1], &message, LEN);
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
	struct queue queues[2];
	int err = queue_open(side, 0, BENCH_SENDS, &queues[0]);

	if (!err)
		err = queue_open(side, 1, BENCH_RECEIVES, &queues[1]);
	if (err)
		return err;
	bench_ready(side);
	return ask_all(side, queues, wait_of(side));
}

static int
answerer(struct bench_side *side)
{
	struct queue queues[2];
	int err = queue_open(side, 0, BENCH_RECEIVES, &queues[0]);

	if (!err)
		err = queue_open(side, 1, BENCH_SENDS, &queues[1]);
	if (err)
		return err;
	bench_ready(side);
	return answer_all(side, queues, wait_of(side));
}

/* In the parent ----------------------------------------------------------------------------- */

/* A direction's descriptors, inherited by both. */
static int
open_fds(int way, int fds[2])
{
	fds[0] = fds[1] = -1;
	if (way == PIPE) {
		int ends[2];

		if (pipe(ends))
			return -errno;
		fds[0] = ends[1];
		fds[1] = ends[0];
	} else if (way == UNIX_STREAM) {
		return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -errno : 0;
	} else if (way == EVENTFD) {
		fds[0] = fds[1] = eventfd(0, 0);
		return fds[0] < 0 ? -errno : 0;
	}
	return 0;
}

static int
make(struct bench_side *side)
{
	const struct shmq_opts opts = {
		.size = sizeof(opts), .kind = SHMQ_SPSC, .msg_max = LEN, .capacity = 1024};
	int err = 0;

	for (unsigned i = 0; i < 2; i++)
		line_of(side, i)->fds[0] = line_of(side, i)->fds[1] = -1;
	for (unsigned i = 0; i < 2 && !err; i++) {
		err = open_fds(way_of(side), line_of(side, i)->fds);
		if (!err && way_of(side) <= SHMQ_POLLS)
			err = bench_side_queue(side, (int)i, &opts);
	}
	return err;
}

static void
unmake(struct bench_side *side)
{
	for (unsigned i = 0; side->memory && i < 2; i++) {
		const int *fds = line_of(side, i)->fds;

		if (fds[0] >= 0)
			close(fds[0]);
		if (fds[1] >= 0 && fds[1] != fds[0])
			close(fds[1]);
	}
	bench_side_free(side);
}

static int
run_trips(const struct bench_what *what, const struct bench_member *member,
	  struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, LINES_BYTES);

	(void)member;
	if (!err)
		err = make(&side);
	if (!err)
		err = bench_pair(&side, asker, answerer);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err) {
		uint64_t sleeps = side.shared->words[0] + side.shared->words[1];

		bench_figure(out, "send_alone",
			     bench_histogram_at(&side.shared->other, 0.5) / bench_ticks_per_ns());
		bench_figure(out, "sleeps", (double)sleeps / out->count);
		bench_figure_cpu(&side, out);
	}
	unmake(&side);
	return err;
}

static int
sample_one_way(const struct bench_side *side, struct bench_sample *out)
{
	const struct bench_shared *shared = side->shared;
	int err = bench_sample_latency(side, out);

	if (err)
		return err;
	if (shared->received != shared->sent)
		return -EBADMSG;
	bench_figure(out, "sleeps", (double)shared->sleeps / (double)shared->received);
	bench_figure_cpu(side, out);
	return 0;
}

/* Long enough for some messages, also where the receiver gets his core late. */
static struct bench_what
lengthened(const struct bench_what *what)
{
	struct bench_what longer = *what;
	double least = LEAST_MESSAGES * what->interval_ns / 1e9;

	if (longer.seconds < LEAST_S)
		longer.seconds = LEAST_S;
	if (longer.seconds < least)
		longer.seconds = least;
	return longer;
}

static int
run_way(const struct bench_what *given, const struct bench_member *member, struct bench_sample *out)
{
	const struct bench_what what = lengthened(given);
	struct bench_side side;
	int err = bench_side_init(&side, &what, LINES_BYTES);

	(void)member;
	if (!err)
		err = make(&side);
	if (!err)
		err = bench_pair(&side, bodies[BENCH_PACE], bodies[BENCH_ARRIVE]);
	if (!err)
		err = sample_one_way(&side, out);
	unmake(&side);
	return err;
}

static int
run_adapter(const struct bench_what *given, const struct bench_member *member,
	    struct bench_sample *out)
{
	const struct bench_what what = lengthened(given);
	const struct bench_adapter *adapter = member->adapter;
	struct bench_side side;
	int err;

	if (!adapter->bodies)
		return -ENOTSUP;
	err = bench_make(&side, adapter, &what, 1);
	if (!err)
		err = bench_pair(&side, adapter->bodies[BENCH_PACE], adapter->bodies[BENCH_ARRIVE]);
	if (!err)
		err = sample_one_way(&side, out);
	bench_unmake(&side, adapter);
	return err;
}

static void
ask_trips(const char *name, int asleep, double time_factor)
{
	const struct bench_member members[] = {
		{"bare_futex", "floor", run_trips, NULL, FUTEX | asleep},
		{"wait", NULL, run_trips, NULL, SHMQ_WAITS | asleep},
		{"eventfd", "weaker", run_trips, NULL, EVENTFD | asleep},
		{"pipe", "rival", run_trips, NULL, PIPE | asleep},
		{"unix_stream", "rival", run_trips, NULL, UNIX_STREAM | asleep},
	};
	const struct bench_what what = {.len = LEN, .capacity = 1024};
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, BENCH_QUICK, time_factor);

	for (size_t i = 0; i < COUNT(members); i++)
		bench_join(group, &members[i]);
}

static void
ask_one_way(const char *name, double interval_ns, enum bench_level level, double time_factor)
{
	const struct bench_member members[] = {
		{"bare_futex", "floor", run_way, NULL, FUTEX},
		{"polled", "polled", run_way, NULL, SHMQ_POLLS},
	};
	/* Never more than one on its way, as long as nobody falls behind. */
	const struct bench_what what = {
		.len = LEN, .capacity = 1024, .closed = 1, .interval_ns = interval_ns};
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, level, time_factor);

	for (size_t i = 0; i < COUNT(members); i++)
		bench_join(group, &members[i]);
	bench_join_adapters(group, BENCH_PAIR | BENCH_SLEEPS, run_adapter);
}

void
ask_sleep(void)
{
	ask_trips("sleep/asleep", ASLEEP, 2);
	ask_trips("sleep/tight", 0, 1);
	ask_one_way("sleep/every_100us", 1e5, BENCH_QUICK, 1);
	ask_one_way("sleep/every_1ms", 1e6, BENCH_QUICK, 1);
	ask_one_way("sleep/every_10ms", 1e7, BENCH_FULL, 2);
}
