/* SPDX-License-Identifier: MIT */
/* Worlds with too little of something: an error with nothing left behind, and never a signal. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/place.h"
#include "support/process.h"

#define MIB ((size_t)1 << 20)
#define NOBODY 65534

TestSuite(limits, .init = place_begin, .fini = place_end, .timeout = 120);

static void
need_private(void)
{
	if (!place_is_private())
		cr_skip_test("needs a mount and an IPC namespace of its own");
}

static int
create(const struct place *place, size_t bytes, unsigned flags)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = bytes, .flags = flags};

	return shmq_seg_create(place->create, &opts);
}

static uint64_t
free_bytes(void)
{
	struct statfs fs;

	SAME(0, statfs("/dev/shm", &fs));
	return (uint64_t)fs.f_bfree * (uint64_t)fs.f_bsize;
}

/* Full /dev/shm ------------------------------------------------------------------------------ */

Test(limits, test_create_shm_too_large_enospc_nothing_left)
{
	struct place place = place_name(ON_SHM, 0);
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = MIB, .capacity = 8};

	need_private();
	place_limit_shm(4 * MIB);
	SAME(-ENOSPC, create(&place, 4 * MIB, 0));
	SAME(-ENOSPC, create(&place, 64 * MIB, SHMQ_POPULATE));
	SAME(-ENOSPC, create(&place, 64 * MIB, SHMQ_LOCK));
	SAME(-ENOSPC, shmq_create(place.create, &opts));
	SAME(0, place_leftovers());
	SAME(4 * MIB, free_bytes());
}

/* Fill it to the last page, and use every byte. */
Test(limits, test_create_shm_fills_exactly_no_sigbus)
{
	struct place place = place_name(ON_SHM, 0), more = place_name(ON_SHM, 1);
	struct shmq_seg *seg = NULL;
	size_t bytes = 4 * MIB;

	need_private();
	place_limit_shm(4 * MIB);
	while (create(&place, bytes, 0) == -ENOSPC)
		bytes -= 4096;
	SAME(0, free_bytes());
	SAME(-ENOSPC, create(&more, 1, 0));
	SAME(0, shmq_seg_attach(&seg, place.attach, 0));
	memset(shmq_seg_base(seg), 0x5a, bytes);
	SAME(-ENOSPC, shmq_seg_resize(seg, bytes + 4096));
	SAME(bytes, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&place);
	SAME(4 * MIB, free_bytes());
}

