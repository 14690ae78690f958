/* SPDX-License-Identifier: MIT */
/* The lifecycle by address: stat, set, remove, list, gc. */
#include "unit.h"

#include <fcntl.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(control, .init = unit_begin, .fini = place_end);

static const int backends[] = {
	[SPOT_SHM] = SHMQ_BACKEND_SHM,	    [SPOT_SYSV] = SHMQ_BACKEND_SYSV,
	[SPOT_FILE] = SHMQ_BACKEND_FILE,    [SPOT_MEMFD] = SHMQ_BACKEND_FD,
	[SPOT_SYSV_ID] = SHMQ_BACKEND_SYSV,
};

/* Stat --------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(control, test_stat_new_segment)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 5000, .mode = 0620};
	int64_t now = time(NULL);
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_stat st = place_stat(&p);

	SAME(sizeof(st), st.size);
	SAME(5000, st.segsz);
	SAME(0620, st.mode);
	SAME(geteuid(), st.uid);
	SAME(getegid(), st.gid);
	SAME(geteuid(), st.cuid);
	SAME(getegid(), st.cgid);
	SAME(getpid(), st.cpid);
	SAME(0, st.lpid);
	SAME(0, st.nattch);
	SAME(0, st.atime);
	SAME(0, st.dtime);
	MUST(st.ctime >= now && st.ctime <= time(NULL));
	MUST(st.base == NULL);
	SAME(backends[*at], st.backend);
	SAME(4096, st.page_size);
	SAME(SHMQ_SEGMENT, st.kind);
	SAME(8192, st.lock_needed_bytes);
	MUST(spot_is_sysv(*at) ? st.id >= 0 : st.id == -1);
	MUST(*at == SPOT_MEMFD || *at == SPOT_SYSV_ID ? st.key == 0 : st.key != 0);
	place_remove(&p);
}

TEST_EACH_SPOT(control, test_stat_attached_and_after)
{
	struct place p = spot_segment(*at, 0, NULL);
	int64_t now = time(NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_stat(seg, &st));
	MUST(st.base == shmq_seg_base(seg));
	SAME(1, st.nattch);
	SAME(getpid(), st.lpid);
	MUST(st.atime >= now);
	SAME(0, st.dtime);
	SAME(0, shmq_seg_detach(seg));
	st = place_stat(&p);
	SAME(0, st.nattch);
	MUST(st.dtime >= now);
	place_remove(&p);
}

TEST_EACH_SPOT(control, test_stat_resident_is_what_was_touched)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 40960, .flags = SHMQ_SPARSE};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_seg_stat(seg, &st));
	SAME(0, st.resident_bytes);
	*((char *)shmq_seg_base(seg) + 20000) = 1;
	SAME(0, shmq_seg_stat(seg, &st));
	/* A disk file may be read around the fault. */
	MUST(*at == SPOT_FILE ? st.resident_bytes >= 4096 : st.resident_bytes == 4096);
	SAME(0, shmq_seg_detach(seg));
	seg = unit_attach(&p, SHMQ_POPULATE);
	SAME(0, shmq_seg_stat(seg, &st));
	SAME(40960, st.resident_bytes);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

TEST_EACH_SPOT(control, test_stat_queue_figures)
{
	struct place p = spot_ring(*at, 100, 5);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct shmq_stat st = {.size = sizeof(st)}, by_address;
	char buf[100] = "";

	for (int i = 0; i < 4; i++)
		SAME(0, shmq_send(q, buf, 10, 0));
	SAME(10, shmq_recv(q, buf, sizeof(buf), 0));
	by_address = place_stat(&p);
	SAME(0, shmq_qstat(q, &st));
	SAME(SHMQ_SPSC, st.kind);
	SAME(100, st.msg_max);
	SAME(5, st.capacity);
	SAME(4, st.sent);
	SAME(1, st.received);
	SAME(3, st.depth);
	SAME(0, st.lost + st.redelivered + st.dead);
	SAME(1, st.producers);
	SAME(1, st.consumers);
	SAME(1, st.nattch);
	SAME(4, by_address.sent);
	SAME(3, by_address.depth);
	SAME(1, by_address.producers);
	SAME(1, by_address.consumers);
	SAME(100, by_address.msg_max);
	SAME(0, shmq_detach(q));
	st = place_stat(&p);
	SAME(0, st.producers + st.consumers);
	SAME(3, st.depth);
	place_remove(&p);
}

