/* SPDX-License-Identifier: MIT */
/* K29-K31: mremap and msync. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

/* K29. --------------------------------------------------------------------- */

static int
errno_of(const void *mapped)
{
	return mapped == MAP_FAILED ? -errno : 0;
}

/* The kernel's own call on attached memory that has a neighbour. */
static void
k29_raw(struct scene *s, const struct place *p)
{
	char *reserved = reserve(s, 16), *at = reserved + 4 * PAGE, *away = reserved + 10 * PAGE;
	struct held h;

	need(s, munmap(at, 4 * PAGE), "munmap");
	need(s, s->world->attach(&h, p, BY_ID, at, 0), "attach");
	*(volatile char *)at = 'x';
	say_rc(s, "mremap: length 0", errno_of(mremap(at, 4 * PAGE, 0, MREMAP_MAYMOVE)));
	say_rc(s, "mremap: unaligned", errno_of(mremap(at + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE)));
	say_rc(s, "mremap: FIXED without MAYMOVE",
	       errno_of(mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_FIXED, away)));
	say_rc(s, "mremap: grow in place, taken", errno_of(mremap(at, 4 * PAGE, 5 * PAGE, 0)));
	say_fact(s, "mremap: nothing changed",
		 *(volatile char *)at == 'x' && strcmp(protection(away), "---p") == 0);
	drop(s, &h);
	munmap(reserved, 16 * PAGE);
}

static bool
has_letters(const struct held *h, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (((volatile char *)h->base)[i * PAGE] != (char)('a' + i))
			return false;
	return true;
}

/* Make the next growth move: take the addresses behind. */
static void *
block_growth(struct scene *s, const struct held *h)
{
	void *behind = (char *)h->base + h->size;
	void *at = mmap(behind, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			-1, 0);

	need(s, at == behind ? 0 : -EEXIST, "a neighbour");
	return at;
}

static void
k29_move(struct scene *s, struct held *h)
{
	char *old = h->base;
	void *neighbour;

	need(s, s->world->resize(h, 2 * PAGE), "shrink");
	neighbour = block_growth(s, h);
	say_rc(s, "grow, taken", s->world->resize(h, 4 * PAGE));
	say_fact(s, "grow, taken: moves", h->base != old);
	say_count(s, "grow, taken: pages left behind", (int64_t)mapped_pages(old, 2 * PAGE));
	say_fact(s, "grow, taken: the neighbour stays", mapped_pages(neighbour, PAGE) == 1);
	say_fact(s, "grow, taken: memory", has_letters(h, 4));
	munmap(neighbour, PAGE);
}

static void
k29_resize(struct scene *s, const struct place *p)
{
	struct held h;
	int rc;

	hold(s, &h, p, 0);
	for (size_t i = 0; i < 4; i++)
		((volatile char *)h.base)[i * PAGE] = (char)('a' + i);
	say_rc(s, "length 0", s->world->resize(&h, 0));
	say_rc(s, "too large", s->world->resize(&h, SIZE_MAX / 4));
	say_fact(s, "refused: nothing changed", h.size == 4 * PAGE && has_letters(&h, 4));
	say_rc(s, "shrink", s->world->resize(&h, 2 * PAGE));
	say_count(s, "shrink: bytes", (int64_t)h.size);
	say_fact(s, "shrink: unmaps the tail", mapping_ends((char *)h.base + 2 * PAGE));
	say_rc(s, "grow again", s->world->resize(&h, 4 * PAGE));
	say_fact(s, "grow again: memory", has_letters(&h, 4));
	k29_move(s, &h);

	rc = s->world->resize(&h, 6 * PAGE);
	say_fact(s, "beyond the object: is memory",
		 rc == 0 && touch_signal(s, (char *)h.base + 5 * PAGE, true) == 0);
	need(s, s->world->resize(&h, 4 * PAGE), "resize back");
	say_fact(s, "beyond the object: what was there stays", has_letters(&h, 4));
	drop(s, &h);
}

static void
k29_locked(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[1], SHMQ_LOCK);
	need(s, s->world->resize(&h, 2 * PAGE), "shrink");
	say_count(s, "locked, shrunk: locked pages", (int64_t)locked_pages(h.base, h.size));
	need(s, s->world->resize(&h, 16 * PAGE), "grow");
	say_count(s, "locked, grown: locked pages", (int64_t)locked_pages(h.base, h.size));
	say_count(s, "locked, grown: pages", (int64_t)resident_pages(h.base, h.size));
	drop(s, &h);
}

