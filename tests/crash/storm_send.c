/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "storm_worker.h"
#include "support/process.h"

struct sender {
	const struct storm_worker *w;
	struct storm_shared *shared;
	struct storm_seat *seat;
	struct shmq *q;
	uint64_t seed;
	struct iovec v[STORM_BATCH];
	unsigned char bytes[STORM_BATCH][STORM_MSG_MAX];
};

/* No room for notes: be killed, or see the queue go. */
static void
await_end(const struct storm_worker *w)
{
	while (!storm_is_removed(w) && !storm_is_to_leave(w))
		usleep(1000);
}

/* Make the next n messages, and note that they are about to be sent; false: it is time to end. */
static bool
begin(struct sender *s, unsigned n)
{
	uint64_t first = shmq_load_relaxed_u64(&s->seat->next), now = clock_now_ns();
	uint64_t stamp = shmq_load_relaxed_u64(&s->shared->stamp);

	if (first + n > STORM_SENT) {
		await_end(s->w);
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		struct storm_message m = {s->w->seat, first + i, stamp + i};
		struct storm_sent *sent = &s->shared->sent[s->w->seat][first + i];
		size_t length = storm_length(s->w->storm, &m);

		storm_fill(s->bytes[i], length, &m);
		s->v[i] = (struct iovec){s->bytes[i], length};
		sent->time = now;
		sent->stamp = m.stamp;
		storm_set(&sent->word, (uint64_t)s->w->life << 2 | BEGUN);
	}
	if (s->w->storm->sole[true])
		storm_set(&s->shared->stamp, stamp + n);
	storm_set(&s->seat->next, first + n);
	return true;
}

/* Of the n last begun the first `done` were sent, the others will be begun again. */
static void
finish(struct sender *s, unsigned n, unsigned done)
{
	uint64_t first = shmq_load_relaxed_u64(&s->seat->next) - n;
	uint64_t stamp = shmq_load_relaxed_u64(&s->shared->stamp) - n + done;

	for (unsigned i = 0; i < done; i++)
		storm_set(&s->shared->sent[s->w->seat][first + i].word,
			  (uint64_t)s->w->life << 2 | RETURNED);
	storm_set(&s->seat->next, first + done);
	if (s->w->storm->sole[true]) {
		storm_set(&s->shared->stamp, stamp);
		storm_set(&s->shared->returned, stamp);
	}
}

static int
commit(struct sender *s, int64_t timeout)
{
	struct iovec slot;
	int err = shmq_reserve(s->q, &slot, s->w->storm->kind->opts.msg_max, timeout);

	if (err)
		return err;
	memcpy(slot.iov_base, s->v[0].iov_base, s->v[0].iov_len);
	slot.iov_len = s->v[0].iov_len;
	return shmq_commit(s->q, &slot);
}

static int
come_to_nothing(struct sender *s, int64_t timeout)
{
	struct iovec slot;
	int err = shmq_reserve(s->q, &slot, s->w->storm->kind->opts.msg_max, timeout);

	if (err)
		return err;
	memset(slot.iov_base, 0xee, slot.iov_len);
	SAME(0, shmq_abort(s->q, &slot));
	return 0;
}

static int64_t
send_begun(struct sender *s, unsigned way, unsigned n, int64_t timeout)
{
	int64_t err;

	if (way == BY_SEND_BATCH)
		return shmq_send_batch(s->q, s->v, n, timeout);
	if (way == BY_COMMIT)
		err = commit(s, timeout);
	else
		err = shmq_send(s->q, s->v[0].iov_base, s->v[0].iov_len, timeout);
	return err ? err : 1;
}

/* How many were sent, or why none. */
static int64_t
send_some(struct sender *s, unsigned way, int64_t timeout)
{
	unsigned n = way == BY_SEND_BATCH ? 1 + (unsigned)random_below(&s->seed, STORM_BATCH) : 1;
	int64_t done;

	if (way == BY_ABORT)
		return come_to_nothing(s, timeout);
	if (!begin(s, n))
		return -EIDRM;
	done = send_begun(s, way, n, timeout);
	finish(s, n, done > 0 ? (unsigned)done : 0);
	storm_add(&s->seat->steps, done > 0 ? (uint64_t)done : 0);
	return done;
}

/* Until it is killed, is asked to leave, or the queue is removed. */
static void
send_on(struct sender *s)
{
	const struct storm *storm = s->w->storm;
	unsigned ways = storm->kind->ways & (BY_SEND | BY_SEND_BATCH | BY_COMMIT | BY_ABORT);
	bool never_waits = storm->lossy || storm->kind->opts.slow_limit;

	while (!storm_is_to_leave(s->w)) {
		int64_t done =
			send_some(s, storm_choose(ways, &s->seed), storm_choose_timeout(&s->seed));

		if (done == -EIDRM) {
			MUST(storm_is_removed(s->w) || storm_is_to_leave(s->w));
			return;
		}
		MUST(done >= 0 || storm_nothing_done(done));
		if (done == -EAGAIN)
			storm_wait_for_bell(s->w, s->q, &s->seed);
		/* Who never waits would be a lap ahead of everybody all the time. */
		if (never_waits && random_below(&s->seed, 16) == 0)
			usleep((useconds_t)random_below(&s->seed, 100));
	}
	/* Detach aborts. */
	if (random_below(&s->seed, 2))
		(void)shmq_reserve(s->q, &(struct iovec){0}, 1, 0);
}

void
storm_produce(void *arg)
{
	const struct storm_worker *w = arg;
	struct storm_shared *shared = w->storm->shared;
	struct sender s = {.w = w, .shared = shared, .seed = w->seed};

	s.seat = &shared->seats[true][w->seat];
	s.q = storm_join(w, SHMQ_PRODUCER);
	if (!s.q)
		return;
	if (w->last) {
		gate_pass(w->gate);
		SAME(1, send_some(&s, BY_SEND, SHMQ_FOREVER));
	} else {
		send_on(&s);
	}
	SAME(0, shmq_detach(s.q));
}
