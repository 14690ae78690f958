/* SPDX-License-Identifier: MIT */
/* Several attaches of a process: over one another, beside one another, and without their descriptors. */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

TestSuite(attaches, .init = unit_begin, .fini = place_end);

/* Any address within a queue that this process has attached. */
static void *
inside_queue(struct shmq *q)
{
	struct iovec slot;
	void *inside;

	SAME(0, shmq_reserve(q, &slot, 1, 0));
	inside = slot.iov_base;
	SAME(0, shmq_abort(q, &slot));
	return (void *)((uintptr_t)inside & ~(PAGE - 1));
}

/* A queue is in use by its handle: nothing is put in its place. */
TEST_EACH_SPOT(attaches, test_attach_over_a_queue_einval)
{
	struct place p = spot_segment(*at, 0, NULL);

	for (enum spot other = SPOT_SHM; other <= SPOT_SYSV; other++) {
		struct place under = spot_queue(other, 1, NULL);
		struct shmq *q = unit_join(&under, SHMQ_PRODUCER | SHMQ_CONSUMER);
		void *there = inside_queue(q);
		struct leak_count before = leak_count();
		struct shmq_seg *seg = NULL;

		SAME(-EINVAL, shmq_seg_attach_at(&seg, p.attach, there, SHM_REMAP));
		MUST(!seg);
		leak_none_since(before);
		SAME(0, place_stat(&p).nattch);
		place_use(q);
		SAME(0, shmq_detach(q));
		place_remove(&under);
	}
	place_remove(&p);
}

/* What another attach has taken the place of answers to nothing but the detach. */
TEST_EACH_SPOT(attaches, test_replaced_attach_einval)
{
	struct place p = spot_segment(*at, 0, NULL), over = spot_segment(*at, 1, NULL);
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *old = unit_attach(&p, 0), *new = NULL;

	SAME(0, shmq_seg_attach_at(&new, over.attach, shmq_seg_base(old), SHM_REMAP));
	if (spot_is_sysv(*at))
		SAME(0, place_stat(&p).nattch);
	SAME(-EINVAL, shmq_seg_stat(old, &st));
	SAME(-EINVAL, shmq_seg_sync(old));
	SAME(-EINVAL, shmq_seg_resize(old, 1));
	SAME(0, shmq_seg_detach(old));
	memset(shmq_seg_base(new), 1, shmq_seg_size(new));
	SAME(0, shmq_seg_detach(new));
	place_remove(&p);
	place_remove(&over);
}

/* The program has unmapped one: the other one is not taken for it. */
TEST_EACH_SPOT(attaches, test_unmapped_beside_another_detaches)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *a = unit_attach(&p, 0), *b = unit_attach(&p, 0);

	SAME(0, munmap(shmq_seg_base(a), PAGE * 2));
	SAME(0, shmq_seg_detach(a));
	SAME(1, place_stat(&p).nattch);
	memset(shmq_seg_base(b), 1, shmq_seg_size(b));
	SAME(0, shmq_seg_detach(b));
	SAME(0, place_stat(&p).nattch);
	place_remove(&p);
}

static long
locked_bytes(struct shmq_seg *seg)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_stat(seg, &st));
	return (long)st.locked_bytes;
}

/* One of several is locked: the others are not. */
TEST_EACH_SPOT(attaches, test_lock_one_of_two)
{
	struct place p = spot_segment(*at, 0, NULL), other = spot_segment(*at, 1, NULL);
	struct shmq_seg *a = unit_attach(&p, 0), *b = unit_attach(&other, 0);

	SAME(0, shmq_lock(p.attach));
	MUST(place_stat(&p).mode & SHMQ_LOCKED);
	if (!spot_is_sysv(*at)) /* there: what is touched from now on */
		SAME(2 * PAGE, locked_bytes(a));
	SAME(0, place_stat(&other).mode & SHMQ_LOCKED);
	SAME(0, locked_bytes(b));
	SAME(0, shmq_unlock(p.attach));
	SAME(0, shmq_seg_detach(a));
	SAME(0, shmq_seg_detach(b));
	place_remove(&p);
	place_remove(&other);
}

/* Without descriptors, and without a name by which they could be had again. */
static void
without_descriptors(void *arg)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = PAGE};
	struct place p = spot_segment(SPOT_SHM, 0, &opts), queue = spot_queue(SPOT_SHM, 1, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq *q = unit_join(&queue, SHMQ_PRODUCER | SHMQ_CONSUMER);
	char path[160];

	(void)arg;
	object_path(path, sizeof(path), &p);
	SAME(0, unlink(path));
	object_path(path, sizeof(path), &queue);
	SAME(0, unlink(path));
	closefrom(3);
	SAME(-EINVAL, shmq_seg_resize(seg, PAGE * 10));
	SAME(PAGE, shmq_seg_size(seg));
	memset(shmq_seg_base(seg), 1, PAGE);
	MUST(shmq_fd(q) < 0);
	place_use(q);
	SAME(0, shmq_detach(q));
	SAME(0, shmq_seg_detach(seg));
}

Test(attaches, test_no_descriptor_and_no_name_is_said)
{
	process_join(process_start(without_descriptors, NULL));
}

/* Pieces ------------------------------------------------------------------------------------- */

#define PIECES 200

