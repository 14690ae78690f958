/* SPDX-License-Identifier: MIT */
/*
 * dev: - the memory of a device whose driver offers mmap(). Attach only: size, protection and life
 * are the driver's. A raw attach is the device's memory from its first byte on; a queue is one if
 * the driver has put our format there.
 */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
dev_page_size(const struct shmqi_address *a, size_t wanted, size_t *out)
{
	(void)a;
	(void)wanted;
	(void)out;
	return -ENOTSUP;
}

static int
open_error(int err)
{
	switch (err) {
	case EPERM:
	case EROFS:
		return -EACCES;
	case ENOTDIR:
		return -ENOENT;
	case ENXIO: /* a node without a driver */
	case EISDIR:
	case ELOOP:
		return -ENODEV;
	default:
		return -err;
	}
}

static int
open_device(const struct shmqi_address *a, int flags)
{
	int fd = open(a->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? open_error(errno) : fd;
}

/*
 * The size that the driver tells by the end of its file: block devices do, and so may any other. Where
 * it does not, the address must; where it does, the address may ask for less.
 */
static int
dev_measure(struct shmqi_object *o, const struct shmqi_address *a)
{
	struct stat st;
	off_t end;

	if (fstat(o->fd, &st) != 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENODEV;
	end = lseek(o->fd, 0, SEEK_END);
	o->inode = (struct shmqi_inode){st.st_dev, st.st_ino};
	o->page_size = shmqi_os_page_size();
	o->bytes = a->bytes ? a->bytes : end > 0 ? (uint64_t)end : 0;
	if (o->bytes == 0 || o->bytes > PTRDIFF_MAX / 2)
		return -EINVAL;
	return end > 0 && o->bytes > (uint64_t)end ? -EINVAL : 0;
}

static int
dev_open(struct shmqi_object *o, const struct shmqi_address *a, enum shmqi_access access)
{
	return shmqi_object_open(o, a, access, open_device, dev_measure);
}

static bool
dev_current(const struct shmqi_object *o, const struct shmqi_address *a)
{
	struct stat st;

	return stat(a->path, &st) == 0 &&
	       shmqi_inode_same(o->inode, (struct shmqi_inode){st.st_dev, st.st_ino});
}

/* Creation ends with the page size, and nothing of a device is changed or removed. */
const struct shmqi_backend shmqi_backend_dev = {
	.page_size = dev_page_size,
	.open = dev_open,
	.current = dev_current,
};

/* Attaching -------------------- */

/* A driver may give each mapping a file of its own (/dev/zero does): then no lock lives with it. */
bool
shmqi_dev_keeps(const struct shmq_seg *seg, const void *mapping)
{
	return shmqi_os_inode_at(mapping) == (uint64_t)seg->inode.ino;
}

/* The lock, by which we are counted, lives with one page that is mapped without access. Without it
 * an attach is as good, but not counted. */
static void
keep(struct shmq_seg *seg, const struct shmqi_object *o, const struct shmqi_attach_how *how)
{
	size_t page = shmqi_os_page_size();
	void *keeper;

	if (!shmqi_dev_keeps(seg, seg->base) || how->take(seg, o->fd, how->arg) != 0)
		return;
	keeper = mmap(NULL, page, PROT_NONE, MAP_SHARED, o->fd, 0);
	if (keeper == MAP_FAILED)
		return;
	if (madvise(keeper, page, MADV_DONTFORK) != 0) {
		munmap(keeper, page);
		return;
	}
	seg->keeper = keeper;
	seg->keeper_bytes = page;
}

int
shmqi_seg_attach_dev(struct shmq_seg *seg, const struct shmqi_object *o,
		     const struct shmqi_attach_how *how)
{
	int err = 0;

	seg->size = (size_t)o->bytes;
	seg->mapped_bytes = shmqi_round_up(seg->size, o->page_size);
	seg->g = (struct shmqi_geometry){
		.kind = SHMQ_SEGMENT, .segsz = o->bytes, .page_size = o->page_size};
	if (how->flags & SHMQ_LOCK)
		err = shmq_memlock(seg->mapped_bytes, NULL);
	if (err == 0)
		err = shmqi_seg_map_data(seg, how);
	if (err == 0)
		keep(seg, o, how);
	return err;
}

/* The first bytes, copied out of a mapping: a device may have no read(), or another meaning of it. */
int
shmqi_dev_read(int fd, void *to, size_t bytes)
{
	size_t whole = shmqi_round_up(bytes, shmqi_os_page_size());
	void *from = mmap(NULL, whole, PROT_READ, MAP_SHARED, fd, 0);

	if (from == MAP_FAILED)
		return shmqi_os_map_error(errno);
	memcpy(to, from, bytes);
	munmap(from, whole);
	return 0;
}
