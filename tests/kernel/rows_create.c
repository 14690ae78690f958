/* SPDX-License-Identifier: MIT */
/* K1-K6: create or find. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "world.h"

/* K1. ---------------------------------------------------------------------- */

static void
k01_both(struct scene *s, struct place *a, struct place *b)
{
	struct held in_a, in_b;

	hold(s, &in_a, a, 0);
	hold(s, &in_b, b, 0);
	*(volatile char *)in_a.base = 'a';
	say_fact(s, "they share memory", *(volatile char *)in_b.base == 'a');
	say_fact(s, "the key is IPC_PRIVATE", facts_of(s, a, BY_ID).is_private);
	drop(s, &in_a);
	drop(s, &in_b);
	need(s, s->world->remove(a, BY_ID), "remove");
	need(s, s->world->remove(b, BY_ID), "remove");
}

static void
k01_play(struct scene *s)
{
	struct wish wish = {.size = PAGE};
	struct place *a = place(s, 0), *b = place(s, 1);
	int first = s->world->create_private(a, &wish);
	int second = s->world->create_private(b, &wish);

	say_rc(s, "first", first);
	say_rc(s, "second", second);
	if (first >= 0 && second >= 0)
		k01_both(s, a, b);
}

#define K01_NAMED \
	"shm: and file: segments have names; memfd: and sysv:private are the addresses without"

static const struct exception k01_exceptions[] = {
	{ON_SHM | ON_FILE, "first", "K1", K01_NAMED},
	{ON_SHM | ON_FILE, "second", "K1", K01_NAMED},
	{ON_SHM | ON_FILE, "they share memory", "K1", K01_NAMED},
	{ON_SHM | ON_FILE, "the key is IPC_PRIVATE", "K1", K01_NAMED},
	{0},
};

Test(kernel, k01_private_is_always_new)
{
	row_check(&(struct row){"K1", "IPC_PRIVATE always makes a new segment", ORACLE_SYSV,
				k01_play, k01_exceptions});
}

/* K2. ---------------------------------------------------------------------- */

static char
first_byte(struct scene *s, const struct place *p)
{
	struct held h;
	char c;

	need(s, s->world->attach(&h, p, BY_NAME, NULL, SHM_RDONLY), "attach by name");
	c = *(volatile char *)h.base;
	drop(s, &h);
	return c;
}

static void
k02_play(struct scene *s)
{
	const struct world *w = s->world;
	struct wish wish = {.size = PAGE};
	struct place *p = place(s, 0);
	struct held h;

	say_rc(s, "unknown: find", w->find(p, 0));
	say_rc(s, "unknown: CREAT", w->open(p, &wish));
	say_rc(s, "unknown: CREAT makes it", w->find(p, 0));

	hold(s, &h, p, 0);
	*(volatile char *)h.base = 'x';
	say_rc(s, "known: CREAT and EXCL", w->create(p, &wish));
	say_rc(s, "known: CREAT", w->open(p, &wish));
	say_fact(s, "known: CREAT finds the same", first_byte(s, p) == 'x');
	drop(s, &h);
	need(s, w->remove(p, BY_NAME), "remove");
	say_rc(s, "removed: find", w->find(p, 0));
	say_rc(s, "removed: CREAT and EXCL", w->create(p, &wish));
	say_fact(s, "removed: the next is new and zero", first_byte(s, p) == 0);
	need(s, w->remove(p, BY_NAME), "remove");
}

#define K02_NAMELESS \
	"memfd: has no names (K1): each create makes a new one, reached by its descriptor"

static const struct exception k02_exceptions[] = {
	{ON_MEMFD, "unknown: find", "K1", K02_NAMELESS},
	{ON_MEMFD, "known: CREAT and EXCL", "K1", K02_NAMELESS},
	{ON_MEMFD, "known: CREAT finds the same", "K1", K02_NAMELESS},
	{ON_MEMFD, "removed: find", "K1", K02_NAMELESS},
	{0},
};

Test(kernel, k02_keys_are_found_or_made)
{
	row_check(&(struct row){"K2", "find, create, or create exclusively by key", ORACLE_SYSV,
				k02_play, k02_exceptions});
}

/* K3. ---------------------------------------------------------------------- */

static void
k03_memory(struct scene *s, const struct place *p)
{
	struct held h;
	bool zero = true;

	hold(s, &h, p, 0);
	for (size_t i = 0; i < 2 * PAGE; i++)
		zero = zero && ((volatile char *)h.base)[i] == 0;
	say_fact(s, "memory is zero", zero);
	say_count(s, "bytes of the attach", (int64_t)h.size);
	say_fact(s, "memory is whole pages", mapping_ends((char *)h.base + 2 * PAGE));
	say_count(s, "store to the last byte of the last page",
		  touch_signal(s, (char *)h.base + 2 * PAGE - 1, true));
	drop(s, &h);
}