TEST_EACH_SPOT(control, test_create_null_options_defaults)
{
	struct place p = spot_name(*at, 0);
	int result = shmq_create(p.create, NULL);
	struct shmq_stat st;

	MUST(result >= 0);
	if (*at == SPOT_MEMFD)
		snprintf(p.attach, sizeof(p.attach), "fd:%d", p.fd = result);
	if (*at == SPOT_SYSV_ID)
		snprintf(p.attach, sizeof(p.attach), "sysv:id/%d", result);
	st = place_stat(&p);
	SAME(4096, st.msg_max);
	SAME(1024, st.capacity);
	SAME(SHMQ_SPSC, st.kind);
	SAME(0600, st.mode);
	place_remove(&p);
}

/* The umask is for files that people make. */
TEST_EACH_SPOT(control, test_create_mode_ignores_umask)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 1, .mode = 0777};
	mode_t mask = umask(077);
	struct place p = spot_segment(*at, 0, &opts);

	umask(mask);
	SAME(0777, place_stat(&p).mode);
	place_remove(&p);
}

/* On sysv: the kernel numbers, and counts on when a number comes again. */
TEST_EACH_SPOT(control, test_seq_differs_between_successors)
{
	struct shmq_stat first, st;
	unsigned differ = 0;

	for (unsigned n = 0; n < 8; n++) {
		struct place p = spot_segment(*at, 0, NULL);

		st = place_stat(&p);
		first = n ? first : st;
		differ += st.seq != first.seq || st.id != first.id;
		place_remove(&p);
	}
	MUST(differ > 0);
}

/* Set ---------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(control, test_set_changes_what_is_given_only)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0640};
	struct leak_count before = leak_count();

	SAME(0, shmq_set(p.attach, &perm));
	SAME(0640, place_stat(&p).mode);
	SAME(geteuid(), place_stat(&p).uid);
	perm = (struct shmq_perm){sizeof(perm), (uid_t)-1, (gid_t)-1, (mode_t)-1};
	SAME(0, shmq_set(p.attach, &perm));
	SAME(0640, place_stat(&p).mode);
	if (geteuid() == 0) {
		perm = (struct shmq_perm){sizeof(perm), 1234, 1235, (mode_t)-1};
		SAME(0, shmq_set(p.attach, &perm));
		SAME(1234, place_stat(&p).uid);
		SAME(1235, place_stat(&p).gid);
		SAME(0, place_stat(&p).cuid);
		SAME(0640, place_stat(&p).mode);
	}
	leak_none_since(before);
	place_remove(&p);
}

static void
not_the_owner(void *arg)
{
	const struct place *p = arg;
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0777};
	struct leak_count before = leak_count();

	SAME(-EPERM, shmq_set(p->attach, &perm));
	SAME(-EPERM, shmq_remove(p->attach));
	SAME(-EPERM, shmq_lock(p->attach));
	SAME(-EPERM, shmq_unlock(p->attach));
	leak_none_since(before);
}

TEST_EACH_SPOT(control, test_set_remove_lock_by_another_user_eperm)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 8, .capacity = 2, .mode = 0666};
	struct place p;

	if (*at == SPOT_FILE)
		SAME(0, chmod(place_directory(), 0755));
	p = spot_queue(*at, 0, &opts);
	unit_as_nobody(not_the_owner, &p, 65536);
	SAME(0666, place_stat(&p).mode);
	place_remove(&p);
}

/* The kernel lets him; he lends himself the permission that a file needs, and gives it back. */
static void
owner_without_permission(void *arg)
{
	const struct place *p = arg;
	struct shmq_perm perm = {sizeof(perm), 65534, 65534, 0};
	struct leak_count before = leak_count();

	SAME(0, shmq_set(p->attach, &perm));
	SAME(0, shmq_unlock(p->attach));
	leak_none_since(before);
}

