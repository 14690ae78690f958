/* SPDX-License-Identifier: MIT */
/* Creation by any backend, and the preflights that come before. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SEG_FLAGS (SHMQ_LOCK | SHMQ_POPULATE | SHMQ_SPARSE)
#define MODE_BITS 0777u

static int
check_memlock(struct shmq_memlock *out, uint64_t bytes)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	out->needed_bytes = bytes;
	out->limit_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	out->used_bytes = shmqi_os_locked_total();
	out->privileged = shmqi_os_capable(CAP_IPC_LOCK);
	if (out->privileged || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	if (limit.rlim_cur == 0)
		return -EPERM;
	return bytes > limit.rlim_cur || out->used_bytes > limit.rlim_cur - bytes ? -ENOMEM : 0;
}

int
shmq_memlock(size_t bytes, struct shmq_memlock *out)
{
	struct shmq_memlock unasked = {.size = sizeof(unasked)};
	uint64_t whole = shmqi_round_up(bytes, shmqi_os_page_size());

	if (out && out->size != sizeof(*out))
		return -EINVAL;
	return check_memlock(out ? out : &unasked, whole || !bytes ? whole : UINT64_MAX);
}

/*
 * A name whose segment is marked belongs to a remover that died before it unlinked: finish its
 * work. The removal byte keeps two removers apart, so that none unlinks what was created meanwhile.
 */
int
shmqi_finish_removal(const struct shmqi_address *a)
{
	const struct shmqi_backend *backend = shmqi_backend_of(a);
	struct format_lifecycle *life;
	struct shmqi_object o;
	void *object;
	int done = 0;

	if (backend->open(&o, a, OPEN_WRITE) != 0)
		return 0;
	object = o.bytes < 2 * FORMAT_PAGE ? MAP_FAILED
					   : mmap(NULL, shmqi_format_meta_bytes(o.page_size),
						  PROT_READ, MAP_SHARED, o.fd, 0);
	if (object != MAP_FAILED) {
		life = format_lifecycle(object);
		if (*(uint64_t *)object == FORMAT_MAGIC &&
		    shmq_load_relaxed_u32(&life->removed) == 1 &&
		    shmqi_os_lock_byte_wait(o.fd, FORMAT_LOCK_REMOVAL) == 0)
			done = !backend->current(&o, a) || backend->unlink(&o, a) == 0;
		munmap(object, shmqi_format_meta_bytes(o.page_size));
	}
	shmqi_object_close(&o);
	return done;
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
