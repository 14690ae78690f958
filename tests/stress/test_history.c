/* SPDX-License-Identifier: MIT */
/*
 * What MPMC queues did, written down by each process with the clock, is what a FIFO queue can do.
 * And the checks themselves: both ways agree, and planted violations are found for what they are.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <shmq/atomic.h>

#include "stress/history.h"
#include "support/place.h"
#include "support/process.h"

#define CROWD 4
#define VALUES ((uint64_t)3000 * SCALE) /* of each sender */
#define LONG_BYTES 400			/* received in another way than short ones */

TestSuite(history, .init = place_begin, .fini = place_end, .timeout = 3600);

/* Recording ----------------------------------------------------------------------------------- */

struct record {
	uint64_t length;
	struct operation ops[];
};

struct scene {
	char address[128];
	unsigned senders, receivers;
	uint64_t values; /* of each sender */
	int ready, go;	 /* gates */
	uint64_t taken;	 /* values, by all */
	struct record *records[2 * CROWD];
};

struct member {
	struct scene *scene;
	unsigned index; /* receivers after senders */
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct shmq *
come(const struct member *m, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, m->scene->address, role));
	gate_open(m->scene->ready);
	gate_pass(m->scene->go);
	return q;
}

/* A reservation has its place in the order from shmq_reserve() on; it is in when it is committed. */
static int
put(struct shmq *q, uint64_t value, uint64_t *seed)
{
	char message[LONG_BYTES] = "";
	size_t length = random_below(seed, 2) ? sizeof(value) : sizeof(message);
	struct iovec v = {message, length};
	int64_t timeout_ns = random_below(seed, 2) ? 0 : SHMQ_FOREVER;
	int err;

	memcpy(message, &value, sizeof(value));
	switch (random_below(seed, 3)) {
	case 0:
		return shmq_send(q, message, length, timeout_ns);
	case 1:
		err = (int)shmq_send_batch(q, &v, 1, timeout_ns);
		return err == 1 ? 0 : err;
	default:
		err = shmq_reserve(q, &v, length, timeout_ns);
		if (err)
			return err;
		memcpy(v.iov_base, message, length);
		SAME(0, shmq_commit(q, &v));
		return 0;
	}
}

static int
take(struct shmq *q, uint64_t *value, uint64_t *seed, int64_t timeout_ns)
{
	char message[LONG_BYTES];
	struct iovec v = {message, sizeof(message)};
	ssize_t got;

	switch (random_below(seed, 3)) {
	case 0:
		got = shmq_recv(q, message, sizeof(message), timeout_ns);
		break;
	case 1:
		got = shmq_recv_batch(q, &v, 1, timeout_ns);
		break;
	default:
		got = shmq_peek(q, &v, timeout_ns);
		if (got == 0) {
			memcpy(message, v.iov_base, sizeof(*value));
			SAME(0, shmq_release(q, &v));
		}
		break;
	}
	memcpy(value, message, sizeof(*value));
	return got < 0 ? (int)got : 0;
}

static void
write_down(struct record *record, struct operation op)
{
	record->ops[record->length++] = op;
}

static void
be_sender(void *arg)
{
	const struct member *m = arg;
	struct shmq *q = come(m, SHMQ_PRODUCER);
	uint64_t seed = m->index;

	for (uint64_t n = 0; n < m->scene->values;) {
		uint64_t value = (uint64_t)m->index << 32 | n;
		int64_t invoked = now_ns();
		int err = put(q, value, &seed);

		if (err == -EAGAIN) {
			sched_yield();
			continue;
		}
		SAME(0, err);
		write_down(m->scene->records[m->index],
			   (struct operation){invoked, now_ns(), value, true});
		n++;
	}
	SAME(0, shmq_detach(q));
}

static void
be_receiver(void *arg)
{
	const struct member *m = arg;
	struct scene *s = m->scene;
	struct shmq *q = come(m, SHMQ_CONSUMER);
	uint64_t seed = m->index;

	/* Relaxed: a count. */
	while (shmq_load_relaxed_u64(&s->taken) < s->senders * s->values) {
		int64_t invoked = now_ns(), timeout_ns = random_below(&seed, 2) ? 0 : 1000000;
		uint64_t value = 0;
		int err = take(q, &value, &seed, timeout_ns);

		if (err == -EAGAIN || err == -ETIMEDOUT) {
			sched_yield();
			continue;
		}
		SAME(0, err);
		write_down(s->records[m->index],
			   (struct operation){invoked, now_ns(), value, false});
		shmq_add_relaxed_u64(&s->taken, 1);
	}
	SAME(0, shmq_detach(q));
}