/* The program has given each page its own protection: the kernel's shmdt() takes them all. */
TEST_EACH_SPOT(attaches, test_detach_in_many_pieces_unmaps_all)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = PIECES * PAGE};
	struct place p = spot_segment(*at, 0, &opts);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = unit_attach(&p, 0);
	unsigned char *base = shmq_seg_base(seg);

	for (size_t i = 0; i < PIECES; i += 2)
		SAME(0, mprotect(base + i * PAGE, PAGE, PROT_READ));
	SAME(0, shmq_seg_detach(seg));
	for (size_t i = 0; i < PIECES; i++)
		SAME(-1, msync(base + i * PAGE, PAGE, MS_ASYNC));
	leak_none_since(before);
	SAME(0, place_stat(&p).nattch);
	place_remove(&p);
}

/* It has put another file there, at the offset that ours would have: that is not ours to unmap. */
TEST_EACH_SPOT(attaches, test_detach_leaves_another_file_in_its_range)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 8 * PAGE};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg = unit_attach(&p, 0);
	unsigned char *base = shmq_seg_base(seg), *there = base + 3 * PAGE;
	off_t offset = (off_t)((spot_is_sysv(*at) ? 3 : 5) * PAGE);
	int fd = memfd_create("another", MFD_CLOEXEC);

	SAME(0, ftruncate(fd, (off_t)(16 * PAGE)));
	MUST(mmap(there, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) ==
	     there);
	there[0] = 7;
	SAME(0, shmq_seg_detach(seg));
	SAME(7, there[0]);
	SAME(-1, msync(base, PAGE, MS_ASYNC));
	SAME(-1, msync(base + 7 * PAGE, PAGE, MS_ASYNC));
	SAME(0, munmap(there, PAGE));
	close(fd);
	place_remove(&p);
}

/* A part of an attach is replaced by another one: both go on, each is detached by itself. */
TEST_EACH_SPOT(attaches, test_attach_over_a_part_of_another)
{
	const struct shmq_seg_opts large = {.size = sizeof(large), .segsz = 8 * PAGE};
	const struct shmq_seg_opts small = {.size = sizeof(small), .segsz = PAGE};
	struct place p = spot_segment(*at, 0, &large), over = spot_segment(*at, 1, &small);
	struct shmq_seg *old = unit_attach(&p, 0), *new = NULL;
	unsigned char *base = shmq_seg_base(old);

	for (unsigned i = 0; i < 8; i += 7) {
		SAME(0, shmq_seg_attach_at(&new, over.attach, base + i * PAGE, SHM_REMAP));
		base[i * PAGE] = 7;
		SAME(0, shmq_seg_detach(new));
		SAME(-1, msync(base + i * PAGE, PAGE, MS_ASYNC));
	}
	base[3 * PAGE] = 1;
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_seg_detach(old));
	SAME(-1, msync(base + 3 * PAGE, PAGE, MS_ASYNC));
	SAME(0, place_stat(&p).nattch);
	SAME(0, place_stat(&over).nattch);
	place_remove(&p);
	place_remove(&over);
}

/* Fork --------------------------------------------------------------------------------------- */

struct inherited {
	struct place p;
	struct shmq_seg *old, *new, *reader;
};

static void
use_inherited(void *arg)
{
	struct inherited *i = arg;
	volatile unsigned char *bytes = shmq_seg_base(i->reader);

	SAME(5, bytes[0]);
	SAME(0, shmq_seg_detach(i->reader));
	SAME(0, shmq_seg_detach(i->old));
	memset(shmq_seg_base(i->new), 5, shmq_seg_size(i->new));
	SAME(0, shmq_seg_detach(i->new));
}

/* One that may be written, one that was replaced, and one that may be read. */
TEST_EACH_SPOT(attaches, test_fork_all_sorts_inherited)
{
	struct inherited i = {.p = spot_segment(*at, 0, NULL)};

	i.old = unit_attach(&i.p, 0);
	SAME(0, shmq_seg_attach_at(&i.new, i.p.attach, shmq_seg_base(i.old), SHM_REMAP));
	i.reader = unit_attach(&i.p, SHM_RDONLY);
	memset(shmq_seg_base(i.new), 5, shmq_seg_size(i.new));
	process_join(process_start(use_inherited, &i));
	SAME(2, place_stat(&i.p).nattch);
	SAME(0, shmq_seg_detach(i.reader));
	SAME(0, shmq_seg_detach(i.old));
	SAME(0, shmq_seg_detach(i.new));
	SAME(0, place_stat(&i.p).nattch);
	place_remove(&i.p);
}

static void
read_and_fork(void *arg)
{
	struct inherited *i = arg;
	pid_t pid;

	i->reader = unit_attach(&i->p, SHM_RDONLY);
	i->old = unit_attach(&i->p, SHM_RDONLY);
	pid = fork();
	if (pid == 0) {
		volatile unsigned char *bytes = shmq_seg_base(i->reader);

		_exit(bytes[0] == 5 && shmq_seg_detach(i->reader) == 0 ? 0 : 1);
	}
	SAME(0, process_end(pid));
	SAME(0, shmq_seg_detach(i->reader));
	SAME(0, shmq_seg_detach(i->old));
}

/* Nor may its file be written. */
TEST_EACH_SPOT(attaches, test_fork_of_who_may_only_read)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = PAGE, .mode = 0644};
	struct inherited i = {.p = spot_segment(*at, 0, &opts)};
	struct shmq_seg *seg = unit_attach(&i.p, 0);

	memset(shmq_seg_base(seg), 5, PAGE);
	SAME(0, shmq_seg_detach(seg));
	if (*at != SPOT_MEMFD && *at != SPOT_FILE) /* a descriptor that may write; our directory */
		unit_as_nobody(read_and_fork, &i, 0);
	SAME(0, place_stat(&i.p).nattch);
	place_remove(&i.p);
}