static void
k03_play(struct scene *s)
{
	const struct world *w = s->world;
	struct place *none = place(s, 0), *p;

	say_rc(s, "new: size 0", w->create(none, &(struct wish){.size = 0}));
	say_rc(s, "new: size too large", w->create(none, &(struct wish){.size = SIZE_MAX}));
	say_fact(s, "new: refused sizes leave nothing", w->find(none, 0) < 0);

	p = made(s, 1, 5000, 0600);
	say_count(s, "segsz", (int64_t)facts_of(s, p, BY_NAME).segsz);
	k03_memory(s, p);
	say_rc(s, "found: less", w->find(p, 4999));
	say_rc(s, "found: as much", w->find(p, 5000));
	say_rc(s, "found: any size", w->find(p, 0));
	say_rc(s, "found: more", w->find(p, 5001));
	say_rc(s, "found: a page more", w->find(p, 5000 + PAGE));
	say_count(s, "segsz afterwards", (int64_t)facts_of(s, p, BY_NAME).segsz);
	need(s, w->remove(p, BY_NAME), "remove");
}

#define K03_GROWS "asking for more is a resize of the attach, which grows the object"

static const struct exception k03_exceptions[] = {
	{ON_SHM | ON_FILE, "found: more", "K29", K03_GROWS},
	{ON_SHM | ON_FILE, "found: a page more", "K29", K03_GROWS},
	{ON_SHM | ON_FILE, "segsz afterwards", "K29", K03_GROWS},
	{0},
};

Test(kernel, k03_sizes_are_checked)
{
	row_check(&(struct row){"K3", "sizes: refused, asked for, rounded to pages", ORACLE_SYSV,
				k03_play, k03_exceptions});
}

/* K4. ---------------------------------------------------------------------- */

/* What an unprivileged process may do; the first place is the segment, the label says which. */
static void
k04_try(struct scene *s)
{
	const struct world *w = s->world;
	const struct place *p = &s->places[0];
	struct facts f;
	struct held h;
	int rc = w->attach(&h, p, BY_ID, NULL, SHM_RDONLY);

	say_rc(s, of(s->label, "attach to read"), rc);
	if (rc == 0)
		drop(s, &h);
	rc = w->attach(&h, p, BY_ID, NULL, 0);
	say_rc(s, of(s->label, "attach to write"), rc);
	if (rc == 0)
		drop(s, &h);
	say_rc(s, of(s->label, "stat"), w->stat(p, BY_ID, &f));
}

/* A segment of ours, given away as `perm` says, and tried by nobody. */
static void
k04_case(struct scene *s, const char *label, const struct shmq_perm *perm)
{
	struct place *p = made(s, 0, PAGE, 0600);

	need(s, s->world->set(p, perm), "set");
	strcpy(s->label, label);
	as_nobody(s, k04_try);
	need(s, s->world->remove(p, BY_ID), "remove");
}

/* Created by nobody, but not owned by nobody any more: the creator keeps the owner's bits. */
static void
k04_creator(struct scene *s)
{
	struct shmq_perm other = {sizeof(other), 1, 1, 0600};
	struct place *p = made_by_nobody(s, 0, PAGE, 0600);

	need(s, s->world->set(p, &other), "set");
	strcpy(s->label, "creator, owner rw-");
	as_nobody(s, k04_try);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k04_play(struct scene *s)
{
	const size_t size = sizeof(struct shmq_perm);
	const uid_t same = (uid_t)-1;

	k04_case(s, "others ---", &(struct shmq_perm){size, same, same, 0660});
	k04_case(s, "others r--", &(struct shmq_perm){size, same, same, 0604});
	k04_case(s, "others -w-", &(struct shmq_perm){size, same, same, 0602});
	k04_case(s, "others rw-", &(struct shmq_perm){size, same, same, 0606});
	k04_case(s, "group ---", &(struct shmq_perm){size, same, NOBODY, 0606});
	k04_case(s, "group r--", &(struct shmq_perm){size, same, NOBODY, 0640});
	k04_case(s, "group rw-", &(struct shmq_perm){size, same, NOBODY, 0660});
	k04_case(s, "owner r--", &(struct shmq_perm){size, NOBODY, same, 0466});
	k04_case(s, "owner rw-", &(struct shmq_perm){size, NOBODY, same, 0600});
	k04_creator(s);
}

#define K04_INODE \
	"an inode has an owner and no creator: who gave it away has the bits of the others"

static const struct exception k04_exceptions[] = {
	{ON_MMAP, "creator, owner rw-: attach to read", "K4", K04_INODE},
	{ON_MMAP, "creator, owner rw-: attach to write", "K4", K04_INODE},
	{ON_MMAP, "creator, owner rw-: stat", "K4", K04_INODE},
	{0},
};

Test(kernel, k04_permission_bits_are_checked)
{
	row_check(&(struct row){"K4", "permission bits of mode, owner and creator", ORACLE_SYSV,
				k04_play, k04_exceptions});
}

/* K5. ---------------------------------------------------------------------- */

/* The other process touches one page: it is there for everybody. */
static void
k05_touch(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[0], 0);
	madvise(h.base, h.size, MADV_RANDOM);
	((volatile char *)h.base)[3 * PAGE] = 'x';
	drop(s, &h);
}

