/* SPDX-License-Identifier: MIT */
/* Where and how the user's memory is mapped, populated and locked, and who makes way for it. */
#include "seg.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <unistd.h>

/* The protection, or -EACCES. What is to be written was opened for that. */
static int
protection(const struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	int prot = PROT_READ;

	if (!(how->flags & SHM_RDONLY))
		prot |= PROT_WRITE;
	if (how->flags & SHM_EXEC)
		prot |= PROT_EXEC;
	if ((prot & PROT_EXEC) &&
	    faccessat(seg->spare, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) != 0 &&
	    !shmqi_os_capable(CAP_IPC_OWNER))
		return -EACCES;
	return prot;
}

/* Where shmat() would put it: -EINVAL for an address it would not take. */
static int
place(const struct shmqi_attach_how *how, size_t page_size, uintptr_t *at, int *flags)
{
	*at = (uintptr_t)how->at;
	*flags = MAP_SHARED;
	if (*at & (page_size - 1)) {
		if (!(how->flags & SHM_RND))
			return -EINVAL;
		*at &= ~(uintptr_t)(page_size - 1);
	}
	if (*at)
		*flags |= (how->flags & SHM_REMAP) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	else if (how->flags & SHM_REMAP)
		return -EINVAL;
	return 0;
}

static int
map_error(int err)
{
	return err == EEXIST ? -EINVAL : shmqi_os_map_error(err);
}

/* A read-only attach is mapped from a read-only descriptor, so that mprotect() cannot make it more.
 */
static int
descriptor_for(const struct shmq_seg *seg, int prot)
{
	if ((prot & PROT_WRITE) || !seg->writable)
		return seg->spare;
	return shmqi_os_reopen(seg->spare, O_RDONLY);
}

int
shmqi_seg_map_data(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	int prot = protection(seg, how), flags, err, fd;
	uintptr_t at;
	void *base;

	if (prot < 0)
		return prot;
	err = place(how, (size_t)seg->g.page_size, &at, &flags);
	if (err == 0 && shmqi_seg_over_queue((void *)at, seg->mapped_bytes))
		err = -EINVAL;
	if (err)
		return err;
	fd = descriptor_for(seg, prot);
	if (fd < 0)
		return fd;
	base = mmap((void *)at, seg->mapped_bytes, prot, flags, fd, (off_t)seg->file_offset);
	err = base == MAP_FAILED ? map_error(errno) : 0;
	/* A kernel before 4.17 ignores MAP_FIXED_NOREPLACE, and takes the address for a wish. */
	if (err == 0 && at && base != (void *)at) {
		munmap(base, seg->mapped_bytes);
		err = -EINVAL;
	}
	if (fd != seg->spare)
		close(fd);
	if (err)
		return err;
	seg->base = base;
	seg->read_only = !(prot & PROT_WRITE);
	return 0;
}

/* What a driver maps as its own is there from the start, and is refused. */
static int
populate(const struct shmq_seg *seg)
{
	int err = shmqi_os_populate(seg->base, seg->mapped_bytes, !seg->read_only);
	bool dev = seg->address.backend == SHMQ_BACKEND_DEV;

	return dev && (err == -EINVAL || err == -ENOSPC) ? 0 : err;
}

/* Lock if this attach, or the segment, asks for it; never degrade. *locked: whether it is now. */
int
shmqi_seg_settle(const struct shmq_seg *seg, unsigned flags, bool *locked)
{
	bool promised = seg->object && shmq_load_relaxed_u32(&format_lifecycle(seg->object)->lock);
	bool lock = promised || (flags & SHMQ_LOCK);
	int err;

	*locked = seg->locked;
	if (seg->locked || (!lock && !((flags | seg->g.flags) & SHMQ_POPULATE)))
		return 0;
	err = lock ? shmq_memlock(seg->mapped_bytes, NULL) : 0;
	if (err == 0)
		err = populate(seg);
	if (err == 0 && lock)
		err = shmqi_os_lock_memory(seg->base, seg->mapped_bytes);
	*locked = lock && err == 0;
	return err;
}

bool
shmqi_seg_over_queue(const void *at, size_t bytes)
{
	uintptr_t from = (uintptr_t)at, to = from + bytes;

	for (const struct shmq_seg *seg = shmqi_seg_first; at && seg; seg = seg->next) {
		uintptr_t base = (uintptr_t)seg->object;

		if (seg->queue && base < to && from < base + seg->object_bytes)
			return true;
	}
	return false;
}

void
shmqi_seg_displace(struct shmq_seg *seg)
{
	uintptr_t from = (uintptr_t)seg->base, to = from + seg->mapped_bytes;

	for (struct shmq_seg *old = shmqi_seg_first; old; old = old->next) {
		uintptr_t base = (uintptr_t)old->base;

		if (old == seg || old->displaced || !old->entry || base < from ||
		    base + old->mapped_bytes > to)
			continue;
		shmqi_table_remove(old->entry);
		old->displaced = true;
		old->base = NULL;
		if (old->shmid < 0 && old->keeper)
			munmap(old->keeper, old->keeper_bytes);
		if (old->shmid < 0)
			old->object = old->keeper = NULL;
	}
}
