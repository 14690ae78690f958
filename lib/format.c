/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <errno.h>
#include <shmq/shmq.h>
#include <string.h>

/* More than an address space has; also of a process with 32 bits. */
#define LIMIT_BYTES (PTRDIFF_MAX < INT64_MAX ? (uint64_t)PTRDIFF_MAX / 2 : UINT64_C(1) << 47)

static uint64_t
round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static uint64_t
power_of_two(uint64_t wanted)
{
	uint64_t power = 1;

	while (power < wanted)
		power <<= 1;
	return power;
}

size_t
shmqi_format_meta_bytes(size_t page_size)
{
	return page_size > 2 * FORMAT_PAGE ? page_size : 2 * FORMAT_PAGE;
}

int
shmqi_format_plan_raw(struct shmqi_geometry *g, uint64_t segsz, size_t page_size, unsigned flags)
{
	if (segsz == 0 || segsz > LIMIT_BYTES)
		return -EINVAL;
	*g = (struct shmqi_geometry){
		.kind = SHMQ_SEGMENT, .flags = flags, .segsz = segsz, .page_size = page_size};
	g->data_offset = shmqi_format_meta_bytes(page_size);
	g->total_bytes = g->data_offset + round_up(segsz, page_size);
	return 0;
}

/* Small slots are powers of two of at least 16 bytes, so that none straddles a cache line; larger
 * ones whole lines. */
static uint64_t
slot_bytes(uint64_t words, uint64_t msg_max)
{
	uint64_t bytes = words + (msg_max < 8 ? 8 : msg_max);

	return bytes <= 64 ? power_of_two(bytes) : round_up(bytes, 64);
}

/* The smallest ones of MPMC are better dense: fewer lines to fight over (docs/design.md). */
static uint64_t
mpmc_slot_bytes(uint64_t msg_max)
{
	return msg_max <= 8 ? 3 * FORMAT_SLOT_WORD : slot_bytes(2 * FORMAT_SLOT_WORD, msg_max);
}

bool
shmqi_format_read_only(const struct shmqi_geometry *g)
{
	return g->kind == SHMQ_LATEST || (g->kind == SHMQ_BROADCAST && (g->flags & SHMQ_LOSSY));
}

/* Whether this kind has these flags and limits. */
static int
check_kind(const struct shmqi_geometry *g)
{
	bool broadcast = g->kind == SHMQ_BROADCAST, lossy = g->flags & SHMQ_LOSSY;
	bool redeliver = g->flags & SHMQ_REDELIVER, records = g->flags & SHMQ_RECORDS;

	if ((lossy && !broadcast) || (redeliver && g->kind != SHMQ_MPMC))
		return -ENOTSUP;
	if (records && g->kind != SHMQ_SPSC && g->kind != SHMQ_MPSC && !broadcast)
		return -ENOTSUP;
	if ((g->max_deliveries && !redeliver) || (g->slow_limit && (!broadcast || lossy)))
		return -ENOTSUP;
	return 0;
}

static int
check_ranges(const struct shmqi_geometry *g)
{
	if (g->msg_max > SHMQ_MSG_MAX || g->capacity < 1 || g->capacity > SHMQ_CAPACITY_MAX)
		return -EINVAL;
	if (g->participants < 1 || g->participants > SHMQ_PARTICIPANTS_MAX)
		return -EINVAL;
	if (g->slow_limit > g->capacity || g->max_deliveries > SHMQ_DELIVERIES_MAX)
		return -EINVAL;
	return g->kind == SHMQ_LATEST && g->capacity < 2 ? -EINVAL : 0;
}

/* How far behind a page slot 0 begins, so that long messages, which lie behind their slot's words,
 * begin with a cache line: a copy of whole lines is up to twice as fast (docs/design.md). */
static uint64_t
slot_lead(const struct shmqi_geometry *g)
{
	bool two = shmqi_format_read_only(g) || g->kind == SHMQ_MPMC;

	if ((g->flags & SHMQ_RECORDS) || g->msg_max < FORMAT_LONG)
		return 0;
	return 64 - (two ? 2 : 1) * FORMAT_SLOT_WORD;
}

/*
 * One ring: slots, or records packed into lane_bytes. The lead is added once more, so that a lane's
 * last message and the next lane's first word, which belong to different producers, are never in
 * the same cache line.
 */
static int
plan_ring(struct shmqi_geometry *g)
{
	bool lossy = shmqi_format_read_only(g), mpmc = g->kind == SHMQ_MPMC;
	uint64_t words = lossy ? 2 * FORMAT_SLOT_WORD : FORMAT_SLOT_WORD;
	uint64_t slack = lossy ? FORMAT_LOSSY_SLACK : 0;

	if (g->flags & SHMQ_RECORDS) {
		if (g->capacity < format_record_cost(g->msg_max))
			return -EINVAL;
		g->lane_bytes = format_records_bytes(g->capacity + slack, g->msg_max);
	} else {
		g->slots = mpmc ? g->capacity : power_of_two(g->capacity);
		g->slot_bytes = mpmc ? mpmc_slot_bytes(g->msg_max) : slot_bytes(words, g->msg_max);
		if (g->slots > LIMIT_BYTES / g->slot_bytes)
			return -EINVAL;
		g->lane_bytes = g->slots * g->slot_bytes;
	}
	g->lane_bytes = round_up(g->lane_bytes + slot_lead(g), FORMAT_BLOCK);
	return 0;
}

