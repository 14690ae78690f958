/* SPDX-License-Identifier: MIT */
/*
 * Attaching: what comes between two of its system calls, and answers that only some kernels and file
 * systems give.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "moment.h"
#include "support/process.h"

TestSuite(moment_attach, .init = place_begin, .fini = place_end, .timeout = 120);

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)

static int
attach_queue(struct moment *m)
{
	return shmq_attach(&m->q, m->place.attach, BOTH);
}

static int
attach_raw(struct moment *m)
{
	return shmq_seg_attach(&m->seg, m->place.attach, 0);
}

static int
attach_raw_read_only(struct moment *m)
{
	return shmq_seg_attach(&m->seg, m->place.attach, SHM_RDONLY);
}

static void
not_attached(struct moment *m)
{
	MUST(!m->q && !m->seg);
	SAME(0, place_stat(&m->place).nattch);
}

/* Read-only and immutable files. */
Test(moment_attach, test_attach_read_only_file_is_no_access)
{
	static const int errors[] = {EROFS, EPERM};

	for (unsigned i = 0; i < 2; i++) {
		struct moment m = {.number = SYS_openat,
				   .which = 2,
				   .mask = O_ACCMODE,
				   .bits = O_RDWR,
				   .error = errors[i],
				   .act = attach_queue,
				   .want = -EACCES,
				   .then = not_attached};

		m.place = place_queue(ON_FILE, 0, NULL);
		moment_run(&m);
		place_remove(&m.place);
	}
}

/* Where names are shorter than the kernel's limit. */
Test(moment_attach, test_attach_name_too_long_is_invalid)
{
	struct moment m = {.number = SYS_openat,
			   .error = ENAMETOOLONG,
			   .act = attach_queue,
			   .want = -EINVAL,
			   .then = not_attached};

	m.place = place_queue(ON_FILE, 0, NULL);
	moment_run(&m);
	place_remove(&m.place);
}

static void
is_the_other(struct moment *m)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_qstat(m->q, &st));
	SAME(16, st.capacity);
	place_use(m->q);
	SAME(0, shmq_detach(m->q));
}

/* Between the first descriptor and the second one: what is there now is attached, whole. */
Test(moment_attach, test_attach_replaced_meanwhile_attaches_what_is_there)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 64, .capacity = 16};

	for (unsigned nth = 1; nth <= 2; nth++) {
		struct moment m = {.number = SYS_openat,
				   .which = 2,
				   .mask = O_ACCMODE,
				   .bits = O_RDWR,
				   .nth = nth,
				   .meanwhile = moment_put_other,
				   .act = attach_queue,
				   .then = is_the_other};

		m.place = place_queue(ON_FILE, 0, NULL);
		m.other = place_queue(ON_FILE, 1, &opts);
		moment_run(&m);
		place_remove(&m.place);
	}
}

/* What tells of it is left to gc. */
static void
nothing_but_a_side_file(struct moment *m)
{
	MUST(!place_serves(&m->place));
	place_expect_leftovers(1);
	place_clear_up();
	place_expect_leftovers(0);
}

/* Between the look for its id and the attach itself. */
Test(moment_attach, test_attach_sysv_removed_meanwhile_is_not_there)
{
	struct moment m = {.number = SYS_shmat,
			   .meanwhile = moment_remove_sysv,
			   .act = attach_queue,
			   .want = -ENOENT,
			   .then = nothing_but_a_side_file};

	m.place = place_queue(ON_SYSV, 0, NULL);
	moment_run(&m);
	place_wipe();
}

/* Between the attach and the look at its length, its mode has changed. */
Test(moment_attach, test_attach_sysv_raw_not_readable_any_more_is_no_access)
{
	struct moment m = {.number = SYS_shmctl,
			   .which = 1,
			   .mask = 0xff,
			   .bits = IPC_STAT,
			   .error = EACCES,
			   .act = attach_raw,
			   .want = -EACCES,
			   .then = not_attached};

	m.place = place_segment(ON_SYSV, 0, NULL);
	moment_run(&m);
	place_remove(&m.place);
}

