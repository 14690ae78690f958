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
power_of_two(uint64_t at_least)
{
	uint64_t power = 1;

	while (power < at_least)
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
slot_bytes(uint64_t msg_max)
{
	uint64_t bytes = FORMAT_SLOT_WORD + (msg_max < 8 ? 8 : msg_max);

	return bytes <= 64 ? power_of_two(bytes) : round_up(bytes, 64);
}

int
shmqi_format_plan_queue(struct shmqi_geometry *g)
{
	uint64_t control;

	if (g->msg_max > SHMQ_MSG_MAX || g->capacity < 1 || g->capacity > SHMQ_CAPACITY_MAX)
		return -EINVAL;
	if (g->participants < 1 || g->participants > SHMQ_PARTICIPANTS_MAX)
		return -EINVAL;
	g->slots = power_of_two(g->capacity);
	g->slot_bytes = slot_bytes(g->msg_max);
	if (g->slots > LIMIT_BYTES / g->slot_bytes)
		return -EINVAL;
	g->control_offset =
		2 * FORMAT_PAGE + (uint64_t)g->participants * sizeof(struct format_participant);
	control = g->control_offset + sizeof(struct format_spsc);
	g->data_offset = round_up(control, FORMAT_PAGE);
	g->total_bytes = round_up(g->data_offset + g->slots * g->slot_bytes, g->page_size);
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
	};
}

/* Whether the geometry is the one that this version would have planned; anything else is damage. */
static bool
planned(const struct shmqi_geometry *g)
{
	struct shmqi_geometry again = *g;
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
	if (copy->kind > SHMQ_SPSC)
		return -EPROTONOSUPPORT;
	copy_geometry(&read, copy);
	if (!planned(&read) || read.total_bytes > object_bytes)
		return -EBADMSG;
	*g = read;
	return 0;
}
