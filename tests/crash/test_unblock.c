/* SPDX-License-Identifier: MIT */
/*
 * Somebody waits for a process that holds it up; that one is killed, and it goes on. How long that
 * takes is printed; that it happens is what is tested.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

#define MSG_MAX 64
#define CAPACITY 4

TestSuite(unblock, .init = place_begin, .fini = place_end, .timeout = 600);

/* Who does what; each round is on a new queue. */
struct scene {
	const char *name;
	struct shmq_opts opts;
	/* the victim: gets in the way with so many handles; it is killed after that */
	unsigned victim, handles;
	void (*hold)(struct shmq *q);
	/* the peer: what takes until the victim is dead */
	unsigned peer;
	bool polls; /* instead of sleeping */
	void (*wait)(struct shmq *q);
	/* the test itself, before the victim comes, and after; NULL: nothing */
	void (*before)(struct shmq *q);
	void (*behind)(struct shmq *q);
};

struct stage {
	const struct scene *scene;
	struct place place;
	int held, go, done;
	uint64_t *ended_ns; /* shared: when the peer went on; 0: not yet */
};

/* The acts ----------------------------------------------------------------------------------- */

static void
send_message(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	SAME(0, shmq_send(q, bytes, length, SHMQ_FOREVER));
}

static void
receive_message(struct shmq *q, uint64_t sequence, unsigned deliveries)
{
	struct shmq_info info = {.size = sizeof(info)};
	unsigned char bytes[MSG_MAX];
	ssize_t length = shmq_recv(q, bytes, MSG_MAX, SHMQ_FOREVER);

	MUST(length >= 0);
	message_check(bytes, (size_t)length, sequence, MSG_MAX);
	SAME(0, shmq_info(q, &info));
	SAME(deliveries, info.deliveries);
}

static void
send_one(struct shmq *q)
{
	send_message(q, 1);
}

static void
send_till_full(struct shmq *q)
{
	for (uint64_t i = 0; i < CAPACITY; i++)
		send_message(q, i);
}

static void
send_more_than_fits(struct shmq *q)
{
	for (uint64_t i = 0; i <= CAPACITY; i++)
		send_message(q, i);
}

static void
reserve_room(struct shmq *q)
{
	struct iovec slot;

	SAME(0, shmq_reserve(q, &slot, MSG_MAX, 0));
}

static void
peek_message(struct shmq *q)
{
	struct iovec message;

	SAME(0, shmq_peek(q, &message, 0));
}

static void
be_there(struct shmq *q)
{
	MUST(q != NULL);
}

static void
receive_one(struct shmq *q)
{
	receive_message(q, 1, 1);
}

static void
receive_again(struct shmq *q)
{
	receive_message(q, 1, 2);
}

/* Never waiting: each call looks, and at times at who is in the way. */
static void
poll_message(struct shmq *q)
{
	unsigned char bytes[MSG_MAX];
	ssize_t n;

	while ((n = shmq_recv(q, bytes, MSG_MAX, 0)) == -EAGAIN)
		sched_yield();
	MUST(n > 0);
}

static void
poll_room(struct shmq *q)
{
	unsigned char bytes[MSG_MAX] = {0};
	int err;

	while ((err = shmq_send(q, bytes, MSG_MAX, 0)) == -EAGAIN)
		sched_yield();
	SAME(0, err);
}

static void
poll_more_than_fits(struct shmq *q)
{
	for (unsigned i = 0; i <= CAPACITY; i++)
		poll_room(q);
}

static void
receive_nothing_more(struct shmq *q)
{
	unsigned char bytes[MSG_MAX];

	SAME(-EPIPE, shmq_recv(q, bytes, MSG_MAX, SHMQ_FOREVER));
}

