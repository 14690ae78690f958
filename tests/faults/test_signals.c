/* SPDX-License-Identifier: MIT */
/*
 * A handler that runs all the time. Who waits is told so (-EINTR), and nothing is lost, repeated or
 * spoilt; what does not wait is not disturbed at all.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

TestSuite(signals, .init = place_begin, .fini = place_end, .timeout = 180);

#define MSG_MAX 64
#define MESSAGES 4000
#define BATCH 3
#define OFTEN_US 200
#define STORM_SECONDS 60 /* no call takes so long, unless it never ends */

static volatile sig_atomic_t handled;

static void
handle(int number)
{
	(void)number;
	handled = 1;
}

/* No SA_RESTART. */
static void
signals_every(int us)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerval often = {{0, us}, {0, us}};

	SAME(0, sigaction(SIGALRM, &action, NULL));
	SAME(0, setitimer(ITIMER_REAL, &often, NULL));
}

/* Messages ----------------------------------------------------------------------------------- */

static const struct shmq_opts kinds[] = {
	{.kind = SHMQ_SPSC, .capacity = 4},
	{.kind = SHMQ_SPSC, .capacity = 400, .flags = SHMQ_RECORDS},
	{.kind = SHMQ_MPSC, .capacity = 4},
	{.kind = SHMQ_MPSC, .capacity = 400, .flags = SHMQ_RECORDS},
	{.kind = SHMQ_MPMC, .capacity = 4},
	{.kind = SHMQ_MPMC, .capacity = 4, .flags = SHMQ_REDELIVER},
	{.kind = SHMQ_BROADCAST, .capacity = 4},
	{.kind = SHMQ_BROADCAST, .capacity = 400, .flags = SHMQ_RECORDS},
};

struct stream {
	struct place place;
	int ready;
	unsigned *interrupted; /* shared: [2], how often */
};

/* In turn for ever, for a time that is over before it comes, and at once. */
static int64_t
timeout_of(uint64_t i)
{
	static const int64_t timeouts[] = {SHMQ_FOREVER, 100000, 0, 50000000};

	return timeouts[i % 4];
}

/* Whether to try again. */
static bool
again(ssize_t result, unsigned *interrupted)
{
	*interrupted += result == -EINTR;
	return result == -EINTR || result == -ETIMEDOUT || result == -EAGAIN;
}

static ssize_t
send_copy(struct shmq *q, uint64_t i, int64_t timeout)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(i, MSG_MAX);
	int err;

	message_fill(bytes, i, length);
	err = shmq_send(q, bytes, length, timeout);
	return err ? err : 1;
}

static ssize_t
send_in_place(struct shmq *q, uint64_t i, int64_t timeout)
{
	struct iovec slot;
	int err = shmq_reserve(q, &slot, MSG_MAX, timeout);

	if (err)
		return err;
	slot.iov_len = message_length(i, MSG_MAX);
	message_fill(slot.iov_base, i, slot.iov_len);
	SAME(0, shmq_commit(q, &slot));
	return 1;
}

static ssize_t
send_batch(struct shmq *q, uint64_t i, int64_t timeout)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH];

	for (uint64_t k = 0; k < BATCH; k++) {
		v[k] = (struct iovec){bytes[k], message_length(i + k, MSG_MAX)};
		message_fill(bytes[k], i + k, v[k].iov_len);
	}
	return shmq_send_batch(q, v, i + BATCH <= MESSAGES ? BATCH : 1, timeout);
}

static ssize_t
receive_copy(struct shmq *q, uint64_t i, int64_t timeout)
{
	unsigned char bytes[MSG_MAX];
	ssize_t length = shmq_recv(q, bytes, MSG_MAX, timeout);

	if (length < 0)
		return length;
	message_check(bytes, (size_t)length, i, MSG_MAX);
	return 1;
}

static ssize_t
receive_in_place(struct shmq *q, uint64_t i, int64_t timeout)
{
	struct iovec message;
	int err = shmq_peek(q, &message, timeout);

	if (err)
		return err;
	message_check(message.iov_base, message.iov_len, i, MSG_MAX);
	SAME(0, shmq_release(q, &message));
	return 1;
}

static ssize_t
receive_batch(struct shmq *q, uint64_t i, int64_t timeout)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH];
	ssize_t n;

	for (unsigned k = 0; k < BATCH; k++)
		v[k] = (struct iovec){bytes[k], MSG_MAX};
	n = shmq_recv_batch(q, v, BATCH, timeout);
	for (ssize_t k = 0; k < n; k++)
		message_check(bytes[k], v[k].iov_len, i + (uint64_t)k, MSG_MAX);
	return n;
}

struct ways {
	ssize_t (*way[3])(struct shmq *q, uint64_t i, int64_t timeout);
};

