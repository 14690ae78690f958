/* SPDX-License-Identifier: MIT */
/*
 * From SIGKILL of one process to the first success of the other one, which stands still because of
 * it.
 *
 *   recovery/SITUATION     takeover: a producer is killed, and a newcomer attaches in its place
 *                          and sends
 *                          message: a consumer is killed with a message in its hands, and a
 *                          newcomer attaches and gets it
 *                          claim: MPMC, a producer is killed in the middle of a message, and a
 *                          consumer waits for what is behind it
 *                          redeliver: MPMC, a consumer is killed with a message, and another one
 *                          waits for it
 *                          slow: lossless broadcast, a full queue, and the one consumer that has
 *                          read nothing is killed
 *                          hangup: the only producer is killed, and the consumer waits to be told
 *
 * The first process is the one that goes on. The second makes the victim, a process of its own,
 * waits until it is where it is to die, gives the first one time to fall asleep, and kills it.
 * Beside it what the kernel does for the same: the owner of a robust mutex is killed, and the next
 * one waits for it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>
#include <shmq/shmq.h>

#include "bench.h"
#include "ticks.h"

#define LEN 56u
#define CAPACITY 64u
/* To fall asleep; and up to so much more, by chance, as who waits looks around at intervals. */
#define ASLEEP_NS 2000000u
#define ASLEEP_MORE_NS 8000000u
#define LIVES_LEAST 2u

enum situation { TAKEOVER, MESSAGE, CLAIM, REDELIVER, SLOW, HANGUP, MUTEX };

/* shared->words: what turn it is, and who has come how far in it; the time of the kill */
enum { TURN, READY, WAITS, DONE, END, KILLED };

struct situation_of {
	struct shmq_opts opts;
	unsigned victim, survivor; /* roles */
	int newcomer;		   /* the survivor attaches after the kill */
};

#define OPTS(k, f)                                                                           \
	{                                                                                    \
		.size = sizeof(struct shmq_opts), .kind = (k), .flags = (f), .msg_max = LEN, \
		.capacity = CAPACITY, .participants = 4                                      \
	}
#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)

static const struct situation_of situations[] = {
	[TAKEOVER] = {OPTS(SHMQ_SPSC, 0), SHMQ_PRODUCER, SHMQ_PRODUCER, 1},
	[MESSAGE] = {OPTS(SHMQ_SPSC, 0), BOTH, SHMQ_CONSUMER, 1},
	[CLAIM] = {OPTS(SHMQ_MPMC, 0), SHMQ_PRODUCER, BOTH, 0},
	[REDELIVER] = {OPTS(SHMQ_MPMC, SHMQ_REDELIVER), BOTH, SHMQ_CONSUMER, 0},
	[SLOW] = {OPTS(SHMQ_BROADCAST, 0), SHMQ_CONSUMER, SHMQ_PRODUCER, 0},
	[HANGUP] = {OPTS(SHMQ_SPSC, 0), SHMQ_PRODUCER, SHMQ_CONSUMER | SHMQ_HANGUP, 0},
};

/* Who has come how far ----------------------------------------------------------------------- */

static void
say(struct bench_side *side, int word, uint64_t value)
{
	/* Who hears it sees what we did before. */
	shmq_store_release_u64(&side->shared->words[word], value);
}

