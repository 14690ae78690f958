/* SPDX-License-Identifier: MIT */
/*
 * Who is attached: OFD read locks on the segment's file, each one byte, at 2^62 and above as with
 * all segments of shmq. The 30 bits below are the process's mark, so that a process can tell its
 * own; the rest is random. Only who dies without a word leaves fewer locks than the slot has noted.
 */
#include "namespace.h"

#include "os.h"
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define FIRST (INT64_C(1) << 62)
#define MARK_SHIFT 32

/* Of this process, and of the child of a fork under way; 0: not chosen. Under the guard. */
static uint32_t mark, child_mark;

static uint32_t
choose(uint32_t *which)
{
	while (!*which) {
		shmqi_os_random(which, sizeof(*which));
		*which &= (UINT32_C(1) << 30) - 1;
	}
	return *which;
}

int
shmqi_ns_hold(int fd, bool child)
{
	int64_t base = FIRST + ((int64_t)choose(child ? &child_mark : &mark) << MARK_SHIFT);
	int err = -EAGAIN;

	/* A stranger may hold a write lock somewhere. */
	for (int i = 0; err == -EAGAIN && i < 16; i++) {
		uint32_t at;

		shmqi_os_random(&at, sizeof(at));
		err = shmqi_os_lock_byte(fd, F_RDLCK, base + at);
	}
	return err == -EAGAIN ? -EACCES : err;
}

void
shmqi_ns_become_child(void)
{
	mark = child_mark;
	child_mark = 0;
}

int
shmqi_ns_count(struct ns *ns, struct ns_slot *slot)
{
	int fd = shmqi_ns_file_open(ns, slot, O_RDONLY);
	int64_t count;

	if (fd < 0)
		return fd;
	count = shmqi_lock_count_range(fd, FIRST, INT64_MAX);
	close(fd);
	if (count < 0 || count > UINT32_MAX)
		return count < 0 ? (int)count : -EOVERFLOW;
	if ((uint32_t)count == slot->nattch)
		return 0;
	if ((uint32_t)count < slot->nattch)
		slot->dtime = shmqi_os_wall_s();
	slot->nattch = (uint32_t)count;
	return shmqi_ns_put(ns, slot);
}

static uint64_t
own_pieces(const struct ns_slot *slot)
{
	struct ns_maps maps;
	struct ns_vma vma;
	uint64_t pieces = 0;

	if (shmqi_ns_maps_open(&maps))
		return 0;
	while (shmqi_ns_maps_next(&maps, &vma) == 1)
		pieces += vma.id == slot->id && vma.inode == slot->inode;
	shmqi_ns_maps_close(&maps);
	return pieces;
}

uint64_t
shmqi_ns_count_pieces(struct ns *ns, const struct ns_slot *slot)
{
	int64_t first = FIRST + ((int64_t)mark << MARK_SHIFT), own;
	uint64_t pieces;
	int fd;

	if (!mark || !slot->nattch)
		return slot->nattch;
	fd = shmqi_ns_file_open(ns, slot, O_RDONLY);
	if (fd < 0)
		return slot->nattch;
	own = shmqi_lock_count_range(fd, first, first + UINT32_MAX);
	close(fd);
	if (own <= 0 || (uint64_t)own > slot->nattch)
		return slot->nattch;
	pieces = own_pieces(slot);
	return pieces ? slot->nattch - (uint64_t)own + pieces : slot->nattch;
}

int
shmqi_ns_destroy(struct ns *ns, struct ns_slot *slot)
{
	uint64_t pages = ns_pages(ns->config, slot->bytes);
	int err = shmqi_ns_write_header(ns, 1);

	if (err == 0)
		err = shmqi_ns_unlink(ns, slot);
	slot->state = 0;
	if (err == 0)
		err = shmqi_ns_put(ns, slot);
	if (err == 0)
		err = shmqi_ns_mark_used(ns, ns_index(slot->id), false);
	if (err)
		return err;
	shmqi_ns_file_remove(ns, slot);
	ns->header.in_use -= ns->header.in_use > 0;
	ns->header.marked -= slot->mode & SHM_DEST && ns->header.marked > 0;
	ns->header.pages -= pages <= ns->header.pages ? pages : ns->header.pages;
	return shmqi_ns_write_header(ns, 0);
}

int
shmqi_ns_settle(struct ns *ns, struct ns_slot *slot)
{
	int err;

	if (!(slot->mode & SHM_DEST))
		return 0;
	err = shmqi_ns_count(ns, slot);
	/* Whose file is gone or spoilt has nobody left to attach. */
	if ((err && err != -EIDRM) || (err == 0 && slot->nattch))
		return 0;
	return shmqi_ns_destroy(ns, slot) == 0;
}

static int
settle_each(struct ns *ns, struct ns_slot *slot, void *arg)
{
	(void)arg;
	(void)shmqi_ns_settle(ns, slot);
	return 0;
}

void
shmqi_ns_sweep(struct ns *ns)
{
	if (ns->header.marked)
		(void)shmqi_ns_each(ns, settle_each, NULL);
}
