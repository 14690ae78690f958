/* SPDX-License-Identifier: MIT */
/* Arguments out of range: refused by every call that takes them, with nothing made and nothing written. */
#include "unit.h"

#include <limits.h>
#include <string.h>
#include <sys/shm.h>

TestSuite(arguments, .init = unit_begin, .fini = place_end);

#define SEG(...)                                                  \
	{                                                         \
		.size = sizeof(struct shmq_seg_opts), __VA_ARGS__ \
	}
#define OPTS(...)                                             \
	{                                                     \
		.size = sizeof(struct shmq_opts), __VA_ARGS__ \
	}

static const struct {
	struct shmq_seg_opts opts;
	int want;
} bad_segments[] = {
	{{.size = 0, .segsz = 1}, -EINVAL},
	{{.size = sizeof(struct shmq_seg_opts) - 1, .segsz = 1}, -EINVAL},
	{{.size = sizeof(struct shmq_seg_opts) + 8, .segsz = 1}, -EINVAL},
	{SEG(.segsz = 0), -EINVAL},
	{SEG(.segsz = SIZE_MAX), -EINVAL},
	{SEG(.segsz = SIZE_MAX - 4096), -EINVAL},
	{SEG(.segsz = ((size_t)1 << 47) + 1), -EINVAL},
	{SEG(.segsz = 1, .flags = SHMQ_PRODUCER), -EINVAL},
	{SEG(.segsz = 1, .flags = SHMQ_HANGUP), -EINVAL},
	{SEG(.segsz = 1, .flags = SHMQ_LOSSY), -EINVAL},
	{SEG(.segsz = 1, .flags = 0x80000000u), -EINVAL},
	{SEG(.segsz = 1, .mode = 01600), -EINVAL},
	{SEG(.segsz = 1, .mode = 0100600), -EINVAL},
	{SEG(.segsz = 1, .page_size = 1), -ENOTSUP},
	{SEG(.segsz = 1, .page_size = 4097), -ENOTSUP},
	{SEG(.segsz = 1, .page_size = 1 << 20), -ENOTSUP},
	{SEG(.segsz = 1, .page_size = SIZE_MAX), -ENOTSUP},
	{SEG(.segsz = 1, .numa_node = 1), -ENOTSUP},
	{SEG(.segsz = 1, .numa_node = -2), -ENOTSUP},
};

TEST_EACH_SPOT(arguments, test_segment_create_bad_options_refused)
{
	struct place p = spot_name(*at, 0);
	struct leak_count before = leak_count();

	SAME(-EINVAL, shmq_seg_create(p.create, NULL));
	for (size_t i = 0; i < sizeof(bad_segments) / sizeof(bad_segments[0]); i++)
		SAME(bad_segments[i].want, shmq_seg_create(p.create, &bad_segments[i].opts));
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}

