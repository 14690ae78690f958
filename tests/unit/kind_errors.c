/* SPDX-License-Identifier: MIT */
/* Every error that shmq.h documents for a call on a queue, provoked on every kind that can give it. */
#include "kinds.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <shmq/inline.h>

#define MS INT64_C(1000000)

TestSuite(kind_errors, .init = unit_begin, .fini = place_end);

/* Each kind on shm: and sysv:, the first in its own words, the second where the mapping differs. */
#define EACH_KIND(pair)                                                                       \
	for (unsigned n_ = 0; n_ < 2 * KINDS; n_++)                                           \
		for (struct pair pair = pair_open(&kinds[n_ / 2], n_ % 2 ? ON_SYSV : ON_SHM); \
		     pair.kind; pair_close(&pair), pair.kind = NULL)

/* Every sending call, and every receiving one that this kind has, says `want`. */
static void
senders_say(struct pair *pair, int want, int64_t timeout_ns)
{
	struct iovec v = {"x", 1}, slot = {pair, 7};

	SAME(want, shmq_send(pair->tx, "x", 1, timeout_ns));
	SAME(want, shmq_reserve(pair->tx, &slot, 1, timeout_ns));
	MUST(slot.iov_base == pair && slot.iov_len == 7);
	if (pair->kind->batch)
		SAME(want, shmq_send_batch(pair->tx, &v, 1, timeout_ns));
}

static void
receivers_say(struct pair *pair, int want, int64_t timeout_ns)
{
	char buf[KIND_MSG_MAX];
	struct iovec v = {buf, sizeof(buf)};

	SAME(want, shmq_recv(pair->rx, buf, sizeof(buf), timeout_ns));
	if (pair->kind->batch)
		SAME(want, shmq_recv_batch(pair->rx, &v, 1, timeout_ns));
	if (pair->kind->peek)
		SAME(want, shmq_peek(pair->rx, &v, timeout_ns));
	MUST(v.iov_len == sizeof(buf));
}

static size_t
fill(struct pair *pair)
{
	size_t n = 0;

	while (n < 10000 && shmq_send(pair->tx, "f", 1, 0) == 0)
		n++;
	return n;
}

/* Full, empty, interrupted -------------------------------------------------------------------- */

Test(kind_errors, test_kind_full_eagain_etimedout)
{
	EACH_KIND(pair)
	{
		if (pair.kind->room == 0) {
			SAME(10000, fill(&pair));
			continue;
		}
		SAME(pair.kind->room, fill(&pair));
		senders_say(&pair, -EAGAIN, 0);
		senders_say(&pair, -ETIMEDOUT, 1000);
		SAME(pair.kind->room, place_stat(&pair.p).sent);
		for (size_t i = 0; i < pair.kind->room; i++)
			pair_recv(&pair, 'f');
		SAME(pair.kind->room, fill(&pair));
	}
}

Test(kind_errors, test_kind_empty_eagain_etimedout)
{
	EACH_KIND(pair)
	{
		receivers_say(&pair, -EAGAIN, 0);
		receivers_say(&pair, -ETIMEDOUT, MS);
		pair_send(&pair, 'e');
		pair_recv(&pair, 'e');
		receivers_say(&pair, -ETIMEDOUT, MS); /* latest: an old value is no news */
	}
}

static volatile sig_atomic_t handled;

static void
handle(int number)
{
	(void)number;
	handled = 1;
}

/* A signal, again and again: the one that comes before we wait is not the last. */
static void
signals(bool on)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerval often = {{0, on ? 5000 : 0}, {0, on ? 5000 : 0}};

	SAME(0, sigaction(SIGALRM, &action, NULL));
	SAME(0, setitimer(ITIMER_REAL, &often, NULL));
}

Test(kind_errors, test_kind_signal_eintr)
{
	EACH_KIND(pair)
	{
		signals(true);
		receivers_say(&pair, -EINTR, SHMQ_FOREVER);
		if (pair.kind->room) {
			fill(&pair);
			senders_say(&pair, -EINTR, SHMQ_FOREVER);
		}
		signals(false);
		MUST(handled);
	}
}

/* Too long, and too much at once --------------------------------------------------------------- */

