/* SPDX-License-Identifier: MIT */
#include "kinds.h"

#include <unistd.h>

#define SIZES .size = sizeof(struct shmq_opts), .msg_max = KIND_MSG_MAX
#define SLOTS SIZES, .capacity = KIND_CAPACITY
/* Bytes for so many records of one byte, or two of the longest. */
#define RECORDS SIZES, .capacity = KIND_CAPACITY * 2 * 16

const struct kind kinds[KINDS] = {
	{
		.name = "SPSC",
		.opts = {SLOTS},
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY,
	},
	{
		.name = "SPSC, records",
		.opts = {RECORDS, .flags = SHMQ_RECORDS},
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY * 2,
	},
	{
		.name = "MPSC",
		.opts = {SLOTS, .kind = SHMQ_MPSC},
		.many_producers = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY,
	},
	{
		.name = "MPSC, records",
		.opts = {RECORDS, .kind = SHMQ_MPSC, .flags = SHMQ_RECORDS},
		.many_producers = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY * 2,
	},
	{
		.name = "MPMC",
		.opts = {SLOTS, .kind = SHMQ_MPMC},
		.many_producers = true,
		.many_consumers = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY,
	},
	{
		.name = "MPMC, redeliver",
		.opts = {SLOTS, .kind = SHMQ_MPMC, .flags = SHMQ_REDELIVER},
		.many_producers = true,
		.many_consumers = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY,
	},
	{
		.name = "broadcast",
		.opts = {SLOTS, .kind = SHMQ_BROADCAST},
		.many_consumers = true,
		.broadcast = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY,
	},
	{
		.name = "broadcast, records",
		.opts = {RECORDS, .kind = SHMQ_BROADCAST, .flags = SHMQ_RECORDS},
		.many_consumers = true,
		.broadcast = true,
		.peek = true,
		.batch = true,
		.room = KIND_CAPACITY * 2,
	},
	{
		.name = "broadcast, slow_limit",
		.opts = {SLOTS, .kind = SHMQ_BROADCAST, .slow_limit = KIND_CAPACITY},
		.many_consumers = true,
		.broadcast = true,
		.batch = true,
	},
	{
		.name = "broadcast, lossy",
		.opts = {SLOTS, .kind = SHMQ_BROADCAST, .flags = SHMQ_LOSSY},
		.many_consumers = true,
		.broadcast = true,
		.lossy = true,
		.batch = true,
	},
	{
		.name = "broadcast, lossy, records",
		.opts = {RECORDS, .kind = SHMQ_BROADCAST, .flags = SHMQ_LOSSY | SHMQ_RECORDS},
		.many_consumers = true,
		.broadcast = true,
		.lossy = true,
		.batch = true,
	},
	{
		.name = "latest",
		.opts = {SIZES, .kind = SHMQ_LATEST},
		.many_consumers = true,
		.broadcast = true,
		.lossy = true,
		.newest = true,
	},
};

struct pair
pair_open(const struct kind *kind, enum place_backend on)
{
	struct pair pair = {.kind = kind, .p = place_queue(on, 0, &kind->opts)};

	pair.rx = unit_join(&pair.p, SHMQ_CONSUMER);
	pair.tx = unit_join(&pair.p, SHMQ_PRODUCER);
	return pair;
}

void
pair_close(struct pair *pair)
{
	if (pair->tx)
		SAME(0, shmq_detach(pair->tx));
	if (pair->rx)
		SAME(0, shmq_detach(pair->rx));
	place_remove(&pair->p);
}

void
pair_send(struct pair *pair, char letter)
{
	SAME(0, shmq_send(pair->tx, &letter, 1, 0));
}

void
pair_recv(struct pair *pair, char want)
{
	char buf[KIND_MSG_MAX] = "";

	SAME(1, shmq_recv(pair->rx, buf, sizeof(buf), 0));
	SAME(want, buf[0]);
}