static void
send_to_nobody(struct shmq *q)
{
	unsigned char bytes[MSG_MAX] = {0};
	int err = 0;

	for (unsigned i = 0; i <= CAPACITY && err == 0; i++)
		err = shmq_send(q, bytes, MSG_MAX, SHMQ_FOREVER);
	SAME(-EPIPE, err);
}

/* The play ----------------------------------------------------------------------------------- */

static void
be_victim(void *arg)
{
	const struct stage *stage = arg;
	struct shmq *q = NULL;

	for (unsigned i = 0; i < stage->scene->handles; i++) {
		SAME(0, shmq_attach(&q, stage->place.attach, stage->scene->victim));
		stage->scene->hold(q);
	}
	gate_open(stage->held);
	for (;;)
		pause();
}

static void
be_peer(void *arg)
{
	const struct stage *stage = arg;
	struct shmq *q = NULL;

	for (;;) {
		gate_pass(stage->go);
		SAME(0, shmq_attach(&q, stage->place.attach, stage->scene->peer));
		stage->scene->wait(q);
		/* Relaxed: the gate carries it. */
		shmq_store_relaxed_u64(stage->ended_ns, clock_now_ns());
		SAME(0, shmq_detach(q));
		gate_open(stage->done);
	}
}

static void
act(const struct stage *stage, void (*what)(struct shmq *q))
{
	struct shmq *q = NULL;

	if (!what)
		return;
	SAME(0, shmq_attach(&q, stage->place.attach, SHMQ_PRODUCER));
	what(q);
	SAME(0, shmq_detach(q));
}

/* As gate_pass(); a peer that has failed will never open it. */
static void
pass_unless_failed(int gate, pid_t peer)
{
	struct pollfd open = {.fd = gate, .events = POLLIN};

	while (poll(&open, 1, 100) == 0)
		SAME(0, waitpid(peer, NULL, WNOHANG));
	gate_pass(gate);
}

/* One victim: how long after its death the peer goes on. */
static uint64_t
play_once(struct stage *stage, pid_t peer, uint64_t *seed)
{
	struct timespec linger = {.tv_nsec = (long)random_below(seed, 4000000)};
	uint64_t killed_ns;
	pid_t victim;

	stage->place = place_queue(ON_SHM, 0, &stage->scene->opts);
	act(stage, stage->scene->before);
	victim = process_start(be_victim, stage);
	gate_pass(stage->held);
	act(stage, stage->scene->behind);
	shmq_store_relaxed_u64(stage->ended_ns, 0);
	gate_open(stage->go);
	if (!stage->scene->polls)
		process_await_call(peer, SYS_futex);
	nanosleep(&linger, NULL);
	SAME(0, shmq_load_relaxed_u64(stage->ended_ns)); /* it does wait */
	killed_ns = clock_now_ns();
	process_kill(victim);
	pass_unless_failed(stage->done, peer);
	SAME(0, place_stat(&stage->place).nattch);
	place_remove(&stage->place);
	return shmq_load_relaxed_u64(stage->ended_ns) - killed_ns;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
print_times(const char *name, uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_size);
	printf("%-36s %u kills: p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", name, n,
	       (double)ns[n / 2] / 1e6, (double)ns[n * 99 / 100] / 1e6, (double)ns[n - 1] / 1e6);
	fflush(stdout);
}

static void
play(const struct scene *scene)
{
	struct stage stage = {.scene = scene,
			      .place = place_name(ON_SHM, 0),
			      .held = gate_new(),
			      .go = gate_new(),
			      .done = gate_new()};
	static uint64_t ns[KILLS];
	uint64_t seed = 7;
	pid_t peer;

	stage.ended_ns = process_share(sizeof(*stage.ended_ns));
	peer = process_start(be_peer, &stage);
	for (unsigned i = 0; i < KILLS; i++)
		ns[i] = play_once(&stage, peer, &seed);
	process_kill(peer);
	print_times(scene->name, ns, KILLS);
}