Test(kind_errors, test_kind_too_long_emsgsize_and_it_stays)
{
	char buf[KIND_MSG_MAX + 1] = "long";
	struct iovec v = {buf, sizeof(buf)}, slot;

	EACH_KIND(pair)
	{
		SAME(-EMSGSIZE, shmq_send(pair.tx, buf, sizeof(buf), 0));
		SAME(-EMSGSIZE, shmq_reserve(pair.tx, &slot, sizeof(buf), 0));
		v.iov_len = sizeof(buf);
		SAME(pair.kind->batch ? -EMSGSIZE : -ENOTSUP, shmq_send_batch(pair.tx, &v, 1, 0));
		SAME(0, place_stat(&pair.p).sent);
		SAME(0, shmq_reserve(pair.tx, &slot, 4, 0));
		slot.iov_len = 5;
		SAME(-EMSGSIZE, shmq_commit(pair.tx, &slot));
		slot.iov_len = 4;
		memcpy(slot.iov_base, "four", 4);
		SAME(0, shmq_commit(pair.tx, &slot));
		SAME(-EMSGSIZE, shmq_recv(pair.rx, buf, 3, 0));
		SAME(-EMSGSIZE, shmq_recv(pair.rx, NULL, 0, SHMQ_FOREVER));
		v.iov_len = 3;
		SAME(pair.kind->batch ? -EMSGSIZE : -ENOTSUP, shmq_recv_batch(pair.rx, &v, 1, 0));
		SAME(4, shmq_recv(pair.rx, buf, 4, SHMQ_FOREVER));
		SAME(0, memcmp(buf, "four", 4));
	}
}

Test(kind_errors, test_kind_reservation_or_peek_open_ebusy)
{
	struct iovec slot, second = {&slot, 7}, msg;
	char buf[KIND_MSG_MAX];

	EACH_KIND(pair)
	{
		SAME(0, shmq_reserve(pair.tx, &slot, 1, 0));
		SAME(-EBUSY, shmq_reserve(pair.tx, &second, 1, SHMQ_FOREVER));
		SAME(-EBUSY, shmq_send(pair.tx, "x", 1, SHMQ_FOREVER));
		if (pair.kind->batch)
			SAME(-EBUSY, shmq_send_batch(pair.tx, &(struct iovec){"x", 1}, 1, 0));
		MUST(second.iov_base == &slot && second.iov_len == 7);
		*(char *)slot.iov_base = 'r';
		SAME(0, shmq_commit(pair.tx, &slot));
		if (pair.kind->peek) {
			SAME(0, shmq_peek(pair.rx, &msg, 0));
			SAME(-EBUSY, shmq_recv(pair.rx, buf, sizeof(buf), SHMQ_FOREVER));
			SAME(-EBUSY, shmq_recv_batch(pair.rx, &second, 1, 0));
			SAME(0, shmq_release(pair.rx, &msg));
		} else {
			pair_recv(&pair, 'r');
		}
	}
}

/* Roles ---------------------------------------------------------------------------------------- */

Test(kind_errors, test_kind_single_role_held_ebusy)
{
	EACH_KIND(pair)
	{
		struct shmq *q = NULL;

		SAME(pair.kind->many_producers ? 0 : -EBUSY,
		     shmq_attach(&q, pair.p.attach, SHMQ_PRODUCER));
		if (q)
			SAME(0, shmq_detach(q));
		q = NULL;
		SAME(pair.kind->many_consumers ? 0 : -EBUSY,
		     shmq_attach(&q, pair.p.attach, SHMQ_CONSUMER));
		if (q)
			SAME(0, shmq_detach(q));
	}
}

/* Who only reads needs no entry. */
Test(kind_errors, test_kind_no_entry_left_enospc)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct shmq_opts opts = kinds[i].opts;
		struct shmq *tx, *rx = NULL;
		struct place p;

		opts.participants = 1;
		p = place_queue(ON_SHM, 0, &opts);
		tx = unit_join(&p, SHMQ_PRODUCER);
		SAME(kinds[i].lossy ? 0 : -ENOSPC, shmq_attach(&rx, p.attach, SHMQ_CONSUMER));
		if (rx)
			SAME(0, shmq_detach(rx));
		SAME(0, shmq_detach(tx));
		rx = unit_join(&p, SHMQ_CONSUMER);
		SAME(0, shmq_detach(rx));
		place_remove(&p);
	}
}