static void
nap(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Wait until it is said. -ECANCELED: it is over. */
static int
hear(struct bench_side *side, int word, uint64_t value)
{
	/* What was done before it was said is there. */
	while (shmq_load_acquire_u64(&side->shared->words[word]) < value) {
		if (shmq_load_relaxed_u64(&side->shared->words[END]))
			return -ECANCELED;
		if (side->shared->error)
			return (int)side->shared->error;
		nap(20000);
	}
	return 0;
}

static pthread_mutex_t *
mutex_of(const struct bench_side *side)
{
	return (pthread_mutex_t *)(void *)side->memory;
}

/* The victim -------------------------------------------------------------------------------- */

/* Come to where it is to die. */
static int
get_stuck(struct bench_side *side)
{
	static const char message[LEN];
	const struct situation_of *at = &situations[side->what.variant];
	struct shmq *queue = NULL;
	struct iovec slot;
	int err = bench_attach_fd(&queue, side->fds[0], at->victim);

	switch ((enum situation)side->what.variant) {
	case MESSAGE:
	case REDELIVER:
		err = err ? err : shmq_send(queue, message, LEN, 0);
		return err ? err : shmq_peek(queue, &slot, 0);
	case CLAIM:
		return err ? err : shmq_reserve(queue, &slot, LEN, 0);
	default:
		return err;
	}
}

static void __attribute__((noreturn))
be_victim(struct bench_side *side, pid_t parent, uint64_t turn)
{
	int err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (side->what.variant == MUTEX)
		err = -pthread_mutex_lock(mutex_of(side));
	else
		err = get_stuck(side);
	if (err) {
		side->shared->error = err;
		_exit(1);
	}
	say(side, READY, turn);
	for (;;)
		pause();
}

/* The second process: one death. */
static int
kill_one(struct bench_side *side, uint64_t turn)
{
	pid_t parent = getpid(), victim = fork();
	int err;

	if (!victim)
		be_victim(side, parent, turn);
	if (victim < 0)
		return -errno;
	err = hear(side, WAITS, turn);
	nap((long)(ASLEEP_NS + (uint32_t)bench_ticks() * 2654435761u % ASLEEP_MORE_NS));
	side->shared->words[KILLED] = bench_ticks();
	kill(victim, SIGKILL);
	if (!err)
		err = hear(side, DONE, turn);
	waitpid(victim, NULL, 0);
	return err;
}

static int
body_kill(struct bench_side *side)
{
	int err = 0;

	bench_ready(side);
	for (uint64_t turn = 1; !err; turn++)
		err = kill_one(side, turn);
	return err == -ECANCELED ? 0 : err;
}

/* Who goes on ------------------------------------------------------------------------------- */

/* Before the kill: come to where the next step cannot be done. */
static int
prepare(struct shmq *queue, enum situation situation)
{
	static const char message[LEN];
	int err = 0;

	if (situation == CLAIM)
		return shmq_send(queue, message, LEN, 0);
	while (situation == SLOW && !err)
		err = shmq_send(queue, message, LEN, 0);
	return err == -EAGAIN ? 0 : err;
}

/* The step itself. 0: done. */
static int
go_on(struct shmq *queue, enum situation situation)
{
	static char message[LEN];
	int err;

	if (situation == TAKEOVER || situation == SLOW)
		return shmq_send(queue, message, LEN, SHMQ_FOREVER);
	err = (int)shmq_recv(queue, message, LEN, SHMQ_FOREVER);
	if (situation == HANGUP)
		return err == -EPIPE ? 0 : -EPROTO;
	return err < 0 ? err : 0;
}

/* As often as it takes: while who is to be killed lives it is -EBUSY. */
static int
attach_newcomer(struct bench_side *side, struct shmq **queue, unsigned role)
{
	int err;

	do
		err = bench_attach_fd(queue, side->fds[0], role);
	while (err == -EBUSY);
	return err;
}

static int
survive(struct bench_side *side, uint64_t turn, uint64_t *end)
{
	enum situation situation = (enum situation)side->what.variant;
	const struct situation_of *at = &situations[situation];
	struct shmq *queue = NULL;
	int err = 0;

	if (!at->newcomer)
		err = bench_attach_fd(&queue, side->fds[0], at->survivor);
	if (!err && !at->newcomer)
		err = prepare(queue, situation);
	say(side, WAITS, turn);
	if (!err && at->newcomer)
		err = attach_newcomer(side, &queue, at->survivor);
	if (!err)
		err = go_on(queue, situation);
	*end = bench_ticks();
	return err ? err : shmq_detach(queue);
}

static int
survive_mutex(struct bench_side *side, uint64_t turn, uint64_t *end)
{
	int err;

	say(side, WAITS, turn);
	err = pthread_mutex_lock(mutex_of(side));
	*end = bench_ticks();
	if (err != EOWNERDEAD)
		return err ? -err : -EPROTO;
	pthread_mutex_consistent(mutex_of(side));
	return -pthread_mutex_unlock(mutex_of(side));
}

static int
body_survive(struct bench_side *side)
{
	uint64_t until, end, turn;
	int err = 0;

	bench_ready(side);
	until = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	for (turn = 1; !err && (turn <= LIVES_LEAST || bench_now_ns() < until); turn++) {
		err = hear(side, READY, turn);
		if (!err)
			err = side->what.variant == MUTEX ? survive_mutex(side, turn, &end)
							  : survive(side, turn, &end);
		if (!err)
			bench_count(&side->shared->latency, end - side->shared->words[KILLED]);
		say(side, DONE, turn);
	}
	/* It will be heard: nobody relies on what came before. */
	shmq_store_relaxed_u64(&side->shared->words[END], 1);
	return err;
}

/* Groups ------------------------------------------------------------------------------------ */

static int
make(struct bench_side *side)
{
	pthread_mutexattr_t attributes;

	if (side->what.variant != MUTEX)
		return bench_side_queue(side, 0, &situations[side->what.variant].opts);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	return -pthread_mutex_init(mutex_of(side), &attributes);
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 4096);

	(void)member;
	if (!err)
		err = make(&side);
	if (!err)
		err = bench_pair(&side, body_survive, body_kill);
	if (!err)
		err = bench_sample_latency(&side, out);
	/* There are more processes than cores: nothing to measure again for. */
	out->preempted = 0;
	bench_side_free(&side);
	return err;
}

static void
ask(const char *name, int situation)
{
	const struct bench_what what = {.len = LEN, .capacity = CAPACITY};
	struct bench_group *group = bench_add(name, &what, BENCH_LATENCY, BENCH_QUICK, 2);

	bench_join(group, &(struct bench_member){"shmq", NULL, run, NULL, situation});
	bench_join(group, &(struct bench_member){"robust_mutex", "floor", run, NULL, MUTEX});
}

void
ask_recovery(void)
{
	ask("recovery/takeover", TAKEOVER);
	ask("recovery/message", MESSAGE);
	ask("recovery/claim", CLAIM);
	ask("recovery/redeliver", REDELIVER);
	ask("recovery/slow", SLOW);
	ask("recovery/hangup", HANGUP);
}
