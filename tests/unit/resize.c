/* SPDX-License-Identifier: MIT */
/* shmq_seg_resize() and shmq_seg_sync(). */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(resize, .init = unit_begin, .fini = place_end);

static bool
can_grow(enum spot at)
{
	return at == SPOT_SHM || at == SPOT_FILE;
}

static bool
holds(const struct shmq_seg *seg, size_t from, size_t to, unsigned char value)
{
	const unsigned char *base = shmq_seg_base(seg);

	for (size_t i = from; i < to; i++)
		if (base[i] != value)
			return false;
	return true;
}

/* The attach has this length, is found over all of it, and the object has that. */
static void
check_lengths(const struct place *p, const struct shmq_seg *seg, size_t attach, size_t object)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char *base = shmq_seg_base(seg);

	SAME(attach, shmq_seg_size(seg));
	SAME(0, shmq_seg_find(base, &st));
	MUST(st.base == base);
	SAME(attach, st.segsz);
	SAME(0, shmq_seg_find(base + attach - 1, &st));
	MUST(st.base == base);
	SAME(object, place_stat(p).segsz);
	SAME(1, place_stat(p).nattch);
}

TEST_EACH_SPOT(resize, test_resize_grow_keeps_content_and_adds_zeros)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = unit_attach(&p, 0);

	memset(shmq_seg_base(seg), 0xab, 8192);
	if (can_grow(*at)) {
		SAME(0, shmq_seg_resize(seg, 8193));
		check_lengths(&p, seg, 8193, 8193);
		SAME(0, shmq_seg_resize(seg, 1 << 20));
		check_lengths(&p, seg, 1 << 20, 1 << 20);
		MUST(holds(seg, 0, 8192, 0xab));
		MUST(holds(seg, 8192, 1 << 20, 0));
	} else {
		SAME(-EINVAL, shmq_seg_resize(seg, 8193));
		SAME(-EINVAL, shmq_seg_resize(seg, 1 << 20));
		check_lengths(&p, seg, 8192, 8192);
		MUST(holds(seg, 0, 8192, 0xab));
	}
	SAME(0, shmq_seg_detach(seg));
	SAME(0, place_stat(&p).nattch);
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_shrink_changes_the_mapping_only)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 10 * 4096};
	struct place p = spot_segment(*at, 0, &opts);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = unit_attach(&p, 0);

	memset(shmq_seg_base(seg), 0xcd, opts.segsz);
	SAME(0, shmq_seg_resize(seg, 4097));
	check_lengths(&p, seg, 4097, opts.segsz);
	SAME(-ENOENT, shmq_seg_find((char *)shmq_seg_base(seg) + 8192,
				    &(struct shmq_stat){.size = sizeof(struct shmq_stat)}));
	SAME(0, shmq_seg_resize(seg, 1));
	SAME(0, shmq_seg_resize(seg, opts.segsz));
	check_lengths(&p, seg, opts.segsz, opts.segsz);
	MUST(holds(seg, 0, opts.segsz, 0xcd));
	SAME(0, shmq_seg_detach(seg));
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_other_attach_sees_growth_when_it_resizes)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *a, *b;

	if (!can_grow(*at)) {
		place_remove(&p);
		return;
	}
	a = unit_attach(&p, 0);
	b = unit_attach(&p, 0);
	SAME(0, shmq_seg_resize(a, 100000));
	strcpy((char *)shmq_seg_base(a) + 99000, "far out");
	SAME(8192, shmq_seg_size(b));
	SAME(0, shmq_seg_resize(b, 100000));
	cr_assert_str_eq((char *)shmq_seg_base(b) + 99000, "far out");
	SAME(0, shmq_seg_detach(a));
	SAME(0, shmq_seg_detach(b));
	a = unit_attach(&p, 0);
	SAME(100000, shmq_seg_size(a));
	SAME(0, shmq_seg_detach(a));
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_length_out_of_range_einval)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct leak_count before = leak_count();

	SAME(-EINVAL, shmq_seg_resize(seg, 0));
	SAME(-EINVAL, shmq_seg_resize(seg, SIZE_MAX));
	SAME(-EINVAL, shmq_seg_resize(seg, SIZE_MAX - 8191));
	SAME(-EINVAL, shmq_seg_resize(seg, PTRDIFF_MAX));
	check_lengths(&p, seg, 8192, 8192);
	leak_none_since(before);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_queue_enotsup)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	size_t size = shmq_seg_size(seg);

	SAME(-ENOTSUP, shmq_seg_resize(seg, 4096));
	SAME(-ENOTSUP, shmq_seg_resize(seg, size));
	SAME(-ENOTSUP, shmq_seg_resize(seg, 2 * size));
	SAME(size, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_of_split_memory_einval)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4 * 4096};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg = unit_attach(&p, 0);
	char *base = shmq_seg_base(seg);

	SAME(0, mprotect(base + 4096, 4096, PROT_READ));
	/* To grow, the mapping would have to be one. */
	SAME(0, shmq_seg_resize(seg, 3 * 4096));
	SAME(-EINVAL, shmq_seg_resize(seg, 4 * 4096));
	SAME(3 * 4096, shmq_seg_size(seg));
	strcpy(base, "still mapped");
	SAME(0, shmq_seg_detach(seg));
	SAME(0, place_stat(&p).nattch);
	place_remove(&p);
}

