/* SPDX-License-Identifier: MIT */
/* Threads that are cancelled, or leave: nothing of the process or of the queue goes with them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "hold.h"
#include "support/leak.h"
#include "support/process.h"

TestSuite(threads, .init = place_begin, .fini = place_end, .timeout = 120);

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)
#define CANCELS 100

static struct shmq *
attach(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, place->attach, role));
	return q;
}

/* Cancelled while it waits ------------------------------------------------------------------- */

struct waiter {
	struct shmq *q;
	char got;
	uint32_t tid;
};

static void *
wait_for_x(void *arg)
{
	struct waiter *w = arg;

	shmq_store_relaxed_u32(&w->tid, (uint32_t)syscall(SYS_gettid));
	SAME(1, shmq_recv(w->q, &w->got, 1, SHMQ_FOREVER));
	pthread_testcancel();
	return NULL;
}

/* It gets what it waits for, and ends after that. */
Test(threads, test_cancelled_in_recv_ends_after_it)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, NULL);
		struct waiter w = {.q = attach(&place, BOTH)};
		pthread_t thread;
		void *result = NULL;

		SAME(0, pthread_create(&thread, NULL, wait_for_x, &w));
		while (shmq_load_relaxed_u32(&w.tid) == 0)
			usleep(1000);
		process_await_call((pid_t)w.tid, SYS_futex);
		SAME(0, pthread_cancel(thread));
		usleep(10000);
		SAME(0, shmq_send(w.q, "x", 1, 0));
		SAME(0, pthread_join(thread, &result));
		MUST(result == PTHREAD_CANCELED);
		SAME('x', w.got);
		SAME(0, shmq_detach(w.q));
		place_remove(&place);
	}
}

/* Cancelled anywhere ------------------------------------------------------------------------- */

static int
see(const struct shmq_stat *st, void *arg)
{
	(void)st;
	(void)arg;
	return 0;
}

/* All that is done while a lock is held or a descriptor open; the handle is its own. */
static void
do_all(const struct place *fixed, unsigned n)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct place made;
	struct shmq *q;
	char byte;

	SAME(0, shmq_stat(fixed->attach, &st));
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	SAME(0, shmq_list(see, NULL));
	made = place_queue(ON_SHM, n, NULL);
	q = attach(&made, BOTH);
	MUST(shmq_fd(q) >= 0);
	SAME(-EAGAIN, shmq_recv(q, &byte, 1, 0));
	SAME(0, shmq_send(q, "x", 1, 0));
	SAME(0, shmq_detach(q));
	place_remove(&made);
}

static void *
do_all_for_ever(void *arg)
{
	for (;;) {
		do_all(arg, 2);
		pthread_testcancel();
	}
	return NULL;
}

static void
cancel_often(const struct place *place)
{
	uint64_t seed = 7;

	for (int i = 0; i < CANCELS; i++) {
		pthread_t thread;

		SAME(0, pthread_create(&thread, NULL, do_all_for_ever, (void *)(uintptr_t)place));
		usleep((useconds_t)random_below(&seed, 3000));
		SAME(0, pthread_cancel(thread));
		SAME(0, pthread_join(thread, NULL));
	}
}

/* No lock stays held, no descriptor or mapping open, no name behind. */
Test(threads, test_cancelled_anywhere_leaves_nothing)
{
	struct place place = place_queue(ON_SYSV, 0, NULL);
	struct leak_count before;
	unsigned names;

	if (!place_is_private())
		cr_skip_test("needs a mount and an IPC namespace of its own");
	cancel_often(&place); /* stacks of threads are kept */
	do_all(&place, 3);
	names = place_leftovers();
	before = leak_count();
	cancel_often(&place);
	do_all(&place, 3);
	leak_none_since(before);
	SAME(names, place_leftovers());
	place_remove(&place);
}

/* Left --------------------------------------------------------------------------------------- */

static void *
attach_and_leave(void *arg)
{
	pthread_exit(attach(arg, BOTH));
}

/* A handle is not a thread's: the next one goes on with it. */
Test(threads, test_handle_of_thread_that_left_goes_on)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, NULL);
		pthread_t thread;
		void *q = NULL;
		char byte;

		SAME(0, pthread_create(&thread, NULL, attach_and_leave, &place));
		SAME(0, pthread_join(thread, &q));
		SAME(1, place_stat(&place).producers);
		SAME(0, shmq_send(q, "x", 1, 0));
		SAME(1, shmq_recv(q, &byte, 1, 0));
		SAME(0, shmq_detach(q));
		SAME(0, place_stat(&place).nattch);
		place_remove(&place);
	}
}
