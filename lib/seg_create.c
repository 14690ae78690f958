/* SPDX-License-Identifier: MIT */
/* Creation by any backend, and the preflights that come before. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SEG_FLAGS (SHMQ_LOCK | SHMQ_POPULATE | SHMQ_SPARSE)
#define MODE_BITS 0777u

static int
check_memlock(struct shmq_memlock *out, uint64_t bytes)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	int64_t used = shmqi_os_locked_total(0);

	getrlimit(RLIMIT_MEMLOCK, &limit);
	out->needed_bytes = bytes;
	out->limit_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	out->used_bytes = used > 0 ? (uint64_t)used : 0;
	out->privileged = shmqi_os_locks_without_limit();
	if (out->privileged || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	if (limit.rlim_cur == 0)
		return -EPERM;
	return bytes > limit.rlim_cur || out->used_bytes > limit.rlim_cur - bytes ? -ENOMEM : 0;
}

int
shmq_memlock(size_t bytes, struct shmq_memlock *out)
{
	SHMQI_NOT_CANCELLED;
	struct shmq_memlock unasked = {.size = sizeof(unasked)};
	uint64_t whole = shmqi_round_up(bytes, shmqi_os_page_size());

	if (out && out->size != sizeof(*out))
		return -EINVAL;
	return check_memlock(out ? out : &unasked, whole || !bytes ? whole : UINT64_MAX);
}

/* Whether the object is one of ours, and marked. */
static bool
marked(const struct shmqi_object *o)
{
	_Alignas(struct format_header) unsigned char meta[2 * FORMAT_PAGE];

	return pread(o->fd, meta, sizeof(meta), 0) == sizeof(meta) &&
	       ((struct format_header *)meta)->magic == FORMAT_MAGIC &&
	       format_lifecycle(meta)->removed == 1;
}

/* Anybody who may read can have a read lock there, but a remover's is a write lock. */
static int
begin_removal(int fd)
{
	struct shmqi_lock other;
	int err = shmqi_os_lock_byte_wait(fd, FORMAT_LOCK_REMOVAL);

	if (err == -EAGAIN &&
	    shmqi_os_lock_holder(fd, FORMAT_LOCK_REMOVAL, FORMAT_LOCK_REMOVAL, &other) == 1 &&
	    other.type == F_WRLCK)
		return -EBUSY;
	return err == -EAGAIN ? 0 : err;
}

int
shmqi_removal(const struct shmqi_object *o, const struct shmqi_address *a, void (*mark)(void *arg),
	      void *arg)
{
	const struct shmqi_backend *backend = shmqi_backend_of(a);
	int err, state = shmqi_seg_lock(); /* no child gets the lock on the byte */

	err = begin_removal(o->fd);
	if (err == 0 && !backend->current(o, a))
		err = -ENOENT;
	if (err == 0 && mark)
		mark(arg);
	if (err == 0)
		err = backend->unlink(o, a);
	(void)shmqi_os_lock_byte(o->fd, F_UNLCK, FORMAT_LOCK_REMOVAL);
	shmqi_seg_unlock(state);
	return err;
}

int
shmqi_finish_removal(const struct shmqi_address *a)
{
	struct shmqi_object o;
	int err = shmqi_backend_of(a)->open(&o, a, OPEN_WRITE);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = marked(&o) ? shmqi_removal(&o, a, NULL, NULL) : -EEXIST;
	shmqi_object_close(&o);
	return err == -ENOENT ? 0 : err;
}

int
shmqi_seg_create(const struct shmqi_address *a, struct shmqi_geometry *g, mode_t mode)
{
	int err;

	if (g->flags & SHMQ_LOCK) {
		err = shmq_memlock((size_t)g->total_bytes, NULL);
		if (err)
			return err;
	}
	return shmqi_backend_of(a)->create(a, g, mode & MODE_BITS ? mode & MODE_BITS : 0600);
}

static int
check_opts(const struct shmq_seg_opts *opts)
{
	if (!opts || opts->size != sizeof(*opts) || opts->segsz == 0)
		return -EINVAL;
	if ((opts->flags & ~SEG_FLAGS) || (opts->mode & ~MODE_BITS))
		return -EINVAL;
	return opts->numa_node == 0 || opts->numa_node == -1 ? 0 : -ENOTSUP;
}

int
shmq_seg_create(const char *addr, const struct shmq_seg_opts *opts)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_address a;
	struct shmqi_geometry g;
	size_t page_size;
	int err = check_opts(opts);

	if (err == 0)
		err = shmqi_address_parse(&a, addr);
	if (err == 0)
		err = shmqi_backend_of(&a)->page_size(&a, opts->page_size, &page_size);
	if (err == 0)
		err = shmqi_format_plan_raw(&g, opts->segsz, page_size, opts->flags);
	return err ? err : shmqi_seg_create(&a, &g, opts->mode);
}
