/* SPDX-License-Identifier: MIT */
/* K20-K23: lock, list, totals, refusals. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/huge.h"
#include "world.h"

/* K20. --------------------------------------------------------------------- */

static void
k20_say(struct scene *s, const char *label)
{
	struct facts f = facts_of(s, &s->places[0], BY_ID);

	say_fact(s, of(label, "SHM_LOCKED"), f.mode & SHMQ_LOCKED);
	say_fact(s, of(label, "memory is locked"), f.locked);
}

static void
k20_attached(struct scene *s, struct place *p)
{
	struct held h;

	hold(s, &h, p, 0);
	say_count(s, "attached: pages", (int64_t)resident_pages(h.base, h.size));
	memset(h.base, 1, h.size);
	k20_say(s, "attached");
	say_rc(s, "attached: unlock", s->world->unlock(p));
	k20_say(s, "attached, unlocked");
	say_rc(s, "attached: lock", s->world->lock(p));
	k20_say(s, "attached, locked");
	drop(s, &h);
}

static void
k20_idempotent(struct scene *s)
{
	struct place *p = made(s, 0, 16 * PAGE, 0600);

	k20_say(s, "new");
	say_rc(s, "lock", s->world->lock(p));
	say_fact(s, "lock faults pages in", facts_of(s, p, BY_ID).resident_pages > 0);
	say_rc(s, "lock again", s->world->lock(p));
	k20_attached(s, p);
	k20_say(s, "nobody attached");
	say_rc(s, "unlock", s->world->unlock(p));
	k20_say(s, "unlocked");
	say_rc(s, "unlock again", s->world->unlock(p));
	need(s, s->world->remove(p, BY_ID), "remove");
}

/* RLIMIT_MEMLOCK of the next unprivileged process. */
static size_t k20_limit;

static void
k20_nobody(struct scene *s)
{
	const struct place *p = &s->places[0];

	memlock_limit(s, k20_limit);
	say_rc(s, of(s->label, "lock"), s->world->lock(p));
	say_rc(s, of(s->label, "unlock"), s->world->unlock(p));
}

static void
k20_case(struct scene *s, const char *label, struct place *p, size_t limit)
{
	strcpy(s->label, label);
	k20_limit = limit;
	as_nobody(s, k20_nobody);
	say_fact(s, of(label, "SHM_LOCKED afterwards"), facts_of(s, p, BY_ID).mode & SHMQ_LOCKED);
	need(s, s->world->remove(p, BY_ID), "remove");
}

/* Huge pages for this row, and for libshmq-sysv a place to have them from, where the machine can spare any. */
static bool k20_has_huge;

static void
k20_begin(void)
{
	huge_begin();
	k20_has_huge = huge_ready() && huge_mount("0777");
	setenv("SHMQ_SYSV_HUGE_DIR", HUGE_PLACE, 1);
}