TEST_EACH_SPOT(control, test_owner_without_permission_may_mode_stays)
{
	struct shmq_perm perm = {sizeof(perm), 65534, 65534, 0};
	struct place p;

	if (*at == SPOT_FILE)
		SAME(0, chmod(place_directory(), 0755));
	p = spot_queue(*at, 0, NULL);
	if (geteuid() == 0)
		SAME(0, shmq_set(p.attach, &perm));
	unit_as_nobody(owner_without_permission, &p, 65536);
	SAME(0, place_stat(&p).mode);
	SAME(65534, place_stat(&p).uid);
	place_remove(&p);
}

/* Remove ------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(control, test_remove_unattached_is_gone)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0640};
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;
	struct leak_count before = leak_count();
	int want = *at == SPOT_MEMFD ? -EIDRM : *at == SPOT_SYSV_ID ? -EINVAL : -ENOENT;

	SAME(0, shmq_remove(p.attach));
	SAME(want, shmq_stat(p.attach, &st));
	SAME(want, shmq_seg_attach(&seg, p.attach, 0));
	SAME(want, shmq_seg_attach(&seg, p.attach, SHM_RDONLY));
	SAME(want, shmq_set(p.attach, &perm));
	SAME(want, shmq_lock(p.attach));
	SAME(want, shmq_unlock(p.attach));
	SAME(want, shmq_remove(p.attach));
	MUST(seg == NULL);
	leak_none_since(before);
	if (p.fd >= 0)
		close(p.fd);
	if (place_is_private())
		SAME(0, place_leftovers());
}

TEST_EACH_SPOT(control, test_remove_attached_marks_and_goes_with_last_detach)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, 0);
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, place_stat(&p).mode & SHMQ_DEST);
	SAME(0, shmq_remove(p.attach));
	SAME(0, shmq_seg_stat(seg, &st));
	SAME(SHMQ_DEST, st.mode & SHMQ_DEST);
	SAME(0, st.key);
	SAME(1, st.nattch);
	memset(shmq_seg_base(seg), 1, 8192);
	if (*at == SPOT_MEMFD || *at == SPOT_SYSV_ID)
		SAME(0, shmq_remove(p.attach)); /* once more is as good */
	SAME(0, shmq_seg_detach(seg));
	if (*at == SPOT_MEMFD)
		SAME(-EIDRM, shmq_stat(p.attach, &st));
	else
		MUST(shmq_stat(p.attach, &st) < 0);
	if (p.fd >= 0)
		close(p.fd);
	if (place_is_private())
		SAME(0, place_used_bytes());
}

TEST_EACH_SPOT(control, test_remove_frees_the_address_at_once)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4096};
	struct place p, next;
	struct shmq_seg *old;

	if (*at == SPOT_MEMFD || *at == SPOT_SYSV_ID)
		return; /* no name to be free */
	p = spot_segment(*at, 0, NULL);
	old = unit_attach(&p, 0);
	strcpy(shmq_seg_base(old), "old");
	SAME(0, shmq_remove(p.attach));
	next = spot_segment(*at, 0, &opts);
	SAME(4096, place_stat(&next).segsz);
	SAME(0, place_stat(&next).nattch);
	cr_assert_str_eq(shmq_seg_base(old), "old");
	SAME(0, shmq_seg_detach(old));
	place_remove(&next);
}

/* List --------------------------------------------------------------------------------------- */

struct listing {
	const char *address;
	int found, total, stop;
};

static int
count_listed(const struct shmq_stat *st, void *arg)
{
	struct listing *l = arg;

	SAME(sizeof(*st), st->size);
	l->total++;
	l->found += strcmp(st->address, l->address) == 0;
	return l->stop;
}

static struct listing
list(const char *address)
{
	struct listing l = {.address = address};
	struct leak_count before = leak_count();

	SAME(0, shmq_list(count_listed, &l));
	leak_none_since(before);
	return l;
}

