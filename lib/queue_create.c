/* SPDX-License-Identifier: MIT */
/* Creation of queues. */
#include "queue.h"

#include <errno.h>

#define DEFAULT_MSG_MAX 4096
#define DEFAULT_PARTICIPANTS 64
#define DEFAULT_DELIVERIES 16
#define QUEUE_FLAGS (SHMQ_LOCK | SHMQ_POPULATE | SHMQ_LOSSY | SHMQ_RECORDS | SHMQ_REDELIVER)
#define MODE_BITS 0777u

static const struct shmq_opts defaults = {.size = sizeof(defaults), .msg_max = DEFAULT_MSG_MAX};

const struct shmqi_kind *
shmqi_kind_of(const struct shmqi_geometry *g)
{
	bool records = g->flags & SHMQ_RECORDS;

	switch (g->kind) {
	case SHMQ_MPSC:
		return &shmqi_kind_mpsc;
	case SHMQ_MPMC:
		return &shmqi_kind_mpmc;
	case SHMQ_LATEST:
		return &shmqi_kind_latest;
	case SHMQ_BROADCAST:
		if (!(g->flags & SHMQ_LOSSY))
			return &shmqi_kind_broadcast;
		return records ? &shmqi_kind_lossy_records : &shmqi_kind_lossy;
	default:
		return &shmqi_kind_spsc;
	}
}

static int
check_opts(const struct shmq_opts *opts)
{
	if (opts->size != sizeof(*opts) || opts->kind < SHMQ_SPSC || opts->kind > SHMQ_LATEST)
		return -EINVAL;
	if ((opts->flags & ~QUEUE_FLAGS) || (opts->mode & ~MODE_BITS))
		return -EINVAL;
	return opts->numa_node == 0 || opts->numa_node == -1 ? 0 : -ENOTSUP;
}

/* Records: a few of the longest fit. MPSC has a ring for each participant. */
static uint64_t
default_capacity(const struct shmq_opts *opts)
{
	uint64_t longest = format_record_cost(opts->msg_max) * 4;
	uint64_t bytes = opts->kind == SHMQ_MPSC ? 1 << 16 : 1 << 20;

	if (opts->flags & SHMQ_RECORDS)
		return longest < bytes ? bytes : longest;
	if (opts->kind == SHMQ_LATEST)
		return 4;
	return opts->kind == SHMQ_MPSC ? 128 : 1024;
}

static int
plan(struct shmqi_geometry *g, const struct shmq_opts *opts, size_t page_size)
{
	*g = (struct shmqi_geometry){
		.kind = opts->kind,
		.flags = opts->flags,
		.participants = opts->participants ? opts->participants : DEFAULT_PARTICIPANTS,
		.page_size = page_size,
		.msg_max = opts->msg_max,
		.capacity = opts->capacity ? opts->capacity : default_capacity(opts),
		.slow_limit = opts->slow_limit,
		.max_deliveries = opts->max_deliveries,
	};
	if ((opts->flags & SHMQ_REDELIVER) && !g->max_deliveries)
		g->max_deliveries = DEFAULT_DELIVERIES;
	return shmqi_format_plan_queue(g);
}

ssize_t
shmq_footprint(const struct shmq_opts *opts)
{
	const struct shmq_opts *o = opts ? opts : &defaults;
	struct shmqi_geometry g;
	int err = check_opts(o);

	if (err == 0 && o->page_size && o->page_size != shmqi_os_page_size() &&
	    !shmqi_huge_page_size(o->page_size))
		err = -ENOTSUP;
	if (err == 0)
		err = plan(&g, o, o->page_size ? o->page_size : shmqi_os_page_size());
	if (err)
		return err;
	/* and the pages that a handle lies in, which SHMQ_LOCK locks, too */
	return (ssize_t)(g.total_bytes + shmqi_queue_handle_bytes() +
			 (g.kind == SHMQ_MPSC ? shmqi_mpsc_bytes(&g) : 0));
}

int
shmq_create(const char *addr, const struct shmq_opts *opts)
{
	SHMQI_NOT_CANCELLED;
	const struct shmq_opts *o = opts ? opts : &defaults;
	struct shmqi_geometry g;
	struct shmqi_address a;
	size_t page_size;
	int err = check_opts(o);

	if (err == 0)
		err = shmqi_address_parse(&a, addr);
	if (err == 0)
		err = shmqi_backend_of(&a)->page_size(&a, o->page_size, &page_size);
	if (err == 0)
		err = plan(&g, o, page_size);
	return err ? err : shmqi_seg_create(&a, &g, o->mode);
}