static const struct {
	struct shmq_opts opts;
	int want;
} bad_queues[] = {
	{{.size = 0}, -EINVAL},
	{{.size = sizeof(struct shmq_opts) - 1}, -EINVAL},
	{{.size = sizeof(struct shmq_opts) + 8}, -EINVAL},
	{OPTS(.kind = SHMQ_SEGMENT), -EINVAL},
	{OPTS(.kind = -2), -EINVAL},
	{OPTS(.kind = SHMQ_LATEST + 1), -EINVAL},
	{OPTS(.kind = INT_MAX), -EINVAL},
	{OPTS(.msg_max = SHMQ_MSG_MAX + 1), -EINVAL},
	{OPTS(.msg_max = SIZE_MAX), -EINVAL},
	{OPTS(.capacity = SHMQ_CAPACITY_MAX + 1), -EINVAL},
	{OPTS(.capacity = SIZE_MAX), -EINVAL},
	{OPTS(.msg_max = SHMQ_MSG_MAX, .capacity = SHMQ_CAPACITY_MAX), -EINVAL},
	{OPTS(.participants = SHMQ_PARTICIPANTS_MAX + 1), -EINVAL},
	{OPTS(.participants = UINT_MAX), -EINVAL},
	{OPTS(.flags = SHMQ_SPARSE), -EINVAL},
	{OPTS(.flags = SHMQ_CONSUMER), -EINVAL},
	{OPTS(.flags = 0x80000000u), -EINVAL},
	{OPTS(.flags = SHMQ_LOSSY), -ENOTSUP},
	{OPTS(.flags = SHMQ_REDELIVER), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPSC, .flags = SHMQ_LOSSY), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPSC, .flags = SHMQ_REDELIVER), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPMC, .flags = SHMQ_LOSSY), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPMC, .flags = SHMQ_RECORDS), -ENOTSUP},
	{OPTS(.kind = SHMQ_BROADCAST, .flags = SHMQ_REDELIVER), -ENOTSUP},
	{OPTS(.kind = SHMQ_LATEST, .flags = SHMQ_LOSSY), -ENOTSUP},
	{OPTS(.kind = SHMQ_LATEST, .flags = SHMQ_RECORDS), -ENOTSUP},
	{OPTS(.kind = SHMQ_LATEST, .flags = SHMQ_REDELIVER), -ENOTSUP},
	{OPTS(.kind = SHMQ_LATEST, .capacity = 1), -EINVAL},
	{OPTS(.flags = SHMQ_RECORDS, .msg_max = 64, .capacity = 71), -EINVAL},
	{OPTS(.flags = SHMQ_RECORDS, .capacity = SHMQ_CAPACITY_MAX + 1), -EINVAL},
	{OPTS(.mode = 01600), -EINVAL},
	{OPTS(.max_deliveries = 1), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPMC, .max_deliveries = 1), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPMC, .flags = SHMQ_REDELIVER,
	      .max_deliveries = SHMQ_DELIVERIES_MAX + 1),
	 -EINVAL},
	{OPTS(.slow_limit = 1), -ENOTSUP},
	{OPTS(.kind = SHMQ_MPMC, .slow_limit = 1), -ENOTSUP},
	{OPTS(.kind = SHMQ_BROADCAST, .flags = SHMQ_LOSSY, .slow_limit = 1), -ENOTSUP},
	{OPTS(.kind = SHMQ_BROADCAST, .capacity = 8, .slow_limit = 9), -EINVAL},
	{OPTS(.page_size = 1), -ENOTSUP},
	{OPTS(.page_size = 4097), -ENOTSUP},
	{OPTS(.numa_node = 1), -ENOTSUP},
};

