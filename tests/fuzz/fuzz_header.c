/* SPDX-License-Identifier: MIT */
/*
 * The header of an object that anybody may have written: refused with -EPROTONOSUPPORT or
 * -EBADMSG, or every access that its geometry leads to lies inside the object.
 *
 * Input: one byte of MODE_* bits, 8 bytes of object size, the header. What is missing is zero.
 */
#include "format.h"
#include "fuzz_input.h"

#include <errno.h>
#include <shmq/shmq.h>
#include <string.h>

#define MODE_SIGN 1 /* right magic number, version and checksum: past the first checks */
#define MODE_PLAN \
	2 /* and, before that, a right geometry from the input's options, with the input's damage in it */
#define MODE_ROOM 4 /* the object is as long as the header says */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static size_t
take(void *to, size_t want, const unsigned char **data, size_t *size)
{
	size_t n = want < *size ? want : *size;

	memset(to, 0, want);
	if (n)
		memcpy(to, *data, n);
	*data += n;
	*size -= n;
	return n;
}

/*
 * Make the header that of a queue with small forms of its own options; then damage one byte of
 * it.
 */
static void
plan(struct format_header *header, const unsigned char damage[2])
{
	struct shmqi_geometry g = {
		.kind = (int)((uint32_t)header->kind % 6) - 1,
		.flags = header->flags & (SHMQ_LOSSY | SHMQ_RECORDS | SHMQ_REDELIVER),
		.max_deliveries = header->max_deliveries % 5000,
		.slow_limit = header->slow_limit % 100000,
		.participants = header->participants % 5000,
		.page_size = header->page_size & 1 ? UINT64_C(2) << 20 : FORMAT_PAGE,
		.msg_max = header->msg_max % 100000,
		.capacity = header->capacity % 100000,
	};

	if (g.kind != SHMQ_SEGMENT ? shmqi_format_plan_queue(&g)
				   : shmqi_format_plan_raw(&g, header->segsz >> 16, g.page_size, 0))
		return;
	shmqi_format_init(header, &g);
	((unsigned char *)header)[8 + damage[0] % (sizeof(*header) - 16)] ^= damage[1];
}

static void
sign(struct format_header *header)
{
	header->version = FORMAT_VERSION;
	header->endian = FORMAT_ENDIAN;
	header->features = FORMAT_FEATURES;
	shmqi_format_publish(header);
}

/* Room for what one ring holds. */
static void
check_ring(const struct shmqi_geometry *g)
{
	bool lossy = shmqi_format_read_only(g), mpmc = g->kind == SHMQ_MPMC;
	uint64_t words = lossy || mpmc ? 2 * FORMAT_SLOT_WORD : FORMAT_SLOT_WORD;
	uint64_t slack = lossy ? FORMAT_LOSSY_SLACK : 0;

	must(g->lane_bytes % 8 == 0 && g->slow_limit <= g->capacity);
	if (g->flags & SHMQ_RECORDS) {
		must(format_record_cost(g->msg_max) <= g->capacity);
		must(g->lane_bytes >= format_records_bytes(g->capacity + slack, g->msg_max));
		return;
	}
	must(g->capacity >= 1 && g->capacity <= g->slots && g->slots <= UINT64_C(1) << 31);
	must(mpmc || (g->slots & (g->slots - 1)) == 0);
	must(g->slot_bytes >= words + g->msg_max && g->slot_bytes % 8 == 0);
	must(g->slots <= g->lane_bytes / g->slot_bytes);
}

/* What the library relies on, said again from the layout in format.h. */
static void
check_queue(const struct shmqi_geometry *g)
{
	bool lanes = g->kind == SHMQ_MPSC ||
		     (g->kind == SHMQ_BROADCAST && !shmqi_format_read_only(g));
	uint64_t rings = g->kind == SHMQ_MPSC ? g->participants : 1;
	uint64_t end = g->control_offset + sizeof(struct format_control);

	must(g->kind <= SHMQ_LATEST && g->msg_max <= SHMQ_MSG_MAX);
	must(g->participants >= 1 && g->participants <= SHMQ_PARTICIPANTS_MAX);
	check_ring(g);
	must(g->control_offset % FORMAT_BLOCK == 0);
	must(g->data_offset % FORMAT_PAGE < 64 && g->data_offset % 8 == 0);
	must(g->control_offset >=
	     2 * FORMAT_PAGE + g->participants * sizeof(struct format_participant));
	must(g->data_offset >= end + (lanes ? g->participants * sizeof(struct format_lane) : 0));
	must(g->data_offset <= g->total_bytes);
	must(g->lane_bytes <= (g->total_bytes - g->data_offset) / rings);
}

static void
check_accepted(const struct format_header *header, uint64_t object_bytes,
	       const struct shmqi_geometry *g)
{
	struct format_header again = *header;

	sign(&again);
	must(memcmp(&again, header, sizeof(again)) == 0);
	must(g->total_bytes <= object_bytes && g->segsz >= 1);
	must(g->page_size >= FORMAT_PAGE && (g->page_size & (g->page_size - 1)) == 0);
	if (g->kind != SHMQ_SEGMENT) {
		check_queue(g);
		return;
	}
	must(g->data_offset >= 2 * FORMAT_PAGE);
	must(g->segsz <= g->total_bytes && g->data_offset <= g->total_bytes - g->segsz);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct format_header *header = malloc(sizeof(*header)), copy, before;
	unsigned char mode, damage[2];
	struct shmqi_geometry g;
	uint64_t object_bytes;
	int err;

	fuzz_deadline();
	must(header != NULL);
	take(&mode, 1, &data, &size);
	take(&object_bytes, 8, &data, &size);
	take(header, sizeof(*header), &data, &size);
	take(damage, 2, &data, &size);
	if (mode & MODE_PLAN)
		plan(header, damage);
	if (mode & (MODE_PLAN | MODE_SIGN))
		sign(header);
	if (mode & MODE_ROOM)
		object_bytes = header->total_bytes;
	before = *header;
	err = shmqi_format_check(header, object_bytes, &copy, &g);
	must(memcmp(&before, header, sizeof(before)) == 0);
	must(err == 0 || err == -EPROTONOSUPPORT || err == -EBADMSG);
	if (err == 0)
		check_accepted(&copy, object_bytes, &g);
	free(header);
	return 0;
}
