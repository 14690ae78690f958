/* SPDX-License-Identifier: MIT */
#include "stress/transfer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <shmq/inline.h>

#include "support/message.h"
#include "support/process.h"

#define BATCH 5

/* An attached end. */
struct end {
	const struct transfer *transfer;
	struct shmq *q;
	struct shmq_port port;
	unsigned char *room[BATCH]; /* msg_max bytes each */
	uint64_t sequence;	    /* the next message */
	uint64_t seed;
};

/* One way to move messages: how many it moved, or a negated errno. */
struct way {
	ssize_t (*move)(struct end *e, int64_t timeout_ns);
};

static void
open_end(struct end *e, const struct transfer *transfer, unsigned role)
{
	*e = (struct end){.transfer = transfer, .seed = transfer->seed + role};
	SAME(0, shmq_attach(&e->q, transfer->address, role));
	SAME(0, shmq_port_open(&e->port, e->q));
	for (unsigned i = 0; i < BATCH; i++) {
		e->room[i] = malloc(transfer->msg_max + 1);
		MUST(e->room[i] != NULL);
	}
}

static void
close_end(struct end *e)
{
	for (unsigned i = 0; i < BATCH; i++)
		free(e->room[i]);
	SAME(0, shmq_detach(e->q));
}

/* How many messages a batch may have now. */
static size_t
batch_size(struct end *e)
{
	uint64_t left = e->transfer->count - e->sequence;
	uint64_t n = 1 + random_below(&e->seed, BATCH);

	return (size_t)(n < left ? n : left);
}

static int64_t
some_timeout(struct end *e)
{
	if (!e->transfer->blocking)
		return 0;
	if (random_below(&e->seed, 4))
		return SHMQ_FOREVER;
	return (int64_t)random_below(&e->seed, 300000);
}

/* Move them all, each time in another way. */
static void
move_all(struct end *e, const struct way *ways, size_t n)
{
	while (e->sequence < e->transfer->count) {
		ssize_t moved = ways[random_below(&e->seed, n)].move(e, some_timeout(e));

		if (moved == -EAGAIN || moved == -ETIMEDOUT)
			sched_yield();
		else
			SAME(0, moved < 0 ? moved : 0);
		e->sequence += moved > 0 ? (uint64_t)moved : 0;
	}
}

/* Sending ------------------------------------------------------------------------------------ */

static size_t
fill(struct end *e, unsigned i)
{
	size_t length = message_length(e->sequence + i, e->transfer->msg_max);

	message_fill(e->room[i], e->sequence + i, length);
	return length;
}

static ssize_t
by_send(struct end *e, int64_t timeout_ns)
{
	size_t length = fill(e, 0);
	int err = shmq_send(e->q, e->room[0], length, timeout_ns);

	return err ? err : 1;
}

static ssize_t
by_port_send(struct end *e, int64_t timeout_ns)
{
	size_t length = fill(e, 0);
	int err = shmq_port_send(&e->port, e->room[0], length);

	(void)timeout_ns;
	return err ? err : 1;
}

static ssize_t
by_send_batch(struct end *e, int64_t timeout_ns)
{
	size_t n = batch_size(e);
	struct iovec v[BATCH];

	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){e->room[i], fill(e, i)};
	return shmq_send_batch(e->q, v, n, timeout_ns);
}

/* Reserved is more than is sent, as often as not. */
static ssize_t
by_commit(struct end *e, int64_t timeout_ns)
{
	size_t length = message_length(e->sequence, e->transfer->msg_max);
	struct iovec slot;
	int err = shmq_reserve(
		e->q, &slot, random_below(&e->seed, 2) ? length : e->transfer->msg_max, timeout_ns);

	if (err)
		return err;
	MUST(((uintptr_t)slot.iov_base & 7) == 0);
	message_fill(slot.iov_base, e->sequence, length);
	slot.iov_len = length;
	SAME(0, shmq_commit(e->q, &slot));
	return 1;
}

