/* SPDX-License-Identifier: MIT */
/* Headers that are right in themselves, on objects that are something else. */
#include "unit.h"

#include <shmq/inline.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "format.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

TestSuite(liars, .init = unit_begin, .fini = place_end);

static struct shmqi_geometry
plan(int kind, uint64_t page_size)
{
	struct shmqi_geometry g = {.kind = kind,
				   .participants = 2,
				   .page_size = page_size,
				   .msg_max = 8,
				   .capacity = 8};

	if (kind == SHMQ_SEGMENT)
		SAME(0, shmqi_format_plan_raw(&g, 5000, (size_t)page_size, 0));
	else
		SAME(0, shmqi_format_plan_queue(&g));
	return g;
}

/* An object that says so, as its creator would have filled it. */
static void
put(void *bytes, const struct shmqi_geometry *g)
{
	shmqi_format_init(bytes, g);
	shmqi_format_fill(bytes, g);
	format_lifecycle(bytes)->segsz = g->segsz;
	shmqi_format_publish(bytes);
}

static int
memory_of(const struct shmqi_geometry *g, char address[32])
{
	int fd = memfd_create("liar", MFD_CLOEXEC);
	void *bytes;

	SAME(0, ftruncate(fd, (off_t)g->total_bytes));
	bytes = mmap(NULL, g->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(bytes != MAP_FAILED);
	put(bytes, g);
	munmap(bytes, g->total_bytes);
	snprintf(address, 32, "fd:%d", fd);
	return fd;
}

/* Its pages are small ones. */
Test(liars, test_huge_pages_that_are_none_ebadmsg)
{
	struct shmqi_geometry queue = plan(SHMQ_SPSC, HUGE_PAGE),
			      raw = plan(SHMQ_SEGMENT, HUGE_PAGE);
	char at[32];
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;
	int fd = memory_of(&queue, at);

	SAME(-EBADMSG, shmq_attach(&q, at, SHMQ_PRODUCER));
	SAME(-EBADMSG, shmq_attach(&q, at, SHMQ_OBSERVER));
	SAME(-EBADMSG, shmq_seg_attach(&seg, at, 0));
	close(fd);
	fd = memory_of(&raw, at);
	SAME(-EBADMSG, shmq_seg_attach(&seg, at, 0));
	SAME(-EBADMSG, shmq_seg_attach(&seg, at, SHM_RDONLY));
	close(fd);
	MUST(!q && !seg);
	leak_none_since(before);
}

static void
sysv_liar(const struct shmqi_geometry *g, size_t bytes)
{
	struct place p = spot_name(SPOT_SYSV, 0);
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = bytes};
	struct object o;
	struct shmq *q = NULL;
	struct leak_count before;

	SAME(0, shmq_seg_create(p.create, &opts));
	before = leak_count();
	o = object_map(&p);
	put(o.bytes, g);
	object_unmap(&o);
	SAME(-EBADMSG, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	SAME(-EBADMSG, shmq_attach(&q, p.attach, SHMQ_OBSERVER));
	MUST(!q);
	leak_none_since(before);
	SAME(0, place_stat(&p).nattch);
	place_remove(&p);
}

/* The kernel says how long a SysV segment is, and a raw one has no header. */
Test(liars, test_sysv_of_another_length_or_kind_ebadmsg)
{
	struct shmqi_geometry queue = plan(SHMQ_SPSC, FORMAT_PAGE);
	struct shmqi_geometry raw = plan(SHMQ_SEGMENT, FORMAT_PAGE);

	sysv_liar(&queue, queue.total_bytes + FORMAT_PAGE);
	sysv_liar(&raw, raw.total_bytes);
}

static int
count(const struct shmq_stat *st, void *arg)
{
	(void)st;
	++*(int *)arg;
	return 0;
}

/* What only this process knows of is listed once; a queue that became unreadable since is not. */
Test(liars, test_list_attached_and_damaged_is_told_of_what_it_was)
{
	struct place p = spot_segment(SPOT_MEMFD, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct object o = object_map(&p);
	int found = 0;

	if (!place_is_private())
		cr_skip_test("others may be listed, too");
	o.bytes[offsetof(struct format_header, capacity)] ^= 0xff;
	SAME(0, shmq_list(count, &found));
	SAME(1, found);
	object_unmap(&o);
	SAME(0, shmq_seg_detach(seg));
	close(p.fd);
}
