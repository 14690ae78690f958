/* SPDX-License-Identifier: MIT */
/* K11-K13: detach. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

/* K11. --------------------------------------------------------------------- */

static void
k11_play(struct scene *s)
{
	const struct world *w = s->world;
	struct place *p = made(s, 0, 2 * PAGE, 0600);
	char *foreign = reserve(s, 1);
	struct held h;

	hold(s, &h, p, 0);
	*(volatile char *)h.base = 'x';
	say_rc(s, "NULL", w->detach_at(NULL));
	say_rc(s, "not aligned", w->detach_at((char *)h.base + 1));
	say_rc(s, "inside", w->detach_at((char *)h.base + PAGE));
	say_rc(s, "below", w->detach_at((char *)h.base - PAGE));
	say_rc(s, "other memory", w->detach_at(foreign));
	say_fact(s, "other memory stays", mapped_pages(foreign, PAGE) == 1);
	say_count(s, "nattch afterwards", facts_of(s, p, BY_ID).nattch);
	say_fact(s, "memory is still there", *(volatile char *)h.base == 'x');

	say_rc(s, "the attach", w->detach_at(h.base));
	say_count(s, "nattch then", facts_of(s, p, BY_ID).nattch);
	say_rc(s, "a second time", w->detach_at(h.base));
	say_count(s, "pages left", (int64_t)mapped_pages(h.base, 2 * PAGE));
	need(s, w->remove(p, BY_ID), "remove");
	munmap(foreign, PAGE);
}

Test(kernel, k11_only_an_attach_address_detaches)
{
	row_check(&(struct row){"K11", "detach of anything but an attach changes nothing",
				ORACLE_SYSV, k11_play, NULL});
}

/* K12. --------------------------------------------------------------------- */

/* Eight pages in the middle of reserved ones, so that nothing else comes to lie beside them. */
static char *
k12_attach(struct scene *s, struct held *h, char **reserved)
{
	*reserved = reserve(s, 24);
	need(s, munmap(*reserved + 8 * PAGE, 8 * PAGE), "munmap");
	need(s, s->world->attach(h, &s->places[0], BY_ID, *reserved + 8 * PAGE, 0), "attach");
	return h->base;
}

static void
k12_cut(struct scene *s, const char *label, bool by_handle)
{
	struct held h;
	char *reserved, *base = k12_attach(s, &h, &reserved);
	char *gap = base + 5 * PAGE;

	need(s, munmap(base, PAGE), "munmap the first page");
	need(s, mprotect(base + 2 * PAGE, PAGE, PROT_READ), "mprotect");
	need(s, lock_pages(base + 4 * PAGE, PAGE), "mlock");
	need(s, munmap(base + 5 * PAGE, 3 * PAGE), "munmap the tail");
	need(s, munmap(reserved, PAGE), "munmap");
	need(s,
	     mremap(reserved + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, gap) == gap
		     ? 0
		     : -errno,
	     "foreign memory in a gap");

	say_count(s, of(label, "nattch"), facts_of(s, &s->places[0], BY_ID).nattch);
	say_rc(s, of(label, "detach"),
	       by_handle ? s->world->detach(&h) : s->world->detach_at(base));
	say_count(s, of(label, "pieces left"), (int64_t)(mapped_pages(base, 8 * PAGE) - 1));
	say_fact(s, of(label, "foreign memory in a gap stays"), mapped_pages(gap, PAGE) == 1);
	say_count(s, of(label, "nattch then"), facts_of(s, &s->places[0], BY_ID).nattch);
	munmap(reserved, 24 * PAGE);
}

/* Detach what has been moved: at its new address, or else where it came from. */
static void
k12_settle(struct scene *s, char *away, char *base)
{
	int rc = s->world->detach_at(away);

	say_rc(s, of(s->label, "detach at the new address"), rc);
	if (rc < 0) {
		void *back = mremap(away, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base);

		need(s, back == base ? 0 : -errno, "mremap back");
		need(s, s->world->detach_at(base), "detach where it was");
	}
	say_count(s, of(s->label, "nattch in the end"), facts_of(s, &s->places[0], BY_ID).nattch);
}

static void
k12_moved(struct scene *s, const char *label, bool by_handle)
{
	struct held h;
	char *reserved, *base = k12_attach(s, &h, &reserved);
	char *away = reserve(s, 8);
	void *moved = mremap(base, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away);

	need(s, moved == away ? 0 : -errno, "mremap");
	*(volatile char *)away = 'x';
	strcpy(s->label, label);
	say_rc(s, of(label, "detach"),
	       by_handle ? s->world->detach(&h) : s->world->detach_at(base));
	say_fact(s, of(label, "memory is still there"), *(volatile char *)away == 'x');
	say_count(s, of(label, "nattch"), facts_of(s, &s->places[0], BY_ID).nattch);
	k12_settle(s, away, base);
	munmap(reserved, 24 * PAGE);
}

