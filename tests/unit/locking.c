/* SPDX-License-Identifier: MIT */
/* Memory locked into RAM: the preflight, SHMQ_LOCK, shmq_lock(), and what they say when it cannot be. */
#include "unit.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT 65536

TestSuite(locking, .init = unit_begin, .fini = place_end);

static struct shmq_stat
stat_of(const struct shmq_seg *seg)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_stat(seg, &st));
	return st;
}

/* A segment that others may use, of so many bytes. */
static struct place
open_segment(enum spot at, size_t bytes, unsigned flags)
{
	struct shmq_seg_opts opts = {
		.size = sizeof(opts),
		.segsz = bytes,
		.mode = 0666,
		.flags = flags,
	};

	if (at == SPOT_FILE)
		SAME(0, chmod(place_directory(), 0755));
	return spot_segment(at, 0, &opts);
}

/* Preflight ---------------------------------------------------------------------------------- */

static struct shmq_memlock
memlock(int want, size_t bytes)
{
	struct shmq_memlock m = {.size = sizeof(m)};

	SAME(want, shmq_memlock(bytes, &m));
	SAME(want, shmq_memlock(bytes, NULL));
	return m;
}

static void
figures_without_limit(void *arg)
{
	struct shmq_memlock m = memlock(-EPERM, 5000);

	(void)arg;
	SAME(8192, m.needed_bytes);
	SAME(0, m.limit_bytes);
	SAME(0, m.used_bytes);
	SAME(0, m.privileged);
	memlock(-EPERM, 0);
}

Test(locking, test_memlock_limit_zero_eperm)
{
	unit_as_nobody(figures_without_limit, NULL, 0);
}

static void
figures_with_limit(void *arg)
{
	struct shmq_seg *seg;

	SAME(LIMIT, memlock(0, LIMIT).limit_bytes);
	SAME(LIMIT, memlock(0, LIMIT - 4095).needed_bytes);
	SAME(LIMIT + 4096, memlock(-ENOMEM, LIMIT + 1).needed_bytes);
	MUST(memlock(-ENOMEM, SIZE_MAX).needed_bytes == UINT64_MAX);
	SAME(0, memlock(0, 0).needed_bytes);
	seg = unit_attach(arg, SHMQ_LOCK);
	SAME(20480, memlock(0, 40960).used_bytes);
	SAME(20480, memlock(-ENOMEM, LIMIT - 20479).used_bytes);
	SAME(0, memlock(0, LIMIT - 20480).privileged);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, memlock(0, LIMIT).used_bytes);
}

TEST_EACH_SPOT(locking, test_memlock_counts_what_is_used)
{
	struct place p = open_segment(*at, 20000, 0);

	unit_as_nobody(figures_with_limit, &p, LIMIT);
	place_remove(&p);
}

