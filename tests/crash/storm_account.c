/* SPDX-License-Identifier: MIT */
/* What became of the messages of a round, where each is for one consumer. */
#include <stdlib.h>
#include <string.h>

#include "storm.h"
#include "support/process.h"

#define UNKNOWN UINT64_MAX

/* What the logs say of one message. */
struct fate {
	uint32_t notes;
	uint32_t seen; /* bit d: as delivery d */
	uint64_t first_noted, last_noted;
	uint64_t position;
	uint8_t top; /* highest delivery */
	bool done;   /* released */
	bool held;   /* the last note is of one that was killed with it */
};

struct account {
	struct storm *storm;
	struct storm_shared *shared;
	struct storm_sum *sum;
	struct storm_match *match;
	bool mpmc, redeliver;
	uint64_t begun_only; /* doubtful, and seen nowhere */
	uint64_t returned, distinct, missing, not_done, not_done_top, redelivered;
};

static struct fate (*fates)[STORM_SENT]; /* by seat */
static uint64_t last_of_life[STORM_LIVES], last_of_seat[STORM_SEATS];

static void
odd(struct account *a, const char *what, uint64_t seat, uint64_t number)
{
	a->sum->unexplained++;
	storm_complain(a->storm, "seat %llu, number %llu: %s", (unsigned long long)seat,
		       (unsigned long long)number, what);
}

/* Receivers ---------------------------------------------------------------------------------- */

/* A note that is not finished must be the last of a life that was killed. */
static void
check_unfinished(struct account *a, const struct storm_note *note, uint64_t life)
{
	enum storm_what next = NOTE_WHAT(note[1].word);

	if (!a->shared->lives[life].killed_ns)
		odd(a, "unfinished, but nobody was killed", life, NOTE_NUMBER(note->word));
	if (next != NOTHING_NOTED && next != JOINED &&
	    !(next == DONE && NOTE_WHAT(note->word) == WILL_RECV))
		odd(a, "unfinished, but its receiver went on", life, NOTE_NUMBER(note->word));
}

/* One consumer after the other: numbers of one sender grow; what a dead one held comes again. */
static void
check_order(struct account *a, const struct fate *fate, const struct storm_note *note)
{
	unsigned seat = NOTE_SEAT(note->word);
	uint64_t number = NOTE_NUMBER(note->word);
	uint64_t *last = &last_of_life[a->shared->sent[seat][number].word >> 2];

	if (a->storm->sole[true])
		last = &last_of_seat[seat];
	if (fate->notes && (!fate->held || *last != number + 1))
		odd(a, "repeated, and not held by one killed", seat, number);
	else if (!fate->notes && *last > number)
		odd(a, "out of order", seat, number);
	a->sum->repeated += fate->notes > 0;
	*last = number + 1;
}

/* Many consumers: once, or once for each delivery. */
static void
check_once(struct account *a, const struct fate *fate, const struct storm_note *note)
{
	unsigned seat = NOTE_SEAT(note->word), deliveries = NOTE_DELIVERIES(note->word);
	uint64_t number = NOTE_NUMBER(note->word);
	unsigned most = a->redeliver ? a->storm->kind->opts.max_deliveries : 1;

	if (deliveries == 0 || deliveries > most)
		odd(a, "more deliveries than allowed", seat, number);
	else if (fate->seen & 1u << deliveries)
		odd(a, "delivered twice", seat, number);
	else if (fate->done && deliveries > fate->top)
		odd(a, "delivered after its release", seat, number);
	a->sum->repeated += fate->notes > 0;
	a->redelivered += deliveries > 1;
}

static void
take_note(struct account *a, const struct storm_note *note)
{
	unsigned seat = NOTE_SEAT(note->word), deliveries = NOTE_DELIVERIES(note->word);
	uint64_t number = NOTE_NUMBER(note->word);
	struct fate *fate = &fates[seat][number];
	bool held = NOTE_WHAT(note->word) == HELD;

	if (number >= a->shared->seats[true][seat].next) {
		odd(a, "received, but never sent", seat, number);
		return;
	}
	if (a->mpmc)
		check_once(a, fate, note);
	else
		check_order(a, fate, note);
	if (!held && fate->done)
		odd(a, "released twice", seat, number);
	if (!fate->notes || note->noted < fate->first_noted)
		fate->first_noted = note->noted;
	if (deliveries >= fate->top) {
		fate->last_noted = note->noted;
		fate->held = held;
	}
	/* A later delivery does not tell it: its slot may have been passed over since. */
	if (deliveries == 1)
		fate->position = note->position;
	else if (!fate->notes)
		fate->position = UNKNOWN;
	fate->top = deliveries > fate->top ? (uint8_t)deliveries : fate->top;
	fate->seen |= 1u << (deliveries & 31);
	fate->done |= !held;
	fate->notes++;
	a->sum->all++;
}

