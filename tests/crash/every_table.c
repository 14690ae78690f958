/* SPDX-License-Identifier: MIT */
/*
 * Kinds, operations and states are in tables; here is which of them go together. The operations:
 * every_victim.c.
 */
#include "every.h"

/* Kinds --------------------------------------------------------------------------------------- */

#define SLOTS(KIND, ...)                                                                    \
	{                                                                                   \
		.size = sizeof(struct shmq_opts), .kind = KIND, .capacity = EVERY_CAPACITY, \
		__VA_ARGS__                                                                 \
	}
#define RECORD_BYTES ((size_t)EVERY_CAPACITY * 72)
#define RECORDS(KIND, ...)                                                                \
	{                                                                                 \
		.size = sizeof(struct shmq_opts), .kind = KIND, .capacity = RECORD_BYTES, \
		.msg_max = 64, __VA_ARGS__                                                \
	}

const struct every_kind every_kinds[] = {
	{"spsc", SLOTS(SHMQ_SPSC, .msg_max = 64), 16, 64},
	{"spsc_records", RECORDS(SHMQ_SPSC, .flags = SHMQ_RECORDS), 40, 64},
	{"mpsc", SLOTS(SHMQ_MPSC, .msg_max = 64), 16, 64},
	{"mpsc_records", RECORDS(SHMQ_MPSC, .flags = SHMQ_RECORDS), 40, 64},
	{"mpmc", SLOTS(SHMQ_MPMC, .msg_max = 64), 16, 64},
	{"mpmc_long", SLOTS(SHMQ_MPMC, .msg_max = 320), 300, 320},
	{"mpmc_redeliver", SLOTS(SHMQ_MPMC, .msg_max = 320, .flags = SHMQ_REDELIVER), 300, 320},
	{"broadcast", SLOTS(SHMQ_BROADCAST, .msg_max = 64), 16, 64},
	{"broadcast_records", RECORDS(SHMQ_BROADCAST, .flags = SHMQ_RECORDS), 40, 64},
	{"broadcast_slow", SLOTS(SHMQ_BROADCAST, .msg_max = 64, .slow_limit = 3), 16, 64},
	{"lossy", SLOTS(SHMQ_BROADCAST, .msg_max = 64, .flags = SHMQ_LOSSY), 16, 64},
	{"lossy_records", RECORDS(SHMQ_BROADCAST, .flags = SHMQ_LOSSY | SHMQ_RECORDS), 40, 64},
	{"latest", SLOTS(SHMQ_LATEST, .msg_max = 64), 16, 64},
};
const unsigned every_kind_count = sizeof(every_kinds) / sizeof(*every_kinds);

bool
every_stream(const struct every_kind *kind)
{
	return kind->opts.kind == SHMQ_BROADCAST || kind->opts.kind == SHMQ_LATEST;
}

bool
every_overwrites(const struct every_kind *kind)
{
	return kind->opts.kind == SHMQ_LATEST || (kind->opts.flags & SHMQ_LOSSY);
}

bool
every_records(const struct every_kind *kind)
{
	return kind->opts.flags & SHMQ_RECORDS;
}

bool
every_peeks(const struct every_kind *kind)
{
	return !every_overwrites(kind) && !kind->opts.slow_limit;
}

bool
every_redelivers(const struct every_kind *kind)
{
	return kind->opts.flags & SHMQ_REDELIVER;
}

bool
every_single(const struct every_kind *kind, unsigned role)
{
	if (kind->opts.kind == SHMQ_SPSC)
		return true;
	if (kind->opts.kind == SHMQ_MPSC)
		return role == SHMQ_CONSUMER;
	return every_stream(kind) && role == SHMQ_PRODUCER;
}

bool
every_many(const struct every_kind *kind, unsigned role)
{
	return !every_single(kind, role);
}

/* States -------------------------------------------------------------------------------------- */

static bool
always(const struct every_kind *kind, const struct every_operation *operation)
{
	return kind && operation;
}

/* Who holds something beside the victim: a consumer its message, a producer its room. */
static bool
somebody_else_works(const struct every_kind *kind, const struct every_operation *operation)
{
	if (operation->role == SHMQ_CONSUMER)
		return every_many(kind, SHMQ_CONSUMER) || !operation->attaches;
	return every_peeks(kind) || every_many(kind, SHMQ_PRODUCER);
}

/* Nobody sleeps who sends to a queue that overwrites. */
static bool
somebody_can_sleep(const struct every_kind *kind, const struct every_operation *operation)
{
	if (operation->role == SHMQ_PRODUCER)
		return true;
	return !operation->attaches && !every_overwrites(kind) && !kind->opts.slow_limit;
}

/* The dead one had the role that the victim attaches for, or another one than the victim has. */
static bool
claimer_can_die(const struct every_kind *kind, const struct every_operation *operation)
{
	if (operation->detaches)
		return false;
	if (operation->attaches)
		return operation->role == SHMQ_PRODUCER;
	return operation->role == SHMQ_CONSUMER || every_many(kind, SHMQ_PRODUCER);
}

static bool
holder_can_die(const struct every_kind *kind, const struct every_operation *operation)
{
	if (operation->detaches || !every_peeks(kind))
		return false;
	if (operation->attaches)
		return operation->role == SHMQ_CONSUMER;
	return operation->role == SHMQ_PRODUCER || every_many(kind, SHMQ_CONSUMER);
}

const struct every_state every_states[] = {
	{.name = "empty", .fits = always},
	{.name = "one", .fill = 1, .fits = always},
	{.name = "full", .fill = -1, .fits = always},
	{.name = "wrapping", .fill = 2, .wraps = true, .fits = always},
	{.name = "contended", .fill = 2, .contended = true, .fits = somebody_else_works},
	{.name = "sleeper", .sleeper = true, .fits = somebody_can_sleep},
	{.name = "dead_claim", .fill = 1, .corpse = DIED_CLAIMING, .fits = claimer_can_die},
	{.name = "dead_hold", .fill = -1, .corpse = DIED_HOLDING, .fits = holder_can_die},
};
const unsigned every_state_count = sizeof(every_states) / sizeof(*every_states);