static size_t
record_bytes(const struct scene *s)
{
	/* One receiver may get them all, and some twice. */
	return sizeof(struct record) + 2 * CROWD * s->values * sizeof(struct operation);
}

static void
run_members(struct scene *s)
{
	unsigned members = s->senders + s->receivers;
	pid_t pids[2 * CROWD];

	for (unsigned i = 0; i < members; i++) {
		struct member m = {s, i};

		pids[i] = process_start(i < s->senders ? be_sender : be_receiver, &m);
		gate_pass(s->ready);
	}
	for (unsigned i = 0; i < members; i++)
		gate_open(s->go);
	for (unsigned i = 0; i < members; i++)
		process_join(pids[i]);
}

/* What they did, all of it; free with munmap(). */
static struct operation *
record(enum place_backend on, const struct shmq_opts *opts, struct scene *s, size_t *n)
{
	struct place place = place_queue(on, 0, opts);
	struct operation *ops = process_share(2 * CROWD * record_bytes(s));

	memcpy(s->address, place.attach, sizeof(s->address));
	s->taken = 0;
	for (unsigned i = 0; i < s->senders + s->receivers; i++)
		s->records[i] = process_share(record_bytes(s));
	run_members(s);
	*n = 0;
	for (unsigned i = 0; i < s->senders + s->receivers; i++) {
		memcpy(ops + *n, s->records[i]->ops, s->records[i]->length * sizeof(*ops));
		*n += s->records[i]->length;
		munmap(s->records[i], record_bytes(s));
	}
	place_remove(&place);
	return ops;
}

static struct scene *
open_scene(unsigned senders, unsigned receivers, uint64_t values)
{
	struct scene *s = process_share(sizeof(*s));

	*s = (struct scene){.senders = senders, .receivers = receivers, .values = values};
	s->ready = gate_new();
	s->go = gate_new();
	return s;
}

static struct shmq_opts
mpmc(size_t capacity, unsigned flags)
{
	return (struct shmq_opts){.size = sizeof(struct shmq_opts),
				  .kind = SHMQ_MPMC,
				  .msg_max = LONG_BYTES,
				  .capacity = capacity,
				  .participants = 2 * CROWD,
				  .flags = flags};
}

/* Long histories ------------------------------------------------------------------------------ */

static void
check_long(enum place_backend on, unsigned flags)
{
	static const size_t capacities[] = {1, 3, 64};

	for (unsigned i = 0; i < 3; i++) {
		struct shmq_opts opts = mpmc(capacities[i], flags);
		struct scene *s = open_scene(CROWD, CROWD, i ? VALUES : VALUES / 4);
		struct operation *ops;
		size_t n;

		ops = record(on, &opts, s, &n);
		SAME(2 * CROWD * s->values, n);
		SAME(HISTORY_FINE, history_check(ops, n, true));
	}
}

Test(history, test_mpmc_history_is_linearizable)
{
	check_long(ON_SHM, 0);
	check_long(ON_SYSV, 0);
}

Test(history, test_mpmc_redeliver_history_is_linearizable)
{
	check_long(ON_SHM, SHMQ_REDELIVER);
	check_long(ON_MEMFD, SHMQ_REDELIVER);
}

/* Short ones, both ways ----------------------------------------------------------------------- */

Test(history, test_mpmc_short_histories_are_linearizable)
{
	for (unsigned round = 0; round < 60 * SCALE; round++) {
		struct shmq_opts opts = mpmc(1 + round % 4, round & 1 ? SHMQ_REDELIVER : 0);
		struct scene *s = open_scene(2 + round % 2, 2, 3);
		struct operation *ops;
		size_t n;

		ops = record(ON_SHM, &opts, s, &n);
		SAME(2 * s->senders * s->values, n);
		MUST(history_search(ops, n));
		SAME(HISTORY_FINE, history_check(ops, n, true));
		munmap(ops, 2 * CROWD * record_bytes(s));
	}
}