static void
k12_piece_moved(struct scene *s)
{
	struct held h;
	char *reserved, *base = k12_attach(s, &h, &reserved);
	char *away = reserve(s, 1), *piece = base + 3 * PAGE;

	*(volatile char *)piece = 'x';
	need(s, mremap(piece, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away ? 0 : -errno,
	     "mremap");
	say_rc(s, "piece moved: detach", s->world->detach_at(base));
	say_count(s, "piece moved: pages left", (int64_t)mapped_pages(base, 8 * PAGE));
	say_fact(s, "piece moved: it stays", *(volatile char *)away == 'x');
	say_count(s, "piece moved: nattch", facts_of(s, &s->places[0], BY_ID).nattch);
	need(s, munmap(away, PAGE), "munmap");
	say_count(s, "piece moved: nattch without it", facts_of(s, &s->places[0], BY_ID).nattch);
	munmap(reserved, 24 * PAGE);
}

static void
k12_play(struct scene *s)
{
	struct place *p = made(s, 0, 8 * PAGE, 0600);

	k12_cut(s, "cut, by address", false);
	k12_cut(s, "cut, by handle", true);
	k12_moved(s, "moved, by address", false);
	k12_moved(s, "moved, by handle", true);
	k12_piece_moved(s);
	need(s, s->world->remove(p, BY_ID), "remove");
}

#define K12_ATTACHES "nattch counts attaches, as SysV does for an unsplit mapping"
#define K12_OWN "the library unmaps what is left of its own attach, where it attached it"

static const struct exception k12_exceptions[] = {
	{ON_MMAP, "cut, by address: nattch", "K9", K12_ATTACHES},
	{ON_MMAP, "cut, by handle: nattch", "K9", K12_ATTACHES},
	{ON_MMAP, "piece moved: nattch", "K9", K12_ATTACHES},
	{ON_MMAP, "moved, by address: detach at the new address", "K12", K12_OWN},
	{ON_MMAP, "moved, by handle: detach at the new address", "K12", K12_OWN},
	{0},
};

Test(kernel, k12_one_detach_takes_all_pieces)
{
	row_check(&(struct row){"K12", "one detach undoes an attach that was cut into pieces",
				ORACLE_SYSV, k12_play, k12_exceptions});
}

/* K13. --------------------------------------------------------------------- */

static void
k13_say(struct scene *s, const char *label)
{
	struct facts f = facts_of(s, &s->places[0], BY_ID);

	say_count(s, of(label, "nattch"), f.nattch);
	say(s, of(label, "dtime"), when(s, f.dtime));
	say(s, of(label, "lpid"), who(s, f.lpid));
}

static void
k13_reader(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[0], SHM_RDONLY);
	drop(s, &h);
}

/* Attach here, let the other detach: lpid and dtime are of the one that detached. */
static void
k13_other(struct scene *s, struct other *o)
{
	struct held h;

	hold(s, &h, &s->places[0], 0);
	other_tell(o);
	other_wait(o);
	drop(s, &h);
	other_tell(o);
}

static void
k13_last(struct scene *s, struct place *p)
{
	struct facts f;
	struct held one, two;
	int rc;

	hold(s, &one, p, 0);
	hold(s, &two, p, 0);
	need(s, s->world->remove(p, BY_ID), "remove");
	drop(s, &one);
	need(s, s->world->stat_held(&two, &f), "stat");
	say_count(s, "marked, not the last: nattch", f.nattch);
	say_fact(s, "marked, not the last: SHM_DEST", f.mode & SHMQ_DEST);
	drop(s, &two);
	rc = s->world->stat(p, BY_ID, &f);
	say_fact(s, "marked, the last: destroyed", rc == -EINVAL || rc == -EIDRM || rc == -ENOENT);
}

static void
k13_play(struct scene *s)
{
	struct other o;
	struct place *p;
	struct held h;

	mark(s);
	p = made(s, 0, PAGE, 0604);
	as_nobody(s, k13_reader);
	k13_say(s, "a reader came and went");
	other_start(s, &o, k13_other);
	other_await(s, &o);
	hold(s, &h, p, 0);
	k13_say(s, "two attached");
	other_go(s, &o);
	other_await(s, &o);
	k13_say(s, "the other detached");
	other_end(s, &o);
	drop(s, &h);
	k13_say(s, "we detached");
	k13_last(s, p);
}

#define K13_READER "a read-only attach without write permission leaves dtime and lpid as they were"

static const struct exception k13_exceptions[] = {
	{ON_MMAP, "a reader came and went: dtime", "K13", K13_READER},
	{ON_MMAP, "a reader came and went: lpid", "K13", K13_READER},
	{ON_MMAP, "two attached: dtime", "K13", K13_READER},
	{0},
};

Test(kernel, k13_detach_is_counted)
{
	row_check(&(struct row){"K13", "detach: nattch, dtime, lpid, and the last one destroys",
				ORACLE_SYSV, k13_play, k13_exceptions});
}