/* Many small queues until there is no room: each of them works to the brim. */
Test(limits, test_create_queues_until_full_all_work)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 1000, .capacity = 64};
	unsigned n = 0;
	int err;

	need_private();
	place_limit_shm(MIB);
	while ((err = shmq_create(place_name(ON_SHM, n).create, &opts)) == 0)
		n++;
	SAME(-ENOSPC, err);
	MUST(n >= 8 && n < 16);
	for (unsigned i = 0; i < n; i++) {
		struct place place = place_name(ON_SHM, i);
		char bytes[1000] = "x";
		struct shmq *q = NULL;

		SAME(0, shmq_attach(&q, place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
		for (int m = 0; m < 64; m++)
			SAME(0, shmq_send(q, bytes, sizeof(bytes), 0));
		SAME(-EAGAIN, shmq_send(q, bytes, sizeof(bytes), 0));
		SAME(0, shmq_detach(q));
		place_remove(&place);
	}
	SAME(0, place_leftovers());
}

static void
touch_all(void *arg)
{
	struct shmq_seg *seg = arg;

	memset(shmq_seg_base(seg), 1, shmq_seg_size(seg));
}

/* What SHMQ_SPARSE promises: pages on first touch, so a full file system is a SIGBUS then. */
Test(limits, test_sparse_larger_than_shm_works_until_touched)
{
	struct place place = place_name(ON_SHM, 0);
	struct shmq_seg *seg = NULL;

	need_private();
	place_limit_shm(4 * MIB);
	SAME(0, create(&place, 64 * MIB, SHMQ_SPARSE));
	SAME(0, shmq_seg_attach(&seg, place.attach, 0));
	memset(shmq_seg_base(seg), 1, MIB);
	SAME(1, place_stat(&place).nattch);
	SAME(SIGBUS, process_end(process_start(touch_all, seg)) & 0x7f);
	SAME(1, ((char *)shmq_seg_base(seg))[MIB - 1]);
	SAME(0, shmq_seg_detach(seg));
	place_remove(&place);
	SAME(4 * MIB, free_bytes());
}

/* A sysv: queue needs room for its side file, too. */
Test(limits, test_create_sysv_queue_no_room_for_side_file_nothing_left)
{
	struct place filler = place_name(ON_SHM, 0), place = place_name(ON_SYSV, 1);
	size_t bytes = MIB;
	int err;

	need_private();
	place_limit_shm(MIB);
	while (create(&filler, bytes, 0) == -ENOSPC)
		bytes -= 4096;
	err = shmq_create(place.create, NULL);
	SAME(-ENOSPC, err);
	SAME(1, place_leftovers());
	place_remove(&filler);
	SAME(0, place_leftovers());
}

/* Limits of a process ------------------------------------------------------------------------ */

static void
limit(int what, rlim_t value)
{
	struct rlimit limit = {value, value};

	SAME(0, setrlimit((__rlimit_resource_t)what, &limit));
}

static unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	MUST(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Too large for RLIMIT_FSIZE, which the kernel would answer with SIGXFSZ. */
static void
file_size(void *arg)
{
	struct place shm = place_name(ON_SHM, 0), file = place_name(ON_FILE, 0),
		     mem = place_name(ON_MEMFD, 0);
	struct shmq_seg *seg = NULL;

	(void)arg;
	limit(RLIMIT_FSIZE, 64 * 1024);
	MUST(create(&shm, MIB, 0) < 0);
	MUST(create(&file, MIB, 0) < 0);
	MUST(create(&mem, MIB, 0) < 0);
	MUST(create(&shm, MIB, SHMQ_SPARSE) < 0);
	MUST(create(&file, MIB, SHMQ_SPARSE) < 0);
	MUST(shmq_create(shm.create, NULL) < 0);
	SAME(-ENOENT, shmq_remove(shm.attach));
	SAME(-ENOENT, shmq_remove(file.attach));
	SAME(0, create(&file, 4096, 0));
	SAME(0, shmq_seg_attach(&seg, file.attach, 0));
	MUST(shmq_seg_resize(seg, MIB) < 0);
	SAME(4096, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_remove(file.attach));
}

Test(limits, test_file_size_limit_error_no_signal)
{
	unsigned before = open_descriptors();

	process_join(process_start(file_size, NULL));
	SAME(before, open_descriptors());
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* Take every free descriptor below 64 but `room`: how many that were. */
static unsigned
take_descriptors(int taken[64], unsigned room)
{
	struct rlimit few = {64, 1024};
	unsigned count = 0;
	int fd;

	SAME(0, setrlimit(RLIMIT_NOFILE, &few));
	while ((fd = dup(STDERR_FILENO)) >= 0)
		taken[count++] = fd;
	SAME(EMFILE, errno);
	while (room-- > 0 && count > 0)
		close(taken[--count]);
	return count;
}

static void
give_descriptors_back(int taken[64], unsigned count)
{
	while (count-- > 0)
		close(taken[count]);
}

/* Create if it is not there yet, and attach. */
static int
create_and_attach(struct place *place, bool *there, struct shmq **q)
{
	int result = *there ? 0 : shmq_create(place->create, NULL);

	if (result < 0)
		return result;
	if (place->on == ON_MEMFD && !*there) {
		place->fd = result;
		snprintf(place->attach, sizeof(place->attach), "fd:%d", result);
	}
	*there = true;
	return shmq_attach(q, place->attach, SHMQ_PRODUCER | SHMQ_CONSUMER);
}

/* With ever more free descriptors until there are enough: -EMFILE, and nothing leaked. */
static void
few_descriptors(void *arg)
{
	struct place *place = arg;
	unsigned open = open_descriptors();
	int err = -EMFILE, taken[64];
	bool there = false;

	for (unsigned room = 0; err; room++) {
		unsigned count = take_descriptors(taken, room);
		struct shmq *q = NULL;

		err = create_and_attach(place, &there, &q);
		give_descriptors_back(taken, count);
		SAME(err && room < 16 ? -EMFILE : 0, err);
		if (err == 0)
			SAME(0, shmq_detach(q));
		SAME(open + (there && place->on == ON_MEMFD), open_descriptors());
	}
	place_remove(place);
}

Test(limits, test_descriptor_limit_emfile_nothing_leaked)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_name(on, 0);

		process_join(process_start(few_descriptors, &place));
	}
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* What gc finds ------------------------------------------------------------------------------ */

static void
leave_side_file(void)
{
	struct place queue = place_queue(ON_SYSV, 0, NULL);
	key_t key = (key_t)strtoul(queue.create + 5, NULL, 16);

	SAME(0, shmctl(shmget(key, 0, 0), IPC_RMID, NULL));
}

static void
leave_marked_name(void)
{
	struct place marked = place_segment(ON_SHM, 1, NULL);
	const uint32_t one = 1;
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", marked.create + 5);
	fd = open(path, O_RDWR | O_CLOEXEC);
	SAME(sizeof(one), pwrite(fd, &one, sizeof(one), 4096));
	close(fd);
}

static void
leave_bell(void)
{
	SAME(0,
	     mkfifo("/dev/shm/.shmq-bell-0123456789abcdef-00112233445566778899aabbccddeeff", 0600));
}

static void
few_descriptors_for_gc(void *arg)
{
	int err = -EMFILE, taken[64];

	(void)arg;
	for (unsigned room = 0; err < 0; room++) {
		unsigned count = take_descriptors(taken, room);

		err = shmq_gc(1, NULL, NULL);
		give_descriptors_back(taken, count);
		SAME(err < 0 && room < 16 ? -EMFILE : 1, err);
	}
}

/* What there is, or an error: never "nothing". */
Test(limits, test_descriptor_limit_gc_emfile_or_finds)
{
	void (*const leave[])(void) = {leave_side_file, leave_marked_name, leave_bell};

	need_private();
	for (unsigned i = 0; i < 3; i++) {
		leave[i]();
		process_join(process_start(few_descriptors_for_gc, NULL));
		SAME(1, shmq_gc(0, NULL, NULL));
		SAME(0, place_leftovers());
	}
}

/* No address space: the object can be made, but not mapped. */
static void
little_address_space(void *arg)
{
	const struct place *place = arg;
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	limit(RLIMIT_AS, 64 * MIB);
	SAME(-ENOMEM, shmq_seg_attach(&seg, place->attach, 0));
	SAME(-ENOMEM, shmq_attach(&q, place->attach, SHMQ_PRODUCER));
	MUST(seg == NULL && q == NULL);
}

Test(limits, test_address_space_limit_enomem)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = MIB, .capacity = 64};

	if (SANITIZED)
		cr_skip_test("the sanitizer needs the address space");
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, &opts);
		struct shmq *q = NULL;

		process_join(process_start(little_address_space, &place));
		SAME(0, place_stat(&place).nattch);
		SAME(0, shmq_attach(&q, place.attach, SHMQ_PRODUCER));
		SAME(1, place_stat(&place).nattch);
		SAME(0, shmq_detach(q));
		place_remove(&place);
	}
}

