/* SPDX-License-Identifier: MIT */
/* shmget(): as the kernel's ipcget() and newseg(). */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define HUGE_SHIFT 26 /* SHM_HUGE_SHIFT of <linux/shm.h> */

struct promised {
	uint64_t pages;
};

static int
add_promised(struct ns *ns, struct ns_slot *slot, void *arg)
{
	uint64_t pages = shmqi_round_up(slot->bytes, ns->config->page) / ns->config->page;
	uint64_t there = shmqi_ns_file_pages(ns, slot);
	struct promised *sum = arg;

	sum->pages += pages > there ? pages - there : 0;
	return 0;
}

/*
 * The kernel gives pages at the first touch, and so do we; but there the file system may be full,
 * and the touch a SIGBUS. So what has been promised to the segments of this namespace must be there.
 * Only where room is short is it asked of each file what it has been given already.
 */
static int
check_room(struct ns *ns, uint64_t pages)
{
	struct promised sum = {.pages = ns->header.pages};
	struct statvfs fs;
	uint64_t there;
	int err = 0;

	if (statvfs(ns->config->directory, &fs) != 0)
		return -errno;
	if (!fs.f_blocks) /* a tmpfs without a limit */
		return 0;
	there = (uint64_t)fs.f_bavail * fs.f_frsize / ns->config->page;
	if (pages <= there && sum.pages <= there - pages)
		return 0;
	sum.pages = 0;
	err = shmqi_ns_each(ns, add_promised, &sum);
	if (err)
		return err;
	return pages <= there && sum.pages <= there - pages ? 0 : -ENOSPC;
}

/* Huge pages are the kernel's to give, by a hugetlbfs of its own: here it has none to spare. */
static int
check_huge(int flags)
{
	unsigned size = (unsigned)flags >> HUGE_SHIFT & 63;

	if (!(flags & SHM_HUGETLB))
		return 0;
	if (size && size != 21 && size != 30)
		return -EINVAL;
	return shmqi_os_capable(CAP_IPC_LOCK) ? -ENOMEM : -EPERM;
}

static int
check_limits(struct ns *ns, uint64_t bytes, int flags)
{
	const struct ns_config *config = ns->config;
	uint64_t pages = shmqi_round_up(bytes, config->page) / config->page;
	int err;

	if (bytes < 1 || bytes > config->shmmax)
		return -EINVAL;
	if (pages < 1)
		return -ENOSPC;
	err = check_huge(flags);
	if (err)
		return err;
	shmqi_ns_sweep(ns);
	if (ns->header.pages + pages < pages || ns->header.pages + pages > config->shmall ||
	    ns->header.in_use >= config->shmmni)
		return -ENOSPC;
	return (flags & SHM_NORESERVE) ? 0 : check_room(ns, pages);
}

/* `dirty` is set: who is killed in here leaves it to the next one. */
static int
build(struct ns *ns, struct ns_slot *slot)
{
	int err = shmqi_ns_file_create(ns, slot);

	if (err)
		return err;
	err = shmqi_ns_mark_used(ns, ns_index(slot->id), true);
	if (err == 0)
		err = shmqi_ns_link(ns, slot);
	if (err == 0) {
		ns->header.in_use++;
		ns->header.pages +=
			shmqi_round_up(slot->bytes, ns->config->page) / ns->config->page;
	}
	return err;
}

static int
create(struct ns *ns, int32_t key, size_t size, int flags)
{
	struct ns_slot slot = {.state = NS_LIVE,
			       .key = key,
			       .mode = (unsigned)flags & 0777,
			       .uid = geteuid(),
			       .gid = getegid(),
			       .cpid = getpid(),
			       .bytes = size,
			       .ctime = shmqi_os_wall_s()};
	struct ns_header before;
	int err = check_limits(ns, size, flags);

	if (err)
		return err;
	slot.cuid = slot.uid;
	slot.cgid = slot.gid;
	before = ns->header;
	err = shmqi_ns_next_id(ns, &slot.id);
	if (err)
		return err;
	err = shmqi_ns_write_header(ns, 1);
	if (err)
		return err;
	err = build(ns, &slot);
	if (err) {
		ns->header = before;
		ns->header.dirty = 1;
		(void)shmqi_ns_put(ns, &(struct ns_slot){.id = slot.id});
		(void)shmqi_ns_rebuild(ns);
		return err;
	}
	err = shmqi_ns_write_header(ns, 0);
	return err ? err : slot.id;
}

static int
check_found(const struct ns_slot *slot, size_t size, int flags)
{
	if (flags & IPC_CREAT && flags & IPC_EXCL)
		return -EEXIST;
	if (size > slot->bytes)
		return -EINVAL;
	return shmqi_ns_permits(slot, (unsigned)flags & 0777) ? slot->id : -EACCES;
}

int
shmqi_ns_get(int32_t key, size_t size, int flags)
{
	bool may_create = key == IPC_PRIVATE || flags & IPC_CREAT;
	struct ns_slot slot;
	struct ns ns;
	int err = shmqi_ns_open(&ns, may_create ? NS_CREATE : NS_FIND);

	if (err)
		return err;
	err = key == IPC_PRIVATE ? -ENOENT : shmqi_ns_find(&ns, key, &slot);
	if (err == 0)
		err = check_found(&slot, size, flags);
	else if (err == -ENOENT && may_create)
		err = create(&ns, key, size, flags);
	shmqi_ns_close(&ns);
	return err;
}
