/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at every instruction of one operation (every STEP_EVERY-th in the plain run), then a
 * takeover: what was sent is sent completely or not at all, what was received comes again or not,
 * and nothing else has changed.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "support/message.h"
#include "support/place.h"
#include "support/process.h"
#include "support/trace.h"

#define MSG_MAX 100
#define CAPACITY 4
#define BATCH 3

TestSuite(kill_step, .init = place_begin, .fini = place_end, .timeout = 600);

static const struct shmq_opts opts = {
	.size = sizeof(opts), .msg_max = MSG_MAX, .capacity = CAPACITY};

/* One operation, and what it does when it is not killed. */
struct operation {
	unsigned role;
	void (*act)(struct shmq *q, uint64_t sequence);
	unsigned messages;
	bool whole; /* all of the messages, or none */
};

/* One run of a victim. */
struct run {
	const struct operation *operation;
	struct place place;
	uint64_t sequence;  /* the next to be sent, or received, by the victim */
	struct shmq *other; /* the survivor in the other role */
};

/* The operations ----------------------------------------------------------------------------- */

static void
do_send(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	victim_begins();
	SAME(0, shmq_send(q, bytes, length, 0));
	victim_ends();
}

static void
do_send_waiting(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	victim_begins();
	SAME(0, shmq_send(q, bytes, length, SHMQ_FOREVER));
	victim_ends();
}

static void
do_commit(struct shmq *q, uint64_t sequence)
{
	size_t length = message_length(sequence, MSG_MAX);
	struct iovec slot;

	victim_begins();
	SAME(0, shmq_reserve(q, &slot, MSG_MAX, 0));
	message_fill(slot.iov_base, sequence, length);
	slot.iov_len = length;
	SAME(0, shmq_commit(q, &slot));
	victim_ends();
}

static void
do_abort(struct shmq *q, uint64_t sequence)
{
	struct iovec slot;

	victim_begins();
	SAME(0, shmq_reserve(q, &slot, MSG_MAX, 0));
	message_fill(slot.iov_base, sequence + 7, MSG_MAX);
	SAME(0, shmq_abort(q, &slot));
	victim_ends();
}

static void
do_send_batch(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){bytes[i], message_length(sequence + i, MSG_MAX)};
		message_fill(bytes[i], sequence + i, v[i].iov_len);
	}
	victim_begins();
	SAME(BATCH, shmq_send_batch(q, v, BATCH, 0));
	victim_ends();
}

static void
do_recv(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	ssize_t length;

	victim_begins();
	length = shmq_recv(q, bytes, MSG_MAX, 0);
	victim_ends();
	MUST(length >= 0);
	message_check(bytes, (size_t)length, sequence, MSG_MAX);
}

static void
do_release(struct shmq *q, uint64_t sequence)
{
	struct iovec message;

	victim_begins();
	SAME(0, shmq_peek(q, &message, 0));
	message_check(message.iov_base, message.iov_len, sequence, MSG_MAX);
	SAME(0, shmq_release(q, &message));
	victim_ends();
}

static void
do_recv_batch(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[BATCH][MSG_MAX];
	struct iovec v[BATCH];

	for (unsigned i = 0; i < BATCH; i++)
		v[i] = (struct iovec){bytes[i], MSG_MAX};
	victim_begins();
	SAME(BATCH, shmq_recv_batch(q, v, BATCH, 0));
	victim_ends();
	for (unsigned i = 0; i < BATCH; i++)
		message_check(bytes[i], v[i].iov_len, sequence + i, MSG_MAX);
}

/* The survivors ------------------------------------------------------------------------------ */

static void
send_one(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	SAME(0, shmq_send(q, bytes, length, 0));
}

static void
receive(struct shmq *q, uint64_t from, uint64_t to)
{
	unsigned char bytes[MSG_MAX];

	for (uint64_t sequence = from; sequence < to; sequence++) {
		ssize_t length = shmq_recv(q, bytes, MSG_MAX, 0);

		MUST(length >= 0);
		message_check(bytes, (size_t)length, sequence, MSG_MAX);
	}
	SAME(-EAGAIN, shmq_recv(q, bytes, MSG_MAX, 0));
}

/* Take the dead one's place; what the queue says of itself must add up. */
static struct shmq *
take_over(struct run *run, struct shmq_stat *st)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, run->place.attach, run->operation->role));
	*st = place_stat(&run->place);
	SAME(2, st->nattch);
	SAME(1, st->producers);
	SAME(1, st->consumers);
	SAME(0, st->mode & SHMQ_DEST);
	SAME(st->sent - st->received, st->depth);
	return q;
}