/* Locked memory, without privilege ----------------------------------------------------------- */

/* As after the exec that a log-in ends with: /proc/self is one's own. */
static void
become_nobody(void)
{
	SAME(0, setgroups(0, NULL));
	SAME(0, setresgid(NOBODY, NOBODY, NOBODY));
	SAME(0, setresuid(NOBODY, NOBODY, NOBODY));
	SAME(0, prctl(PR_SET_DUMPABLE, 1));
}

static int
lock_at_creation(enum place_backend on)
{
	struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = 1000, .capacity = 100, .flags = SHMQ_LOCK};
	int result = shmq_create(place_name(on, 1).create, &opts);

	if (result >= 0)
		SAME(0, on == ON_MEMFD ? close(result) : shmq_remove(place_name(on, 1).attach));
	return result < 0 ? result : 0;
}

static int
lock_at_attach(const struct place *place)
{
	struct shmq *q = NULL;
	int err = shmq_attach(&q, place->attach, SHMQ_PRODUCER | SHMQ_LOCK);

	if (err)
		return err;
	MUST(place_stat(place).locked_bytes != 0);
	return shmq_detach(q);
}

struct limited {
	struct place place;
	rlim_t limit;
	int want;
};

static void
lock_limited(void *arg)
{
	const struct limited *limited = arg;
	struct shmq_memlock figures = {.size = sizeof(figures)};

	limit(RLIMIT_MEMLOCK, limited->limit);
	become_nobody();
	SAME(limited->want, shmq_memlock(100000, &figures));
	SAME(limited->limit, figures.limit_bytes);
	SAME(0, figures.privileged);
	SAME(limited->want, lock_at_attach(&limited->place));
	if (limited->place.on != ON_FILE) /* the directory is not nobody's */
		SAME(limited->want, lock_at_creation(limited->place.on));
	SAME(0, place_stat(&limited->place).nattch);
}

Test(limits, test_memlock_limit_unprivileged_eperm_enomem_or_locked)
{
	struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = 1000, .capacity = 100, .mode = 0666};
	static const struct limited cases[] = {{.limit = 0, .want = -EPERM},
					       {.limit = 65536, .want = -ENOMEM},
					       {.limit = 8 * MIB, .want = 0}};

	if (geteuid() != 0)
		cr_skip_test("needs another user to become");
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, &opts);

		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct limited limited = cases[i];

			limited.place = place;
			process_join(process_start(lock_limited, &limited));
		}
		place_remove(&place);
	}
	if (place_is_private())
		SAME(0, place_leftovers());
}
