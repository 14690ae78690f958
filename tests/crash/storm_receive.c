/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "storm_worker.h"
#include "support/process.h"

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

static bool
enter(struct receiver *r)
{
	bool oldest = r->storm->kind->opts.kind == SHMQ_BROADCAST && !r->w->last &&
		      random_below(&r->seed, 2);
	unsigned role = SHMQ_CONSUMER | (oldest ? SHMQ_OLDEST : 0) |
			(r->w->last && !r->storm->stream ? SHMQ_HANGUP : 0);
	/* Relaxed: a lower bound. */
	uint64_t highest = shmq_load_relaxed_u64(&r->shared->highest);
	struct storm_note *note;

	r->q = storm_join(r->w, role);
	if (!r->q)
		return false;
	r->seen = 0;
	while (shmq_load_relaxed_u64(&place_of(r, 0)->word))
		storm_add(&r->log->count, 1);
	note = place_of(r, 0);
	note->position = highest;
	note->lost = !oldest;
	storm_set(&note->word, NOTE(JOINED, 0, 0, r->w->life));
	storm_add(&r->log->count, 1);
	return true;
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
	storm_set(&note->word, NOTE(what, info.deliveries, m->seat, m->number));
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
	storm_set(&note->word, (note->word & ~UINT64_C(15)) | DONE);
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
	if (r->storm->plant == LOSES && random_below(&r->seed, 64) == 0)
		return 0;
	if (!note_message(r, note, DONE, &m))
		return 0;
	if (r->storm->plant == REPEATS && random_below(&r->seed, 64) == 0) {
		note[1] = *note;
		return 2;
	}
	return 1;
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
		storm_set(&note->word, NOTE(DONE, 1, m.seat, m.number));
		notes++;
	}
	if (notes)
		storm_set(&place_of(r, 0)->word, NOTE(FINISHED, 0, 0, n));
	return notes ? 1 + notes : got < 0 ? got : 0;
}

/* What is noted at this place is kept, if it is anything. */
static void
keep(struct receiver *r, int64_t notes)
{
	if (notes <= 0)
		storm_set(&place_of(r, 0)->word, 0);
	else
		storm_add(&r->log->count, (uint64_t)notes);
	storm_add(&r->shared->seats[false][r->w->seat].steps, notes > 0);
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
	storm_set(&note->word, NOTE(way == BY_PEEK ? WILL_PEEK : WILL_RECV, 0, 0, n));
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

static bool
come_again(struct receiver *r)
{
	SAME(0, shmq_detach(r->q));
	return enter(r);
}

/* Go on? What the last call came to tells; now and then, detach and come again. */
static bool
goes_on(struct receiver *r, int64_t result)
{
	const struct storm_worker *w = r->w;

	if (result == -EIDRM) {
		MUST(storm_is_removed(w));
		return false;
	}
	if (result == -EPIPE) {
		MUST(w->last);
		return false;
	}
	if (result == -ESTALE) {
		MUST(r->storm->kind->opts.slow_limit && !w->last);
		return come_again(r);
	}
	MUST(result >= 0 || storm_nothing_done(result));
	if (r->ended || storm_is_to_leave(w))
		return false;
	if (result == -EAGAIN)
		storm_wait_for_bell(w, r->q, &r->seed);
	/* Relaxed: as of storm_is_removed(). */
	if (result >= 0 && !w->last && random_below(&r->seed, 500) == 0 &&
	    !shmq_load_relaxed_u64(&r->shared->settled))
		return come_again(r);
	return true;
}

void
storm_consume(void *arg)
{
	const struct storm_worker *w = arg;
	struct storm *storm = w->storm;
	unsigned ways = storm->kind->ways & (BY_PEEK | BY_RECV | BY_RECV_BATCH);
	struct receiver r = {.w = w, .storm = storm, .shared = storm->shared, .seed = w->seed};
	int64_t timeout, result;

	r.log = &storm->shared->logs[storm->sole[false] ? 0 : w->seat];
	if (w->last && storm->stream)
		ways = BY_RECV;
	if (!enter(&r))
		return;
	do {
		timeout = w->last ? SHMQ_FOREVER : storm_choose_timeout(&r.seed);
		result = receive_some(&r, storm_choose(ways, &r.seed), timeout);
	} while (goes_on(&r, result));
	if (r.q)
		SAME(0, shmq_detach(r.q));
}