static void
walk_log(struct account *a, const struct storm_log *log)
{
	uint64_t life = 0, position = 0;

	for (const struct storm_note *note = log->notes; note->word; note++) {
		enum storm_what what = NOTE_WHAT(note->word);

		if (what == JOINED) {
			life = NOTE_NUMBER(note->word);
			position = 0;
			continue;
		}
		if (what == WILL_PEEK || what == WILL_RECV || what == HELD)
			check_unfinished(a, note, life);
		if (what != HELD && what != DONE)
			continue;
		take_note(a, note);
		if (!a->mpmc || note->position == UNKNOWN || NOTE_DELIVERIES(note->word) > 1)
			continue;
		if (note->position < position)
			odd(a, "position before the one before", life, note->position);
		position = note->position + 1;
	}
}

/* Senders ------------------------------------------------------------------------------------ */

/* When it can have been consumed, if nobody noted it: between its neighbours. */
static struct storm_window
window_of(struct account *a, unsigned seat, uint64_t number)
{
	const struct storm_sent *sent = a->shared->sent[seat];
	uint64_t n = a->shared->seats[true][seat].next, life = sent[number].word >> 2;
	struct storm_window window = {sent[number].time, UNKNOWN, !a->mpmc || a->redeliver};
	uint64_t i;

	for (i = number + 1; i < n && !fates[seat][i].notes; i++)
		continue;
	if (i < n && (a->mpmc || a->storm->sole[true] || sent[i].word >> 2 == life))
		window.to = fates[seat][i].first_noted;
	for (i = number; i > 0 && !fates[seat][i - 1].notes; i--)
		continue;
	if (!a->mpmc && i > 0 && sent[i - 1].word >> 2 == life &&
	    fates[seat][i - 1].first_noted > window.from)
		window.from = fates[seat][i - 1].first_noted;
	return window;
}

/* Deliveries before the last noted one that were not noted: each one a killed receiver. */
static void
match_deliveries(struct account *a, unsigned seat, uint64_t number)
{
	const struct fate *fate = &fates[seat][number];
	struct storm_window window = {a->shared->sent[seat][number].time, fate->last_noted, false};

	for (unsigned d = 1; d < fate->top; d++) {
		if (fate->seen & 1u << d)
			continue;
		a->sum->unnoted++;
		if (!storm_match_add(a->match, &window))
			odd(a, "delivered more often than receivers were killed", seat, number);
	}
}

static void
judge_noted(struct account *a, unsigned seat, uint64_t number)
{
	const struct fate *fate = &fates[seat][number];

	a->distinct++;
	if (a->redeliver)
		match_deliveries(a, seat, number);
	if (!fate->done) {
		a->not_done++;
		a->not_done_top += fate->top >= a->storm->kind->opts.max_deliveries;
	}
}

/* Whether it came when the queue was being removed and its receivers had left: in a last call. */
static bool
is_left(const struct account *a, unsigned seat, uint64_t number)
{
	uint64_t n = a->shared->seats[true][seat].next;

	if (!a->storm->removed_ns || a->sum->left >= a->storm->after.depth ||
	    number + STORM_BATCH < n)
		return false;
	for (uint64_t i = number + 1; i < n; i++)
		if (fates[seat][i].notes)
			return false;
	return true;
}

/* Its send had returned, and nobody noted it: some receiver was killed with it, or it is lost. */
static void
judge_missing(struct account *a, unsigned seat, uint64_t number)
{
	struct storm_window window;

	if (is_left(a, seat, number)) {
		a->sum->left++;
		return;
	}
	window = window_of(a, seat, number);
	a->missing++;
	a->sum->unnoted++;
	if (!storm_match_add(a->match, &window))
		odd(a, "lost", seat, number);
}

static void
judge(struct account *a, unsigned seat, uint64_t number)
{
	uint64_t word = a->shared->sent[seat][number].word;
	bool noted = fates[seat][number].notes;

	a->returned += (word & 3) == RETURNED;
	if ((word & 3) == RETURNED && a->storm->removed_ns &&
	    a->shared->sent[seat][number].time > a->storm->removed_ns)
		odd(a, "sent after the removal", seat, number);
	if ((word & 3) == BEGUN) {
		if (!a->shared->lives[word >> 2].killed_ns)
			odd(a, "not returned, but nobody was killed", seat, number);
		a->sum->doubt_sent += noted;
		a->begun_only += !noted;
	}
	if (noted)
		judge_noted(a, seat, number);
	else if ((word & 3) == RETURNED)
		judge_missing(a, seat, number);
}

