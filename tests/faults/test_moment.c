/* SPDX-License-Identifier: MIT */
/*
 * What is there already: what comes between two system calls of an operation, and answers that only
 * some kernels, file systems and sandboxes give.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_numbers.h"
#include "moment.h"
#include "support/process.h"

TestSuite(moment, .init = place_begin, .fini = place_end, .timeout = 120);

static int
attach_raw(struct moment *m)
{
	return shmq_seg_attach(&m->seg, m->place.attach, 0);
}

/* Looking ------------------------------------------------------------------------------------ */

static int
stat_it(struct moment *m)
{
	struct shmq_stat st = {.size = sizeof(st)};

	return shmq_stat(m->place.attach, &st);
}

static void
write_over(struct moment *m)
{
	static const unsigned char nothing[64];
	int fd = open(moment_path(&m->place), O_WRONLY);

	MUST(pwrite(fd, nothing, sizeof(nothing), 0) == sizeof(nothing));
	close(fd);
}

/* Between the first bytes, which tell how much there is to read, and the rest. */
Test(moment, test_stat_written_over_meanwhile_is_none_of_ours)
{
	struct moment m = {.number = SYS_pread64,
			   .nth = 2,
			   .meanwhile = write_over,
			   .act = stat_it,
			   .want = -EPROTONOSUPPORT};

	m.place = place_queue(ON_SHM, 0, NULL);
	moment_run(&m);
	place_wipe();
}

static void
copy_larger(struct moment *m)
{
	char bytes[4096];
	int from = open(moment_path(&m->other), O_RDONLY),
	    to = open(moment_path(&m->place), O_WRONLY);
	ssize_t n;

	MUST(from >= 0 && to >= 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		MUST(write(to, bytes, (size_t)n) == n);
	close(from);
	close(to);
}

/* Another queue's, which has more of what comes before its messages. */
Test(moment, test_stat_larger_header_meanwhile_is_bad)
{
	const struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = 64, .capacity = 8, .participants = 1000};
	struct moment m = {.number = SYS_pread64,
			   .nth = 2,
			   .meanwhile = copy_larger,
			   .act = stat_it,
			   .want = -EBADMSG};
	struct stat st;

	m.place = place_queue(ON_SHM, 0, NULL);
	m.other = place_queue(ON_SHM, 1, &opts);
	SAME(0, stat(moment_path(&m.other), &st));
	SAME(0, truncate(moment_path(&m.place), st.st_size));
	moment_run(&m);
	place_wipe();
}

static int
stat_attached(struct moment *m)
{
	struct shmq_stat st = {.size = sizeof(st)};

	return shmq_seg_stat(m->seg, &st);
}

/* Somebody took our permission away. */
Test(moment, test_stat_attached_sysv_not_readable_any_more_is_no_access)
{
	struct moment m = {.number = SYS_shmctl,
			   .which = 1,
			   .mask = 0xff,
			   .bits = IPC_STAT,
			   .error = EACCES,
			   .act = stat_attached,
			   .want = -EACCES};

	m.place = place_segment(ON_SYSV, 0, NULL);
	SAME(0, attach_raw(&m));
	moment_run(&m);
	SAME(0, shmq_seg_detach(m.seg));
	place_remove(&m.place);
}

static int
remove_it(struct moment *m)
{
	return shmq_remove(m->place.attach);
}

static int
lock_it(struct moment *m)
{
	return shmq_lock(m->place.attach);
}

/* Nobody lets us open it, as its owner or not. */
Test(moment, test_lock_not_to_be_opened_is_no_access)
{
	struct moment m = {.number = SYS_openat,
			   .error = EACCES,
			   .onwards = true,
			   .act = lock_it,
			   .want = -EACCES};

	m.place = place_queue(ON_SHM, 0, NULL);
	moment_run(&m);
	SAME(0, place_stat(&m.place).mode & SHMQ_LOCKED);
	place_remove(&m.place);
}