/* The descriptor that makes a read-only attach one for good. */
Test(moment_attach, test_attach_read_only_no_descriptor_is_an_error)
{
	struct moment m = {.number = SYS_openat,
			   .which = 2,
			   .mask = O_ACCMODE,
			   .bits = O_RDONLY,
			   .error = EMFILE,
			   .act = attach_raw_read_only,
			   .want = -EMFILE,
			   .then = not_attached};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		if (on == ON_SYSV)
			continue;
		m.place = place_segment(on, 0, NULL);
		moment_run(&m);
		place_remove(&m.place);
	}
}

/* Readers whose mapping is read-only for good: it takes the place of another one. */

static int
attach_reader(struct moment *m)
{
	return shmq_attach(&m->q, m->place.attach, SHMQ_CONSUMER);
}

static const struct shmq_opts latest = {
	.size = sizeof(latest), .kind = SHMQ_LATEST, .msg_max = 64, .capacity = 8};

#define READ_ONLY .number = SYS_openat, .which = 2, .mask = O_ACCMODE, .bits = O_RDONLY
#define SHARED_FIXED (MAP_SHARED | MAP_FIXED)
#define IN_ITS_PLACE .number = SYS_mmap, .which = 3, .mask = SHARED_FIXED, .bits = SHARED_FIXED
#define NOT_INHERITED .number = SYS_madvise, .which = 2, .mask = UINT32_MAX, .bits = MADV_DONTFORK
#define REMAPPED .number = SYS_shmat, .which = 2, .mask = SHM_REMAP, .bits = SHM_REMAP

static void
reader_on(enum place_backend on, struct moment m)
{
	m.act = attach_reader;
	m.want = -m.error;
	m.then = not_attached;
	m.place = place_queue(on, 0, &latest);
	moment_run(&m);
	place_remove(&m.place);
}

Test(moment_attach, test_attach_reader_second_mapping_fails_is_an_error)
{
	reader_on(ON_SHM, (struct moment){READ_ONLY, .error = EMFILE});
	reader_on(ON_FILE, (struct moment){IN_ITS_PLACE, .error = ENOMEM});
	reader_on(ON_FILE, (struct moment){NOT_INHERITED, .nth = 2, .error = ENOMEM});
	reader_on(ON_SYSV, (struct moment){REMAPPED, .error = ENOMEM});
}

static void
reads_the_other(struct moment *m)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_qstat(m->q, &st));
	SAME(16, st.capacity);
	SAME(0, shmq_detach(m->q));
}

Test(moment_attach, test_attach_reader_replaced_meanwhile_reads_what_is_there)
{
	const struct shmq_opts opts = {
		.size = sizeof(opts), .kind = SHMQ_LATEST, .msg_max = 64, .capacity = 16};
	struct moment m = {READ_ONLY, .meanwhile = moment_put_other, .act = attach_reader,
			   .then = reads_the_other};

	m.place = place_queue(ON_FILE, 0, &latest);
	m.other = place_queue(ON_FILE, 1, &opts);
	moment_run(&m);
	place_remove(&m.place);
}

/* The creator of a SysV queue completes it while somebody looks what it is. */
static uint64_t *magic_word, magic;

static void
complete_it(struct moment *m)
{
	(void)m;
	shmq_store_release_u64(magic_word, magic);
}

static void
uses_it(struct moment *m)
{
	place_use(m->q);
	SAME(0, shmq_detach(m->q));
}

Test(moment_attach, test_attach_sysv_completed_meanwhile_attaches)
{
	struct moment m = {.number = SYS_openat,
			   .which = 2,
			   .mask = O_DIRECTORY,
			   .bits = O_DIRECTORY,
			   .meanwhile = complete_it,
			   .act = attach_queue,
			   .then = uses_it};

	m.place = place_queue(ON_SYSV, 0, NULL);
	magic_word = shmat((int)place_stat(&m.place).id, NULL, 0);
	MUST(magic_word != (void *)-1);
	magic = *magic_word;
	*magic_word = 0;
	moment_run(&m);
	SAME(0, shmdt(magic_word));
	place_remove(&m.place);
}