Test(kind_errors, test_kind_other_role_or_bad_arguments_einval)
{
	char buf[8] = "";
	struct iovec v = {buf, sizeof(buf)}, none = {NULL, 4};

	EACH_KIND(pair)
	{
		bool batch = pair.kind->batch;

		SAME(-EINVAL, shmq_recv(pair.tx, buf, sizeof(buf), SHMQ_FOREVER));
		SAME(-EINVAL, shmq_send(pair.rx, buf, 1, SHMQ_FOREVER));
		SAME(-EINVAL, shmq_reserve(pair.rx, &v, 1, 0));
		SAME(-EINVAL, shmq_commit(pair.rx, &v));
		SAME(-EINVAL, shmq_commit(pair.tx, &v));
		SAME(-EINVAL, shmq_abort(pair.tx, &v));
		SAME(-EINVAL, shmq_release(pair.rx, &v));
		SAME(-EINVAL, shmq_send(pair.tx, NULL, 1, 0));
		SAME(-EINVAL, shmq_recv(pair.rx, NULL, 1, 0));
		SAME(-EINVAL, shmq_reserve(pair.tx, NULL, 1, 0));
		SAME(-EINVAL, shmq_send(pair.tx, buf, 1, -2));
		SAME(-EINVAL, shmq_recv(pair.rx, buf, 1, INT64_MIN));
		SAME(-EINVAL, shmq_send_batch(pair.tx, NULL, 1, 0));
		SAME(batch ? -EINVAL : -ENOTSUP, shmq_send_batch(pair.tx, &none, 1, 0));
		SAME(-EINVAL, shmq_recv_batch(pair.rx, NULL, 1, 0));
		SAME(-EINVAL, shmq_peek(pair.rx, NULL, 0));
		SAME(0, place_stat(&pair.p).sent);
		pair_send(&pair, 'a');
		pair_recv(&pair, 'a');
	}
}

/* Ends ----------------------------------------------------------------------------------------- */

Test(kind_errors, test_kind_removed_drained_then_eidrm)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct pair pair = pair_open(&kinds[i], ON_SHM);

		pair_send(&pair, 'd');
		SAME(0, shmq_remove(pair.p.attach));
		senders_say(&pair, -EIDRM, 0);
		senders_say(&pair, -EIDRM, SHMQ_FOREVER);
		pair_recv(&pair, 'd');
		receivers_say(&pair, -EIDRM, 0);
		receivers_say(&pair, -EIDRM, SHMQ_FOREVER);
		SAME(0, shmq_detach(pair.tx));
		SAME(0, shmq_detach(pair.rx));
	}
}

/* One more than the limit behind: ejected, for good; others, and who comes again, go on. */
Test(kind_errors, test_kind_slow_reader_estale)
{
	EACH_KIND(pair)
	{
		struct shmq *quick;

		if (!pair.kind->opts.slow_limit)
			continue;
		quick = unit_join(&pair.p, SHMQ_CONSUMER);
		for (size_t i = 0; i <= pair.kind->opts.slow_limit; i++) {
			pair_send(&pair, 's');
			SAME(1, shmq_recv(quick, (char[1]){0}, 1, 0));
		}
		receivers_say(&pair, -ESTALE, 0);
		receivers_say(&pair, -ESTALE, SHMQ_FOREVER);
		SAME(0, shmq_detach(pair.rx));
		pair.rx = unit_join(&pair.p, SHMQ_CONSUMER);
		pair_send(&pair, 'a');
		pair_recv(&pair, 'a');
		SAME(1, shmq_recv(quick, (char[1]){0}, 1, 0));
		SAME(0, shmq_detach(quick));
	}
}

static void
inherited(void *arg)
{
	struct pair *pair = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_info info = {.size = sizeof(info)};
	struct shmq_port port = {0};
	struct iovec v = {&port, sizeof(port)};

	senders_say(pair, -EBADF, SHMQ_FOREVER);
	receivers_say(pair, -EBADF, SHMQ_FOREVER);
	SAME(-EBADF, shmq_commit(pair->tx, &v));
	SAME(-EBADF, shmq_abort(pair->tx, &v));
	SAME(-EBADF, shmq_release(pair->rx, &v));
	SAME(-EBADF, shmq_info(pair->rx, &info));
	SAME(-EBADF, shmq_qstat(pair->rx, &st));
	SAME(-EBADF, shmq_fd(pair->rx));
	SAME(-EBADF, shmq_port_open(&port, pair->tx));
	SAME(-EBADF, shmq_detach(pair->rx));
	SAME(-EBADF, shmq_detach(pair->tx));
}

