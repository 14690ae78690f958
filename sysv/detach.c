/* SPDX-License-Identifier: MIT */
/*
 * shmdt(): as the kernel's. It keeps no list: an attach is what is mapped of a segment, beginning
 * where its first page is or would be. Pieces that mprotect() has cut go together, and what is in
 * between stays.
 */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int
first_piece(struct ns_maps *maps, uintptr_t at, struct ns_vma *first)
{
	maps->next = at;
	while (shmqi_ns_maps_next(maps, first) == 1)
		if (first->start >= at && first->start - at == first->offset)
			return 0;
	return -EINVAL;
}

static void
unmap_pieces(struct ns_maps *maps, uintptr_t at, const struct ns_vma *first)
{
	struct ns_vma vma = *first;

	do {
		if (vma.id == first->id && vma.inode == first->inode &&
		    vma.start - at == vma.offset)
			(void)munmap((void *)vma.start, vma.end - vma.start);
	} while (shmqi_ns_maps_next(maps, &vma) == 1);
}

static void
note(struct ns *ns, struct ns_slot *slot)
{
	slot->nattch -= slot->nattch > 0;
	slot->dtime = shmqi_os_wall_s();
	slot->lpid = getpid();
	(void)shmqi_ns_put(ns, slot);
}

/*
 * Who may not come to the index any more, having changed his user, or because somebody has removed
 * it, is detached all the same: the lock goes with the mapping. To give back many pages takes long,
 * so that is done before the index is locked.
 */
int
shmqi_ns_detach(uintptr_t at)
{
	struct ns_maps maps;
	struct ns_slot slot;
	struct ns_vma first;
	struct ns ns;
	int err;

	if (at & (shmqi_ns_config()->page - 1))
		return -EINVAL;
	err = shmqi_ns_maps_open(&maps);
	if (err)
		return err == -EMFILE || err == -ENFILE ? -ENOMEM : -EINVAL;
	err = first_piece(&maps, at, &first);
	if (err == 0)
		unmap_pieces(&maps, at, &first);
	shmqi_ns_maps_close(&maps);
	if (err || shmqi_ns_open(&ns, NS_WAIT) != 0)
		return err;
	if (shmqi_ns_slot(&ns, first.id, &slot) == 0 && slot.inode == first.inode) {
		note(&ns, &slot);
		(void)shmqi_ns_settle(&ns, &slot);
	}
	shmqi_ns_close(&ns);
	return 0;
}
