/* SPDX-License-Identifier: MIT */
#include "stress/hot.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <shmq/atomic.h>
#include <shmq/inline.h>

/* How far the sender may run ahead of a receiver that keeps in step. */
#define AHEAD 768

/* All bytes follow from the sequence number; what is beyond the first ones is zero. */
struct load {
	uint64_t words[HOT_BYTES / 8];
};

union message {
	struct load load;
	unsigned char room[HOT_BYTES_MAX];
};

static size_t
bytes_of(const struct hot *hot)
{
	return hot->bytes ? hot->bytes : HOT_BYTES;
}

static bool
other_failed(const struct hot *hot)
{
	/* Relaxed: a flag that stays up. */
	return hot->step && shmq_load_relaxed_u32(&hot->step->failed);
}

/* Message `n` may be sent: true, or the other end is no more. */
static bool
await_room(const struct hot *hot, uint64_t n)
{
	if (!hot->step || hot->lossy)
		return true;
	/* What it frees is ordered by the queue itself. */
	while (n >= shmq_load_relaxed_u64(&hot->step->received) + AHEAD) {
		if (other_failed(hot))
			return false;
		shmq_pause();
	}
	return true;
}

/* Message `n` is there: true, or the other end is no more. */
static bool
await_message(const struct hot *hot, uint64_t n)
{
	while (hot->step && n >= shmq_load_relaxed_u64(&hot->step->sent)) {
		if (other_failed(hot))
			return false;
		shmq_pause();
	}
	return true;
}

/* How the loops below differ: nothing in common, so that each is as tight as a program's own. */
static bool
send_calls(const struct hot *hot, struct shmq *q, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		union message message = {{{n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6}}};
		int err;

		if (!await_room(hot, n))
			return false;
		while ((err = shmq_send(q, &message, bytes_of(hot), 0)) == -EAGAIN)
			continue;
		if (err)
			return false;
		if (hot->step)
			/* The message is sent. */
			shmq_store_release_u64(&hot->step->sent, n + 1);
	}
	return true;
}

static bool
send_inlined(struct shmq_port port, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct load load = {{n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6}};
		int err;

		while ((err = shmq_port_send(&port, &load, sizeof(load))) == -EAGAIN)
			continue;
		if (err)
			return false;
	}
	return true;
}

static bool
is_load(const struct load *load, uint64_t n)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < HOT_BYTES / 8; i++)
		wrong |= load->words[i] ^ (n + i);
	return wrong == 0;
}

static bool
receive_calls(const struct hot *hot, struct shmq *q, uint64_t from, uint64_t to)
{
	union message message;
	ssize_t length;

	for (uint64_t n = from; n < to; n++) {
		if (!await_message(hot, n))
			return false;
		while ((length = shmq_recv(q, &message, sizeof(message), 0)) == -EAGAIN)
			continue;
		if (length != (ssize_t)bytes_of(hot) || !is_load(&message.load, n))
			return false;
		if (hot->step)
			/* The message is received. */
			shmq_store_release_u64(&hot->step->received, n + 1);
	}
	return true;
}

/* What there is, up to the last before `to` at least; of the latest value one may come again. */
static bool
receive_some(const struct hot *hot, struct shmq *q, uint64_t from, uint64_t to)
{
	uint64_t n = from;

	while (n < to) {
		union message message;
		ssize_t length = shmq_recv(q, &message, sizeof(message), 0);

		if (length == -EAGAIN && other_failed(hot))
			return false;
		if (length == -EAGAIN)
			continue;
		if (length != (ssize_t)bytes_of(hot) || message.load.words[0] + 1 < from)
			return false;
		if (!is_load(&message.load, message.load.words[0]))
			return false;
		n = message.load.words[0] + 1;
	}
	return true;
}

static bool
receive_inlined(struct shmq_port port, uint64_t from, uint64_t to)
{
	struct load load;
	ssize_t length;

	for (uint64_t n = from; n < to; n++) {
		while ((length = shmq_port_recv(&port, &load, sizeof(load))) == -EAGAIN)
			continue;
		if (length != HOT_BYTES || !is_load(&load, n))
			return false;
	}
	return true;
}

static bool
run(const struct hot *hot, struct shmq *q, uint64_t from, uint64_t to)
{
	struct shmq_port port;

	if (hot->lossy && hot->role == SHMQ_CONSUMER)
		return receive_some(hot, q, from, to);
	if (!hot->inlined)
		return hot->role == SHMQ_PRODUCER ? send_calls(hot, q, from, to)
						  : receive_calls(hot, q, from, to);
	if (shmq_port_open(&port, q) != 0)
		return false;
	return hot->role == SHMQ_PRODUCER ? send_inlined(port, from, to)
					  : receive_inlined(port, from, to);
}

static long
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Nobody counts before both are warm. */
static bool
meet(const struct hot *hot)
{
	if (!hot->step)
		return true;
	/* A count only. */
	shmq_add_release_u32(&hot->step->warm, 1);
	while (shmq_load_acquire_u32(&hot->step->warm) < 2) {
		if (other_failed(hot))
			return false;
		shmq_pause();
	}
	return true;
}

static long
run_counted(const struct hot *hot)
{
	unsigned role = hot->role | (hot->unlocked ? 0 : SHMQ_LOCK);
	struct shmq *q = NULL;
	long before;

	if (shmq_attach(&q, hot->address, role) != 0 || !run(hot, q, 0, hot->warm))
		return -1;
	faults();
	hot->warmed(hot->arg);
	if (!meet(hot))
		return -1;
	before = faults();
	if (!run(hot, q, hot->warm, hot->warm + hot->count))
		return -1;
	return faults() - before;
}

long
hot_run(const struct hot *hot)
{
	long result = run_counted(hot);

	if (result < 0 && hot->step)
		shmq_store_relaxed_u32(&hot->step->failed, 1);
	return result;
}