/* How many messages of the operation came to be. */
static uint64_t
after_producer(struct run *run)
{
	struct shmq_stat st;
	struct shmq *q = take_over(run, &st);
	uint64_t done = st.sent - run->sequence;

	SAME(run->sequence, st.received);
	MUST(done <= run->operation->messages);
	send_one(q, st.sent);
	receive(run->other, run->sequence, st.sent + 1);
	SAME(0, shmq_detach(q));
	run->sequence = st.sent + 1;
	return done;
}

static uint64_t
after_consumer(struct run *run)
{
	struct shmq_stat st;
	struct shmq *q = take_over(run, &st);
	uint64_t done = st.received - run->sequence;

	SAME(run->sequence + BATCH, st.sent);
	MUST(done <= run->operation->messages);
	MUST(done == 0 || !run->operation->whole || done == run->operation->messages);
	send_one(run->other, st.sent);
	receive(q, st.received, st.sent + 1);
	SAME(0, shmq_detach(q));
	run->sequence = st.sent + 1;
	return done;
}

/* The run ------------------------------------------------------------------------------------ */

static void
be_victim(void *arg)
{
	struct run *run = arg;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, run->place.attach, run->operation->role));
	run->operation->act(q, run->sequence);
}

/*
 * Kill a victim at its k-th instruction. Whether it came that far, and (in *done) what it had done.
 */
static bool
kill_at(struct run *run, unsigned long k, uint64_t *done)
{
	bool producer = run->operation->role == SHMQ_PRODUCER;
	bool alive;
	pid_t victim;

	for (unsigned i = 0; !producer && i < BATCH; i++)
		send_one(run->other, run->sequence + i);
	victim = victim_start(be_victim, run);
	alive = victim_step(victim, k);
	victim_kill(victim);
	*done = producer ? after_producer(run) : after_consumer(run);
	return alive;
}

static void
kill_everywhere_on(enum place_backend on, const struct operation *operation)
{
	unsigned other = operation->role == SHMQ_PRODUCER ? SHMQ_CONSUMER : SHMQ_PRODUCER;
	struct run run = {.operation = operation, .place = place_queue(on, 0, &opts)};
	unsigned long k = 1;
	uint64_t done = 0;
	bool alive = true;

	SAME(0, shmq_attach(&run.other, run.place.attach, other));
	for (; alive; k += STEP_EVERY) {
		alive = kill_at(&run, k, &done);
		MUST(k > 1 || done == 0);
	}
	SAME(operation->messages, done);
	cr_log_info("%lu instructions", k);
	SAME(0, shmq_detach(run.other));
	SAME(0, place_stat(&run.place).nattch);
	place_remove(&run.place);
}

static void
kill_everywhere(const struct operation *operation)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++)
		kill_everywhere_on(on, operation);
}

Test(kill_step, test_send_killed_anywhere_is_whole_or_nothing)
{
	kill_everywhere(&(struct operation){SHMQ_PRODUCER, do_send, 1, true});
}

Test(kill_step, test_send_waiting_killed_anywhere_is_whole_or_nothing)
{
	kill_everywhere(&(struct operation){SHMQ_PRODUCER, do_send_waiting, 1, true});
}

Test(kill_step, test_send_batch_killed_anywhere_sends_a_prefix)
{
	kill_everywhere(&(struct operation){SHMQ_PRODUCER, do_send_batch, BATCH, false});
}

Test(kill_step, test_commit_killed_anywhere_is_whole_or_nothing)
{
	kill_everywhere(&(struct operation){SHMQ_PRODUCER, do_commit, 1, true});
}

Test(kill_step, test_abort_killed_anywhere_sends_nothing)
{
	kill_everywhere(&(struct operation){SHMQ_PRODUCER, do_abort, 0, true});
}

Test(kill_step, test_recv_killed_anywhere_is_received_or_comes_again)
{
	kill_everywhere(&(struct operation){SHMQ_CONSUMER, do_recv, 1, true});
}

Test(kill_step, test_release_killed_anywhere_is_received_or_comes_again)
{
	kill_everywhere(&(struct operation){SHMQ_CONSUMER, do_release, 1, true});
}

Test(kill_step, test_recv_batch_killed_anywhere_all_comes_again_or_none)
{
	kill_everywhere(&(struct operation){SHMQ_CONSUMER, do_recv_batch, BATCH, true});
}
