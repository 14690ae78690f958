/* SPDX-License-Identifier: MIT */
/*
 * What the words of an MPMC ring say while the victim stands still: whether it is in the way, and
 * whether it has given up a place that it has not counted yet (docs/format.md: one that is killed in
 * between leaves the count one short).
 */
#include <poll.h>

#include "format.h"
#include "ring_mpmc_word.h"

#include "every.h"
#include "support/process.h"

#define LOOKS 20 /* a millisecond apart */

void
every_words_look(struct every_words *words, const struct place *place)
{
	struct every_watch watch = {0};
	struct format_header header;
	struct shmqi_geometry g;
	void *object;

	every_watch_open(&watch, place);
	MUST(watch.memory != NULL);
	object = (void *)(uintptr_t)watch.memory;
	SAME(0, shmqi_format_check(object, watch.bytes, &header, &g));
	SAME(EVERY_CAPACITY, g.capacity);
	/* Relaxed, all of it: who writes it stands still. */
	words->voided = shmq_load_relaxed_u64(&format_control(object, &g)->recovery.voided);
	for (unsigned i = 0; i < EVERY_CAPACITY; i++) {
		size_t at = g.data_offset + i * g.slot_bytes;
		uint64_t word = shmq_load_relaxed_u64((const void *)(watch.memory + at));
		unsigned owner = mpmc_owner(word);

		words->slots[i] = word;
		words->claimants[i] = 0;
		if (mpmc_state(word) == MPMC_CLAIMED && owner && owner <= g.participants)
			words->claimants[i] = (pid_t)shmq_load_relaxed_u32(
				&format_participants(object)[owner - 1].pid);
	}
	every_watch_close(&watch);
}

bool
every_claims(const struct every_scene *s)
{
	struct every_words now;
	bool claims = false;

	if (s->kind->opts.kind != SHMQ_MPMC)
		return false;
	every_words_look(&now, &s->place);
	for (unsigned i = 0; i < EVERY_CAPACITY; i++)
		claims |= now.claimants[i] == s->victim;
	return claims;
}

/*
 * Positions of a slot that were passed without a message in them. Each position raises the turn by
 * the capacity; of those that the victim, or who sleeps, met or made, one held a message: the word
 * shows it before, or it was received since, and left FREE and not SKIPPED.
 */
static uint64_t
voids(uint64_t before, uint64_t after)
{
	uint64_t raised = (after >> MPMC_TURN_SHIFT) - (before >> MPMC_TURN_SHIFT), messages;

	MUST(raised % EVERY_CAPACITY == 0);
	messages = mpmc_state(before) == MPMC_FULL || mpmc_state(after) == MPMC_FREE;
	raised /= EVERY_CAPACITY;
	return raised ? raised - messages : 0;
}

static unsigned
uncounted(const struct every_scene *s)
{
	struct every_words now;
	uint64_t n = 0;

	every_words_look(&now, &s->place);
	for (unsigned i = 0; i < EVERY_CAPACITY; i++)
		n += voids(s->words.slots[i], now.slots[i]);
	n -= now.voided - s->words.voided;
	if (n > 1)
		every_fail("%llu places given up and not counted", (unsigned long long)n);
	return (unsigned)n;
}

/* A sleeper is free to wake, and may be counting a place itself. */
void
every_note_uncounted(struct every_scene *s)
{
	if (s->life || s->kind->opts.kind != SHMQ_MPMC)
		return;
	s->uncounted = uncounted(s);
	for (unsigned i = 0; s->sleeper && s->uncounted && i < LOOKS; i++) {
		(void)poll(NULL, 0, 1);
		s->uncounted = uncounted(s);
	}
}
