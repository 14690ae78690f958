/* SPDX-License-Identifier: MIT */
/* Segments: create, attach, find, detach. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(segment, .init = unit_begin, .fini = place_end);

/* Creation ----------------------------------------------------------------------------------- */

TEST_EACH_SPOT(segment, test_create_result_and_content)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 10000, .mode = 0640};
	struct place p = spot_segment(*at, 0, &opts);
	struct shmq_seg *seg = unit_attach(&p, 0);
	const unsigned char *base = shmq_seg_base(seg);

	SAME(0, (uintptr_t)base & 4095);
	SAME(10000, shmq_seg_size(seg));
	for (size_t i = 0; i < 10000; i++)
		SAME(0, base[i]);
	SAME(0640, place_stat(&p).mode);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
	if (place_is_private())
		SAME(0, place_leftovers());
}

TEST_EACH_SPOT(segment, test_create_taken_eexist)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4096};
	struct place p;
	struct shmq_seg *seg;
	struct leak_count before;

	if (*at == SPOT_MEMFD || *at == SPOT_SYSV_ID)
		return; /* no name to be taken */
	p = spot_segment(*at, 0, NULL);
	seg = unit_attach(&p, 0);
	strcpy(shmq_seg_base(seg), "here");
	before = leak_count();
	SAME(-EEXIST, shmq_seg_create(p.create, &opts));
	SAME(-EEXIST, shmq_create(p.create, NULL));
	leak_none_since(before);
	cr_assert_str_eq((char *)shmq_seg_base(seg), "here");
	SAME(8192, place_stat(&p).segsz);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

Test(segment, test_create_memfd_is_closed_on_exec_and_sealed)
{
	struct place p = spot_segment(SPOT_MEMFD, 0, NULL);

	MUST(p.fd >= 3);
	SAME(FD_CLOEXEC, fcntl(p.fd, F_GETFD));
	SAME(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, fcntl(p.fd, F_GET_SEALS));
	SAME(-1, ftruncate(p.fd, 0));
	place_remove(&p);
}

Test(segment, test_create_memfd_never_a_standard_descriptor)
{
	struct place p;
	int saved = dup(0);

	MUST(saved >= 3);
	SAME(0, close(0));
	p = spot_segment(SPOT_MEMFD, 0, NULL);
	MUST(p.fd >= 3);
	SAME(-1, fcntl(0, F_GETFD));
	place_remove(&p);
	SAME(0, dup2(saved, 0));
	close(saved);
}

TEST_EACH_SPOT(segment, test_create_full_file_system_enospc)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4 << 20};
	struct shmq_opts queue = {.size = sizeof(queue), .msg_max = 4096, .capacity = 1024};
	struct place p = spot_name(*at, 0);
	struct leak_count before;

	if (*at != SPOT_SHM)
		return; /* the others are not on the mount that we can limit */
	if (!place_is_private())
		cr_skip_test("needs a mount namespace");
	place_limit_shm(1 << 20);
	before = leak_count();
	SAME(-ENOSPC, shmq_seg_create(p.create, &opts));
	SAME(-ENOSPC, shmq_create(p.create, &queue));
	leak_none_since(before);
	SAME(0, place_leftovers());
	SAME(0, place_used_bytes());
	opts.segsz = 1 << 19;
	SAME(0, shmq_seg_create(p.create, &opts));
	SAME(0, shmq_remove(p.create));
}

/* More than any machine has: refused at once, without trying to get it. */
TEST_EACH_SPOT(segment, test_create_more_than_there_is_refused)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = (size_t)1 << 46};
	struct place p = spot_name(*at, 0);
	struct leak_count before = leak_count();
	int err = shmq_seg_create(p.create, &opts);

	MUST(err == -ENOMEM || err == -ENOSPC);
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* With every number of descriptors left, from none to enough. */
TEST_EACH_SPOT(segment, test_out_of_descriptors_emfile)
{
	struct place p = spot_queue(*at, 0, NULL), fresh = spot_name(*at, 1);
	struct leak_count before = leak_count();
	struct rlimit all, few;
	struct shmq *q = NULL;
	int lowest = dup(0), err = -EMFILE, refused = 0;

	close(lowest);
	SAME(0, getrlimit(RLIMIT_NOFILE, &all));
	few = all;
	for (few.rlim_cur = (rlim_t)lowest; err; few.rlim_cur++) {
		SAME(0, setrlimit(RLIMIT_NOFILE, &few));
		err = shmq_attach(&q, p.attach, SHMQ_PRODUCER);
		SAME(0, setrlimit(RLIMIT_NOFILE, &all));
		MUST(err == 0 || err == -EMFILE);
		refused += err != 0;
	}
	MUST(refused > 0);
	SAME(0, shmq_detach(q));
	few.rlim_cur = (rlim_t)lowest;
	SAME(0, setrlimit(RLIMIT_NOFILE, &few));
	err = shmq_create(fresh.create, NULL);
	SAME(0, setrlimit(RLIMIT_NOFILE, &all));
	SAME(-EMFILE, err);
	leak_none_since(before);
	place_remove(&p);
	if (place_is_private())
		SAME(0, place_leftovers());
}

