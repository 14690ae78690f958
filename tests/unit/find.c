/* SPDX-License-Identifier: MIT */
/* Which attach holds an address: shmq_seg_find(), also while that very attach comes and goes. */
#include "unit.h"

#include <pthread.h>
#include <shmq/atomic.h>
#include <string.h>
#include <sys/mman.h>

#define HOLE ((size_t)1 << 32)

TestSuite(find, .init = unit_begin, .fini = place_end);

static struct shmq_stat
found(const void *inside)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_find(inside, &st));
	return st;
}

static void
not_found(const void *inside)
{
	struct shmq_stat st;

	unit_dirty(&st, sizeof(st));
	SAME(-ENOENT, shmq_seg_find(inside, &st));
	MUST(unit_still_dirty(&st, sizeof(st)));
}

TEST_EACH_SPOT(find, test_find_inside_and_outside)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 100 * 4096 + 1};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg;
	int on_stack;
	char *base;

	seg = unit_attach(&p, 0);
	base = shmq_seg_base(seg);
	for (size_t i = 0; i < opts.segsz; i += 1000)
		MUST(found(base + i).base == base);
	MUST(found(base + opts.segsz - 1).base == base);
	MUST(found(base + 101 * 4096 - 1).base == base);
	not_found(base - 1);
	not_found(base + 101 * 4096);
	not_found(NULL);
	not_found(&on_stack);
	not_found((void *)UINTPTR_MAX);
	SAME(0, shmq_seg_detach(seg));
	not_found(base);
	place_remove(&p);
}

TEST_EACH_SPOT(find, test_find_tells_what_was_attached)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq_stat by_address = place_stat(&p), st = found(shmq_seg_base(seg));

	cr_assert_str_eq(st.address, p.attach);
	SAME(by_address.backend, st.backend);
	SAME(by_address.page_size, st.page_size);
	SAME(by_address.key, st.key);
	SAME(by_address.id, st.id);
	SAME(by_address.cuid, st.cuid);
	SAME(by_address.uid, st.uid);
	SAME(by_address.mode, st.mode);
	SAME(by_address.ctime, st.ctime);
	SAME(8192, st.segsz);
	SAME(SHMQ_SEGMENT, st.kind);
	SAME(-1, st.nattch);
	SAME(-1, st.resident_bytes);
	SAME(-1, st.locked_bytes);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(find, test_find_queue)
{
	struct place p = spot_ring(*at, 100, 7);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER);
	struct shmq_stat st = {.size = sizeof(st)};
	struct iovec slot;

	SAME(0, shmq_reserve(q, &slot, 100, 0));
	SAME(0, shmq_seg_find(slot.iov_base, &st));
	cr_assert_str_eq(st.address, p.attach);
	SAME(SHMQ_SPSC, st.kind);
	SAME(100, st.msg_max);
	SAME(7, st.capacity);
	SAME(0, shmq_detach(q));
	not_found(slot.iov_base);
	place_remove(&p);
}

TEST_EACH_SPOT(find, test_find_two_attaches_apart)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *a = unit_attach(&p, 0), *b = unit_attach(&p, 0);
	char *base_a = shmq_seg_base(a), *base_b = shmq_seg_base(b);

	MUST(found(base_a + 8191).base == base_a);
	MUST(found(base_b + 8191).base == base_b);
	SAME(0, shmq_seg_detach(a));
	not_found(base_a);
	MUST(found(base_b).base == base_b);
	SAME(0, shmq_seg_detach(b));
	place_remove(&p);
}

/* Side by side in memory, of many lengths, each is found in its own range only. */
Test(find, test_find_neighbours_of_many_lengths)
{
	enum { COUNT = 12 };
	struct shmq_seg *segs[COUNT] = {NULL};
	char *room =
		mmap(NULL, HOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *next = room + HOLE / 2; /* far from where the system maps on its own */

	MUST(room != MAP_FAILED);
	SAME(0, munmap(room, HOLE));
	for (unsigned i = 0; i < COUNT; i++, next += (size_t)4096 << (i - 1)) {
		struct shmq_seg_opts opts = {
			.size = sizeof(opts),
			.segsz = (size_t)4096 << i,
			.flags = SHMQ_SPARSE,
		};
		struct place p = spot_segment(SPOT_SHM, i, &opts);

		SAME(0, shmq_seg_attach_at(&segs[i], p.attach, next, 0));
		place_remove(&p);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		char *base = shmq_seg_base(segs[i]);

		MUST(found(base).base == base);
		MUST(found(base + ((size_t)4096 << i) - 1).base == base);
	}
	for (unsigned i = 0; i < COUNT; i++)
		SAME(0, shmq_seg_detach(segs[i]));
}

/* Concurrency -------------------------------------------------------------------------------- */

struct looker {
	char *base;
	uint32_t stop;
	uint64_t hits, misses;
};

/* Either nothing, or one of the two whole: never a mixture. */
static void *
look(void *arg)
{
	struct looker *l = arg;
	struct shmq_stat st = {.size = sizeof(st)};

	/* Relaxed: only an end. */
	while (!shmq_load_relaxed_u32(&l->stop)) {
		int err = shmq_seg_find(l->base + 100, &st);

		MUST(err == 0 || err == -ENOENT);
		if (err) {
			shmq_store_relaxed_u64(&l->misses, l->misses + 1);
			continue;
		}
		MUST(st.base == l->base);
		MUST(strlen(st.address) > 1);
		SAME(st.address[strlen(st.address) - 1] == '0' ? 4096 : 40960, st.segsz);
		shmq_store_relaxed_u64(&l->hits, l->hits + 1);
	}
	return NULL;
}

/* At least `rounds`, and until both answers were seen. */
static void
come_and_go(struct looker *l, const struct place p[2], unsigned rounds)
{
	struct shmq_seg *seg;

	for (unsigned i = 0;
	     i < rounds || !shmq_load_relaxed_u64(&l->hits) || !shmq_load_relaxed_u64(&l->misses);
	     i++) {
		seg = NULL;
		SAME(0, shmq_seg_attach_at(&seg, p[i & 1].attach, l->base, 0));
		SAME(0, shmq_seg_detach(seg));
	}
}

Test(find, test_find_while_attached_and_detached_consistent)
{
	struct looker l = {.stop = 0};
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4096};
	struct place p[2];
	pthread_t thread;

	if (leak_thread_sanitizer())
		cr_skip_test("liburcu, which publishes, is not instrumented");
	for (unsigned i = 0; i < 2; i++, opts.segsz = 40960)
		p[i] = spot_segment(SPOT_SHM, i, &opts);
	/* Far from where the system maps on its own. */
	l.base = mmap(NULL, HOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(l.base != MAP_FAILED);
	SAME(0, munmap(l.base, HOLE));
	l.base += HOLE / 2;
	SAME(0, pthread_create(&thread, NULL, look, &l));
	come_and_go(&l, p, 4000);
	shmq_store_relaxed_u32(&l.stop, 1);
	SAME(0, pthread_join(thread, NULL));
	not_found(l.base);
	place_remove(&p[0]);
	place_remove(&p[1]);
}
