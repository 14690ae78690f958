/* SPDX-License-Identifier: MIT */
/* Creation of queues. */
#include "queue.h"

#include <errno.h>

#define DEFAULT_CAPACITY 1024
#define DEFAULT_MSG_MAX 4096
#define DEFAULT_PARTICIPANTS 64
#define QUEUE_FLAGS (SHMQ_LOCK | SHMQ_POPULATE)
#define LATER_FLAGS (SHMQ_LOSSY | SHMQ_RECORDS | SHMQ_REDELIVER)
#define MODE_BITS 0777u

static const struct shmq_opts defaults = {.size = sizeof(defaults), .msg_max = DEFAULT_MSG_MAX};

static int
check_opts(const struct shmq_opts *opts)
{
	if (opts->size != sizeof(*opts) || opts->kind < SHMQ_SPSC || opts->kind > SHMQ_LATEST)
		return -EINVAL;
	if ((opts->flags & ~(QUEUE_FLAGS | LATER_FLAGS)) || (opts->mode & ~MODE_BITS))
		return -EINVAL;
	if (opts->kind != SHMQ_SPSC || (opts->flags & LATER_FLAGS) || opts->max_deliveries ||
	    opts->slow_limit)
		return -ENOTSUP;
	return opts->numa_node == 0 || opts->numa_node == -1 ? 0 : -ENOTSUP;
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
		.capacity = opts->capacity ? opts->capacity : DEFAULT_CAPACITY,
	};
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
	/* and the page that a handle lies in, which SHMQ_LOCK locks, too */
	return err ? err : (ssize_t)(g.total_bytes + shmqi_os_page_size());
}

int
shmq_create(const char *addr, const struct shmq_opts *opts)
{
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
