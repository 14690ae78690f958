/* SPDX-License-Identifier: MIT */
/*
 * shmq send: standard input into a queue.
 *
 * Input is read in large pieces and split in place; the messages of one piece go out as batches. A
 * line keeps its newline, so that recv gives back the input byte for byte. Chunks are full while
 * more input is there already; what a slow writer has given so far is sent as it is. The end of
 * the input is seen before room in the queue is asked for: a file that just fills the queue ends.
 *
 * A broadcast producer waits for nobody who is not there, so its messages could be gone before the
 * first receiver comes. So the command waits for that before it sends anything.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* A read of this size stays in the second level cache until it is sent. */
#define PIECE_BYTES ((size_t)256 << 10)
#define BATCH 256

/* --receivers was not given. */
#define AS_THE_KIND_IS (-1)

struct arguments {
	const char *addr;
	size_t chunk;  /* 0: msg_max */
	int receivers; /* that must be there before we begin, or AS_THE_KIND_IS */
	bool lines;
	bool hangup;
	bool verbose;
};

/* buffer[next..end) has been read and not yet sent. */
struct sender {
	struct transfer t;
	size_t chunk;
	bool lines;
	bool eof;
	char *buffer;
	size_t room, next, end;
};

static const struct argp_option options[] = {
	{"lines", KEY_LINES, NULL, 0, "one message per line, with its newline", 0},
	{"chunk", KEY_CHUNK, "BYTES", 0,
	 "messages of that length (the queue's msg_max); K, M, G are powers of 1024", 0},
	{"hangup", KEY_HANGUP, NULL, 0, "end with a failure when the consumers have gone", 0},
	{"receivers", KEY_RECEIVERS, "N", 0,
	 "begin when that many receivers are there (broadcast: 1; other kinds: 0)", 0},
	{"verbose", KEY_VERBOSE, NULL, 0, "say at the end how much was sent", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_LINES:
		a->lines = true;
		break;
	case KEY_CHUNK:
		a->chunk = parse_count(arg, SHMQ_MSG_MAX, "--chunk", state);
		break;
	case KEY_HANGUP:
		a->hangup = true;
		return 0;
	case KEY_RECEIVERS:
		a->receivers = (int)parse_size(arg, SHMQ_PARTICIPANTS_MAX, "--receivers", state);
		return 0;
	case KEY_VERBOSE:
		a->verbose = true;
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
	if (a->lines && a->chunk)
		argp_error(state, "--lines or --chunk, not both");
	return 0;
}

/* Read once. 0, also at the end; -EINTR: a signal wants us to stop; -EIO: the line is printed. */
static int
read_some(struct sender *s)
{
	ssize_t n = read(STDIN_FILENO, s->buffer + s->end, s->room - s->end);

	if (n >= 0) {
		s->eof = n == 0;
		s->end += (size_t)n;
		return 0;
	}
	if (errno == EAGAIN)
		wait_for(STDIN_FILENO, POLLIN, -1);
	else if (errno != EINTR)
		return fail_plain(s->t.addr,
				  "read standard input: %s; give it something that can be read",
				  strerror(errno));
	return interrupted() ? -EINTR : 0;
}

/* Wait for input, then take what is there, up to a full buffer. */
static int
refill(struct sender *s)
{
	int err;

	memmove(s->buffer, s->buffer + s->next, s->end - s->next);
	s->end -= s->next;
	s->next = 0;
	do {
		err = read_some(s);
	} while (!err && !s->eof && s->end < s->room && wait_for(STDIN_FILENO, POLLIN, 0));
	return err;
}

/*
 * How long the next message is; 0: there is none yet. More than msg_max is for the caller to
 * refuse.
 */
static size_t
next_line(const struct sender *s)
{
	size_t left = s->end - s->next;
	const char *start = s->buffer + s->next;
	const char *newline = left ? memchr(start, '\n', left) : NULL;

	if (newline)
		return (size_t)(newline - start) + 1;
	return s->eof || left > s->t.st.msg_max ? left : 0;
}

static size_t
next_chunk(const struct sender *s)
{
	size_t left = s->end - s->next;

	if (left >= s->chunk)
		return s->chunk;
	if (left == 0 || s->eof || !wait_for(STDIN_FILENO, POLLIN, 0))
		return left;
	return 0;
}

static size_t
next_length(const struct sender *s)
{
	return s->lines ? next_line(s) : next_chunk(s);
}

/* Cut up to BATCH messages off the buffer. */
static size_t
cut_batch(struct sender *s, struct iovec *v)
{
	size_t n = 0;

	while (n < BATCH) {
		size_t length = next_length(s);

		if (length == 0 || length > s->t.st.msg_max)
			break;
		v[n++] = (struct iovec){s->buffer + s->next, length};
		s->next += length;
	}
	return n;
}

static void
account(struct sender *s, const struct iovec *v, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += v[i].iov_len;
	progress_add(&s->t.progress, n, bytes);
}

/* Of latest only the last one would be seen, so it has no batches. */
static ssize_t
send_some(const struct sender *s, const struct iovec *v, size_t n)
{
	int err;

	if (s->t.st.kind != SHMQ_LATEST)
		return shmq_send_batch(s->t.q, v, n, SLICE_NS);
	err = shmq_send(s->t.q, v->iov_base, v->iov_len, SLICE_NS);
	return err ? err : 1;
}

/* Wait for room for as long as it takes. */
static int
send_batch(struct sender *s, const struct iovec *v, size_t n)
{
	while (n > 0) {
		ssize_t sent = send_some(s, v, n);

		if (interrupted())
			return -EINTR;
		if (sent == -ETIMEDOUT || sent == -EINTR) {
			progress_idle(&s->t.progress);
			continue;
		}
		if (sent < 0)
			return (int)sent;
		account(s, v, (size_t)sent);
		v += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int
refuse_overlong(struct sender *s)
{
	if (s->lines)
		return fail_plain(
			s->t.addr,
			"send: line %llu is longer than msg_max, %zu bytes; create the queue with "
			"a larger --msg-max, or "
			"leave out --lines",
			(unsigned long long)s->t.progress.messages + 1, s->t.st.msg_max);
	return fail_plain(
		s->t.addr,
		"send: msg_max is 0, so no byte can be sent; create the queue with a larger "
		"--msg-max");
}

/* Send every message the buffer holds. */
static int
flush_buffer(struct sender *s)
{
	struct iovec v[BATCH];
	size_t n;
	int err;

	do {
		n = cut_batch(s, v);
		err = send_batch(s, v, n);
		if (err)
			return err;
	} while (n > 0);
	return next_length(s) > s->t.st.msg_max ? refuse_overlong(s) : 0;
}

static int
send_input(struct sender *s)
{
	int err = 0;

	while (!err && !s->eof) {
		err = refill(s);
		if (!err)
			err = flush_buffer(s);
	}
	return err;
}

/* Nobody tells a producer that a receiver has come, so this looks, now and then. */
static int
await_receivers(struct sender *s, int wanted)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	struct shmq_stat st = {.size = sizeof st};
	int err = shmq_qstat(s->t.q, &st);

	if (wanted == AS_THE_KIND_IS)
		wanted = st.kind == SHMQ_BROADCAST;
	while (!err && st.consumers < (unsigned)wanted) {
		if (interrupted())
			return -EINTR;
		if (st.mode & SHMQ_DEST)
			return -EIDRM;
		progress_idle(&s->t.progress);
		nanosleep(&pause, NULL);
		err = shmq_qstat(s->t.q, &st);
	}
	return err;
}

static int
run(struct sender *s, const struct arguments *a)
{
	size_t longest = s->t.st.msg_max > 0 ? s->t.st.msg_max : 1;
	int result;

	if (a->chunk > s->t.st.msg_max)
		return fail_plain(
			a->addr,
			"send: --chunk %zu is more than msg_max, %zu bytes; choose at most that",
			a->chunk, s->t.st.msg_max);
	result = await_receivers(s, a->receivers);
	if (result)
		return result;
	s->lines = a->lines;
	s->chunk = a->chunk ? a->chunk : longest;
	/* Whole chunks, so that nothing is left to be moved; a line may begin anywhere. */
	s->room = s->lines ? longest + PIECE_BYTES : s->chunk * (PIECE_BYTES / s->chunk + 1);
	s->buffer = malloc(s->room);
	if (!s->buffer)
		return -ENOMEM;
	result = send_input(s);
	free(s->buffer);
	return result;
}

int
cmd_send(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Send standard input through a queue, which is created with defaults if it "
		       "is absent.\v"
		       "Waits while the queue is full, and on broadcast for the first receiver; "
		       "ends at the end of the input. shmq recv gives the input back byte for "
		       "byte.",
	};
	struct arguments a = {.receivers = AS_THE_KIND_IS};
	struct sender s = {.t.progress.verb = "sent"};
	int result;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	interrupt_arm();
	if (transfer_open(&s.t, a.addr, SHMQ_PRODUCER | (a.hangup ? SHMQ_HANGUP : 0)))
		return EXIT_FAILED;
	progress_start(&s.t.progress, STDIN_FILENO, a.verbose);
	result = run(&s, &a);
	return transfer_close(&s.t, result, "send");
}