/* A sender has but its last call in doubt. */
static void
judge_seat(struct account *a, unsigned seat)
{
	const struct storm_sent *sent = a->shared->sent[seat];
	uint64_t n = a->shared->seats[true][seat].next, position = 0;

	for (uint64_t i = 0; i < n; i++) {
		const struct fate *fate = &fates[seat][i];

		judge(a, seat, i);
		if (i && (sent[i - 1].word & 3) == BEGUN && (sent[i].word & 3) == RETURNED &&
		    sent[i - 1].word >> 2 == sent[i].word >> 2)
			odd(a, "not returned, but its sender went on", seat, i);
		if (!a->mpmc || !fate->notes || fate->position == UNKNOWN)
			continue;
		if (fate->position < position)
			odd(a, "positions out of order", seat, i);
		position = fate->position + 1;
	}
}

/* Sums --------------------------------------------------------------------------------------- */

/* So many more were sent than are known: each one in doubt, and consumed by one that was killed. */
static void
match_doubtful(struct account *a, uint64_t more)
{
	for (unsigned seat = 0; more && seat < STORM_SEATS; seat++) {
		uint64_t n = a->shared->seats[true][seat].next;

		for (uint64_t i = 0; more && i < n; i++) {
			struct storm_window window;

			if (fates[seat][i].notes || (a->shared->sent[seat][i].word & 3) != BEGUN)
				continue;
			window = window_of(a, seat, i);
			if (!storm_match_add(a->match, &window))
				continue;
			a->sum->doubt_sent++;
			a->sum->unnoted++;
			a->begun_only--;
			a->missing++;
			more--;
		}
	}
	/* A void position is counted after it was made: by one who may be killed in between. */
	if (a->mpmc && more <= 2 + a->sum->kills / 50) {
		a->sum->uncounted = more;
		a->sum->sent -= more;
	} else if (more) {
		odd(a, "sent, says stat, but by nobody", STORM_SEATS, more);
	}
}

static void
check_sums(struct account *a)
{
	struct storm_sum *sum = a->sum;
	uint64_t known = a->returned + sum->doubt_sent, most = a->missing + a->not_done;
	bool peeks = !(a->storm->kind->ways & (BY_RECV | BY_RECV_BATCH));

	if (sum->sent < known)
		odd(a, "sent, but stat does not say so", STORM_SEATS, known - sum->sent);
	else
		match_doubtful(a, sum->sent - known);
	sum->doubt_unsent = a->begun_only;
	sum->received = a->distinct;
	if (a->storm->removed_ns && sum->left != a->storm->after.depth)
		odd(a, "left in the queue, but not by a last call", STORM_SEATS,
		    a->storm->after.depth);
	if (a->distinct + a->missing + sum->left != sum->sent)
		odd(a, "received and lost are not what was sent", STORM_SEATS, sum->sent);
	if (a->redeliver) {
		if (sum->lost || sum->dead > a->not_done_top + a->missing)
			odd(a, "dropped, but not by kills", STORM_SEATS, sum->dead);
	} else {
		most = a->missing + a->not_done;
		if (sum->dead || (!a->mpmc && sum->lost) || sum->lost > most ||
		    (a->mpmc && peeks && sum->lost < a->missing))
			odd(a, "dropped, but not by kills", STORM_SEATS, sum->lost);
	}
	sum->unreleased = a->not_done - (a->redeliver ? sum->dead : 0);
	if (a->mpmc && !a->redeliver && peeks)
		sum->unreleased = most - sum->lost;
	if (sum->redelivered < a->redelivered)
		odd(a, "redelivered more than counted", STORM_SEATS, a->redelivered);
}

void
storm_account(struct storm *storm)
{
	const struct shmq_opts *opts = &storm->kind->opts;
	struct account a = {
		.storm = storm,
		.shared = storm->shared,
		.sum = &storm->sum,
		.mpmc = opts->kind == SHMQ_MPMC,
		.redeliver = opts->flags & SHMQ_REDELIVER,
	};

	fates = calloc(STORM_SEATS, sizeof(*fates));
	MUST(fates != NULL);
	memset(last_of_life, 0, sizeof(last_of_life));
	memset(last_of_seat, 0, sizeof(last_of_seat));
	a.match = storm_match_new(storm, a.mpmc);
	for (unsigned i = 0; i < STORM_SEATS; i++)
		walk_log(&a, &storm->shared->logs[i]);
	for (unsigned seat = 0; seat < STORM_SEATS; seat++)
		judge_seat(&a, seat);
	check_sums(&a);
	storm_match_free(a.match);
	free(fates);
}