/* A backend without huge pages, and a machine with none to spare, have no such segment to refuse the lock. */
static void
k20_huge(struct scene *s)
{
	struct place *p = place(s, 0);
	struct wish wish = {.size = HUGE, .page_size = HUGE};
	int rc = s->world->create(p, &wish);
	bool there = rc == 0;

	if (k20_has_huge && !(s->world->bit & ON_MMAP))
		need(s, rc, "a segment of huge pages");
	say_fact(s, "a huge-page segment refuses the lock", there && s->world->lock(p) < 0);
	say_fact(s, "a huge-page segment shows the lock",
		 there && facts_of(s, p, BY_ID).mode & SHMQ_LOCKED);
	say_fact(s, "a huge-page segment refuses the unlock", there && s->world->unlock(p) < 0);
	if (there)
		need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k20_play(struct scene *s)
{
	const size_t size = 16 * PAGE, enough = 64 * PAGE;
	struct shmq_perm other = {sizeof(other), 1, 1, (mode_t)-1};
	struct place *p;

	k20_idempotent(s);
	k20_case(s, "neither", made(s, 0, size, 0666), enough);
	k20_case(s, "owner, limit 0", made_by_nobody(s, 0, size, 0600), 0);
	k20_case(s, "owner, over the limit", made_by_nobody(s, 0, size, 0600), 4 * PAGE);
	k20_case(s, "owner, within the limit", made_by_nobody(s, 0, size, 0600), enough);
	k20_case(s, "owner without a bit", made_by_nobody(s, 0, size, 0066), enough);
	p = made_by_nobody(s, 0, size, 0666);
	need(s, s->world->set(p, &other), "set");
	k20_case(s, "creator", p, enough);
	k20_huge(s);
}

#define K20_PROMISE "the lock is a promise of every attach, kept while somebody is attached"

static const struct exception k20_exceptions[] = {
	{ON_MMAP, "attached: pages", "K20", K20_PROMISE},
	{ON_MMAP, "nobody attached: memory is locked", "K20", K20_PROMISE},
	{ON_MMAP, "a huge-page segment shows the lock", "K20", K20_PROMISE},
	{0},
};

Test(kernel, k20_lock_belongs_to_the_segment, .init = k20_begin, .fini = huge_end)
{
	row_check(&(struct row){"K20", "SHM_LOCK, SHM_UNLOCK: effect, limits, and who may",
				ORACLE_SYSV, k20_play, k20_exceptions});
}

/* K21. --------------------------------------------------------------------- */

static void
k21_nobody(struct scene *s)
{
	say_count(s, "nobody meets one that may be read", s->world->met(&s->places[1]));
	say_count(s, "nobody meets one that may not", s->world->met(&s->places[2]));
}

/* The second is attached by a process that does not walk. */
static void
k21_holder(struct scene *s, struct other *o)
{
	struct held h;

	hold(s, &h, &s->places[1], 0);
	other_tell(o);
	other_wait(o);
	drop(s, &h);
}

/* Their sizes tell them from those of others. */
static void
k21_play(struct scene *s)
{
	const struct world *w = s->world;
	size_t odd = (size_t)scene_run() % 9000 + 3;
	struct place *first = made(s, 0, odd, 0600), *second = made(s, 1, odd + 10000, 0604);
	struct place *third = made(s, 2, odd + 20000, 0600);
	struct held h;
	struct other o;

	other_start(s, &o, k21_holder);
	other_await(s, &o);
	hold(s, &h, first, 0);
	say_count(s, "attached here", w->met(first));
	say_count(s, "attached elsewhere", w->met(second));
	say_count(s, "not attached", w->met(third));
	as_nobody(s, k21_nobody);
	other_go(s, &o);
	other_end(s, &o);

	need(s, w->remove(first, BY_ID), "remove");
	say_count(s, "marked, attached here", w->met(first));
	drop(s, &h);
	say_count(s, "destroyed", w->met(first));
	need(s, w->remove(second, BY_ID), "remove");
	need(s, w->remove(third, BY_ID), "remove");
}

#define K21_ATTACHED "file: and memfd: segments are listed only by processes attached to them"

static const struct exception k21_exceptions[] = {
	{ON_FILE | ON_MEMFD, "attached elsewhere", "K21", K21_ATTACHED},
	{ON_FILE | ON_MEMFD, "not attached", "K21", K21_ATTACHED},
	{ON_FILE | ON_MEMFD, "nobody meets one that may be read", "K21", K21_ATTACHED},
	{0},
};

Test(kernel, k21_the_walk_meets_every_segment_once)
{
	row_check(&(struct row){"K21", "SHM_STAT: the walk meets every segment once", ORACLE_SYSV,
				k21_play, k21_exceptions});
}

/* K22. --------------------------------------------------------------------- */

static void
k22_say(struct scene *s, const char *label)
{
	struct totals t;

	need(s, s->world->totals(&t), "totals");
	say_count(s, of(label, "segments"), t.segments);
	say_count(s, of(label, "pages"), t.pages);
	say_count(s, of(label, "resident pages"), t.resident);
}

/* In a world of its own, where no other segments are. */
static void
k22_play(struct scene *s)
{
	struct held h, i;
	struct place *p, *q;

	small_world(s, (size_t)1 << 20);
	k22_say(s, "none");
	p = made(s, 0, 3 * PAGE, 0600);
	q = made(s, 1, 4 * PAGE + 1, 0600);
	k22_say(s, "two");
	hold(s, &h, p, 0);
	hold(s, &i, q, 0);
	k22_say(s, "two attached");
	memset(h.base, 1, 2 * PAGE);
	memset(i.base, 1, PAGE);
	k22_say(s, "three pages touched");
	need(s, s->world->remove(p, BY_ID), "remove");
	drop(s, &h);
	k22_say(s, "one gone");
	drop(s, &i);
	need(s, s->world->remove(q, BY_ID), "remove");
	k22_say(s, "all gone");

	say_rc(s, "shmmin", s->world->create(p, &(struct wish){.size = 1}));
	need(s, s->world->remove(p, BY_ID), "remove");
	say_rc(s, "over shmmax", s->world->create(p, &(struct wish){.size = SIZE_MAX}));
}

static const struct exception k22_exceptions[] = {
	{ON_FILE | ON_MEMFD, "two: segments", "K21", K21_ATTACHED},
	{ON_FILE | ON_MEMFD, "two: pages", "K21", K21_ATTACHED},
	{0},
};

Test(kernel, k22_totals_agree)
{
	row_check(&(struct row){"K22", "SHM_INFO, IPC_INFO: totals and limits", ORACLE_SYSV,
				k22_play, k22_exceptions});
}

/* K23. --------------------------------------------------------------------- */

static void
k23_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);

	say_rc(s, "unknown command", s->world->refuse(p, BAD_COMMAND));
	say_rc(s, "negative id", s->world->refuse(p, BAD_ID));
	say_count(s, "nattch afterwards", facts_of(s, p, BY_ID).nattch);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k23_the_unknown_is_refused)
{
	row_check(&(struct row){"K23", "unknown command or flag, negative id", ORACLE_SYSV,
				k23_play, NULL});
}