static void
exhaust_address_space(enum spot at)
{
	struct shmq_seg_opts opts = {
		.size = sizeof(opts),
		.segsz = (size_t)1 << 46,
		.flags = SHMQ_SPARSE,
	};
	struct place p = spot_segment(at, 0, &opts);
	struct leak_count before = leak_count();
	struct shmq_seg *segs[3] = {NULL};
	int n = 0, err;

	while ((err = shmq_seg_attach(&segs[n], p.attach, 0)) == 0)
		MUST(++n < 3);
	SAME(-ENOMEM, err);
	MUST(segs[n] == NULL);
	while (n--)
		SAME(0, shmq_seg_detach(segs[n]));
	leak_none_since(before);
	place_remove(&p);
}

/* Half of the address space each: at the latest the second does not fit. */
Test(segment, test_attach_without_address_space_enomem)
{
	exhaust_address_space(SPOT_SHM);
	exhaust_address_space(SPOT_MEMFD);
}

/* Attach ------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(segment, test_attach_twice_shares_memory_and_counts_two)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq_seg *a = unit_attach(&p, 0), *b = unit_attach(&p, SHM_RDONLY);

	MUST(shmq_seg_base(a) != shmq_seg_base(b));
	SAME(2, place_stat(&p).nattch);
	strcpy((char *)shmq_seg_base(a) + 8000, "shared");
	cr_assert_str_eq((char *)shmq_seg_base(b) + 8000, "shared");
	SAME(0, shmq_seg_detach(a));
	SAME(1, place_stat(&p).nattch);
	cr_assert_str_eq((char *)shmq_seg_base(b) + 8000, "shared");
	SAME(0, shmq_seg_detach(b));
	SAME(0, place_stat(&p).nattch);
	leak_none_since(before);
	place_remove(&p);
}

static void
store(void *to)
{
	*(volatile char *)to = 1;
}

TEST_EACH_SPOT(segment, test_attach_read_only_store_faults)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *seg = unit_attach(&p, SHM_RDONLY);
	int status = process_end(process_start(store, shmq_seg_base(seg)));

	MUST(WIFSIGNALED(status));
	SAME(SIGSEGV, WTERMSIG(status));
	SAME(-1, mprotect(shmq_seg_base(seg), 4096, PROT_READ | PROT_WRITE));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

/* A page-aligned address with room for `bytes` around which nothing is. */
static char *
free_address(size_t bytes)
{
	char *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(room != MAP_FAILED);
	SAME(0, munmap(room, bytes));
	return room + bytes / 2 / 4096 * 4096;
}

TEST_EACH_SPOT(segment, test_attach_at_address)
{
	struct place p = spot_segment(*at, 0, NULL);
	char *wanted = free_address(1 << 20);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL, *none = NULL;

	SAME(0, shmq_seg_attach_at(&seg, p.attach, wanted, 0));
	MUST(shmq_seg_base(seg) == wanted);
	SAME(-EINVAL, shmq_seg_attach_at(&none, p.attach, wanted, 0));
	SAME(-EINVAL, shmq_seg_attach_at(&none, p.attach, wanted + 4096, SHM_RDONLY));
	SAME(-EINVAL, shmq_seg_attach_at(&none, p.attach, wanted + 1, 0));
	SAME(-EINVAL, shmq_seg_attach_at(&none, p.attach, NULL, SHM_REMAP));
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_seg_attach_at(&seg, p.attach, wanted + 4095, SHM_RND));
	MUST(shmq_seg_base(seg) == wanted);
	SAME(0, shmq_seg_detach(seg));
	MUST(none == NULL);
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(segment, test_attach_remap_replaces)
{
	struct place p = spot_segment(*at, 0, NULL);
	char *there = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct shmq_seg *seg = NULL;

	MUST(there != MAP_FAILED);
	strcpy(there, "mine");
	SAME(-EINVAL, shmq_seg_attach_at(&seg, p.attach, there, 0));
	cr_assert_str_eq(there, "mine");
	SAME(0, shmq_seg_attach_at(&seg, p.attach, there, SHM_REMAP));
	MUST(shmq_seg_base(seg) == there);
	SAME(0, there[0]);
	SAME(0, shmq_seg_detach(seg));
	SAME(-1, msync(there, 4096, MS_ASYNC)); /* nothing is mapped there any more */
	place_remove(&p);
}

Test(segment, test_attach_exec_on_noexec_mount_eperm)
{
	struct place p = spot_segment(SPOT_SHM, 0, NULL);
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOEXEC | MS_NOSUID | MS_NODEV;
	struct shmq_seg *seg = NULL;
	struct leak_count before;

	if (!place_is_private())
		cr_skip_test("needs a mount namespace");
	SAME(0, shmq_set(p.attach, &(struct shmq_perm){sizeof(struct shmq_perm), (uid_t)-1,
						       (gid_t)-1, 0700}));
	SAME(0, mount(NULL, "/dev/shm", NULL, flags, NULL));
	before = leak_count();
	SAME(-EPERM, shmq_seg_attach(&seg, p.attach, SHM_EXEC));
	MUST(seg == NULL);
	leak_none_since(before);
	place_remove(&p);
}

