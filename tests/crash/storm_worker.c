/* SPDX-License-Identifier: MIT */
/* The processes of a storm. Notes are stores in program order, which is the order that is left of
 * a killed process; so relaxed ones, with a fence for the compiler. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "storm.h"
#include "support/process.h"

/* One of the ways in `mask`, by chance. */
static unsigned
choose(unsigned mask, uint64_t *seed)
{
	unsigned n = (unsigned)random_below(seed, (uint64_t)__builtin_popcount(mask));

	for (; n; n--)
		mask &= mask - 1;
	return mask & -mask;
}

static int64_t
choose_timeout(uint64_t *seed)
{
	switch (random_below(seed, 4)) {
	case 0:
		return 0;
	case 1:
		return (int64_t)random_below(seed, 300000);
	default:
		return SHMQ_FOREVER;
	}
}

static void
set(uint64_t *word, uint64_t value)
{
	shmq_fence_compiler();
	shmq_store_relaxed_u64(word, value);
	shmq_fence_compiler();
}

static void
add(uint64_t *word, uint64_t more)
{
	set(word, shmq_load_relaxed_u64(word) + more);
}

/* Attach; rivals for a role wait until it is free. */
static struct shmq *
join(const struct storm_worker *w, unsigned role)
{
	struct shmq *q = NULL;
	int err;

	for (;;) {
		err = shmq_attach(&q, w->storm->place.attach, role);
		if (err != -EBUSY || !w->storm->sole[w->producer])
			break;
		usleep(50);
	}
	SAME(0, err);
	set(&w->storm->shared->seats[w->producer][w->seat].attached, w->life);
	return q;
}

static bool
nothing_done(int64_t result)
{
	if (result == -EAGAIN)
		sched_yield();
	return result == -EAGAIN || result == -ETIMEDOUT;
}

/* Producers ---------------------------------------------------------------------------------- */

struct sender {
	const struct storm_worker *w;
	struct storm_shared *shared;
	struct storm_seat *seat;
	struct shmq *q;
	uint64_t seed;
	struct iovec v[STORM_BATCH];
	unsigned char bytes[STORM_BATCH][STORM_MSG_MAX];
};

/* Make the next n messages, and note that they are about to be sent. */
static void
begin(struct sender *s, unsigned n)
{
	uint64_t first = shmq_load_relaxed_u64(&s->seat->next), now = clock_now_ns();
	uint64_t stamp = shmq_load_relaxed_u64(&s->shared->stamp);

	while (first + n > STORM_SENT)
		pause(); /* no room for notes: be killed */
	for (unsigned i = 0; i < n; i++) {
		struct storm_message m = {s->w->seat, first + i, stamp + i};
		struct storm_sent *sent = &s->shared->sent[s->w->seat][first + i];
		size_t length = storm_length(s->w->storm, &m);

		storm_fill(s->bytes[i], length, &m);
		s->v[i] = (struct iovec){s->bytes[i], length};
		sent->time = now;
		sent->stamp = m.stamp;
		set(&sent->word, (uint64_t)s->w->life << 2 | BEGUN);
	}
	if (s->w->storm->sole[true])
		set(&s->shared->stamp, stamp + n);
	set(&s->seat->next, first + n);
}

