/* SPDX-License-Identifier: MIT */
/*
 * shmq recv: a queue to standard output.
 *
 * Where the queue can show a message in place, it is written from there, and released only when all
 * its bytes are out: a recv that is killed loses nothing. The next one repeats at most the message
 * that was being written (MPMC: only with --redeliver; else that one is dropped and counted).
 *
 * A receiver of lossy broadcast is seen by nobody, so a sender may be at work before it has found
 * its place. What had been sent before the attach tells: if there was more after it, the receiver
 * attaches again at the oldest message that is still there, and passes over those from before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "tool.h"

struct arguments {
	const char *addr;
	uint64_t count;	    /* 0: all; of latest, one */
	int64_t timeout_ns; /* how long to wait for one */
	bool follow;
	bool oldest;
	bool verbose;
};

struct receiver {
	struct reception in;
	bool counts_from; /* `next` is known: what is missing before it was missed */
	uint64_t next;	  /* number of the next message that is ours */
	bool cut;	  /* a sender was killed */
};

static const struct argp_option options[] = {
	{"count", KEY_COUNT, "N", 0,
	 "end after N messages (latest: 1, unless --follow); K, M, G are powers of 1024", 0},
	{"timeout", KEY_TIMEOUT, "S", 0,
	 "fail when no message comes for S seconds (fractions allowed)", 0},
	{"follow", KEY_FOLLOW, NULL, 0,
	 "go on when the producers have gone; ends when the queue is removed", 0},
	{"oldest", KEY_OLDEST, NULL, 0,
	 "broadcast: begin with the oldest message still there, not with the next one sent", 0},
	{"verbose", KEY_VERBOSE, NULL, 0, "say at the end how much was received", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_COUNT:
		a->count = parse_count(arg, SIZE_MAX, "--count", state);
		return 0;
	case KEY_TIMEOUT:
		a->timeout_ns = parse_seconds(arg, "--timeout", state);
		return 0;
	case KEY_FOLLOW:
		a->follow = true;
		return 0;
	case KEY_OLDEST:
		a->oldest = true;
		return 0;
	case KEY_VERBOSE:
		a->verbose = true;
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
}

/* Whether the message received is ours; what was missed before it is counted. */
static bool
is_ours(struct receiver *r)
{
	struct shmq_info info = {.size = sizeof info};

	if (!r->in.buffer || shmq_info(r->in.t.q, &info) != 0)
		return true;
	if (!r->counts_from) {
		r->counts_from = true;
		r->next = info.sequence;
	}
	if (info.sequence < r->next)
		return false;
	r->in.t.progress.missed += info.sequence - r->next;
	r->next = info.sequence + 1;
	return true;
}

static int
receive_one(struct receiver *r)
{
	struct reception *in = &r->in;
	struct iovec msg;
	size_t length;
	int err;

	do {
		err = reception_next(in, &msg);
	} while (!err && !is_ours(r));
	if (err)
		return err == -ETIMEDOUT ? reception_timed_out(in) : err;
	length = msg.iov_len;
	err = reception_write(in, &msg);
	if (err)
		return err;
	progress_add(&in->t.progress, 1, length);
	return in->buffer ? 0 : shmq_release(in->t.q, &msg);
}

static int
note_killed(const struct shmq_participant *row, void *arg)
{
	if ((row->roles & SHMQ_PRODUCER) && !row->alive)
		*(bool *)arg = true;
	return 0;
}

/* The producers have come and gone, or the queue was removed: both are the end, not a failure. */
static int
receive_all(struct receiver *r)
{
	uint64_t left = r->in.count;
	int err = 0;

	while (!err && left > 0) {
		err = interrupted() ? -EINTR : receive_one(r);
		left--;
	}
	if (err == -EPIPE)
		(void)shmq_participants(r->in.t.progress.addr, note_killed, &r->cut);
	return err == -EPIPE || err == -EIDRM ? 0 : err;
}

/* How many messages had been sent; 0 when the queue is not there yet. */
static uint64_t
sent_until_now(const char *addr)
{
	struct shmq_stat st = {.size = sizeof st};

	return shmq_stat(addr, &st) == 0 && st.kind >= 0 ? st.sent : 0;
}

/* Attach, to all that is sent from now on. An exit status. */
static int
come(struct receiver *r, const struct arguments *a)
{
	unsigned role = SHMQ_CONSUMER | (a->follow ? 0 : SHMQ_HANGUP);
	struct transfer *t = &r->in.t;
	uint64_t before = sent_until_now(a->addr);
	int status = transfer_open(t, a->addr, role | (a->oldest ? SHMQ_OLDEST : 0));

	if (status || a->oldest || !(t->st.flags & SHMQ_LOSSY))
		return status;
	r->counts_from = true;
	r->next = before;
	if (t->st.sent == before)
		return EXIT_DONE;
	shmq_detach(t->q);
	return transfer_open(t, a->addr, role | SHMQ_OLDEST);
}

static int
run(struct receiver *r, const struct arguments *a)
{
	int err = reception_start(&r->in, false);

	r->in.count = a->count ? a->count : UINT64_MAX;
	if (!a->count && !a->follow && r->in.t.st.kind == SHMQ_LATEST)
		r->in.count = 1;
	if (!err)
		err = receive_all(r);
	free(r->in.buffer);
	return err;
}

/* Lossy is what was asked for, so it is no failure. */
static void
tell_missed(const struct receiver *r)
{
	const struct progress *p = &r->in.t.progress;

	if (p->missed && !p->summary && (r->in.t.st.flags & SHMQ_LOSSY))
		fail_plain(p->addr,
			   "receive: %" PRIu64 " of %" PRIu64 " messages were missed; read faster, "
			   "or create the queue with a larger --capacity",
			   p->missed, p->missed + p->messages);
}

int
cmd_recv(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Receive from a queue, which is created with defaults if it is absent, and "
		       "write to standard output.\v"
		       "Ends when the producers have come and gone and nothing is left, or the "
		       "queue was removed; of latest, when the newest value is written. What "
		       "could not be written stays in the queue.",
	};
	struct arguments a = {.timeout_ns = SHMQ_FOREVER};
	struct receiver r = {.in.t.progress.verb = "received",
			     .in.doing = "receive",
			     .in.stuck = "the message that was being written is lost"};
	int result;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	interrupt_arm();
	if (come(&r, &a))
		return EXIT_FAILED;
	r.in.timeout_ns = a.timeout_ns;
	progress_start(&r.in.t.progress, STDOUT_FILENO, a.verbose);
	result = transfer_close(&r.in.t, run(&r, &a), r.in.doing);
	tell_missed(&r);
	if (result != EXIT_DONE || !r.cut)
		return result;
	fail_plain(a.addr,
		   "receive: a sender was killed: what it was sending may be cut short; send "
		   "it again");
	return EXIT_FAILED;
}
