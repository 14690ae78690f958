/* SPDX-License-Identifier: MIT */
/*
 * Every system call of every operation fails, one by one, with each error that the kernel may give:
 * the operation says so in a documented way, or works; nothing is leaked, the queue is whole, and
 * the next try works.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "inject.h"
#include "operations.h"
#include "support/process.h"

TestSuite(calls, .init = place_begin, .fini = place_end, .timeout = 600);

struct attempt {
	struct trial *trial;
	struct inject *inject;
};

static void
act(void *arg)
{
	struct attempt *attempt = arg;
	struct trial *t = attempt->trial;

	trial_ready(t);
	inject_begins(attempt->inject);
	t->result = t->operation->act(t);
	inject_ends(attempt->inject);
	trial_check(t);
}

/* What a fault may leave for gc: only what could not be taken away. */
static unsigned
leftovers(const struct inject *inject)
{
	bool kept = inject->nth && strcmp(inject->seen[inject->nth - 1]->name, "unlink") == 0;

	if (kept)
		MUST(shmq_gc(0, NULL, NULL) >= 0);
	return place_leftovers();
}

/* One process, one fault: whether all was well. */
static bool
attempt_once(const struct operation *operation, enum place_backend on, struct inject *inject)
{
	struct trial t;
	struct attempt attempt = {&t, inject};
	unsigned before;
	bool good;

	trial_begin(&t, operation, on);
	before = place_leftovers();
	good = inject_run(inject, act, &attempt) == 0 && leftovers(inject) == before;
	if (good)
		trial_end(&t);
	return good;
}

static const char *const backend_names[] = {"shm", "sysv", "file", "memfd"};

struct tally {
	unsigned calls, faults, bad;
};

static void
tell(const struct operation *operation, enum place_backend on, const struct inject *inject)
{
	fprintf(stderr, "%s on %s: call %u (%s) fails with %s%s: not well\n", operation->name,
		backend_names[on], inject->nth, inject->seen[inject->nth - 1]->name,
		strerrorname_np(inject->error), inject->sticky ? ", and so do all later ones" : "");
}

static void
one_fault(const struct operation *operation, enum place_backend on, struct inject *inject,
	  struct tally *tally)
{
	tally->faults++;
	if (attempt_once(operation, on, inject))
		return;
	tell(operation, on, inject);
	tally->bad++;
	place_wipe();
}

/* Some are tried again for ever, as they should be: they pass. */
static bool
passes(int error)
{
	return error == EINTR || error == EAGAIN;
}

/* The n-th call, which is this one when nothing fails before. One error in turn, or each. */
static void
fail_call(const struct operation *operation, enum place_backend on, struct inject *inject,
	  const struct call *call, struct tally *tally)
{
	size_t errors = call_errors(call);

	for (size_t i = 0; i < 2 * errors; i++) {
		inject->error = call->errors[i / 2];
		inject->sticky = i % 2;
		if (inject->sticky && passes(inject->error))
			continue;
		if (EVERY_ERROR || i == inject->nth % (2 * errors))
			one_fault(operation, on, inject, tally);
	}
}

static void
fail_every_call(const struct operation *operation, enum place_backend on, struct tally *tally)
{
	struct inject inject = inject_new(), whole;

	if (!attempt_once(operation, on, &inject))
		cr_assert_fail("%s on %s fails without a fault", operation->name,
			       backend_names[on]);
	whole = inject;
	tally->calls += whole.count;
	for (inject.nth = 1; inject.nth <= whole.count; inject.nth++)
		fail_call(operation, on, &inject, whole.seen[inject.nth - 1], tally);
}

static void
fail_on(enum place_backend on)
{
	struct tally tally = {0};
	const struct operation *operation;

	if (!place_is_private() || !inject_possible())
		cr_skip_test("needs namespaces of its own, and seccomp's user notification");
	for (unsigned i = 0; (operation = operation_at(i)); i++)
		if (operation->on & ON(on))
			fail_every_call(operation, on, &tally);
	fprintf(stderr, "faults: %s: %u calls, %u faults, %u of them not well\n", backend_names[on],
		tally.calls, tally.faults, tally.bad);
	SAME(0, tally.bad);
}

Test(calls, test_each_call_fails_shm)
{
	fail_on(ON_SHM);
}

Test(calls, test_each_call_fails_sysv)
{
	fail_on(ON_SYSV);
}

Test(calls, test_each_call_fails_file)
{
	fail_on(ON_FILE);
}

Test(calls, test_each_call_fails_memfd)
{
	fail_on(ON_MEMFD);
}

/* Interrupted allocation --------------------------------------------------------------------- */

struct large {
	struct inject *inject;
	struct place place;
};

static bool
all_allocated(int fd)
{
	struct stat st;

	SAME(0, fstat(fd, &st));
	return st.st_blocks * 512 >= st.st_size;
}

static void
create_large(void *arg)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = (size_t)16 << 20};
	struct large *large = arg;
	struct shmq_seg *seg = NULL;
	int result;

	inject_begins(large->inject);
	result = shmq_seg_create(large->place.create, &opts);
	MUST(result >= 0);
	if (large->place.on == ON_MEMFD)
		MUST(all_allocated(result));
	if (large->place.on != ON_MEMFD) {
		SAME(0, shmq_seg_attach(&seg, large->place.attach, 0));
		SAME(0, shmq_seg_resize(seg, 2 * opts.segsz));
		memset(shmq_seg_base(seg), 1, 2 * opts.segsz);
	}
	inject_ends(large->inject);
}

/*
 * Kernels before 6.11 undo what a signal interrupts: where the next signal always comes before all
 * is allocated, it has to be allocated in pieces.
 */
Test(calls, test_allocation_interrupted_for_ever_ends_in_pieces)
{
	if (!place_is_private() || !inject_possible())
		cr_skip_test("needs namespaces of its own, and seccomp's user notification");
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct inject inject = inject_new();
		struct large large = {&inject, place_name(on, 0)};

		if (on == ON_SYSV) /* one system call of its own */
			continue;
		inject.longest = 100000;
		SAME(0, inject_run(&inject, create_large, &large));
		place_wipe();
	}
}
