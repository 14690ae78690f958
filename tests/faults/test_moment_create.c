/* SPDX-License-Identifier: MIT */
/*
 * Creation: what comes between two of its system calls, and answers that only some kernels and file
 * systems give.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_numbers.h"
#include "moment.h"
#include "support/process.h"

TestSuite(moment_create, .init = place_begin, .fini = place_end, .timeout = 120);

#define TMPFILE .number = SYS_openat, .which = 2, .mask = O_TMPFILE, .bits = O_TMPFILE

static int
create_sparse(struct moment *m)
{
	static const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = 100000, .flags = SHMQ_SPARSE};

	return shmq_seg_create(m->place.create, &opts);
}

/* File systems without unnamed files. */
Test(moment_create, test_create_no_tmpfile_by_a_hidden_name)
{
	static const int errors[] = {EOPNOTSUPP, EISDIR, EINVAL};

	for (unsigned i = 0; i < 3; i++) {
		struct moment m = {TMPFILE, .error = errors[i], .act = moment_create_queue,
				   .then = moment_serves};

		m.place = place_name(i ? ON_SHM : ON_FILE, 0);
		moment_run(&m);
	}
}

static int
no_tmpfile_then(struct inject *inject, pid_t pid, const struct seccomp_data *call)
{
	(void)inject;
	(void)pid;
	if (call->nr != SYS_openat)
		return 0;
	if ((call->args[2] & O_TMPFILE) == O_TMPFILE)
		return EOPNOTSUPP;
	return call->args[2] & O_EXCL ? ENOSPC : 0;
}

struct created {
	struct inject inject;
	char address[PATH_MAX];
	int want;
};

static void
create_it(void *arg)
{
	struct created *c = arg;

	inject_begins(&c->inject);
	SAME(c->want, shmq_create(c->address, NULL));
	inject_ends(&c->inject);
}

static void
create_answered(struct created *c,
		int (*answers)(struct inject *inject, pid_t pid, const struct seccomp_data *call))
{
	if (!place_is_private() || !inject_possible())
		cr_skip_test("needs namespaces of its own, and seccomp's user notification");
	c->inject = inject_new();
	c->inject.answers = answers;
	SAME(0, inject_run(&c->inject, create_it, c));
	place_expect_leftovers(0);
}

/* Nor room for a name. */
Test(moment_create, test_create_no_tmpfile_no_name_is_an_error)
{
	struct created c = {.want = -ENOSPC};

	strcpy(c.address, place_name(ON_SHM, 0).create);
	create_answered(&c, no_tmpfile_then);
}

Test(moment_create, test_create_no_tmpfile_long_directory_is_an_error)
{
	struct created c = {.want = -EINVAL};
	size_t at = (size_t)snprintf(c.address, sizeof(c.address), "file:%s", place_directory());

	while (at < PATH_MAX - 10) {
		strcpy(c.address + at, "/.");
		at += 2;
	}
	strcpy(c.address + at, "/q");
	create_answered(&c, no_tmpfile_then);
}

static void
create_the_same(struct moment *m)
{
	SAME(0, moment_create_queue(m));
}

Test(moment_create, test_create_another_is_first_exists)
{
	struct moment m = {.number = SYS_linkat,
			   .meanwhile = create_the_same,
			   .act = moment_create_queue,
			   .want = -EEXIST,
			   .then = moment_serves};

	m.place = place_name(ON_SHM, 0);
	moment_run(&m);
}

static int
link_is_taken(struct inject *inject, pid_t pid, const struct seccomp_data *call)
{
	(void)inject;
	(void)pid;
	if (call->nr == SYS_link)
		return EEXIST;
	return call->nr == SYS_openat && (call->args[2] & O_TMPFILE) == O_TMPFILE ? EOPNOTSUPP : 0;
}

Test(moment_create, test_create_no_tmpfile_another_is_first_exists)
{
	struct created c = {.want = -EEXIST};

	strcpy(c.address, place_name(ON_SHM, 0).create);
	create_answered(&c, link_is_taken);
}