Test(locking, test_memlock_privileged_is_not_limited)
{
	struct rlimit limit;
	struct shmq_memlock m;

	if (geteuid() != 0)
		cr_skip_test("needs CAP_IPC_LOCK");
	SAME(0, getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = 0;
	SAME(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	m = memlock(0, 1 << 20);
	SAME(1, m.privileged);
	SAME(0, m.limit_bytes);
	limit.rlim_cur = limit.rlim_max;
	SAME(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	m = memlock(0, 1 << 20);
	MUST(m.limit_bytes == (limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max));
}

/* SHMQ_LOCK ---------------------------------------------------------------------------------- */

TEST_EACH_SPOT(locking, test_attach_lock_all_resident_and_locked)
{
	struct place p = open_segment(*at, 40000, SHMQ_SPARSE);
	struct shmq_seg *plain = unit_attach(&p, 0), *locked;
	struct shmq_stat st;

	SAME(0, stat_of(plain).locked_bytes);
	locked = unit_attach(&p, SHMQ_LOCK);
	st = stat_of(locked);
	SAME(40960, st.locked_bytes);
	SAME(40960, st.resident_bytes);
	SAME(40960, st.lock_needed_bytes);
	SAME(0, shmq_seg_detach(locked));
	SAME(0, stat_of(plain).locked_bytes);
	SAME(0, shmq_seg_detach(plain));
	place_remove(&p);
}

TEST_EACH_SPOT(locking, test_attach_lock_read_only_works)
{
	struct place p = open_segment(*at, 40000, SHMQ_SPARSE);
	struct shmq_seg *seg = unit_attach(&p, SHMQ_LOCK | SHM_RDONLY);

	SAME(40960, stat_of(seg).locked_bytes);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(locking, test_create_lock_every_attach_is_locked)
{
	struct place p = open_segment(*at, 20000, SHMQ_LOCK);
	struct shmq_seg *seg;

	SAME(SHMQ_LOCKED, place_stat(&p).mode & SHMQ_LOCKED);
	SAME(20480, place_stat(&p).resident_bytes);
	seg = unit_attach(&p, 0);
	SAME(20480, stat_of(seg).locked_bytes);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(locking, test_queue_lock_all_resident_and_locked)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 100, .flags = SHMQ_LOCK};
	struct place p = spot_queue(*at, 0, &opts);
	struct shmq *q = unit_join(&p, SHMQ_CONSUMER);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_qstat(q, &st));
	SAME(shmq_footprint(&opts) - 4096,
	     st.locked_bytes); /* the handle's page is not the queue's */
	SAME(shmq_footprint(&opts) - 4096, st.resident_bytes);
	SAME(shmq_footprint(&opts), st.lock_needed_bytes);
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

struct refusal {
	struct place p, fresh;
	int want;
};

/* Attach and create with a lock: refused, with nothing left behind. */
static void
lock_refused(void *arg)
{
	struct refusal *r = arg;
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 2 * LIMIT, .flags = SHMQ_LOCK};
	struct shmq_opts queue = {.size = sizeof(queue), .msg_max = LIMIT, .flags = SHMQ_LOCK};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(r->want, shmq_seg_attach(&seg, r->p.attach, SHMQ_LOCK));
	SAME(r->want, shmq_seg_attach(&seg, r->p.attach, SHMQ_LOCK | SHM_RDONLY));
	SAME(r->want, shmq_attach(&q, r->p.attach, SHMQ_PRODUCER | SHMQ_LOCK));
	SAME(r->want, shmq_attach(&q, r->p.attach, SHMQ_OBSERVER | SHMQ_LOCK));
	SAME(r->want, shmq_seg_create(r->fresh.create, &opts));
	SAME(r->want, shmq_create(r->fresh.create, &queue));
	MUST(!seg && !q);
	SAME(0, place_stat(&r->p).nattch);
	leak_none_since(before);
}

static void
check_refusal(enum spot at, uint64_t limit, int want)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = LIMIT, .mode = 0666};
	struct refusal r = {.fresh = spot_name(at, 1), .want = want};
	unsigned leftovers;

	if (at == SPOT_FILE)
		SAME(0, chmod(place_directory(), 0777));
	r.p = spot_queue(at, 0, &opts);
	leftovers = place_is_private() ? place_leftovers() : 0;
	unit_as_nobody(lock_refused, &r, limit);
	if (place_is_private())
		SAME(leftovers, place_leftovers());
	place_remove(&r.p);
}

TEST_EACH_SPOT(locking, test_lock_over_limit_enomem)
{
	check_refusal(*at, LIMIT, -ENOMEM);
}

TEST_EACH_SPOT(locking, test_lock_limit_zero_eperm)
{
	check_refusal(*at, 0, -EPERM);
}

/* On mmap backends the promise is each attach's to keep; a locked SysV segment is locked whoever attaches. */
static void
promise_refused(void *arg)
{
	struct refusal *r = arg;
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;

	SAME(r->want, shmq_seg_attach(&seg, r->p.attach, 0));
	if (r->want == 0)
		SAME(0, shmq_seg_detach(seg));
	leak_none_since(before);
}

TEST_EACH_SPOT(locking, test_attach_of_locked_segment_without_limit_refused)
{
	struct refusal r = {.p = open_segment(*at, 2 * LIMIT, SHMQ_LOCK)};

	r.want = spot_is_sysv(*at) ? 0 : -EPERM;
	unit_as_nobody(promise_refused, &r, 0);
	r.want = spot_is_sysv(*at) ? 0 : -ENOMEM;
	unit_as_nobody(promise_refused, &r, LIMIT);
	SAME(0, place_stat(&r.p).nattch);
	place_remove(&r.p);
}

