/* SPDX-License-Identifier: MIT */
/* K24-K28: mappings. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "world.h"

/* K24. --------------------------------------------------------------------- */

/* No address space left: the limit is what is mapped already. */
static void
k24_address_space(struct scene *s)
{
	struct rlimit limit = {PAGE, PAGE};
	struct held h;

	need(s, setrlimit(RLIMIT_AS, &limit), "setrlimit");
	say_rc(s, "no address space", s->world->attach(&h, &s->places[0], BY_ID, NULL, 0));
}

/* Pages that differ from their neighbours are mappings of their own: make them until there can be no more. */
static void
k24_use_up_mappings(struct scene *s)
{
	size_t pages = (size_t)1 << 22;
	char *area = reserve(s, pages);

	for (size_t i = 1; i < pages; i += 2)
		if (mprotect(area + i * PAGE, PAGE, PROT_READ) < 0)
			break;
	/* That takes two at a time: one may be left. */
	while (mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;
}

static void
k24_mappings(struct scene *s)
{
	struct held h;

	k24_use_up_mappings(s);
	say_rc(s, "too many mappings", s->world->attach(&h, &s->places[0], BY_ID, NULL, 0));
}

static void
k24_play(struct scene *s)
{
	struct place *p = made(s, 0, 2 * PAGE, 0600);
	struct held h;

	say_rc(s, "length 0", s->world->refuse(p, BAD_LENGTH));
	say_rc(s, "unaligned", s->world->refuse(p, BAD_ALIGNMENT));
	say_rc(s, "offset and length wrap", s->world->refuse(p, BAD_WRAP));
	in_child(s, k24_address_space);
	in_child(s, k24_mappings);
	say_rc(s, "afterwards: attach", s->world->attach(&h, p, BY_ID, NULL, 0));
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static const struct exception k24_exceptions[] = {
	{ON_MMAP, "offset and length wrap", "K24",
	 "shmq maps whole segments, without offsets: a length that wraps is EINVAL, as of shmget"},
	{0},
};

Test(kernel, k24_bad_mappings_are_refused)
{
	row_check(&(struct row){"K24", "mmap: bad lengths and offsets, no room", ORACLE_ALIKE,
				k24_play, k24_exceptions});
}

/* K25. --------------------------------------------------------------------- */

static void
k25_descriptor(struct scene *s)
{
	struct held h;
	int rc = s->world->reader(&h, &s->places[0], 0);

	say_rc(s, "read-only descriptor: to write", rc);
	if (rc == 0)
		drop(s, &h);
	rc = s->world->reader(&h, &s->places[0], SHM_RDONLY);
	say_rc(s, "read-only descriptor: to read", rc);
	if (rc < 0)
		return;
	say(s, "read-only descriptor: protection", protection(h.base));
	say_fact(s, "read-only descriptor: mprotect to write",
		 mprotect(h.base, PAGE, PROT_READ | PROT_WRITE) == 0);
	drop(s, &h);
}

static void
k25_nobody(struct scene *s)
{
	struct held h;

	say_rc(s, "read permission: to write", s->world->attach(&h, &s->places[0], BY_ID, NULL, 0));
	hold(s, &h, &s->places[0], SHM_RDONLY);
	say(s, "read permission: protection", protection(h.base));
	say_fact(s, "read permission: mprotect to write",
		 mprotect(h.base, PAGE, PROT_READ | PROT_WRITE) == 0);
	drop(s, &h);
}

static void
k25_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0604);

	if (s->world->reader)
		k25_descriptor(s);
	as_nobody(s, k25_nobody);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k25_read_only_stays_read_only)
{
	row_check(&(struct row){"K25", "a writable mapping of what is open to read", ORACLE_ALIKE,
				k25_play, NULL});
}

/* K26. --------------------------------------------------------------------- */

static struct held k26_ours;

/* Attach twice, close every descriptor there is, and go on. */
static void
k26_closed(struct scene *s)
{
	struct held writer, reader;

	hold(s, &writer, &s->places[0], 0);
	hold(s, &reader, &s->places[0], SHM_RDONLY);
	need(s, close_range(3, ~0u, 0), "close_range");

	*(volatile char *)writer.base = 'c';
	say_fact(s, "closed: shared within the process", *(volatile char *)reader.base == 'c');
	say_fact(s, "closed: sees the other's store", ((volatile char *)reader.base)[1] == 'p');
	say(s, "closed: protection to write", protection(writer.base));
	say(s, "closed: protection to read", protection(reader.base));
	say_count(s, "closed: signal of a store", touch_signal(s, reader.base, true));
	say_rc(s, "closed: detach", s->world->detach(&writer));
	say_rc(s, "closed: detach the reader", s->world->detach(&reader));
}

static void
k26_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);

	hold(s, &k26_ours, p, 0);
	((volatile char *)k26_ours.base)[1] = 'p';
	in_child(s, k26_closed);
	say_fact(s, "the other's store is seen", *(volatile char *)k26_ours.base == 'c');
	drop(s, &k26_ours);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k26_mapping_outlives_its_descriptor)
{
	row_check(&(struct row){"K26", "a mapping outlives its descriptor", ORACLE_ALIKE, k26_play,
				NULL});
}

/* K27. --------------------------------------------------------------------- */

static void
k27_play(struct scene *s)
{
	struct place *p = made(s, 0, 2 * PAGE, 0600);
	struct held h;

	hold(s, &h, p, 0);
	say_count(s, "attached: signal of a load", touch_signal(s, h.base, false));
	say_count(s, "attached: signal of a store", touch_signal(s, h.base, true));
	need(s, munmap((char *)h.base + PAGE, PAGE), "munmap");
	say_count(s, "a page unmapped: signal of a load",
		  touch_signal(s, (char *)h.base + PAGE, false));
	say_count(s, "a page unmapped: signal elsewhere", touch_signal(s, h.base, false));
	drop(s, &h);
	say_count(s, "detached: signal of a load", touch_signal(s, h.base, false));
	say_count(s, "detached: signal of a store", touch_signal(s, h.base, true));
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k27_access_after_unmapping_faults)
{
	row_check(&(struct row){"K27", "after munmap an access is SIGSEGV", ORACLE_SYSV, k27_play,
				NULL});
}

/* K28. --------------------------------------------------------------------- */

static void
k28_case(struct scene *s, const char *label, unsigned flags)
{
	struct place *p = made(s, 0, 32 * PAGE, 0600);
	struct held h;

	hold(s, &h, p, flags);
	say_count(s, of(label, "pages"), (int64_t)resident_pages(h.base, h.size));
	say_count(s, of(label, "locked pages"), (int64_t)locked_pages(h.base, h.size));
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k28_play(struct scene *s)
{
	k28_case(s, "neither", 0);
	k28_case(s, "populate", SHMQ_POPULATE);
	k28_case(s, "lock", SHMQ_LOCK);
	k28_case(s, "both", SHMQ_LOCK | SHMQ_POPULATE);
	k28_case(s, "populate, to read", SHMQ_POPULATE | SHM_RDONLY);
	k28_case(s, "lock, to read", SHMQ_LOCK | SHM_RDONLY);
}

Test(kernel, k28_populate_and_lock_make_pages_present)
{
	row_check(&(struct row){"K28", "MAP_POPULATE or a locked mapping: every page is present",
				ORACLE_ALIKE, k28_play, NULL});
}
