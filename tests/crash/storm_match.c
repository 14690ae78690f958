/* SPDX-License-Identifier: MIT */
/*
 * Differences and the kills that explain them: a bipartite matching, by augmenting paths. A kill
 * can explain a difference when the victim was in a receive whose outcome it had not noted, and
 * that receive and the difference overlap in time.
 */
#include <stdlib.h>

#include "storm.h"
#include "support/process.h"

#define NOBODY UINT32_MAX

/* A message that the victim of a kill may have received: one for each that it had asked for. */
struct chance {
	uint64_t began, killed;
	bool receive;
	bool visited;
	uint32_t explains;
};

struct storm_match {
	bool peek_takes;
	uint32_t chances, windows, room;
	struct chance *chance;
	struct storm_window *window;
};

static void
add_chances(struct storm_match *m, const struct storm *storm, const struct storm_note *note,
	    uint64_t life)
{
	bool receive = NOTE_WHAT(note->word) == WILL_RECV;
	uint64_t killed = storm->shared->lives[life].killed_ns, n = NOTE_NUMBER(note->word);

	if (!killed || !(receive || m->peek_takes))
		return;
	for (const struct storm_note *next = note + 1; n && NOTE_WHAT(next->word) == DONE; next++)
		n--;
	for (; n; n--) {
		m->chance = realloc(m->chance, (m->chances + 1) * sizeof(*m->chance));
		MUST(m->chance != NULL);
		m->chance[m->chances++] =
			(struct chance){note->began, killed, receive, false, NOBODY};
	}
}

struct storm_match *
storm_match_new(const struct storm *storm, bool peek_takes)
{
	struct storm_match *m = calloc(1, sizeof(*m));

	MUST(m != NULL);
	m->peek_takes = peek_takes;
	for (unsigned i = 0; i < STORM_SEATS; i++) {
		const struct storm_note *note = storm->shared->logs[i].notes;
		uint64_t life = 0;

		for (; note->word; note++) {
			enum storm_what what = NOTE_WHAT(note->word);

			if (what == JOINED)
				life = NOTE_NUMBER(note->word);
			else if (what == WILL_PEEK || what == WILL_RECV)
				add_chances(m, storm, note, life);
		}
	}
	return m;
}

static bool
can_explain(const struct chance *chance, const struct storm_window *window)
{
	return chance->began <= window->to && chance->killed >= window->from &&
	       (chance->receive || !window->consumed);
}

static bool
augment(struct storm_match *m, uint32_t window)
{
	for (uint32_t i = 0; i < m->chances; i++) {
		struct chance *c = &m->chance[i];

		if (c->visited || !can_explain(c, &m->window[window]))
			continue;
		c->visited = true;
		if (c->explains == NOBODY || augment(m, c->explains)) {
			c->explains = window;
			return true;
		}
	}
	return false;
}

bool
storm_match_add(struct storm_match *m, const struct storm_window *window)
{
	if (m->windows == m->room) {
		m->room = m->room * 2 + 16;
		m->window = realloc(m->window, m->room * sizeof(*m->window));
		MUST(m->window != NULL);
	}
	m->window[m->windows] = *window;
	for (uint32_t i = 0; i < m->chances; i++)
		m->chance[i].visited = false;
	if (!augment(m, m->windows))
		return false;
	m->windows++;
	return true;
}

void
storm_match_free(struct storm_match *m)
{
	free(m->chance);
	free(m->window);
	free(m);
}