Test(kind_errors, test_kind_after_fork_ebadf)
{
	EACH_KIND(pair)
	{
		pair_send(&pair, 'f');
		process_join(process_start(inherited, &pair));
		pair_recv(&pair, 'f');
	}
}

/* What a kind does not have -------------------------------------------------------------------- */

static int
create(struct shmq_opts opts)
{
	struct place p = place_name(ON_SHM, 1);
	int err;

	opts.size = sizeof(opts);
	err = shmq_create(p.create, &opts);
	if (err == 0)
		SAME(0, shmq_remove(p.attach));
	else
		MUST(shmq_footprint(&opts) == err);
	return err;
}

Test(kind_errors, test_kind_flag_that_it_does_not_have_enotsup)
{
	for (int kind = SHMQ_SPSC; kind <= SHMQ_LATEST; kind++) {
		struct shmq_opts opts = {.kind = kind, .msg_max = 8, .capacity = 64};
		bool broadcast = kind == SHMQ_BROADCAST, mpmc = kind == SHMQ_MPMC;

		SAME(0, create(opts));
		opts.flags = SHMQ_LOSSY;
		SAME(broadcast ? 0 : -ENOTSUP, create(opts));
		opts.flags = SHMQ_RECORDS;
		SAME(mpmc || kind == SHMQ_LATEST ? -ENOTSUP : 0, create(opts));
		opts.flags = SHMQ_REDELIVER;
		SAME(mpmc ? 0 : -ENOTSUP, create(opts));
		opts.max_deliveries = 3;
		SAME(mpmc ? 0 : -ENOTSUP, create(opts));
		opts.flags = 0;
		SAME(-ENOTSUP, create(opts));
		opts.max_deliveries = 0;
		opts.slow_limit = 64;
		SAME(broadcast ? 0 : -ENOTSUP, create(opts));
		opts.flags = SHMQ_LOSSY;
		SAME(-ENOTSUP, create(opts));
	}
}

Test(kind_errors, test_kind_number_out_of_range_einval)
{
	SAME(-EINVAL, create((struct shmq_opts){.kind = 5, .msg_max = 8}));
	SAME(-EINVAL, create((struct shmq_opts){.kind = -1, .msg_max = 8}));
	SAME(-EINVAL, create((struct shmq_opts){.msg_max = SHMQ_MSG_MAX + 1}));
	SAME(-EINVAL, create((struct shmq_opts){.capacity = SHMQ_CAPACITY_MAX + 1}));
	SAME(-EINVAL, create((struct shmq_opts){.participants = SHMQ_PARTICIPANTS_MAX + 1}));
	SAME(-EINVAL, create((struct shmq_opts){.kind = SHMQ_LATEST, .capacity = 1}));
	SAME(-EINVAL,
	     create((struct shmq_opts){.msg_max = 100, .capacity = 104, .flags = SHMQ_RECORDS}));
	SAME(0, create((struct shmq_opts){.msg_max = 100, .capacity = 112, .flags = SHMQ_RECORDS}));
	SAME(-EINVAL,
	     create((struct shmq_opts){.kind = SHMQ_BROADCAST, .capacity = 8, .slow_limit = 9}));
	SAME(-EINVAL, create((struct shmq_opts){.kind = SHMQ_MPMC,
						.flags = SHMQ_REDELIVER,
						.max_deliveries = SHMQ_DELIVERIES_MAX + 1}));
}

/* Each kind opened as each other one. */
Test(kind_errors, test_kind_opened_as_another_einval)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct place p = place_queue(ON_SHM, 0, &kinds[i].opts);

		for (unsigned k = 0; k < KINDS; k++) {
			struct shmq_opts opts = kinds[k].opts;
			bool same = opts.kind == kinds[i].opts.kind &&
				    opts.flags == kinds[i].opts.flags;
			struct shmq *q = NULL;

			opts.capacity = 0;
			SAME(same ? 0 : -EINVAL, shmq_open(&q, p.attach, &opts, SHMQ_PRODUCER));
			if (q)
				SAME(0, shmq_detach(q));
		}
		place_remove(&p);
	}
}