static void
k05_sparse(struct scene *s)
{
	struct place *p = made(s, 0, 16 * PAGE, 0600);
	struct held h;

	hold(s, &h, p, 0);
	madvise(h.base, h.size, MADV_RANDOM);
	say_count(s, "sparse: pages after creation", (int64_t)resident_pages(h.base, h.size));
	say_count(s, "sparse: IPC_STAT's pages", facts_of(s, p, BY_ID).resident_pages);
	in_child(s, k05_touch);
	say_count(s, "sparse: pages after another's touch",
		  (int64_t)resident_pages(h.base, h.size));
	say_count(s, "sparse: IPC_STAT's pages after it", facts_of(s, p, BY_ID).resident_pages);
	say_fact(s, "sparse: that page is shared", ((volatile char *)h.base)[3 * PAGE] == 'x');
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k05_case(struct scene *s, const char *label, unsigned create_flags, unsigned attach_flags)
{
	struct wish wish = {.size = 16 * PAGE, .flags = create_flags};
	struct place *p = place(s, 1);
	struct held h;

	need(s, s->world->create(p, &wish), "create");
	say_fact(s, of(label, "creation allocates"), s->world->allocated(p) >= 16);
	need(s, s->world->attach(&h, p, BY_ID, NULL, attach_flags), "attach");
	say_count(s, of(label, "pages"), (int64_t)resident_pages(h.base, h.size));
	say_count(s, of(label, "IPC_STAT's pages"), facts_of(s, p, BY_ID).resident_pages);
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k05_play(struct scene *s)
{
	k05_sparse(s);
	k05_case(s, "default", 0, 0);
	k05_case(s, "created with populate", SHMQ_POPULATE, 0);
	k05_case(s, "attached with populate", SHMQ_SPARSE, SHMQ_POPULATE);
	k05_case(s, "attached with lock", SHMQ_SPARSE, SHMQ_LOCK);
	k05_case(s, "attached to read, with populate", SHMQ_POPULATE, SHM_RDONLY | SHMQ_POPULATE);
}

#define K05_ALLOCATED "pages are allocated at creation by default; SHMQ_SPARSE is as the kernel"

static const struct exception k05_exceptions[] = {
	{ON_MMAP, "default: creation allocates", "K5", K05_ALLOCATED},
	{ON_MMAP, "default: pages", "K5", K05_ALLOCATED},
	{ON_MMAP, "default: IPC_STAT's pages", "K5", K05_ALLOCATED},
	{0},
};

Test(kernel, k05_first_touch_allocates)
{
	row_check(&(struct row){"K5", "pages come with the first touch, populate or lock",
				ORACLE_SYSV, k05_play, k05_exceptions});
}

/* K6. ---------------------------------------------------------------------- */

/* Nothing but a file size limit bounds a memfd; it is there lest a missing check take the machine's memory. */
static void
k06_bound_files(struct scene *s)
{
	struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};

	signal(SIGXFSZ, SIG_IGN);
	need(s, setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
}

/* Touch every page, in a process that may die of it. */
static int
k06_touch_all(struct scene *s, const struct held *h)
{
	for (size_t i = 0; i < h->size; i += PAGE) {
		int signal_number = touch_signal(s, (char *)h->base + i, true);

		if (signal_number)
			return signal_number;
	}
	return 0;
}

static void
k06_play(struct scene *s)
{
	const struct world *w = s->world;
	bool bounded = w->backend != SHMQ_BACKEND_MEMFD;
	size_t room = (size_t)1 << 20;
	size_t too_much = bounded ? 4 * room : (size_t)1 << 42;
	struct place *p = place(s, 0), *small;
	struct held h;
	int rc;

	k06_bound_files(s);
	small_world(s, room);
	rc = w->create(p, &(struct wish){.size = too_much});
	say_fact(s, "over the limit: ENOSPC or ENOMEM", rc == -ENOSPC || rc == -ENOMEM);
	say_fact(s, "over the limit: nothing is left", w->find(p, 0) < 0);

	small = place(s, 1);
	rc = w->create(small, &(struct wish){.size = room / 2});
	say_rc(s, "under the limit", rc);
	need(s, w->attach(&h, small, BY_ID, NULL, 0), "attach");
	say_count(s, "under the limit: signal of a store to each page", k06_touch_all(s, &h));
	drop(s, &h);
	need(s, w->remove(small, BY_ID), "remove");
	say_rc(s, "room comes back", w->create(small, &(struct wish){.size = room / 2}));
	need(s, w->remove(small, BY_ID), "remove");
}

Test(kernel, k06_limits_are_errors_at_creation)
{
	row_check(&(struct row){"K6", "limits are errors at creation, never a signal later",
				ORACLE_SYSV, k06_play, NULL});
}