#define OPTS(...)                                  \
	.opts = {.size = sizeof(struct shmq_opts), \
		 .msg_max = MSG_MAX,               \
		 .capacity = CAPACITY,             \
		 __VA_ARGS__}

Test(unblock, test_mpmc_receiver_behind_dead_claim_goes_on)
{
	play(&(struct scene){.name = "mpmc: receiver behind a claim",
			     OPTS(.kind = SHMQ_MPMC),
			     .victim = SHMQ_PRODUCER,
			     .handles = 1,
			     .hold = reserve_room,
			     .behind = send_one,
			     .peer = SHMQ_CONSUMER,
			     .wait = receive_one});
}

Test(unblock, test_mpmc_receiver_of_message_held_by_dead_goes_on)
{
	play(&(struct scene){.name = "mpmc: receiver of a held message",
			     OPTS(.kind = SHMQ_MPMC, .flags = SHMQ_REDELIVER),
			     .before = send_one,
			     .victim = SHMQ_CONSUMER,
			     .handles = 1,
			     .hold = peek_message,
			     .peer = SHMQ_CONSUMER,
			     .wait = receive_again});
}

Test(unblock, test_mpmc_sender_to_slots_held_by_dead_goes_on)
{
	play(&(struct scene){.name = "mpmc: sender, all slots held",
			     OPTS(.kind = SHMQ_MPMC),
			     .before = send_till_full,
			     .victim = SHMQ_CONSUMER,
			     .handles = CAPACITY,
			     .hold = peek_message,
			     .peer = SHMQ_PRODUCER,
			     .wait = send_one});
}

Test(unblock, test_mpmc_sender_behind_dead_claim_goes_on)
{
	play(&(struct scene){.name = "mpmc: sender, all slots claimed",
			     OPTS(.kind = SHMQ_MPMC),
			     .victim = SHMQ_PRODUCER,
			     .handles = CAPACITY,
			     .hold = reserve_room,
			     .peer = SHMQ_PRODUCER,
			     .wait = send_one});
}

Test(unblock, test_broadcast_sender_behind_dead_reader_goes_on)
{
	play(&(struct scene){.name = "broadcast: sender behind a reader",
			     OPTS(.kind = SHMQ_BROADCAST),
			     .victim = SHMQ_CONSUMER,
			     .handles = 1,
			     .hold = be_there,
			     .peer = SHMQ_PRODUCER,
			     .wait = send_more_than_fits});
}

#define POLLER(NAME, VICTIM, HANDLES, HOLD, PEER, WAIT, ...)                                    \
	{                                                                                       \
		.name = NAME, .victim = VICTIM, .handles = HANDLES, .hold = HOLD, .peer = PEER, \
		.polls = true, .wait = WAIT, __VA_ARGS__                                        \
	}