/* Of the n last begun the first `done` were sent, the others will be begun again. */
static void
finish(struct sender *s, unsigned n, unsigned done)
{
	uint64_t first = shmq_load_relaxed_u64(&s->seat->next) - n;
	uint64_t stamp = shmq_load_relaxed_u64(&s->shared->stamp) - n + done;

	for (unsigned i = 0; i < done; i++)
		set(&s->shared->sent[s->w->seat][first + i].word,
		    (uint64_t)s->w->life << 2 | RETURNED);
	set(&s->seat->next, first + done);
	if (s->w->storm->sole[true]) {
		set(&s->shared->stamp, stamp);
		set(&s->shared->returned, stamp);
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

static void
come_to_nothing(struct sender *s, int64_t timeout)
{
	struct iovec slot;
	int err = shmq_reserve(s->q, &slot, s->w->storm->kind->opts.msg_max, timeout);

	if (nothing_done(err))
		return;
	SAME(0, err);
	memset(slot.iov_base, 0xee, slot.iov_len);
	SAME(0, shmq_abort(s->q, &slot));
}

static void
send_some(struct sender *s, unsigned way, int64_t timeout)
{
	unsigned n = way == BY_SEND_BATCH ? 1 + (unsigned)random_below(&s->seed, STORM_BATCH) : 1;
	int64_t done = 1, err;

	if (way == BY_ABORT) {
		come_to_nothing(s, timeout);
		return;
	}
	begin(s, n);
	if (way == BY_SEND_BATCH)
		err = done = shmq_send_batch(s->q, s->v, n, timeout);
	else if (way == BY_COMMIT)
		err = commit(s, timeout);
	else
		err = shmq_send(s->q, s->v[0].iov_base, s->v[0].iov_len, timeout);
	if (nothing_done(err))
		done = 0;
	else
		MUST(err >= 0);
	finish(s, n, (unsigned)done);
	add(&s->seat->steps, (uint64_t)done);
}

void
storm_produce(void *arg)
{
	const struct storm_worker *w = arg;
	struct storm_shared *shared = w->storm->shared;
	unsigned ways = w->storm->kind->ways & (BY_SEND | BY_SEND_BATCH | BY_COMMIT | BY_ABORT);
	struct sender s = {.w = w, .shared = shared, .seed = w->seed};
	bool never_waits = w->storm->lossy || w->storm->kind->opts.slow_limit;

	s.seat = &shared->seats[true][w->seat];
	s.q = join(w, SHMQ_PRODUCER);
	if (w->last) {
		gate_pass(w->gate);
		send_some(&s, BY_SEND, SHMQ_FOREVER);
		SAME(0, shmq_detach(s.q));
		return;
	}
	for (;;) {
		send_some(&s, choose(ways, &s.seed), choose_timeout(&s.seed));
		/* Who never waits would be a lap ahead of everybody all the time. */
		if (never_waits && random_below(&s.seed, 16) == 0)
			usleep((useconds_t)random_below(&s.seed, 100));
	}
}

/* Consumers ---------------------------------------------------------------------------------- */

struct receiver {
	const struct storm_worker *w;
	struct storm *storm;
	struct storm_shared *shared;
	struct storm_log *log;
	struct shmq *q;
	uint64_t seed;
	uint64_t returned; /* before the receive at work */
	uint64_t seen;	   /* by this handle, positions below */
	bool waits, ended;
	struct iovec v[STORM_BATCH];
	unsigned char bytes[STORM_BATCH][STORM_MSG_MAX];
};

static struct storm_note *
place_of(struct receiver *r, unsigned ahead)
{
	uint64_t at = shmq_load_relaxed_u64(&r->log->count) + ahead;

	while (at >= STORM_NOTES)
		pause();
	return &r->log->notes[at];
}

static void
enter(struct receiver *r)
{
	bool oldest = r->storm->kind->opts.kind == SHMQ_BROADCAST && !r->w->last &&
		      random_below(&r->seed, 2);
	unsigned role = SHMQ_CONSUMER | (oldest ? SHMQ_OLDEST : 0) |
			(r->w->last && !r->storm->stream ? SHMQ_HANGUP : 0);
	/* Relaxed: a lower bound. */
	uint64_t highest = shmq_load_relaxed_u64(&r->shared->highest);
	struct storm_note *note;

	r->q = join(r->w, role);
	r->seen = 0;
	while (shmq_load_relaxed_u64(&place_of(r, 0)->word))
		add(&r->log->count, 1);
	note = place_of(r, 0);
	note->position = highest;
	note->lost = !oldest;
	set(&note->word, NOTE(JOINED, 0, 0, r->w->life));
	add(&r->log->count, 1);
}

/* Note a message; false: it is from before this round, as streams may show. */
static bool
note_message(struct receiver *r, struct storm_note *note, enum storm_what what,
	     const struct storm_message *m)
{
	struct shmq_info info = {.size = sizeof(info)};

	SAME(0, shmq_info(r->q, &info));
	if (r->storm->stream && info.sequence < r->storm->before.sent)
		return false;
	note->position = info.sequence;
	note->lost = info.lost;
	note->noted = clock_now_ns();
	set(&note->word, NOTE(what, info.deliveries, m->seat, m->number));
	/* Relaxed: a hint that only grows. */
	shmq_max_relaxed_u64(&r->shared->highest, info.sequence + 1);
	if (r->storm->kind->opts.kind == SHMQ_LATEST) {
		MUST(m->stamp + 1 >= r->returned); /* the newest */
		MUST(info.sequence + 1 >= r->seen + r->waits);
	}
	r->seen = info.sequence + 1;
	if (r->storm->stream && m->seat == r->storm->kind->producers)
		r->ended = true;
	return true;
}

/* Hold a message now and then, and one that comes again always: so that some become dead letters. */
static void
linger(struct receiver *r, bool again)
{
	if (again || random_below(&r->seed, 32) == 0)
		usleep((useconds_t)random_below(&r->seed, again ? 2000 : 200));
}

static int64_t
peek_one(struct receiver *r, struct storm_note *note, int64_t timeout)
{
	struct storm_message m;
	struct iovec v;
	int err = shmq_peek(r->q, &v, timeout);

	if (err)
		return err;
	m = storm_check(r->storm, v.iov_base, v.iov_len);
	if (!note_message(r, note, HELD, &m)) {
		SAME(0, shmq_release(r->q, &v));
		return 0;
	}
	linger(r, NOTE_DELIVERIES(note->word) > 1);
	SAME(0, shmq_release(r->q, &v));
	set(&note->word, (note->word & ~UINT64_C(15)) | DONE);
	return 1;
}

static int64_t
recv_one(struct receiver *r, struct storm_note *note, int64_t timeout)
{
	int64_t length = shmq_recv(r->q, r->bytes[0], STORM_MSG_MAX, timeout);
	struct storm_message m;

	if (length < 0)
		return length;
	m = storm_check(r->storm, r->bytes[0], (size_t)length);
	if (r->storm->kind->opts.slow_limit && random_below(&r->seed, 64) == 0)
		usleep(500);
	return note_message(r, note, DONE, &m);
}

/* shmq_info() is about the last of a batch; in a sequence, the others are those before it. */
static int64_t
recv_several(struct receiver *r, unsigned n, int64_t timeout)
{
	int64_t got = shmq_recv_batch(r->q, r->v, n, timeout);
	struct shmq_info info = {.size = sizeof(info)};
	unsigned notes = 0;

	for (int64_t i = 0; i < got; i++) {
		struct storm_message m = storm_check(r->storm, r->bytes[i], r->v[i].iov_len);
		struct storm_note *note = place_of(r, 1 + notes);
		uint64_t position = UINT64_MAX;

		SAME(0, shmq_info(r->q, &info));
		if (r->storm->sole[true])
			position = info.sequence - (uint64_t)(got - 1 - i);
		if (r->storm->stream && position < r->storm->before.sent)
			continue;
		note->position = position;
		note->noted = clock_now_ns();
		set(&note->word, NOTE(DONE, 1, m.seat, m.number));
		notes++;
	}
	if (notes)
		set(&place_of(r, 0)->word, NOTE(FINISHED, 0, 0, n));
	return notes ? 1 + notes : got < 0 ? got : 0;
}

/* What is noted at this place is kept, if it is anything. */
static void
keep(struct receiver *r, int64_t notes)
{
	if (notes <= 0)
		set(&place_of(r, 0)->word, 0);
	else
		add(&r->log->count, (uint64_t)notes);
	add(&r->shared->seats[false][r->w->seat].steps, notes > 0);
}

static int64_t
receive_some(struct receiver *r, unsigned way, int64_t timeout)
{
	unsigned n = way == BY_RECV_BATCH ? 1 + (unsigned)random_below(&r->seed, STORM_BATCH) : 1;
	struct storm_note *note = place_of(r, 0);
	int64_t notes;

	for (unsigned i = 0; i < n; i++)
		r->v[i] = (struct iovec){r->bytes[i], STORM_MSG_MAX};
	note->began = clock_now_ns();
	set(&note->word, NOTE(way == BY_PEEK ? WILL_PEEK : WILL_RECV, 0, 0, n));
	/* Relaxed: a lower bound. */
	r->returned = shmq_load_relaxed_u64(&r->shared->returned);
	r->waits = timeout != 0;
	if (way == BY_PEEK)
		notes = peek_one(r, note, timeout);
	else if (way == BY_RECV)
		notes = recv_one(r, note, timeout);
	else
		notes = recv_several(r, n, timeout);
	keep(r, notes);
	return notes;
}

static void
come_again(struct receiver *r)
{
	SAME(0, shmq_detach(r->q));
	enter(r);
}

void
storm_consume(void *arg)
{
	const struct storm_worker *w = arg;
	struct storm *storm = w->storm;
	unsigned ways = storm->kind->ways & (BY_PEEK | BY_RECV | BY_RECV_BATCH);
	struct receiver r = {.w = w, .storm = storm, .shared = storm->shared, .seed = w->seed};
	int64_t result = 0;

	r.log = &storm->shared->logs[storm->sole[false] ? 0 : w->seat];
	if (w->last && storm->stream)
		ways = BY_RECV;
	for (enter(&r); !r.ended && result != -EPIPE;) {
		int64_t timeout = w->last ? SHMQ_FOREVER : choose_timeout(&r.seed);

		result = receive_some(&r, choose(ways, &r.seed), timeout);
		if (result == -ESTALE) {
			MUST(storm->kind->opts.slow_limit && !w->last);
			come_again(&r);
		} else if (result < 0 && result != -EPIPE) {
			MUST(nothing_done(result));
		} else if (!w->last && random_below(&r.seed, 500) == 0) {
			come_again(&r);
		}
	}
	MUST(w->last);
	SAME(0, shmq_detach(r.q));
}