/* Permission --------------------------------------------------------------------------------- */

static void
no_permission(void *arg)
{
	const struct place *p = arg;
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0666};
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;
	struct leak_count before = leak_count();
	int want;

	SAME(-EACCES, shmq_seg_attach(&seg, p->attach, 0));
	SAME(-EACCES, shmq_seg_attach(&seg, p->attach, SHM_RDONLY));
	SAME(-EACCES, shmq_attach(&q, p->attach, SHMQ_PRODUCER));
	SAME(-EACCES, shmq_attach(&q, p->attach, SHMQ_OBSERVER));
	SAME(-EACCES, shmq_stat(p->attach, &st));
	SAME(-EACCES, shmq_set(p->attach, &perm));
	/* The kernel asks whose a SysV segment is, and no more. */
	want = p->on == ON_SYSV ? -EPERM : -EACCES;
	SAME(want, shmq_remove(p->attach));
	SAME(want, shmq_lock(p->attach));
	SAME(want, shmq_unlock(p->attach));
	MUST(!seg && !q);
	leak_none_since(before);
}

/* The directory of file: segments is the test's own; the file decides. */
static void
let_in(enum spot at)
{
	if (at == SPOT_FILE)
		SAME(0, chmod(place_directory(), 0755));
}

TEST_EACH_SPOT(segment, test_attach_without_permission_eacces)
{
	struct place p = spot_queue(*at, 0, NULL);

	let_in(*at);
	unit_as_nobody(no_permission, &p, 65536);
	place_remove(&p);
}

static void
read_permission(void *arg)
{
	const struct place *p = arg;
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;
	struct leak_count before = leak_count();

	SAME(-EACCES, shmq_seg_attach(&seg, p->attach, 0));
	SAME(-EACCES, shmq_attach(&q, p->attach, SHMQ_PRODUCER));
	SAME(-EACCES, shmq_attach(&q, p->attach, SHMQ_CONSUMER));
	MUST(!seg && !q);
	SAME(0, shmq_seg_attach(&seg, p->attach, SHM_RDONLY));
	SAME(1, place_stat(p).nattch);
	SAME(0, shmq_attach(&q, p->attach, SHMQ_OBSERVER));
	SAME(2, place_stat(p).nattch);
	SAME(0, shmq_detach(q));
	SAME(0, shmq_seg_detach(seg));
	SAME(0, place_stat(p).nattch);
	leak_none_since(before);
}

TEST_EACH_SPOT(segment, test_attach_with_read_permission_only_read_only)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 8, .capacity = 2, .mode = 0604};
	struct place p = spot_queue(*at, 0, &opts);

	let_in(*at);
	unit_as_nobody(read_permission, &p, 65536);
	place_remove(&p);
}

static void
no_directory(void *arg)
{
	const struct place *p = arg;
	struct leak_count before = leak_count();

	SAME(-EACCES, shmq_create(p->create, NULL));
	SAME(-EACCES, shmq_seg_create(p->create,
				      &(struct shmq_seg_opts){.size = sizeof(struct shmq_seg_opts),
							      .segsz = 1}));
	leak_none_since(before);
}

Test(segment, test_create_without_permission_for_directory_eacces)
{
	struct place p = spot_name(SPOT_FILE, 0);

	unit_as_nobody(no_directory, &p, 65536);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* Detach ------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(segment, test_detach_at_base_once)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = unit_attach(&p, 0);
	char *base = shmq_seg_base(seg);

	SAME(-EINVAL, shmq_seg_detach_at(base + 4096));
	SAME(-EINVAL, shmq_seg_detach_at(base + 1));
	SAME(-EINVAL, shmq_seg_detach_at(base - 4096));
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_seg_detach_at(base));
	SAME(0, place_stat(&p).nattch);
	SAME(-EINVAL, shmq_seg_detach_at(base));
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(segment, test_detach_at_chooses_one_of_two_attaches)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_seg *a = unit_attach(&p, 0), *b = unit_attach(&p, 0);
	char *base = shmq_seg_base(a);

	SAME(0, shmq_seg_detach_at(shmq_seg_base(b)));
	SAME(1, place_stat(&p).nattch);
	strcpy(base, "still here");
	SAME(0, shmq_seg_detach_at(base));
	SAME(0, place_stat(&p).nattch);
	place_remove(&p);
}

TEST_EACH_SPOT(segment, test_detach_at_queue_einval)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct shmq_stat st = {.size = sizeof(st)};
	char c = 'x';

	SAME(0, shmq_qstat(q, &st));
	MUST(st.base != NULL);
	SAME(-EINVAL, shmq_seg_detach_at(st.base));
	SAME(0, shmq_send(q, &c, 1, 0));
	SAME(1, shmq_recv(q, &c, 1, 0));
	SAME(0, shmq_detach(q));
	place_remove(&p);
}
