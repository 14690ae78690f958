/* SPDX-License-Identifier: MIT */
/*
 * fork(): the child has every attach of its parent, and each counts. A mapping inherited is on the
 * parent's description, with the parent's lock; so the parent makes a description more for each of
 * its mappings before the fork, with a lock of its own, and the child maps the same pages from that
 * one in the same place. So nattch is right when fork() returns, in both.
 *
 * So that it stays right, whoever detaches first, each waits until the other has let go of what it
 * has in common with it: the child has mapped its own, the parent has closed what the child maps.
 * That is when the other end of a pipe is closed, which happens in any case.
 *
 * What cannot be opened (no permission any more, no descriptors) stays on the parent's: then the
 * two are counted as one, until both have gone.
 */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

struct heir {
	uintptr_t start;
	uint64_t inode;
	int id, fd;
	bool writable;
};

/* Of the fork under way. */
static struct {
	struct ns_guard guard;
	struct heir *heirs;
	size_t count, bytes;
	int parent_done[2], child_done[2]; /* pipes; -1: none */
} under_way;

#define PATIENCE_MS 1000 /* somebody may be stopped; then the count is right a little later */

/* As the attach was: to write if we may, as a mapping that is read-only now may not stay so. */
static void
prepare_one(struct ns *ns, const struct ns_vma *vma)
{
	struct heir *heir = &under_way.heirs[under_way.count];
	struct ns_slot slot;

	if (shmqi_ns_slot(ns, vma->id, &slot) || slot.inode != vma->inode)
		return;
	*heir = (struct heir){.start = vma->start, .inode = vma->inode, .id = vma->id};
	heir->fd = shmqi_ns_file_open(ns, &slot, O_RDWR);
	heir->writable = heir->fd >= 0;
	if (heir->fd == -EACCES && !(vma->prot & PROT_WRITE))
		heir->fd = shmqi_ns_file_open(ns, &slot, O_RDONLY);
	if (heir->fd < 0)
		return;
	if (shmqi_ns_hold(heir->fd, true)) {
		close(heir->fd);
		return;
	}
	under_way.count++;
	slot.nattch++;
	(void)shmqi_ns_put(ns, &slot);
}

static size_t
count_mapped(void)
{
	struct ns_maps maps;
	struct ns_vma vma;
	size_t count = 0;

	if (shmqi_ns_maps_open(&maps))
		return 0;
	while (shmqi_ns_maps_next(&maps, &vma) == 1)
		count++;
	shmqi_ns_maps_close(&maps);
	return count;
}

static void
prepare_all(struct ns *ns, size_t room)
{
	struct ns_maps maps;
	struct ns_vma vma;

	if (shmqi_ns_maps_open(&maps))
		return;
	while (under_way.count < room && shmqi_ns_maps_next(&maps, &vma) == 1)
		prepare_one(ns, &vma);
	shmqi_ns_maps_close(&maps);
}

static void
close_both(int pipes[2])
{
	for (int i = 0; i < 2; i++) {
		if (pipes[i] >= 0)
			close(pipes[i]);
		pipes[i] = -1;
	}
}

/* Wait until nobody has the other end any more. */
static void
await_close(int pipes[2])
{
	struct pollfd end = {.fd = pipes[0], .events = POLLIN};

	if (pipes[0] < 0)
		return;
	close(pipes[1]);
	pipes[1] = -1;
	(void)poll(&end, 1, PATIENCE_MS);
	close_both(pipes);
}

static void
open_pipes(void)
{
	under_way.parent_done[0] = under_way.parent_done[1] = -1;
	under_way.child_done[0] = under_way.child_done[1] = -1;
	if (under_way.count && pipe2(under_way.parent_done, O_CLOEXEC) == 0 &&
	    pipe2(under_way.child_done, O_CLOEXEC) != 0)
		close_both(under_way.parent_done);
}

static void
prepare(void)
{
	struct ns ns;
	size_t room;
	void *heirs;
	int error = errno;

	shmqi_ns_guard(&under_way.guard);
	under_way.count = 0;
	under_way.heirs = NULL;
	room = shmqi_ns_attached ? count_mapped() : 0;
	under_way.bytes = room * sizeof(struct heir);
	if (room && shmqi_ns_open(&ns, NS_WAIT) == 0) {
		heirs = mmap(NULL, under_way.bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (heirs != MAP_FAILED) {
			under_way.heirs = heirs;
			prepare_all(&ns, room);
		}
		shmqi_ns_close(&ns);
	}
	open_pipes();
	errno = error;
}

/* `mine` tells the other that we have let go of all that is in common; `theirs` tells us. */
static void
finish(int mine[2], int theirs[2])
{
	struct ns_guard guard = under_way.guard;
	int error = errno;

	for (size_t i = 0; i < under_way.count; i++)
		close(under_way.heirs[i].fd);
	if (under_way.heirs)
		munmap(under_way.heirs, under_way.bytes);
	under_way.heirs = NULL;
	under_way.count = 0;
	close_both(mine);
	await_close(theirs);
	errno = error;
	shmqi_ns_unguard(&guard);
}

static void
parent(void)
{
	finish(under_way.parent_done, under_way.child_done);
}

/* An attach to read only must stay one, whatever mprotect() is asked: its description says so. */
static int
description_for(const struct heir *heir, const struct ns_vma *vma)
{
	void *at = (void *)vma->start;
	size_t bytes = vma->end - vma->start;
	int fd;

	if (!heir->writable || vma->prot & PROT_WRITE)
		return heir->fd;
	if (mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0)
		return mprotect(at, bytes, vma->prot) == 0 ? heir->fd : -1;
	fd = shmqi_os_reopen(heir->fd, O_RDONLY);
	if (fd >= 0 && shmqi_ns_hold(fd, false)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
inherit(const struct heir *heir, const struct ns_vma *vma)
{
	int fd = description_for(heir, vma);

	if (fd < 0)
		return;
	(void)mmap((void *)vma->start, vma->end - vma->start, vma->prot,
		   MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)vma->offset);
	if (fd != heir->fd)
		close(fd);
}

/* In order of the addresses, both of them. */
static void
child(void)
{
	struct ns_maps maps;
	struct ns_vma vma;
	size_t i = 0;
	int error = errno;

	shmqi_ns_become_child();
	if (under_way.count && shmqi_ns_maps_open(&maps) == 0) {
		while (i < under_way.count && shmqi_ns_maps_next(&maps, &vma) == 1) {
			while (i < under_way.count && under_way.heirs[i].start < vma.start)
				i++;
			if (i < under_way.count && under_way.heirs[i].start == vma.start &&
			    under_way.heirs[i].inode == vma.inode)
				inherit(&under_way.heirs[i++], &vma);
		}
		shmqi_ns_maps_close(&maps);
	}
	errno = error;
	finish(under_way.child_done, under_way.parent_done);
}

/* Before the program registers its own: then ours come last before a fork and first after it, and the
 * program's handlers may do as they like. */
static __attribute__((constructor)) void
fork_setup(void)
{
	(void)pthread_atfork(prepare, parent, child);
}