/* Nor what the limit is: then mlock() decides. */
Test(moment, test_lock_limit_unknown_is_tried)
{
	struct moment m = {
		.number = SYS_prlimit64, .error = EPERM, .onwards = true, .act = lock_it};

	m.place = place_queue(ON_SHM, 0, NULL);
	moment_run(&m);
	MUST(place_stat(&m.place).mode & SHMQ_LOCKED);
	SAME(0, shmq_remove(m.place.attach));
}

/* A sandbox that does not say what we may: then we may what the owner may. */
Test(moment, test_lock_capabilities_unknown_owner_may)
{
	struct moment m = {.number = SYS_capget, .error = EPERM, .onwards = true, .act = lock_it};

	m.place = place_queue(ON_SHM, 0, NULL);
	moment_run(&m);
	SAME(0, shmq_remove(m.place.attach));
}

static void
move_directory(struct moment *m)
{
	char gone[160];

	(void)m;
	snprintf(gone, sizeof(gone), "%s.gone", place_directory());
	SAME(0, rename(place_directory(), gone));
}

/* The directory is gone when it is asked who may take a name out of it. */
Test(moment, test_remove_directory_gone_meanwhile_is_not_there)
{
	char gone[160];
	struct moment m = {.number = SYS_newfstatat,
			   .mask = UINT32_MAX,
			   .bits = (uint32_t)AT_FDCWD,
			   .meanwhile = move_directory,
			   .act = remove_it,
			   .want = -ENOENT};

	m.place = place_queue(ON_FILE, 0, NULL);
	moment_run(&m);
	snprintf(gone, sizeof(gone), "%s.gone", place_directory());
	SAME(0, rename(gone, place_directory()));
	place_remove(&m.place);
}

/* No room to look into it, and gone when it is asked how much that would have taken. */
Test(moment, test_remove_sysv_no_room_and_gone_meanwhile_is_not_there)
{
	struct moment m = {.number = SYS_shmat,
			   .error = ENOMEM,
			   .meanwhile = moment_remove_sysv,
			   .act = remove_it,
			   .want = -ENOENT};

	m.place = place_queue(ON_SYSV, 0, NULL);
	moment_run(&m);
	place_clear_up();
}

/* Clearing up -------------------------------------------------------------------------------- */

static int
clear_up(struct moment *m)
{
	(void)m;
	return shmq_gc(0, NULL, NULL);
}

/* What was marked is gone when its name is to be taken away: another creator was quicker. */
Test(moment, test_gc_created_anew_meanwhile_leaves_it)
{
	struct moment m = {.number = SYS_openat,
			   .which = 2,
			   .mask = O_ACCMODE,
			   .bits = O_RDWR,
			   .meanwhile = moment_put_other,
			   .act = clear_up,
			   .want = 1,
			   .then = moment_serves};
	int fd;
	const uint32_t mark = 1;

	m.place = place_queue(ON_SHM, 0, NULL);
	m.other = place_queue(ON_SHM, 1, NULL);
	fd = open(moment_path(&m.place), O_RDWR);
	SAME(sizeof(mark), pwrite(fd, &mark, sizeof(mark), 4096));
	close(fd);
	moment_run(&m);
}

#define HEIR 3 /* after the two maps of an attach */

/* Fork --------------------------------------------------------------------------------------- */

static void
use_inherited(void *arg)
{
	struct moment *m = arg;

	SAME(1, place_stat(&m->place).nattch);
	memset(shmq_seg_base(m->seg), 1, shmq_seg_size(m->seg));
	SAME(0, shmq_seg_detach(m->seg));
}

static int
fork_attached(struct moment *m)
{
	int status;

	SAME(0, attach_raw(m));
	status = process_end(process_start(use_inherited, m));
	SAME(1, place_stat(&m->place).nattch);
	SAME(0, shmq_seg_detach(m->seg));
	return status;
}

/* No room for what the child inherits: it is not counted, and may go on all the same. */
Test(moment, test_fork_no_room_for_the_child_works)
{
	struct moment m = {.number = SYS_mmap, .nth = HEIR, .act = fork_attached, .error = ENOMEM};

	m.place = place_segment(ON_SHM, 0, NULL);
	SAME(0, attach_raw(&m)); /* all that a first attach maps */
	SAME(0, shmq_seg_detach(m.seg));
	moment_run(&m);
	place_remove(&m.place);
}