/* A history of chance: most are not linearizable, and for every reason. */
static size_t
invent(struct operation *ops, uint64_t *seed)
{
	size_t values = 1 + random_below(seed, 5), n = 0;

	for (uint64_t v = 0; v < values; v++) {
		int64_t from = (int64_t)random_below(seed, 20);

		ops[n++] = (struct operation){from, from + 1 + (int64_t)random_below(seed, 10), v,
					      true};
		if (random_below(seed, 8) == 0)
			continue;
		from += (int64_t)random_below(seed, 25) - 4;
		ops[n++] = (struct operation){from, from + 1 + (int64_t)random_below(seed, 10),
					      random_below(seed, 50) ? v : v + 1, false};
	}
	return n;
}

Test(history, test_both_checks_agree_on_invented_histories)
{
	unsigned fine = 0, verdicts[HISTORY_LOST + 1] = {0};
	uint64_t seed = 5;

	for (unsigned i = 0; i < 20000 * SCALE; i++) {
		struct operation ops[HISTORY_SMALL];
		size_t n = invent(ops, &seed);
		bool found = history_search(ops, n);
		enum history_verdict verdict = history_check(ops, n, false);

		SAME(found, verdict == HISTORY_FINE);
		verdicts[verdict]++;
		fine += found;
	}
	/* Each was among them, often enough. */
	MUST(fine > 1000);
	MUST(verdicts[HISTORY_FRESH] > 100 && verdicts[HISTORY_REPEAT] > 10);
	MUST(verdicts[HISTORY_ORDER] > 1000);
}

/* Planted violations -------------------------------------------------------------------------- */

/* One after another: nothing overlaps, so that whatever is changed is wrong. */
static size_t
in_turn(struct operation *ops, size_t values)
{
	for (size_t v = 0; v < values; v++) {
		int64_t in = (int64_t)v * 4, out = (int64_t)(values + v) * 4;

		ops[2 * v] = (struct operation){in, in + 2, v, true};
		ops[2 * v + 1] = (struct operation){out, out + 2, v, false};
	}
	return 2 * values;
}

static void
check_planted(enum history_verdict want, struct operation *ops, size_t n)
{
	if (n <= HISTORY_SMALL && want != HISTORY_LOST)
		MUST(!history_search(ops, n));
	SAME(want, history_check(ops, n, true));
}

Test(history, test_planted_violations_are_found)
{
	static const size_t values[] = {3, 10, 10000};
	static struct operation ops[20000];

	for (unsigned i = 0; i < 3; i++) {
		size_t n = in_turn(ops, values[i]), v = 2 * (values[i] / 2) + 1;

		SAME(HISTORY_FINE, history_check(ops, n, true));
		in_turn(ops, values[i]);
		ops[v].value = values[i] + 7; /* from nowhere */
		check_planted(HISTORY_FRESH, ops, n);
		in_turn(ops, values[i]);
		ops[v].invoked = ops[v].returned = -1; /* out before it was in */
		check_planted(HISTORY_FRESH, ops, n);
		in_turn(ops, values[i]);
		ops[v].value = ops[v - 2].value; /* twice */
		check_planted(HISTORY_REPEAT, ops, n);
		in_turn(ops, values[i]);
		ops[v].value = ops[v - 2].value; /* two have changed places */
		ops[v - 2].value = ops[v].value + 1;
		check_planted(HISTORY_ORDER, ops, n);
		in_turn(ops, values[i]);
		ops[v] = ops[n - 1]; /* never out */
		check_planted(HISTORY_LOST, ops, n - 1);
	}
}

/* In a real history: the values of two takings that do not overlap change places. */
Test(history, test_planted_exchange_in_real_history_is_found)
{
	struct shmq_opts opts = mpmc(3, 0);
	struct scene *s = open_scene(2, 2, 500);
	struct operation *first = NULL, *last = NULL, *ops;
	uint64_t value;
	size_t n;

	ops = record(ON_SHM, &opts, s, &n);
	for (size_t i = 0; i < n; i++) {
		if (ops[i].put)
			continue;
		first = !first || ops[i].invoked < first->invoked ? &ops[i] : first;
		last = !last || ops[i].invoked > last->invoked ? &ops[i] : last;
	}
	value = first->value;
	first->value = last->value;
	last->value = value;
	MUST(history_check(ops, n, true) != HISTORY_FINE);
}
