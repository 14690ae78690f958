/* SPDX-License-Identifier: MIT */
/*
 * fork(): the child has every segment attach of its parent, and counts. Its lock cannot be the
 * parent's, which would keep a dead parent alive; so before the fork the parent makes, for each
 * attach, a second mapping with a lock of its own, the heir, which only the child keeps. Queue
 * attaches do not cross the fork: their memory is MADV_DONTFORK, and the child drops what is left
 * of them.
 */
#include "seg.h"
#include "table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static bool
inherits(const struct shmq_seg *seg)
{
	return !seg->queue && seg->shmid < 0 && !seg->displaced;
}

static void
make_heir(struct shmq_seg *seg)
{
	int prot = seg->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	int spare = seg->keeper ? shmqi_seg_spare(seg) : -1;
	int fd = spare < 0 ? -1 : shmqi_os_reopen(spare, seg->writable ? O_RDWR : O_RDONLY);

	seg->heir = NULL;
	if (!seg->object)
		prot = PROT_NONE;
	if (fd >= 0 && shmqi_lock_anonymous(fd) == 0) {
		seg->heir = mmap(NULL, seg->keeper_bytes, prot, MAP_SHARED, fd, 0);
		if (seg->heir == MAP_FAILED)
			seg->heir = NULL;
	}
	if (fd >= 0)
		close(fd);
	if (!seg->heir &&
	    seg->keeper) /* the child shares our lock: not counted, but never taken for dead */
		madvise(seg->keeper, seg->keeper_bytes, MADV_DOFORK);
}

static int cancel_state; /* of the thread that forks, under the lock */

static void
before_fork(void)
{
	cancel_state = shmqi_seg_lock();
	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next)
		if (inherits(seg))
			make_heir(seg);
	shmqi_table_before_fork();
}

static void
after_fork_parent(void)
{
	shmqi_table_after_fork_parent();
	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next) {
		if (!inherits(seg))
			continue;
		if (seg->heir)
			munmap(seg->heir, seg->keeper_bytes);
		else if (seg->keeper)
			madvise(seg->keeper, seg->keeper_bytes, MADV_DONTFORK);
		seg->heir = NULL;
	}
	shmqi_seg_unlock(cancel_state);
}

/* The child's own: the parent's metadata mapping is not here. */
static void
inherit(struct shmq_seg *seg)
{
	if (seg->heir && seg->object)
		seg->object = seg->heir;
	if (seg->heir)
		seg->keeper = seg->heir;
	seg->heir = NULL;
	if (seg->keeper)
		madvise(seg->keeper, seg->keeper_bytes, MADV_DONTFORK);
	shmqi_seg_touch(seg, false);
}

/* A queue's attach stayed with the parent: forget it. The side file of a sysv: queue is not mapped
 * here either. Descriptors are closed, or one of a bell would keep the parent's lock on it. */
static void
disown(struct shmq_seg *seg)
{
	if (seg->entry) {
		shmqi_table_remove(seg->entry);
		shmqi_table_free(seg->entry);
	}
	if (seg->spare >= 0 && shmqi_os_fd_is(seg->spare, seg->inode))
		close(seg->spare);
	if (seg->bells)
		shmqi_queue_disown(seg->bells);
	*seg->link = seg->next;
	if (seg->next)
		seg->next->link = seg->link;
	free(seg);
}

static void
after_fork_child(void)
{
	struct shmq_seg *next;

	shmqi_table_after_fork_child();
	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = next) {
		next = seg->next;
		if (seg->queue)
			disown(seg);
		else if (inherits(seg))
			inherit(seg);
	}
	shmqi_seg_lock_anew(cancel_state);
}

static void
set_up(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void
shmqi_seg_fork_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
}
