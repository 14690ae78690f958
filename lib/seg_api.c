/* SPDX-License-Identifier: MIT */
/* The public calls on an attached segment. */
#include "seg.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ATTACH_FLAGS (SHM_RDONLY | SHM_RND | SHM_REMAP | SHM_EXEC | SHMQ_LOCK | SHMQ_POPULATE)

static int
take_anonymous(struct shmq_seg *seg, int fd, void *arg)
{
	(void)seg;
	(void)arg;
	return shmqi_lock_anonymous(fd);
}

int
shmq_seg_attach_at(struct shmq_seg **out, const char *addr, void *at, unsigned flags)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_attach_how how = {.at = at, .flags = flags, .take = take_anonymous};
	struct shmqi_address a;
	int err;

	if (!out || (flags & ~(unsigned)ATTACH_FLAGS))
		return -EINVAL;
	err = shmqi_address_parse(&a, addr);
	return err ? err : shmqi_seg_attach(out, &a, &how);
}

int
shmq_seg_attach(struct shmq_seg **out, const char *addr, unsigned flags)
{
	return shmq_seg_attach_at(out, addr, NULL, flags);
}

int
shmq_seg_detach(struct shmq_seg *seg)
{
	SHMQI_NOT_CANCELLED;
	return seg ? shmqi_seg_release(seg, false) : -EINVAL;
}

/* The attach of SysV memory that mremap() has moved to `base`: shmdt() knows it there, so we do.
 * The caller holds shmqi_seg_lock(). */
static struct shmq_seg *
moved_to(const void *base)
{
	uint64_t inode = shmqi_os_inode_at(base);

	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next)
		if (seg->shmid >= 0 && !seg->queue && !seg->displaced &&
		    (uint64_t)seg->shmid == inode && shmqi_os_inode_at(seg->base) != inode)
			return seg;
	return NULL;
}

int
shmq_seg_detach_at(const void *base)
{
	SHMQI_NOT_CANCELLED;
	struct shmq_seg *seg;
	int state = shmqi_seg_lock();

	seg = shmqi_table_at(base);
	if (seg && seg->queue)
		seg = NULL; /* a queue's memory goes with its handle */
	else if (!seg && (seg = moved_to(base)))
		seg->base = (void *)(uintptr_t)base;
	shmqi_seg_unlock(state);
	return seg ? shmqi_seg_release(seg, true) : -EINVAL;
}

int
shmq_seg_find(const void *inside, struct shmq_stat *st)
{
	if (!st)
		return -EFAULT;
	return st->size == sizeof(*st) ? shmqi_table_find(inside, st) : -EINVAL;
}

void *
shmq_seg_base(const struct shmq_seg *seg)
{
	return seg ? seg->base : NULL;
}

size_t
shmq_seg_size(const struct shmq_seg *seg)
{
	return seg ? seg->size : 0;
}

int
shmq_seg_sync(struct shmq_seg *seg)
{
	SHMQI_NOT_CANCELLED;
	if (!seg || seg->displaced)
		return -EINVAL;
	return msync(seg->base, seg->mapped_bytes, MS_SYNC) == 0 ? 0 : -errno;
}

/* Resize -------------------- */

/* Let the object have room for `size` bytes of data. */
static int
grow_object(struct shmq_seg *seg, size_t size)
{
	uint64_t wanted = seg->file_offset + shmqi_round_up(size, (size_t)seg->g.page_size);
	struct stat st;
	int fd = shmqi_seg_spare(seg), err = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -EINVAL;
	if (wanted > (uint64_t)st.st_size && !seg->writable)
		return -EACCES;
	if (wanted > (uint64_t)st.st_size)
		err = shmqi_mmap_grow(fd, (uint64_t)st.st_size, wanted, seg->g.flags & SHMQ_SPARSE);
	if (err == 0 && seg->writable)
		shmq_max_relaxed_u64(&format_lifecycle(seg->object)->segsz, size);
	return err;
}

/* Enter the attach under its new range; the old entry goes once no look-up can see it. */
static int
enter_again(struct shmq_seg *seg)
{
	struct shmqi_entry *old = seg->entry;
	struct shmq_stat st = {.size = sizeof(st)};
	int err;

	shmqi_stat_attach(&st, seg);
	err = shmqi_table_add(&seg->entry, seg, seg->base, seg->mapped_bytes, &st);
	if (err)
		return err;
	shmqi_table_remove(old);
	shmqi_table_free(old);
	return 0;
}

/* Map so many bytes from now on. */
static int
remap(struct shmq_seg *seg, size_t bytes)
{
	void *base = mremap(seg->base, seg->mapped_bytes, bytes, MREMAP_MAYMOVE);

	if (base == MAP_FAILED)
		return errno == EFAULT ? -EINVAL : shmqi_os_map_error(errno);
	seg->base = base;
	seg->mapped_bytes = bytes;
	return 0;
}

/*
 * Address space first, which is easily given back, then the object, which cannot be cut again:
 * others may have it mapped.
 */
static int
resize(struct shmq_seg *seg, size_t size)
{
	size_t old = seg->mapped_bytes, bytes = shmqi_round_up(size, (size_t)seg->g.page_size);
	int err = seg->locked && bytes > old ? shmq_memlock(bytes - old, NULL) : 0, entered;

	if (err == 0)
		err = remap(seg, bytes);
	if (err)
		return err;
	if (seg->object)
		err = grow_object(seg, size);
	if (err && bytes > old)
		(void)remap(seg, old); /* shrinks in place */
	if (err == 0)
		seg->size = size;
	if (err == 0 && seg->locked && bytes > old)
		(void)shmqi_os_populate(seg->base, bytes, !seg->read_only);
	entered = enter_again(seg);
	return err ? err : entered;
}

/* How long this attach may become at most; an object that is sealed, or the kernel's, has its
 * length for good. */
static bool
too_long(const struct shmq_seg *seg, size_t size)
{
	bool fixed = seg->shmid >= 0 || seg->address.backend >= SHMQ_BACKEND_FD; /* or dev: */

	return size > PTRDIFF_MAX / 2 || (fixed && size > seg->g.segsz);
}

int
shmq_seg_resize(struct shmq_seg *seg, size_t size)
{
	SHMQI_NOT_CANCELLED;
	char side[SIDE_ROOM];
	int err, state;

	if (!seg || seg->displaced || size == 0)
		return -EINVAL;
	err = seg->shmid >= 0 ? shmqi_side_find(seg->shmid, side) : 0;
	if (err < 0)
		return err;
	if (seg->g.kind != SHMQ_SEGMENT || err == 1)
		return -ENOTSUP;
	if (too_long(seg, size))
		return -EINVAL;
	state = shmqi_seg_lock();
	err = resize(seg, size);
	shmqi_seg_unlock(state);
	return err;
}
