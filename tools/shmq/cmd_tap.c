/* SPDX-License-Identifier: MIT */
/*
 * shmq tap: look at what passes through a queue, without receiving it.
 *
 * The queue is mapped read-only, so nothing in it can change, and nobody waits for us; a message
 * that is gone before it was seen is counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct arguments {
	const char *addr;
	uint64_t count;	    /* 0: all */
	int64_t timeout_ns; /* how long to wait for one */
	bool oldest;
	bool json;
};

static const struct argp_option options[] = {
	{"count", KEY_COUNT, "N", 0, "end after N messages; K, M, G are powers of 1024", 0},
	{"timeout", KEY_TIMEOUT, "S", 0,
	 "end when no message comes for S seconds (fractions allowed); with --count, that is a "
	 "failure",
	 0},
	{"oldest", KEY_OLDEST, NULL, 0,
	 "begin with the oldest message still there, not with the next one sent", 0},
	{"json", KEY_JSON, NULL, 0,
	 "one JSON object in a line for each message: sequence, sender, lost, deliveries, length, "
	 "text or hex",
	 0},
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
	case KEY_OLDEST:
		a->oldest = true;
		return 0;
	case KEY_JSON:
		a->json = true;
		return 0;
	default:
		return parse_address(key, arg, &a->addr, state);
	}
}

static json_t *
json_hex(const struct iovec *msg)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = msg->iov_base;
	char *text = malloc(2 * msg->iov_len + 1);
	json_t *value;

	if (!text)
		return NULL;
	for (size_t i = 0; i < msg->iov_len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	value = json_stringn(text, 2 * msg->iov_len);
	free(text);
	return value;
}

/* Text where the bytes are valid UTF-8, else hexadecimal digits. */
static void
add_bytes(json_t *object, const struct iovec *msg)
{
	json_t *text = json_stringn(msg->iov_base, msg->iov_len);

	if (text)
		json_object_set_new(object, "text", text);
	else
		json_object_set_new(object, "hex", json_hex(msg));
}

static json_t *
json_message(const struct iovec *msg, const struct shmq_info *info)
{
	json_t *object = json_object();

	json_object_set_new(object, "sequence", json_integer((json_int_t)info->sequence));
	json_object_set_new(object, "sender", json_known(info->sender));
	json_object_set_new(object, "lost", json_integer((json_int_t)info->lost));
	json_object_set_new(object, "deliveries", json_integer(info->deliveries));
	json_object_set_new(object, "length", json_integer((json_int_t)msg->iov_len));
	add_bytes(object, msg);
	return object;
}

static int
write_json(const struct reception *in, const struct iovec *msg, const struct shmq_info *info)
{
	json_t *object = json_message(msg, info);
	char *text = json_dumps(object, JSON_COMPACT);
	struct iovec line = {text, 0};
	int err;

	json_decref(object);
	if (!text)
		return -ENOMEM;
	/* The newline takes the place of the zero. */
	line.iov_len = strlen(text) + 1;
	text[line.iov_len - 1] = '\n';
	err = reception_write(in, &line);
	free(text);
	return err;
}

static int
look_at_one(struct reception *in, bool json)
{
	struct shmq_info info = {.size = sizeof info};
	struct iovec msg;
	int err = reception_next(in, &msg);

	if (!err)
		err = shmq_info(in->t.q, &info);
	if (err)
		return err;
	in->t.progress.missed += info.lost;
	err = json ? write_json(in, &msg, &info) : reception_write(in, &msg);
	if (!err)
		progress_add(&in->t.progress, 1, msg.iov_len);
	return err;
}

/* A queue that was removed is the end; so is a quiet time, unless so many messages were wanted. */
static int
run(struct reception *in, const struct arguments *a)
{
	int err = reception_start(in, true);

	for (uint64_t n = 0; !err && (!a->count || n < a->count); n++)
		err = interrupted() ? -EINTR : look_at_one(in, a->json);
	free(in->buffer);
	if (err == -ETIMEDOUT && a->count)
		return reception_timed_out(in);
	return err == -ETIMEDOUT || err == -EIDRM ? 0 : err;
}

int
cmd_tap(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDR",
		.doc = "Write what passes through a queue to standard output, without receiving "
		       "it.\v"
		       "Nothing in the queue changes, and nobody waits for the command, so it may "
		       "miss messages: it says at the end how many. Ends when the queue is "
		       "removed.",
	};
	struct arguments a = {.timeout_ns = SHMQ_FOREVER};
	struct reception in = {.t.progress.verb = "seen",
			       .doing = "look",
			       .stuck = "nothing in the queue has changed"};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	interrupt_arm();
	if (transfer_open(&in.t, a.addr, SHMQ_OBSERVER | (a.oldest ? SHMQ_OLDEST : 0)))
		return EXIT_FAILED;
	in.timeout_ns = a.timeout_ns;
	progress_start(&in.t.progress, STDOUT_FILENO, true);
	return transfer_close(&in.t, run(&in, &a), in.doing);
}
