/* SPDX-License-Identifier: MIT */
/* Huge pages, on the backends that have them and a machine that can spare some. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/huge.h"

static void
begin(void)
{
	unit_begin();
	huge_begin();
}

static void
end(void)
{
	huge_end();
	place_end();
}

TestSuite(huge, .init = begin, .fini = end);

static void
need_huge_pages(void)
{
	if (!huge_ready())
		cr_skip_test("this machine can spare no huge pages");
}

/* A hugetlbfs of the test's own. */
static void
mount_huge(char *path, size_t room)
{
	if (!place_is_private())
		cr_skip_test("needs a mount namespace");
	snprintf(path, room, "%s/huge", place_directory());
	SAME(0, mkdir(path, 0755));
	SAME(0, mount("shmq-test", path, "hugetlbfs", 0, "pagesize=2M"));
}

static void
check_segment(const char *attach, size_t segsz)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;
	char *base;

	SAME(0, shmq_seg_attach(&seg, attach, 0));
	base = shmq_seg_base(seg);
	SAME(0, (uintptr_t)base & (HUGE - 1));
	SAME(segsz, shmq_seg_size(seg));
	for (size_t i = 0; i < segsz; i += 4096)
		base[i] = 1;
	SAME(0, shmq_seg_stat(seg, &st));
	MUST(st.base == base);
	SAME(segsz, st.segsz);
	SAME(0, shmq_seg_find(base + segsz - 1, &st));
	SAME(0, shmq_seg_detach(seg));
}

static void
check_queue(const char *attach)
{
	struct shmq *q = NULL;
	char buf[64] = "huge";

	SAME(0, shmq_attach(&q, attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	for (int i = 0; i < 8; i++)
		SAME(0, shmq_send(q, buf, sizeof(buf), 0));
	SAME(-EAGAIN, shmq_send(q, buf, sizeof(buf), 0));
	for (int i = 0; i < 8; i++)
		SAME(sizeof(buf), shmq_recv(q, buf, sizeof(buf), 0));
	SAME(0, shmq_detach(q));
}

static const struct shmq_seg_opts segment = {
	.size = sizeof(segment),
	.segsz = HUGE + 1,
	.page_size = HUGE,
};

static const struct shmq_opts queue = {
	.size = sizeof(queue),
	.msg_max = 64,
	.capacity = 8,
	.page_size = HUGE,
};

static void
check_spot(enum spot at)
{
	struct place p = spot_segment(at, 0, &segment);
	struct leak_count before = leak_count();

	if (!spot_is_sysv(at)) /* a raw sysv: segment does not tell */
		SAME(HUGE, place_stat(&p).page_size);
	check_segment(p.attach, HUGE + 1);
	leak_none_since(before);
	place_remove(&p);
	p = spot_queue(at, 0, &queue);
	SAME(HUGE, place_stat(&p).page_size);
	SAME(HUGE, place_stat(&p).segsz);
	check_queue(p.attach);
	place_remove(&p);
}

Test(huge, test_huge_memfd_works)
{
	need_huge_pages();
	check_spot(SPOT_MEMFD);
}

Test(huge, test_huge_sysv_works)
{
	need_huge_pages();
	check_spot(SPOT_SYSV);
	check_spot(SPOT_SYSV_ID);
}

Test(huge, test_huge_file_on_hugetlbfs_works)
{
	struct shmq_seg_opts natural = segment;
	char path[128], addr[160];

	need_huge_pages();
	mount_huge(path, sizeof(path));
	snprintf(addr, sizeof(addr), "file:%s/segment", path);
	SAME(0, shmq_seg_create(addr, &segment));
	check_segment(addr, HUGE + 1);
	SAME(0, shmq_remove(addr));
	natural.page_size = 0; /* whatever the file system has */
	SAME(0, shmq_seg_create(addr, &natural));
	check_segment(addr, HUGE + 1);
	SAME(0, shmq_remove(addr));
	natural.page_size = 4096;
	SAME(-ENOTSUP, shmq_seg_create(addr, &natural));
	SAME(0, shmq_create(addr, &queue));
	check_queue(addr);
	SAME(0, shmq_remove(addr));
	SAME(0, umount(path));
	SAME(0, rmdir(path));
}

Test(huge, test_huge_where_there_is_none_enotsup)
{
	struct place shm = spot_name(SPOT_SHM, 0), file = spot_name(SPOT_FILE, 0);
	struct leak_count before = leak_count();

	SAME(-ENOTSUP, shmq_seg_create(shm.create, &segment));
	SAME(-ENOTSUP, shmq_create(shm.create, &queue));
	SAME(-ENOTSUP, shmq_seg_create(file.create, &segment));
	SAME(-ENOTSUP, shmq_create(file.create, &queue));
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}

static void
exhaust(enum spot at)
{
	struct shmq_seg_opts opts = segment;
	struct place p = spot_name(at, 0);
	struct leak_count before = leak_count();

	opts.segsz = HUGE * (size_t)(huge_free() + 1);
	SAME(-ENOMEM, shmq_seg_create(p.create, &opts));
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}

Test(huge, test_huge_exhausted_enomem)
{
	need_huge_pages();
	exhaust(SPOT_MEMFD);
	exhaust(SPOT_SYSV);
	exhaust(SPOT_SYSV_ID);
}

/* Not here, or none to be had: but never pages of another size. */
Test(huge, test_huge_one_gigabyte_works_or_says_why)
{
	struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = 1, .page_size = (size_t)1 << 30};
	struct shmq_stat st = {.size = sizeof(st)};
	char addr[16];
	int fd = shmq_seg_create("memfd:gigantic", &opts);

	MUST(fd >= 3 || fd == -ENOMEM || fd == -ENOTSUP);
	if (fd < 0)
		return;
	snprintf(addr, sizeof(addr), "fd:%d", fd);
	SAME(0, shmq_stat(addr, &st));
	SAME((size_t)1 << 30, st.page_size);
	close(fd);
}
