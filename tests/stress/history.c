/* SPDX-License-Identifier: MIT */
#include "stress/history.h"

#include <stdlib.h>
#include <string.h>

#include "support/process.h"

/* Patterns ------------------------------------------------------------------------------------ */

static int
sign(bool less, bool more)
{
	return (int)more - (int)less;
}

/* By value; of one value, the putting in first. */
static int
by_value(const void *left, const void *right)
{
	const struct operation *a = left, *b = right;

	if (a->value != b->value)
		return sign(a->value<b->value, a->value> b->value);
	return (int)b->put - (int)a->put;
}

/* A value's life; out_* are INT64_MAX when it was never taken out. */
struct life {
	int64_t in_from, in_by, out_from, out_by;
};

static int
by_end_of_putting(const void *left, const void *right)
{
	const struct life *a = left, *b = right;

	return sign(a->in_by<b->in_by, a->in_by> b->in_by);
}

static int
by_start_of_putting(const void *left, const void *right)
{
	const struct life *a = left, *b = right;

	return sign(a->in_from<b->in_from, a->in_from> b->in_from);
}

/* The lives of the values, from operations that are sorted by value. */
static enum history_verdict
find_lives(const struct operation *ops, size_t n, struct life *lives, size_t *count)
{
	const struct operation *in = NULL;

	*count = 0;
	for (size_t i = 0; i < n; i++) {
		struct life *life = lives + *count - 1;

		if (ops[i].put) {
			in = &ops[i];
			lives[(*count)++] =
				(struct life){in->invoked, in->returned, INT64_MAX, INT64_MAX};
			continue;
		}
		if (!in || in->value != ops[i].value || ops[i].returned < in->invoked)
			return HISTORY_FRESH;
		if (life->out_from != INT64_MAX)
			return HISTORY_REPEAT;
		life->out_from = ops[i].invoked;
		life->out_by = ops[i].returned;
	}
	return HISTORY_FINE;
}

/*
 * With `first` sorted by the end of the putting in, `then` by its start: of those that were in
 * before `then[i]` was begun, the one that was taken out last must not be later than that one.
 */
static bool
in_order(const struct life *first, const struct life *then, size_t n)
{
	int64_t latest = INT64_MIN;
	size_t in = 0;

	for (size_t i = 0; i < n; i++) {
		for (; in < n && first[in].in_by < then[i].in_from; in++)
			if (first[in].out_from > latest)
				latest = first[in].out_from;
		if (then[i].out_by != INT64_MAX && then[i].out_by < latest)
			return false;
	}
	return true;
}

static bool
some_left(const struct life *lives, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lives[i].out_from == INT64_MAX)
			return true;
	return false;
}

enum history_verdict
history_check(struct operation *ops, size_t n, bool drained)
{
	struct life *first = calloc(2 * n + 1, sizeof(*first)), *then = first + n;
	enum history_verdict verdict;
	size_t count = 0;

	MUST(first != NULL);
	qsort(ops, n, sizeof(*ops), by_value);
	verdict = find_lives(ops, n, first, &count);
	if (verdict == HISTORY_FINE && drained && some_left(first, count))
		verdict = HISTORY_LOST;
	memcpy(then, first, count * sizeof(*then));
	qsort(first, count, sizeof(*first), by_end_of_putting);
	qsort(then, count, sizeof(*then), by_start_of_putting);
	if (verdict == HISTORY_FINE && !in_order(first, then, count))
		verdict = HISTORY_ORDER;
	free(first);
	return verdict;
}

/* Search -------------------------------------------------------------------------------------- */

/* What is tried: which operations have had their instant; the queue that they leave follows from the
 * order in which values went in. */
struct search {
	const struct operation *ops;
	size_t n;
	unsigned char queue[HISTORY_SMALL];
	size_t head, tail;
	struct state {
		uint32_t done;
		unsigned char length, queue[HISTORY_SMALL];
	} * failed; /* states that lead nowhere */
	size_t failures, room;
};

static struct state
state_of(const struct search *s, uint32_t done)
{
	struct state state = {.done = done, .length = (unsigned char)(s->tail - s->head)};

	memcpy(state.queue, s->queue + s->head, s->tail - s->head);
	return state;
}

static bool
known(const struct search *s, const struct state *state)
{
	for (size_t i = 0; i < s->failures; i++)
		if (memcmp(&s->failed[i], state, sizeof(*state)) == 0)
			return true;
	return false;
}

static void
remember(struct search *s, const struct state *state)
{
	if (s->failures == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->failed = realloc(s->failed, s->room * sizeof(*s->failed));
		MUST(s->failed != NULL);
	}
	s->failed[s->failures++] = *state;
}

/* Whether operation i may be next: nothing that is still to come returned before it began. */
static bool
may_be_next(const struct search *s, uint32_t done, size_t i)
{
	if (done >> i & 1)
		return false;
	for (size_t k = 0; k < s->n; k++)
		if (!(done >> k & 1) && s->ops[k].returned < s->ops[i].invoked)
			return false;
	return s->ops[i].put ||
	       (s->head < s->tail && s->ops[s->queue[s->head]].value == s->ops[i].value);
}

static bool
try(struct search *s, uint32_t done)
{
	struct state state = state_of(s, done);
	bool found = done == (UINT32_C(1) << s->n) - 1;

	if (!found && known(s, &state))
		return false;
	for (size_t i = 0; i < s->n && !found; i++) {
		if (!may_be_next(s, done, i))
			continue;
		if (s->ops[i].put)
			s->queue[s->tail++] = (unsigned char)i;
		else
			s->head++;
		found = try(s, done | UINT32_C(1) << i);
		if (s->ops[i].put)
			s->tail--;
		else
			s->head--;
	}
	if (!found)
		remember(s, &state);
	return found;
}

bool
history_search(const struct operation *ops, size_t n)
{
	struct search s = {.ops = ops, .n = n};
	bool found;

	MUST(n <= HISTORY_SMALL);
	found = try(&s, 0);
	free(s.failed);
	return found;
}