/* Written and thrown away: nobody may see it. */
static ssize_t
by_abort(struct end *e, int64_t timeout_ns)
{
	struct iovec slot;
	int err = shmq_reserve(e->q, &slot, e->transfer->msg_max, timeout_ns);

	if (err)
		return err;
	memset(slot.iov_base, 0xab, slot.iov_len);
	SAME(-EBUSY, shmq_send(e->q, e->room[0], 0, 0));
	SAME(0, shmq_abort(e->q, &slot));
	return 0;
}

static ssize_t
by_send_too_long(struct end *e, int64_t timeout_ns)
{
	SAME(-EMSGSIZE, shmq_send(e->q, e->room[0], e->transfer->msg_max + 1, timeout_ns));
	return 0;
}

void
transfer_produce(const struct transfer *transfer)
{
	static const struct way ways[] = {{by_send},   {by_port_send}, {by_send_batch},
					  {by_commit}, {by_abort},     {by_send_too_long}};
	struct end e;

	open_end(&e, transfer, SHMQ_PRODUCER);
	move_all(&e, ways, sizeof(ways) / sizeof(ways[0]));
	close_end(&e);
}

/* Receiving ---------------------------------------------------------------------------------- */

static void
check(struct end *e, const void *bytes, size_t length, unsigned i)
{
	message_check(bytes, length, e->sequence + i, e->transfer->msg_max);
}

static ssize_t
by_recv(struct end *e, int64_t timeout_ns)
{
	struct shmq_info info = {.size = sizeof(info)};
	ssize_t length = shmq_recv(e->q, e->room[0], e->transfer->msg_max, timeout_ns);

	if (length < 0)
		return length;
	check(e, e->room[0], (size_t)length, 0);
	SAME(0, shmq_info(e->q, &info));
	SAME(e->sequence, info.sequence);
	return 1;
}

static ssize_t
by_port_recv(struct end *e, int64_t timeout_ns)
{
	ssize_t length = shmq_port_recv(&e->port, e->room[0], e->transfer->msg_max);

	(void)timeout_ns;
	if (length < 0)
		return length;
	check(e, e->room[0], (size_t)length, 0);
	return 1;
}

static ssize_t
by_recv_batch(struct end *e, int64_t timeout_ns)
{
	size_t n = batch_size(e);
	struct iovec v[BATCH];
	ssize_t got;

	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){e->room[i], e->transfer->msg_max};
	got = shmq_recv_batch(e->q, v, n, timeout_ns);
	for (unsigned i = 0; got > 0 && i < (unsigned)got; i++)
		check(e, v[i].iov_base, v[i].iov_len, i);
	return got;
}

static ssize_t
by_release(struct end *e, int64_t timeout_ns)
{
	struct iovec message, again;
	int err = shmq_peek(e->q, &message, timeout_ns);

	if (err)
		return err;
	MUST(((uintptr_t)message.iov_base & 7) == 0);
	SAME(-EBUSY, shmq_recv(e->q, e->room[0], e->transfer->msg_max, 0));
	SAME(0, shmq_peek(e->q, &again, 0));
	MUST(again.iov_base == message.iov_base && again.iov_len == message.iov_len);
	check(e, message.iov_base, message.iov_len, 0);
	SAME(0, shmq_release(e->q, &message));
	return 1;
}

/* One byte less than the next message has: it stays. */
static ssize_t
by_recv_too_short(struct end *e, int64_t timeout_ns)
{
	size_t length = message_length(e->sequence, e->transfer->msg_max);
	ssize_t got;

	if (length == 0)
		return 0;
	got = shmq_recv(e->q, e->room[0], length - 1, timeout_ns);
	return got == -EMSGSIZE ? 0 : got < 0 ? got : -EBADMSG;
}

void
transfer_consume(const struct transfer *transfer)
{
	static const struct way ways[] = {
		{by_recv}, {by_port_recv}, {by_recv_batch}, {by_release}, {by_recv_too_short}};
	struct end e;

	open_end(&e, transfer, SHMQ_CONSUMER);
	move_all(&e, ways, sizeof(ways) / sizeof(ways[0]));
	SAME(-EAGAIN, shmq_recv(e.q, e.room[0], transfer->msg_max, 0));
	close_end(&e);
}
