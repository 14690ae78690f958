/* SPDX-License-Identifier: MIT */
/*
 * What became of the messages of a round, where each is for every consumer: a stream, in which
 * every receiver's messages have the same positions. There is one sender at a time, so messages
 * are in the order of their stamps, and the position of each tells how many of those in doubt
 * before it were sent.
 */
#include <stdlib.h>

#include "storm.h"
#include "support/process.h"

#define UNKNOWN UINT64_MAX

/* One message that was begun. */
struct place_in_order {
	uint8_t state; /* enum storm_sent_state */
	uint64_t position;
	uint64_t life;
};

struct streams {
	struct storm *storm;
	struct storm_shared *shared;
	struct storm_sum *sum;
	struct place_in_order *order; /* by stamp */
	uint64_t stamps;
	uint64_t missed; /* by the witness */
	uint64_t witnessed;
};

static void
odd(struct streams *s, const char *what, uint64_t where, uint64_t position)
{
	s->sum->unexplained++;
	storm_complain(s->storm, "%llu, position %llu: %s", (unsigned long long)where,
		       (unsigned long long)position, what);
}

/* Senders ------------------------------------------------------------------------------------ */

static void
put_in_order(struct streams *s, unsigned seat)
{
	const struct storm_sent *sent = s->shared->sent[seat];
	uint64_t n = s->shared->seats[true][seat].next;

	for (uint64_t i = 0; i < n; i++) {
		struct place_in_order *at = &s->order[sent[i].stamp];

		if ((sent[i].word & 3) == RETURNED && s->storm->removed_ns &&
		    sent[i].time > s->storm->removed_ns)
			odd(s, "sent after the removal", seat, sent[i].stamp);
		if (sent[i].stamp >= s->stamps || at->state != UNSENT)
			odd(s, "two messages with one stamp", seat, sent[i].stamp);
		else
			*at = (struct place_in_order){sent[i].word & 3, UNKNOWN, sent[i].word >> 2};
	}
}

/* The position of each message is the number of those sent before it. */
static void
count_sent(struct streams *s)
{
	uint64_t base = s->storm->before.sent, returned = 0, least = 0, most = 0;

	for (uint64_t stamp = 0; stamp < s->stamps; stamp++) {
		const struct place_in_order *at = &s->order[stamp];
		uint64_t sent = at->position - base - returned;

		if (at->state == BEGUN && !s->shared->lives[at->life].killed_ns)
			odd(s, "not returned, but nobody was killed", stamp, at->position);
		if (at->state == UNSENT)
			continue;
		if (at->position != UNKNOWN) {
			if (sent < least || sent > most)
				odd(s, "not the number of messages before it", stamp, at->position);
			least = most = sent;
		}
		returned += at->state == RETURNED;
		most += at->state == BEGUN;
		least += at->state == BEGUN && at->position != UNKNOWN;
		s->sum->doubt_unsent += at->state == BEGUN;
	}
	s->sum->doubt_sent = s->sum->sent - returned;
	s->sum->doubt_unsent -= s->sum->doubt_sent;
	if (s->sum->doubt_sent < least || s->sum->doubt_sent > most)
		odd(s, "sent, says stat, and not by what was noted", returned, s->sum->sent);
}

/* Receivers ---------------------------------------------------------------------------------- */

static void
take_note(struct streams *s, const struct storm_note *note)
{
	const struct storm_sent *sent = s->shared->sent[NOTE_SEAT(note->word)];
	uint64_t number = NOTE_NUMBER(note->word);
	struct place_in_order *at;

	s->sum->all++;
	if (number >= s->shared->seats[true][NOTE_SEAT(note->word)].next) {
		odd(s, "received, but never sent", number, note->position);
		return;
	}
	at = &s->order[sent[number].stamp];
	if (at->position != UNKNOWN && at->position != note->position)
		odd(s, "one message at two positions", at->position, note->position);
	at->position = note->position;
}

/* `next`: the position after the last one, or UNKNOWN after joining. */
static void
check_next(struct streams *s, const struct storm_note *join, const struct storm_note *note,
	   uint64_t next)
{
	bool latest = s->storm->kind->opts.kind == SHMQ_LATEST;

	if (next == UNKNOWN) {
		/* A writer killed between its count and its tail leaves the last one to be found. */
		if (join->lost && !latest && note->position + 1 < join->position)
			odd(s, "started before the next message", join->position, note->position);
		return;
	}
	if (latest && note->position + 1 == next && note->lost == 0)
		return; /* the same again */
	if (note->position != next + note->lost || (note->lost && !s->storm->lossy))
		odd(s, "not the next one", next + note->lost, note->position);
}

static void
check_killed(struct streams *s, const struct storm_note *note, uint64_t life)
{
	enum storm_what next = NOTE_WHAT(note[1].word);

	s->sum->unreleased += NOTE_WHAT(note->word) == HELD;
	if (!s->shared->lives[life].killed_ns)
		odd(s, "unfinished, but nobody was killed", life, note->position);
	if (next != NOTHING_NOTED && next != JOINED &&
	    !(next == DONE && NOTE_WHAT(note->word) == WILL_RECV))
		odd(s, "unfinished, but its receiver went on", life, note->position);
}

static void
witness(struct streams *s, const struct storm_note *note, uint64_t next)
{
	if (next == UNKNOWN)
		s->missed += note->position - s->storm->before.sent;
	else
		s->missed += note->lost;
	s->witnessed += note->position + 1 != next;
}

static void
walk_log(struct streams *s, unsigned log)
{
	const struct storm_note *note = s->shared->logs[log].notes, *join = note;
	uint64_t next = UNKNOWN;

	for (; note->word; note++) {
		enum storm_what what = NOTE_WHAT(note->word);

		if (what == JOINED) {
			join = note;
			next = UNKNOWN;
		}
		if (what == WILL_PEEK || what == WILL_RECV || what == HELD)
			check_killed(s, note, NOTE_NUMBER(join->word));
		if (what != HELD && what != DONE)
			continue;
		take_note(s, note);
		check_next(s, join, note, next);
		if (log == s->storm->kind->consumers)
			witness(s, note, next);
		next = note->position + 1;
	}
}

/* One last call may have come when the queue was being removed, and the witness had left. */
static void
check_witness(struct streams *s)
{
	uint64_t known = s->witnessed + s->missed, left = s->sum->sent - known;

	/* Who only reads may see an end that nobody has told the senders yet. */
	if (s->storm->removed_ns && known <= s->sum->sent &&
	    (left <= STORM_BATCH || s->storm->lossy))
		s->sum->left = left;
	if (known + s->sum->left != s->sum->sent)
		odd(s, "received and missed are not what was sent", s->witnessed, s->sum->sent);
	if (!s->storm->lossy && s->missed)
		odd(s, "the witness missed some", s->missed, s->sum->sent);
}

void
storm_account_streams(struct storm *storm)
{
	struct streams s = {.storm = storm,
			    .shared = storm->shared,
			    .sum = &storm->sum,
			    .stamps = storm->shared->stamp};

	s.order = calloc(s.stamps + 1, sizeof(*s.order));
	MUST(s.order != NULL);
	for (unsigned seat = 0; seat < STORM_SEATS; seat++)
		put_in_order(&s, seat);
	for (unsigned log = 0; log < STORM_SEATS; log++)
		walk_log(&s, log);
	count_sent(&s);
	free(s.order);
	s.sum->received = s.witnessed;
	if (storm->lossy)
		s.sum->lost = s.missed;
	if (storm->kind->opts.slow_limit)
		s.sum->received = 0; /* no witness */
	else
		check_witness(&s);
}