static void
run(struct stream *s, unsigned role, const struct ways *ways)
{
	unsigned *interrupted = &s->interrupted[role == SHMQ_CONSUMER];
	uint64_t seed = role, tries = 0;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, s->place.attach, role));
	gate_open(s->ready);
	signals_every(OFTEN_US);
	for (uint64_t i = 0; i < MESSAGES;) {
		ssize_t n = ways->way[random_below(&seed, 3)](q, i, timeout_of(tries++));

		if (!again(n, interrupted)) {
			MUST(n > 0);
			i += (uint64_t)n;
		}
		/* Now and then the other has to wait. */
		if (random_below(&seed, 30) == 0)
			usleep(1500);
	}
	signals_every(0);
	SAME(0, shmq_detach(q));
}

static void
produce(void *arg)
{
	run(arg, SHMQ_PRODUCER, &(struct ways){{send_copy, send_in_place, send_batch}});
}

static void
consume(void *arg)
{
	run(arg, SHMQ_CONSUMER, &(struct ways){{receive_copy, receive_in_place, receive_batch}});
}

/* That a side waits is chance, in one queue; not in all of them. */
Test(signals, test_storm_every_kind_nothing_lost)
{
	unsigned *interrupted = process_share(2 * sizeof(unsigned));

	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct shmq_opts opts = kinds[k];
		struct stream s = {.ready = gate_new(), .interrupted = interrupted};
		pid_t consumer, producer;

		opts.size = sizeof(opts);
		opts.msg_max = MSG_MAX;
		s.place = place_queue((enum place_backend)(k % PLACES), 0, &opts);
		consumer = process_start(consume, &s);
		gate_pass(s.ready);
		producer = process_start(produce, &s);
		process_join(producer);
		process_join(consumer);
		SAME(0, place_stat(&s.place).depth);
		SAME(MESSAGES, place_stat(&s.place).received);
		place_remove(&s.place);
	}
	MUST(interrupted[0] > 0 && interrupted[1] > 0);
}

/* All the rest ------------------------------------------------------------------------------- */

static int
see(const struct shmq_stat *st, void *arg)
{
	(void)st;
	(void)arg;
	return 0;
}

static void
live_and_die(enum place_backend on)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 1000, .capacity = 1000};
	struct place place = place_queue(on, 0, &opts);
	struct shmq *q = NULL;
	char byte = 0;

	SAME(0, shmq_attach(&q, place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_LOCK));
	MUST(shmq_fd(q) >= 0);
	SAME(0, shmq_send(q, "x", 1, 0));
	SAME(1, place_stat(&place).depth);
	SAME(0, shmq_list(see, NULL));
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	SAME(0, shmq_lock(place.attach));
	SAME(0, shmq_unlock(place.attach));
	SAME(1, shmq_recv(q, &byte, 1, 0));
	SAME(0, shmq_detach(q));
	place_remove(&place);
}

static void
live_and_die_often(void *arg)
{
	(void)arg;
	signals_every(OFTEN_US);
	for (int i = 0; i < 10; i++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			live_and_die(on);
	MUST(handled);
}

/* Whether a process ends in time; if not, it is killed. */
static bool
ends(pid_t pid)
{
	const struct timespec most = {.tv_sec = STORM_SECONDS};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (sigtimedwait(&child, NULL, &most) != SIGCHLD) {
		process_kill(pid);
		return false;
	}
	process_join(pid);
	return true;
}

static void
block_child_signal(void)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	SAME(0, sigprocmask(SIG_BLOCK, &child, NULL));
}

Test(signals, test_storm_lifecycle_is_not_disturbed)
{
	block_child_signal();
	MUST(ends(process_start(live_and_die_often, NULL)));
	if (place_is_private())
		SAME(0, place_leftovers());
}

static void
create_large(void *arg)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = (size_t)128 << 20};
	struct place place = place_name(*(enum place_backend *)arg, 0);
	struct shmq_seg *seg = NULL;
	int result;

	signals_every(1000);
	result = shmq_seg_create(place.create, &opts);
	MUST(result >= 0);
	if (place.on == ON_MEMFD)
		return;
	SAME(0, shmq_seg_attach(&seg, place.attach, 0));
	SAME(0, shmq_seg_resize(seg, opts.segsz * 3 / 2));
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_remove(place.attach));
}

/* Allocating takes longer than from one signal to the next; the kernel undoes what it has begun. */
Test(signals, test_storm_creation_of_large_segment_ends)
{
	static enum place_backend backends[] = {ON_SHM, ON_MEMFD, ON_FILE};

	block_child_signal();
	for (unsigned i = 0; i < 3; i++)
		MUST(ends(process_start(create_large, &backends[i])));
}
