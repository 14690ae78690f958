/* SPDX-License-Identifier: MIT */
/* Calls that wait: until there is something, for as long as asked, or until a signal. */
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

#define MS INT64_C(1000000)

TestSuite(blocking, .init = unit_begin, .fini = place_end);

/* A queue of one message, with both its ends: full or empty at will. */
struct ends {
	struct place p;
	struct shmq *q;
};

static struct ends
ends_open(enum spot at, bool full)
{
	struct ends e = {.p = spot_ring(at, 8, 1)};

	e.q = unit_join(&e.p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	if (full)
		SAME(0, shmq_send(e.q, "1", 1, 0));
	return e;
}

static void
ends_close(struct ends *e)
{
	SAME(0, shmq_detach(e->q));
	place_remove(&e->p);
}

/* Every call that can wait, in turn: senders, then receivers. */
enum { CALLS = 3 };

static ssize_t
send_somehow(struct shmq *q, int how, int64_t timeout_ns)
{
	struct iovec v = {"2", 1};

	if (how == 0)
		return shmq_send(q, "2", 1, timeout_ns);
	return how == 1 ? shmq_send_batch(q, &v, 1, timeout_ns)
			: shmq_reserve(q, &v, 1, timeout_ns);
}

static ssize_t
recv_somehow(struct shmq *q, int how, int64_t timeout_ns)
{
	char c[8];
	struct iovec v = {c, sizeof(c)};

	if (how == 0)
		return shmq_recv(q, c, sizeof(c), timeout_ns);
	return how == 1 ? shmq_recv_batch(q, &v, 1, timeout_ns) : shmq_peek(q, &v, timeout_ns);
}

/* Timeouts ----------------------------------------------------------------------------------- */

static const int64_t timeouts[] = {1, 1000, MS, 7 * MS, 60 * MS};

TEST_EACH_SPOT(blocking, test_send_full_waits_at_least_timeout)
{
	struct ends e = ends_open(*at, true);
	int64_t before;

	for (int how = 0; how < CALLS; how++)
		for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
			before = unit_now_ns();
			SAME(-ETIMEDOUT, send_somehow(e.q, how, timeouts[i]));
			MUST(unit_now_ns() - before >= timeouts[i]);
		}
	SAME(1, place_stat(&e.p).sent);
	ends_close(&e);
}

TEST_EACH_SPOT(blocking, test_recv_empty_waits_at_least_timeout)
{
	struct ends e = ends_open(*at, false);
	int64_t before;

	for (int how = 0; how < CALLS; how++)
		for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
			before = unit_now_ns();
			SAME(-ETIMEDOUT, recv_somehow(e.q, how, timeouts[i]));
			MUST(unit_now_ns() - before >= timeouts[i]);
		}
	SAME(0, place_stat(&e.p).received);
	ends_close(&e);
}

/* Where nothing has to be waited for, the longest timeouts are no matter. */
TEST_EACH_SPOT(blocking, test_ready_does_not_wait)
{
	static const int64_t any[] = {0, 1, INT64_MAX, INT64_MAX - 1, SHMQ_FOREVER};
	struct ends e = ends_open(*at, false);
	char c;

	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
		SAME(0, shmq_send(e.q, "x", 1, any[i]));
		SAME(1, shmq_recv(e.q, &c, 1, any[i]));
	}
	ends_close(&e);
}

/* Signals ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t handled;

static void
handle(int number)
{
	(void)number;
	handled = 1;
}

/* A signal, again and again: the one that comes before we wait is not the last. */
static void
signals_begin(int flags)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
	struct itimerval often = {{0, 5000}, {0, 5000}};

	handled = 0;
	SAME(0, sigaction(SIGALRM, &action, NULL));
	SAME(0, setitimer(ITIMER_REAL, &often, NULL));
}

static void
signals_end(void)
{
	struct itimerval never = {{0, 0}, {0, 0}};

	SAME(0, setitimer(ITIMER_REAL, &never, NULL));
	MUST(handled);
}

static void
interrupt_all(struct ends *e, bool full, int64_t timeout_ns)
{
	static const int flags[] = {0, SA_RESTART};
	ssize_t err;

	for (int how = 0; how < CALLS; how++)
		for (int i = 0; i < 2; i++) {
			signals_begin(flags[i]);
			err = full ? send_somehow(e->q, how, timeout_ns)
				   : recv_somehow(e->q, how, timeout_ns);
			signals_end();
			SAME(-EINTR, err);
		}
}

TEST_EACH_SPOT(blocking, test_send_signal_handled_eintr)
{
	struct ends e = ends_open(*at, true);

	interrupt_all(&e, true, SHMQ_FOREVER);
	interrupt_all(&e, true, 3600 * 1000 * MS);
	SAME(1, place_stat(&e.p).sent);
	ends_close(&e);
}

TEST_EACH_SPOT(blocking, test_recv_signal_handled_eintr)
{
	struct ends e = ends_open(*at, false);
	char c;

	interrupt_all(&e, false, SHMQ_FOREVER);
	interrupt_all(&e, false, 3600 * 1000 * MS);
	SAME(0, shmq_send(e.q, "x", 1, 0));
	SAME(1, shmq_recv(e.q, &c, 1, SHMQ_FOREVER));
	ends_close(&e);
}

/* Woken -------------------------------------------------------------------------------------- */

static void
recv_forever(void *arg)
{
	struct shmq *q = unit_join(arg, SHMQ_CONSUMER);
	char c = 0;

	SAME(1, shmq_recv(q, &c, 1, SHMQ_FOREVER));
	SAME('w', c);
	SAME(0, shmq_detach(q));
}

TEST_EACH_SPOT(blocking, test_recv_asleep_is_woken_by_send)
{
	struct place p = spot_ring(*at, 8, 1);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER);
	pid_t pid = process_start(recv_forever, &p);

	process_await_call(pid, PROCESS_FUTEX);
	SAME(0, shmq_send(tx, "w", 1, 0));
	process_join(pid);
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

static void
send_forever(void *arg)
{
	struct shmq *q = unit_join(arg, SHMQ_PRODUCER);

	SAME(0, shmq_send(q, "1", 1, 0));
	SAME(0, shmq_send(q, "2", 1, SHMQ_FOREVER));
	SAME(0, shmq_detach(q));
}

TEST_EACH_SPOT(blocking, test_send_asleep_is_woken_by_recv)
{
	struct place p = spot_ring(*at, 8, 1);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER);
	pid_t pid = process_start(send_forever, &p);
	char c;

	process_await_call(pid, PROCESS_FUTEX);
	SAME(1, shmq_recv(rx, &c, 1, 0));
	process_join(pid);
	SAME(1, shmq_recv(rx, &c, 1, 0));
	SAME('2', c);
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}