TEST_EACH_SPOT(control, test_list_meets_each_once)
{
	struct place p = spot_segment(*at, 0, NULL), other = spot_queue(*at, 1, NULL);
	bool by_walk = *at != SPOT_FILE && *at != SPOT_MEMFD;
	struct shmq_seg *a, *b;

	SAME(by_walk, list(p.attach).found);
	a = unit_attach(&p, 0);
	b = unit_attach(&p, 0);
	SAME(1, list(p.attach).found);
	SAME(by_walk, list(other.attach).found);
	if (place_is_private())
		SAME(by_walk ? 2 : 1, list(p.attach).total);
	SAME(0, shmq_seg_detach(a));
	SAME(0, shmq_seg_detach(b));
	SAME(by_walk, list(p.attach).found);
	place_remove(&p);
	place_remove(&other);
	SAME(0, list(p.attach).found);
}

Test(control, test_list_ends_when_told)
{
	struct place p = spot_segment(SPOT_SHM, 0, NULL), q = spot_segment(SPOT_SYSV, 1, NULL);
	struct listing l = {.address = p.attach, .stop = 77};

	SAME(77, shmq_list(count_listed, &l));
	SAME(1, l.total);
	l = (struct listing){.address = p.attach, .stop = -5};
	SAME(-5, shmq_list(count_listed, &l));
	SAME(1, l.total);
	place_remove(&p);
	place_remove(&q);
}

/* Gc ----------------------------------------------------------------------------------------- */

struct finds {
	int count, errors;
	char last[512];
};

static void
note(const char *what, int err, void *arg)
{
	struct finds *finds = arg;

	finds->count++;
	finds->errors += err != 0;
	snprintf(finds->last, sizeof(finds->last), "%s", what);
}

/* Found `want` things, told of each, none in vain. */
static struct finds
collect(int dry_run, int want)
{
	struct leak_count before = leak_count();
	struct finds finds = {.count = 0};

	SAME(want, shmq_gc(dry_run, note, &finds));
	SAME(want, finds.count);
	SAME(0, finds.errors);
	leak_none_since(before);
	return finds;
}

static void
need_private_world(void)
{
	if (!place_is_private())
		cr_skip_test("others may have left something");
}

TEST_EACH_SPOT(control, test_gc_leaves_complete_ones_alone)
{
	struct place seg = spot_segment(*at, 0, NULL), q = spot_queue(*at, 1, NULL);

	need_private_world();
	collect(1, 0);
	collect(0, 0);
	SAME(0, shmq_gc(0, NULL, NULL));
	SAME(0, shmq_seg_detach(unit_attach(&seg, 0)));
	SAME(0, shmq_detach(unit_join(&q, SHMQ_PRODUCER)));
	place_remove(&seg);
	place_remove(&q);
}

/* A remover that died between the mark and the unlink. */
Test(control, test_gc_clears_marked_name)
{
	struct place p = spot_segment(SPOT_SHM, 0, NULL);
	struct object o = object_map(&p);
	struct shmq_stat st = {.size = sizeof(st)};

	need_private_world();
	shmq_store_relaxed_u32((uint32_t *)(void *)(o.bytes + 4096), 1);
	object_unmap(&o);
	MUST(strstr(collect(1, 1).last, p.attach) != NULL);
	SAME(SHMQ_DEST, place_stat(&p).mode & SHMQ_DEST);
	collect(0, 1);
	SAME(-ENOENT, shmq_stat(p.attach, &st));
	collect(0, 0);
	SAME(0, place_leftovers());
}

/* A queue that was removed with ipcrm leaves its side file. */
Test(control, test_gc_clears_side_file_without_segment)
{
	struct place p = spot_queue(SPOT_SYSV, 0, NULL);

	need_private_world();
	SAME(0, shmctl(object_shmid(&p), IPC_RMID, NULL));
	SAME(1, place_leftovers());
	collect(1, 1);
	SAME(1, place_leftovers());
	SAME(1, shmq_gc(0, NULL, NULL));
	SAME(0, place_leftovers());
}

Test(control, test_create_takes_marked_name)
{
	struct place p = spot_segment(SPOT_SHM, 0, NULL);
	struct object o = object_map(&p);

	shmq_store_relaxed_u32((uint32_t *)(void *)(o.bytes + 4096), 1);
	object_unmap(&o);
	p = spot_segment(SPOT_SHM, 0, NULL);
	SAME(0, place_stat(&p).mode & SHMQ_DEST);
	place_remove(&p);
}