int
shmqi_format_plan_queue(struct shmqi_geometry *g)
{
	bool lanes = g->kind == SHMQ_MPSC ||
		     (g->kind == SHMQ_BROADCAST && !shmqi_format_read_only(g));
	uint64_t rings = g->kind == SHMQ_MPSC ? g->participants : 1, end;
	int err = check_kind(g);

	if (err == 0)
		err = check_ranges(g);
	if (err == 0)
		err = plan_ring(g);
	if (err)
		return err;
	if (rings > LIMIT_BYTES / g->lane_bytes)
		return -EINVAL;
	g->control_offset =
		2 * FORMAT_PAGE + (uint64_t)g->participants * sizeof(struct format_participant);
	end = g->control_offset + sizeof(struct format_control);
	if (lanes)
		end += (uint64_t)g->participants * sizeof(struct format_lane);
	g->data_offset = round_up(end, FORMAT_PAGE) + slot_lead(g);
	g->total_bytes = round_up(g->data_offset + rings * g->lane_bytes, g->page_size);
	g->segsz = g->total_bytes;
	return 0;
}

void
shmqi_format_init(struct format_header *header, const struct shmqi_geometry *g)
{
	header->version = FORMAT_VERSION;
	header->endian = FORMAT_ENDIAN;
	header->features = FORMAT_FEATURES;
	header->kind = g->kind;
	header->segsz = g->segsz;
	header->total_bytes = g->total_bytes;
	header->page_size = g->page_size;
	header->data_offset = g->data_offset;
	header->flags = g->flags;
	header->participants = g->participants;
	header->msg_max = g->msg_max;
	header->capacity = g->capacity;
	header->slots = g->slots;
	header->slot_bytes = g->slot_bytes;
	header->control_offset = g->control_offset;
	header->lane_bytes = g->lane_bytes;
	header->slow_limit = g->slow_limit;
	header->max_deliveries = g->max_deliveries;
}

void
shmqi_format_fill(void *object, const struct shmqi_geometry *g)
{
	unsigned char *slots = (unsigned char *)object + g->data_offset;

	if (g->kind != SHMQ_MPMC)
		return;
	for (uint64_t i = 0; i < g->slots; i++) {
		void *slot = slots + i * g->slot_bytes;

		/* Relaxed: nobody else is there yet. */
		shmq_store_relaxed_u64((uint64_t *)slot, i << FORMAT_TURN_SHIFT);
	}
}

/* FNV-1a, 64 bits: to tell damage, not malice. */
static uint64_t
checksum(const struct format_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = sizeof(header->magic); i < offsetof(struct format_header, checksum); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

void
shmqi_format_publish(struct format_header *header)
{
	header->checksum = checksum(header);
	/* COMPLETE, release: whoever sees the magic number sees the whole queue. */
	shmq_store_release_u64(&header->magic, FORMAT_MAGIC);
}

static void
copy_geometry(struct shmqi_geometry *g, const struct format_header *h)
{
	*g = (struct shmqi_geometry){
		.kind = h->kind,
		.flags = h->flags,
		.participants = h->participants,
		.segsz = h->segsz,
		.total_bytes = h->total_bytes,
		.page_size = h->page_size,
		.data_offset = h->data_offset,
		.control_offset = h->control_offset,
		.msg_max = h->msg_max,
		.capacity = h->capacity,
		.slots = h->slots,
		.slot_bytes = h->slot_bytes,
		.lane_bytes = h->lane_bytes,
		.slow_limit = h->slow_limit,
		.max_deliveries = h->max_deliveries,
	};
}

/* Whether the geometry is the one that this version would have planned; anything else is damage. */
static bool
planned(const struct shmqi_geometry *g)
{
	struct shmqi_geometry again = {
		.kind = g->kind,
		.flags = g->flags,
		.participants = g->participants,
		.page_size = g->page_size,
		.msg_max = g->msg_max,
		.capacity = g->capacity,
		.slow_limit = g->slow_limit,
		.max_deliveries = g->max_deliveries,
	};
	int err;

	if (g->page_size < FORMAT_PAGE || g->page_size > (UINT64_C(1) << 30) ||
	    (g->page_size & (g->page_size - 1)))
		return false;
	if (g->kind == SHMQ_SEGMENT)
		err = shmqi_format_plan_raw(&again, g->segsz, (size_t)g->page_size, g->flags);
	else
		err = shmqi_format_plan_queue(&again);
	return err == 0 && memcmp(&again, g, sizeof(again)) == 0;
}

int
shmqi_format_check(const struct format_header *shared, uint64_t object_bytes,
		   struct format_header *copy, struct shmqi_geometry *g)
{
	struct shmqi_geometry read = {0};

	if (object_bytes < 2 * FORMAT_PAGE)
		return -EPROTONOSUPPORT;
	/* COMPLETE, acquire: with the magic number the rest is there. */
	if (shmq_load_acquire_u64(&shared->magic) != FORMAT_MAGIC)
		return -EPROTONOSUPPORT;
	memcpy(copy, shared, sizeof(*copy));
	if (copy->endian != FORMAT_ENDIAN || copy->version != FORMAT_VERSION ||
	    (copy->features & ~FORMAT_FEATURES))
		return -EPROTONOSUPPORT;
	if (copy->kind < SHMQ_SEGMENT || copy->kind > SHMQ_LATEST ||
	    copy->checksum != checksum(copy))
		return -EBADMSG;
	copy_geometry(&read, copy);
	if (!planned(&read) || read.total_bytes > object_bytes)
		return -EBADMSG;
	*g = read;
	return 0;
}
