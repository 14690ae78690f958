/* SPDX-License-Identifier: MIT */
/* shmget(): as the kernel's ipcget() and newseg(). */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct promised {
	uint64_t pages;
};

static int
add_promised(struct ns *ns, struct ns_slot *slot, void *arg)
{
	uint64_t pages = ns_pages(ns->config, slot->bytes);
	uint64_t there = shmqi_ns_file_pages(ns, slot);
	struct promised *sum = arg;

	if (slot->huge_shift) /* they have been promised elsewhere */
		return 0;
	sum->pages += pages > there ? pages - there : 0;
	return 0;
}

/*
 * The kernel gives pages at the first touch, and so do we; but there the file system may be full,
 * and the touch a SIGBUS. So what has been promised to the segments of this namespace must be there.
 * Only where room is short is it asked of each file what it has been given already.
 */
static int
check_room(struct ns *ns, uint64_t bytes)
{
	uint64_t pages = ns_pages(ns->config, bytes);
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

static int
check_limits(struct ns *ns, uint64_t bytes)
{
	const struct ns_config *config = ns->config;
	uint64_t pages = ns_pages(config, bytes);

	if (bytes < 1 || bytes > config->shmmax)
		return -EINVAL;
	if (pages < 1)
		return -ENOSPC;
	shmqi_ns_sweep(ns);
	if (ns->header.pages + pages < pages || ns->header.pages + pages > config->shmall)
		return -ENOSPC;
	return 0;
}

static int
check_memory(struct ns *ns, struct ns_slot *slot, int flags)
{
	if (flags & SHM_HUGETLB)
		return shmqi_ns_huge_choose(ns, flags, &slot->huge_shift);
	return (flags & SHM_NORESERVE) ? 0 : check_room(ns, slot->bytes);
}

/*
 * `dirty` is set: who is killed in here leaves it to the next one. As in the kernel, the memory comes
 * before the number of segments: who can have neither is told of the memory.
 */
static int
make_file(struct ns *ns, struct ns_slot *slot, bool reserve)
{
	const struct ns_header before = ns->header;
	int err = shmqi_ns_next_id(ns, &slot->id);

	if (err == 0)
		err = shmqi_ns_write_header(ns, 1);
	if (err)
		return err;
	err = shmqi_ns_file_create(ns, slot, reserve);
	if (err == 0 && before.in_use >= ns->config->shmmni) {
		shmqi_ns_file_remove(ns, slot);
		err = -ENOSPC;
	}
	if (err) {
		ns->header = before;
		(void)shmqi_ns_write_header(ns, 0);
	}
	return err;
}

static int
enter(struct ns *ns, struct ns_slot *slot)
{
	int err = shmqi_ns_mark_used(ns, ns_index(slot->id), true);

	if (err == 0)
		err = shmqi_ns_link(ns, slot);
	if (err) {
		(void)shmqi_ns_put(ns, &(struct ns_slot){.id = slot->id});
		(void)shmqi_ns_rebuild(ns);
		return err;
	}
	ns->header.in_use++;
	ns->header.pages += ns_pages(ns->config, slot->bytes);
	return shmqi_ns_write_header(ns, 0);
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
	int err = check_limits(ns, size);

	slot.cuid = slot.uid;
	slot.cgid = slot.gid;
	if (err == 0)
		err = check_memory(ns, &slot, flags);
	if (err == 0)
		err = make_file(ns, &slot, !(flags & SHM_NORESERVE));
	if (err == 0)
		err = enter(ns, &slot);
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