static void
within_limit(void *arg)
{
	struct shmq_seg *seg = unit_attach(arg, SHMQ_LOCK);

	SAME(LIMIT / 2, stat_of(seg).locked_bytes);
	SAME(0, shmq_seg_detach(seg));
}

TEST_EACH_SPOT(locking, test_lock_within_limit_works_unprivileged)
{
	struct place p = open_segment(*at, LIMIT / 2, 0);

	unit_as_nobody(within_limit, &p, LIMIT);
	place_remove(&p);
}

/* shmq_lock() -------------------------------------------------------------------------------- */

TEST_EACH_SPOT(locking, test_lock_by_address_and_unlock_idempotent)
{
	struct place p = open_segment(*at, 20000, 0);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = unit_attach(&p, 0);

	memset(shmq_seg_base(seg), 1, 20000); /* SHM_LOCK alone does not fault in */
	for (int i = 0; i < 2; i++) {
		SAME(0, shmq_lock(p.attach));
		SAME(SHMQ_LOCKED, place_stat(&p).mode & SHMQ_LOCKED);
		SAME(20480, stat_of(seg).locked_bytes);
	}
	for (int i = 0; i < 2; i++) {
		SAME(0, shmq_unlock(p.attach));
		SAME(0, place_stat(&p).mode & SHMQ_LOCKED);
		SAME(0, stat_of(seg).locked_bytes);
	}
	SAME(0, shmq_lock(p.attach));
	SAME(0, shmq_seg_detach(seg));
	seg = unit_attach(&p, 0);
	SAME(20480, stat_of(seg).locked_bytes);
	SAME(0, shmq_seg_detach(seg));
	leak_none_since(before);
	place_remove(&p);
}

static void
owner_without_limit(void *arg)
{
	const struct place *p = arg;
	struct leak_count before = leak_count();

	SAME(-EPERM, shmq_lock(p->attach));
	SAME(0, shmq_unlock(p->attach));
	leak_none_since(before);
	SAME(0, place_stat(p).mode & SHMQ_LOCKED);
}

static void
owner_over_limit(void *arg)
{
	const struct place *p = arg;
	struct leak_count before = leak_count();

	SAME(-ENOMEM, shmq_lock(p->attach));
	leak_none_since(before);
	SAME(0, place_stat(p).mode & SHMQ_LOCKED);
}

TEST_EACH_SPOT(locking, test_lock_by_owner_within_limits_only)
{
	struct shmq_perm perm = {sizeof(perm), 65534, 65534, 0600};
	struct place p;

	if (geteuid() != 0)
		cr_skip_test("needs root, to give it away");
	p = open_segment(*at, 2 * LIMIT, 0);
	SAME(0, shmq_set(p.attach, &perm));
	unit_as_nobody(owner_without_limit, &p, 0);
	unit_as_nobody(owner_over_limit, &p, LIMIT);
	place_remove(&p);
}

static long
locked_bytes(struct shmq_seg *seg)
{
	return (long)stat_of(seg).locked_bytes;
}

static void
room_for_one_of_two(void *arg)
{
	const struct place *p = arg;
	struct shmq_seg *a = unit_attach(p, 0), *b = unit_attach(p, 0);

	SAME(-ENOMEM, shmq_lock(p->attach));
	SAME(0, locked_bytes(a));
	SAME(0, locked_bytes(b));
	SAME(0, place_stat(p).mode & SHMQ_LOCKED);
	SAME(0, shmq_seg_detach(b));
	SAME(0, shmq_lock(p->attach));
	SAME(LIMIT, locked_bytes(a));
	SAME(0, shmq_unlock(p->attach));
	SAME(0, shmq_seg_detach(a));
}

/* What a process has attached is locked all of it, or none. */
TEST_EACH_SPOT(locking, test_lock_room_for_one_of_two_attaches_locks_none)
{
	struct shmq_perm perm = {sizeof(perm), 65534, 65534, 0600};
	struct place p;

	if (geteuid() != 0)
		cr_skip_test("needs root, to give it away");
	if (spot_is_sysv(*at))
		return; /* the kernel's: a lock of the segment */
	p = open_segment(*at, LIMIT, 0);
	SAME(0, shmq_set(p.attach, &perm));
	unit_as_nobody(room_for_one_of_two, &p, LIMIT + LIMIT / 2);
	place_remove(&p);
}