/* Without /proc, a file is given its name by its descriptor. */
Test(moment_create, test_create_no_proc_works)
{
	struct moment m = {.number = SYS_linkat,
			   .error = ENOENT,
			   .act = moment_create_queue,
			   .then = moment_serves};

	m.place = place_name(ON_SHM, 0);
	moment_run(&m);
}

/* File systems that allocate nothing ahead: bytes are written instead. */
Test(moment_create, test_create_no_fallocate_works)
{
	struct moment m = {.number = SYS_fallocate,
			   .error = EOPNOTSUPP,
			   .onwards = true,
			   .act = moment_create_queue,
			   .then = moment_serves};

	m.place = place_name(ON_FILE, 0);
	moment_run(&m);
}

/* Longer than a file may be there. */
Test(moment_create, test_create_too_long_for_file_system_is_invalid)
{
	struct moment m = {.number = SYS_fallocate,
			   .error = EFBIG,
			   .act = moment_create_queue,
			   .want = -EINVAL,
			   .then = moment_nothing_there};

	m.place = place_name(ON_FILE, 0);
	moment_run(&m);
	m.number = SYS_ftruncate;
	m.act = create_sparse;
	moment_run(&m);
}

static int
interrupted_then_full(struct inject *inject, pid_t pid, const struct seccomp_data *call)
{
	(void)pid;
	if (call->nr != SYS_fallocate)
		return 0;
	return inject->count++ ? ENOSPC : EINTR;
}

Test(moment_create, test_create_interrupted_then_full_is_no_space)
{
	struct created c = {.want = -ENOSPC};

	strcpy(c.address, place_name(ON_SHM, 0).create);
	create_answered(&c, interrupted_then_full);
}

static int
create_huge(struct moment *m)
{
	static const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = 4096, .page_size = (size_t)2 << 20};

	return shmq_seg_create(m->place.create, &opts);
}

/* Kernels without huge pages. */
Test(moment_create, test_create_memfd_no_huge_pages_not_supported)
{
	static const int errors[] = {EINVAL, ENODEV};

	for (unsigned i = 0; i < 2; i++) {
		struct moment m = {.number = SYS_memfd_create,
				   .error = errors[i],
				   .act = create_huge,
				   .want = -ENOTSUP};

		m.place = place_name(ON_MEMFD, 0);
		moment_run(&m);
	}
}

static int
create_without_stdin(struct moment *m)
{
	close(0);
	return moment_create_queue(m);
}

static void
stdin_is_closed(struct moment *m)
{
	(void)m;
	MUST(fcntl(0, F_GETFD) == -1 && errno == EBADF);
}

/* Descriptors 0 to 2 are not given to memory, and where there are no others, there is none. */
Test(moment_create, test_create_memfd_no_descriptor_above_stdio_is_an_error)
{
	struct moment m = {.number = SYS_fcntl,
			   .which = 1,
			   .mask = ~UINT64_C(0),
			   .bits = F_DUPFD_CLOEXEC,
			   .error = EMFILE,
			   .act = create_without_stdin,
			   .want = -EMFILE,
			   .then = stdin_is_closed};

	m.place = place_name(ON_MEMFD, 0);
	moment_run(&m);
}

/* By ipcrm, say, once it has its length, and before it says that it is a queue. */
Test(moment_create, test_create_sysv_removed_meanwhile_leaves_nothing)
{
	struct moment m = {.number = SYS_rename,
			   .meanwhile = moment_remove_sysv,
			   .act = moment_create_queue,
			   .then = moment_nothing_there};

	m.place = place_name(ON_SYSV, 0);
	moment_run(&m);
}

static void
remove_early(struct moment *m)
{
	SAME(-ENOENT, shmq_remove(m->place.create));
}

Test(moment_create, test_remove_sysv_being_created_is_not_there)
{
	struct moment m = {.number = SYS_rename,
			   .meanwhile = remove_early,
			   .act = moment_create_queue,
			   .then = moment_serves};

	m.place = place_name(ON_SYSV, 0);
	moment_run(&m);
}