TEST_EACH_SPOT(arguments, test_queue_create_bad_options_refused)
{
	struct place p = spot_name(*at, 0);
	struct leak_count before = leak_count();
	struct shmq *q = NULL;

	for (size_t i = 0; i < sizeof(bad_queues) / sizeof(bad_queues[0]); i++) {
		SAME(bad_queues[i].want, shmq_create(p.create, &bad_queues[i].opts));
		SAME(bad_queues[i].want, shmq_footprint(&bad_queues[i].opts));
		SAME(bad_queues[i].want,
		     shmq_open(&q, p.create, &bad_queues[i].opts, SHMQ_PRODUCER));
	}
	MUST(q == NULL);
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* Any node, in both its spellings; nobody to tell of participants. */
TEST_EACH_SPOT(arguments, test_node_of_any_number_works)
{
	struct shmq_opts opts = OPTS(.numa_node = -1);
	struct shmq_seg_opts raw = {.size = sizeof(raw), .segsz = 1, .numa_node = -1};
	struct place p = spot_queue(*at, 0, &opts), seg = spot_segment(*at, 1, &raw);

	SAME(-EINVAL, shmq_participants(p.attach, NULL, NULL));
	place_remove(&p);
	place_remove(&seg);
}

Test(arguments, test_footprint_is_what_a_queue_takes)
{
	struct shmq_opts opts = OPTS(.msg_max = 1000, .capacity = 100, .participants = 5);
	struct place p = spot_queue(SPOT_SHM, 0, &opts);
	struct shmq_stat st = place_stat(&p);

	SAME(st.segsz + 4096, shmq_footprint(&opts)); /* and the handle's page */
	SAME(st.lock_needed_bytes, shmq_footprint(&opts));
	MUST(shmq_footprint(NULL) >= 1024 * 4096);
	place_remove(&p);
}

TEST_EACH_SPOT(arguments, test_segment_attach_bad_flags_einval)
{
	static const unsigned bad[] = {
		1, SHMQ_HANGUP, SHMQ_LOSSY, SHMQ_SPARSE, 0x80000000u, SHM_RDONLY | SHMQ_OBSERVER,
	};
	struct place p = spot_segment(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = (void *)&p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		SAME(-EINVAL, shmq_seg_attach(&seg, p.attach, bad[i]));
	SAME(-EINVAL, shmq_seg_attach(NULL, p.attach, 0));
	SAME(-EINVAL, shmq_seg_attach_at(NULL, p.attach, NULL, 0));
	MUST(seg == (void *)&p);
	SAME(0, place_stat(&p).nattch);
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(arguments, test_queue_attach_bad_role_refused)
{
	static const struct {
		unsigned role;
		int want;
	} bad[] = {
		{0, -EINVAL},
		{SHMQ_HANGUP, -EINVAL},
		{SHMQ_LOCK | SHMQ_POPULATE, -EINVAL},
		{SHMQ_OBSERVER | SHMQ_PRODUCER, -EINVAL},
		{SHMQ_OBSERVER | SHMQ_CONSUMER, -EINVAL},
		{SHMQ_OBSERVER | SHMQ_HANGUP, -EINVAL},
		{SHMQ_PRODUCER | SHMQ_LOSSY, -EINVAL},
		{SHMQ_PRODUCER | SHMQ_SPARSE, -EINVAL},
		{SHMQ_PRODUCER | 0x80000000u, -EINVAL},
		{SHMQ_CONSUMER | SHMQ_OLDEST, -ENOTSUP},
	};
	struct place p = spot_queue(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq *q = (void *)&p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SAME(bad[i].want, shmq_attach(&q, p.attach, bad[i].role));
		SAME(bad[i].want, shmq_open(&q, p.attach, NULL, bad[i].role));
	}
	SAME(-EINVAL, shmq_attach(NULL, p.attach, SHMQ_PRODUCER));
	SAME(-EINVAL, shmq_open(NULL, p.attach, NULL, SHMQ_PRODUCER));
	MUST(q == (void *)&p);
	SAME(0, place_stat(&p).nattch);
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(arguments, test_queue_attach_raw_segment_einval)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq *q = NULL;
	/* Raw sysv: memory has no header that could tell whose it is. */
	int want = spot_is_sysv(*at) ? -EPROTONOSUPPORT : -EINVAL;

	SAME(want, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	SAME(want, shmq_attach(&q, p.attach, SHMQ_CONSUMER | SHMQ_HANGUP));
	SAME(want, shmq_attach(&q, p.attach, SHMQ_OBSERVER));
	MUST(q == NULL);
	SAME(0, place_stat(&p).nattch);
	leak_none_since(before);
	place_remove(&p);
}

Test(arguments, test_segment_calls_null_refused)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();

	SAME(-EINVAL, shmq_seg_detach(NULL));
	SAME(-EINVAL, shmq_seg_detach_at(NULL));
	SAME(-EINVAL, shmq_seg_detach_at(&st));
	MUST(shmq_seg_base(NULL) == NULL);
	SAME(0, shmq_seg_size(NULL));
	SAME(-EINVAL, shmq_seg_resize(NULL, 4096));
	SAME(-EINVAL, shmq_seg_sync(NULL));
	SAME(-EINVAL, shmq_seg_stat(NULL, &st));
	SAME(-EINVAL, shmq_list(NULL, NULL));
	leak_none_since(before);
}

/* Every call that fills a struct shmq_stat, with a wrong one. */
static void
stats_say(int want, struct shmq_stat *st, const struct place *p, const struct shmq_seg *seg,
	  const struct shmq *q)
{
	SAME(want, shmq_stat(p->attach, st));
	SAME(want, shmq_seg_stat(seg, st));
	SAME(want, shmq_seg_find(shmq_seg_base(seg), st));
	SAME(want, shmq_qstat(q, st));
}

TEST_EACH_SPOT(arguments, test_stat_bad_struct_refused)
{
	static const size_t sizes[] = {0, 8, sizeof(struct shmq_stat) - 1,
				       sizeof(struct shmq_stat) + 8, SIZE_MAX};
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER);
	struct leak_count before = leak_count();
	struct shmq_stat st;

	stats_say(-EFAULT, NULL, &p, seg, q);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unit_dirty(&st, sizes[i]);
		stats_say(-EINVAL, &st, &p, seg, q);
		MUST(unit_still_dirty(&st, sizes[i]));
	}
	leak_none_since(before);
	SAME(0, shmq_detach(q));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(arguments, test_set_bad_struct_refused)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_perm perm = {.size = sizeof(perm) - 1, .mode = 0};
	struct leak_count before = leak_count();

	SAME(-EFAULT, shmq_set(p.attach, NULL));
	SAME(-EINVAL, shmq_set(p.attach, &perm));
	perm.size = 0;
	SAME(-EINVAL, shmq_set(p.attach, &perm));
	SAME(0600, place_stat(&p).mode & 0777);
	leak_none_since(before);
	place_remove(&p);
}

Test(arguments, test_memlock_bad_struct_einval)
{
	struct shmq_memlock figures = {.size = sizeof(figures) + 1, .needed_bytes = 77};

	SAME(-EINVAL, shmq_memlock(4096, &figures));
	SAME(77, figures.needed_bytes);
	SAME(0, shmq_memlock(4096, NULL));
}

Test(arguments, test_queue_calls_null_handle_einval)
{
	struct shmq_info info = {.size = sizeof(info)};
	struct shmq_stat st = {.size = sizeof(st)};
	char bytes[8] = "";
	struct iovec v = {bytes, sizeof(bytes)};

	SAME(-EINVAL, shmq_send(NULL, bytes, 1, 0));
	SAME(-EINVAL, shmq_recv(NULL, bytes, 1, 0));
	SAME(-EINVAL, shmq_send_batch(NULL, &v, 1, 0));
	SAME(-EINVAL, shmq_recv_batch(NULL, &v, 1, 0));
	SAME(-EINVAL, shmq_reserve(NULL, &v, 1, 0));
	SAME(-EINVAL, shmq_commit(NULL, &v));
	SAME(-EINVAL, shmq_abort(NULL, &v));
	SAME(-EINVAL, shmq_peek(NULL, &v, 0));
	SAME(-EINVAL, shmq_release(NULL, &v));
	SAME(-EINVAL, shmq_info(NULL, &info));
	SAME(-EINVAL, shmq_qstat(NULL, &st));
	SAME(-EINVAL, shmq_detach(NULL));
}

TEST_EACH_SPOT(arguments, test_queue_calls_bad_arguments_einval)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct shmq_info info = {.size = sizeof(info) - 1};
	char bytes[64] = "x";
	struct iovec v = {bytes, sizeof(bytes)}, none = {NULL, 4};

	for (int64_t timeout = -2; timeout != INT64_MIN; timeout = timeout < -2 ? INT64_MIN : -3) {
		SAME(-EINVAL, shmq_send(q, bytes, 1, timeout));
		SAME(-EINVAL, shmq_recv(q, bytes, 1, timeout));
		SAME(-EINVAL, shmq_send_batch(q, &v, 1, timeout));
		SAME(-EINVAL, shmq_recv_batch(q, &v, 1, timeout));
		SAME(-EINVAL, shmq_reserve(q, &v, 1, timeout));
		SAME(-EINVAL, shmq_peek(q, &v, timeout));
	}
	SAME(-EINVAL, shmq_send(q, bytes, 1, INT64_MIN));
	SAME(-EINVAL, shmq_recv(q, bytes, 1, INT64_MIN));
	SAME(-EINVAL, shmq_send(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_recv(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_send_batch(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_recv_batch(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_send_batch(q, &none, 1, 0));
	SAME(-EINVAL, shmq_reserve(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_commit(q, NULL));
	SAME(-EINVAL, shmq_abort(q, NULL));
	SAME(-EINVAL, shmq_peek(q, NULL, 0));
	SAME(-EINVAL, shmq_release(q, NULL));
	SAME(-EFAULT, shmq_info(q, NULL));
	SAME(-EINVAL, shmq_info(q, &info));
	SAME(0, place_stat(&p).sent);

	SAME(0, shmq_send(q, NULL, 0, 0));
	SAME(-EINVAL, shmq_recv(q, NULL, 1, 0));
	SAME(-EINVAL, shmq_peek(q, NULL, 0));
	SAME(1, place_stat(&p).depth);
	SAME(0, shmq_recv(q, NULL, 0, 0));
	SAME(0, shmq_detach(q));
	place_remove(&p);
}