/* Locked by mlock, and over the limit if it grew. */
static void
k29_limited(struct scene *s)
{
	struct held h;

	memlock_limit(s, 4 * PAGE);
	hold(s, &h, &s->places[1], 0);
	need(s, s->world->resize(&h, 2 * PAGE), "shrink");
	need(s, lock_pages(h.base, h.size), "mlock");
	say_over(s, "locked, over the limit: grow", s->world->resize(&h, 16 * PAGE));
	say_count(s, "locked, over the limit: bytes", (int64_t)h.size);
	say_count(s, "locked, over the limit: locked pages", (int64_t)locked_pages(h.base, h.size));
	drop(s, &h);
}

static void
k29_play(struct scene *s)
{
	struct place *p = made(s, 0, 4 * PAGE, 0600), *q;

	k29_raw(s, p);
	k29_resize(s, p);
	need(s, s->world->remove(p, BY_ID), "remove");
	q = made(s, 1, 16 * PAGE, 0666);
	k29_locked(s);
	as_nobody(s, k29_limited);
	need(s, s->world->remove(q, BY_ID), "remove");
}

static const struct exception k29_exceptions[] = {
	{ON_SHM | ON_FILE, "beyond the object: is memory", "K29",
	 "resize grows the object of shm: and file: first, allocated"},
	{0},
};

Test(kernel, k29_mappings_shrink_grow_and_move)
{
	row_check(&(struct row){"K29", "mremap: shrink, grow, move, refuse", ORACLE_ALIKE, k29_play,
				k29_exceptions});
}

/* K30. --------------------------------------------------------------------- */

static void
k30_play(struct scene *s)
{
	struct place *p = made(s, 0, 4 * PAGE, 0600);
	struct held h;
	char *second;

	hold(s, &h, p, 0);
	second = mremap(h.base, 0, 4 * PAGE, MREMAP_MAYMOVE);
	say_rc(s, "old length 0", errno_of(second));
	need(s, errno_of(second), "mremap");
	((volatile char *)h.base)[PAGE] = 'x';
	((volatile char *)second)[2 * PAGE] = 'y';
	say_fact(s, "the same pages",
		 second[PAGE] == 'x' && ((volatile char *)h.base)[2 * PAGE] == 'y');
	say_count(s, "nattch", facts_of(s, p, BY_ID).nattch);
	drop(s, &h);
	say_fact(s, "the second outlives the attach", second[PAGE] == 'x');
	say_count(s, "nattch of the second alone", facts_of(s, p, BY_ID).nattch);
	need(s, munmap(second, 4 * PAGE), "munmap");
	say_count(s, "nattch in the end", facts_of(s, p, BY_ID).nattch);
	need(s, s->world->remove(p, BY_ID), "remove");
}

#define K30_USERS "a second mapping of an mmap segment made by the user is the user's"

static const struct exception k30_exceptions[] = {
	{ON_MMAP, "nattch", "K30", K30_USERS},
	{ON_MMAP, "nattch of the second alone", "K30", K30_USERS},
	{0},
};

Test(kernel, k30_mremap_of_nothing_maps_twice)
{
	row_check(&(struct row){"K30", "mremap with old length 0: a second mapping", ORACLE_SYSV,
				k30_play, k30_exceptions});
}

/* K31. --------------------------------------------------------------------- */

static void
k31_play(struct scene *s)
{
	struct place *p = made(s, 0, 4 * PAGE, 0600);
	struct held h, other;

	hold(s, &h, p, 0);
	memset(h.base, 'x', h.size);
	say_fact(s, "written: dirty", dirty_pages(h.base, h.size) > 0);
	say_rc(s, "sync", s->world->sync(&h));
	say_fact(s, "synced: dirty", dirty_pages(h.base, h.size) > 0);
	hold(s, &other, p, SHM_RDONLY);
	say_fact(s, "synced: memory", ((volatile char *)other.base)[3 * PAGE] == 'x');
	drop(s, &other);
	need(s, munmap((char *)h.base + 2 * PAGE, PAGE), "munmap");
	say_rc(s, "sync with a hole", s->world->sync(&h));
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k31_sync_writes_back)
{
	row_check(&(struct row){"K31", "msync writes a file mapping back", ORACLE_ALIKE, k31_play,
				NULL});
}