Test(unblock, test_who_only_polls_goes_on)
{
	static const struct scene scenes[] = {
		POLLER("mpmc: receiver that polls, a claim", SHMQ_PRODUCER, 1, reserve_room,
		       SHMQ_CONSUMER, poll_message, OPTS(.kind = SHMQ_MPMC), .behind = send_one),
		POLLER("mpmc: receiver that polls, held", SHMQ_CONSUMER, 1, peek_message,
		       SHMQ_CONSUMER, poll_message,
		       OPTS(.kind = SHMQ_MPMC, .flags = SHMQ_REDELIVER), .before = send_one),
		POLLER("mpmc: sender that polls, all held", SHMQ_CONSUMER, CAPACITY, peek_message,
		       SHMQ_PRODUCER, poll_room, OPTS(.kind = SHMQ_MPMC), .before = send_till_full),
		POLLER("broadcast: sender that polls", SHMQ_CONSUMER, 1, be_there, SHMQ_PRODUCER,
		       poll_more_than_fits, OPTS(.kind = SHMQ_BROADCAST)),
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
		play(&scenes[i]);
}

#define HANGUP_RECEIVER(NAME, ...)                                                      \
	{                                                                               \
		.name = NAME, OPTS(__VA_ARGS__), .victim = SHMQ_PRODUCER, .handles = 1, \
		.hold = be_there, .peer = SHMQ_CONSUMER | SHMQ_HANGUP,                  \
		.wait = receive_nothing_more                                            \
	}

Test(unblock, test_hangup_receiver_whose_producer_died_goes_on)
{
	static const struct scene scenes[] = {
		HANGUP_RECEIVER("spsc: hang-up seen by the receiver", .kind = SHMQ_SPSC),
		HANGUP_RECEIVER("mpsc: hang-up seen by the receiver", .kind = SHMQ_MPSC),
		HANGUP_RECEIVER("mpmc: hang-up seen by the receiver", .kind = SHMQ_MPMC),
		HANGUP_RECEIVER("broadcast: hang-up seen by a reader", .kind = SHMQ_BROADCAST),
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
		play(&scenes[i]);
}

#define HANGUP_SENDER(NAME, ...)                                                              \
	{                                                                                     \
		.name = NAME, OPTS(__VA_ARGS__), .victim = SHMQ_CONSUMER, .handles = 1,       \
		.hold = be_there, .peer = SHMQ_PRODUCER | SHMQ_HANGUP, .wait = send_to_nobody \
	}

Test(unblock, test_hangup_sender_whose_consumer_died_goes_on)
{
	static const struct scene scenes[] = {
		HANGUP_SENDER("spsc: hang-up seen by the sender", .kind = SHMQ_SPSC),
		HANGUP_SENDER("mpsc: hang-up seen by the sender", .kind = SHMQ_MPSC),
		HANGUP_SENDER("mpmc: hang-up seen by the sender", .kind = SHMQ_MPMC),
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
		play(&scenes[i]);
}

/* The end is not told before all is received that the dead held back ---------------------------- */

static void
claim_and_send_behind(struct shmq *q)
{
	const struct place place = place_name(ON_SHM, 0);
	struct shmq *other = NULL;

	reserve_room(q);
	SAME(0, shmq_attach(&other, place.attach, SHMQ_PRODUCER));
	send_one(other);
}

static void
receive_to_the_end(struct shmq *q)
{
	receive_message(q, 1, 1);
	receive_nothing_more(q);
}

Test(unblock, test_mpmc_hangup_message_behind_dead_claim_comes_before_the_end)
{
	play(&(struct scene){.name = "mpmc: last message behind a claim",
			     OPTS(.kind = SHMQ_MPMC),
			     .victim = SHMQ_PRODUCER,
			     .handles = 1,
			     .hold = claim_and_send_behind,
			     .peer = SHMQ_CONSUMER | SHMQ_HANGUP,
			     .wait = receive_to_the_end});
}

/* Held by the dead, and no producer is left: it comes again, then the end. */
Test(unblock, test_mpmc_hangup_message_held_by_dead_comes_before_the_end)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = SHMQ_MPMC,
				       .msg_max = MSG_MAX,
				       .capacity = CAPACITY,
				       .flags = SHMQ_REDELIVER};

	for (unsigned i = 0; i < KILLS; i++) {
		struct stage stage = {.place = place_queue(ON_SHM, 0, &opts), .held = gate_new()};
		struct scene scene = {.victim = SHMQ_CONSUMER, .handles = 1, .hold = peek_message};
		struct shmq *in = NULL;
		pid_t victim;

		stage.scene = &scene;
		SAME(0, shmq_attach(&in, stage.place.attach, SHMQ_CONSUMER | SHMQ_HANGUP));
		act(&stage, send_one);
		victim = process_start(be_victim, &stage);
		gate_pass(stage.held);
		process_kill(victim);
		receive_again(in);
		receive_nothing_more(in);
		SAME(0, shmq_detach(in));
		close(stage.held);
		place_remove(&stage.place);
	}
}