TEST_EACH_SPOT(resize, test_resize_full_file_system_enospc)
{
	struct place p;
	struct shmq_seg *seg;
	uint64_t used;

	if (*at != SPOT_SHM)
		return; /* the others are not on the mount that we can limit */
	if (!place_is_private())
		cr_skip_test("needs a mount namespace");
	place_limit_shm(1 << 20);
	p = spot_segment(*at, 0, NULL);
	seg = unit_attach(&p, 0);
	used = place_used_bytes();
	SAME(-ENOSPC, shmq_seg_resize(seg, 4 << 20));
	check_lengths(&p, seg, 8192, 8192);
	SAME(used, place_used_bytes());
	memset(shmq_seg_base(seg), 1, 8192);
	SAME(0, shmq_seg_resize(seg, 1 << 19));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

static void
grow_read_only(void *arg)
{
	const struct place *p = arg;
	struct shmq_seg *seg = unit_attach(p, SHM_RDONLY);

	SAME(-EACCES, shmq_seg_resize(seg, 65536));
	SAME(8192, shmq_seg_size(seg));
	SAME(0, shmq_seg_resize(seg, 4096));
	SAME(0, shmq_seg_resize(seg, 8192));
	SAME(0, shmq_seg_detach(seg));
}

TEST_EACH_SPOT(resize, test_resize_grow_without_write_permission_eacces)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 8192, .mode = 0644};
	struct place p;

	if (!can_grow(*at))
		return; /* -EINVAL there */
	SAME(0, chmod(place_directory(), 0755));
	p = spot_segment(*at, 0, &opts);
	unit_as_nobody(grow_read_only, &p, 65536);
	SAME(8192, place_stat(&p).segsz);
	place_remove(&p);
}

static void
grow_locked(void *arg)
{
	const struct place *p = arg;
	struct shmq_seg *seg = unit_attach(p, SHMQ_LOCK);
	struct leak_count before = leak_count();

	memset(shmq_seg_base(seg), 7, 8192);
	SAME(-ENOMEM, shmq_seg_resize(seg, 1 << 20));
	SAME(8192, shmq_seg_size(seg));
	MUST(holds(seg, 0, 8192, 7));
	leak_none_since(before);
	SAME(0, shmq_seg_detach(seg));
}

static void
shrink_locked(void *arg)
{
	const struct place *p = arg;
	struct shmq_seg *seg = unit_attach(p, SHMQ_LOCK);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_resize(seg, 16384));
	SAME(0, shmq_seg_stat(seg, &st));
	SAME(16384, st.locked_bytes);
	SAME(0, shmq_seg_resize(seg, 4096));
	SAME(0, shmq_seg_detach(seg));
}

TEST_EACH_SPOT(resize, test_resize_locked_over_limit_enomem)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 8192, .mode = 0666};
	struct place p;

	if (!can_grow(*at))
		return; /* -EINVAL there */
	SAME(0, chmod(place_directory(), 0755));
	p = spot_segment(*at, 0, &opts);
	unit_as_nobody(grow_locked, &p, 65536);
	SAME(8192, place_stat(&p).segsz);
	unit_as_nobody(shrink_locked, &p, 65536);
	place_remove(&p);
}

/* Sync --------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(resize, test_sync_works_and_needs_whole_memory)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 3 * 4096};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg = unit_attach(&p, 0);
	char *base = shmq_seg_base(seg);

	strcpy(base, "to be written");
	SAME(0, shmq_seg_sync(seg));
	SAME(0, munmap(base + 4096, 4096));
	SAME(-ENOMEM, shmq_seg_sync(seg));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

Test(resize, test_sync_file_content_is_in_the_file)
{
	struct place p = spot_segment(SPOT_FILE, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct object o;

	strcpy(shmq_seg_base(seg), "persistent");
	SAME(0, shmq_seg_sync(seg));
	SAME(0, shmq_seg_detach(seg));
	o = object_map(&p);
	cr_assert_str_eq((char *)o.bytes + o.length - 8192, "persistent");
	object_unmap(&o);
	place_remove(&p);
}
