/* SPDX-License-Identifier: MIT */
/* K32-K37: mlock and its family, on memory attached by the kernel's calls and by ours. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

static void
say_locked(struct scene *s, const char *name, const struct held *h)
{
	say_count(s, name, (int64_t)locked_pages(h->base, h->size));
}

static void
say_resident(struct scene *s, const char *name, const struct held *h)
{
	say_count(s, name, (int64_t)resident_pages(h->base, h->size));
}

/* K32. --------------------------------------------------------------------- */

static void
k32_play(struct scene *s)
{
	struct place *p = made(s, 0, 8 * PAGE, 0600);
	struct held h;
	char *base;

	hold(s, &h, p, 0);
	base = h.base;
	say_rc(s, "length 0", lock_pages(base + PAGE, 0));
	say_locked(s, "length 0: locked pages", &h);
	say_rc(s, "a wrap", lock_pages(base, SIZE_MAX - 2 * PAGE));
	say_locked(s, "a wrap: locked pages", &h);
	say_rc(s, "ten bytes in a page", lock_pages(base + PAGE + 100, 10));
	say_locked(s, "ten bytes in a page: locked pages", &h);
	say_rc(s, "two bytes of two pages", lock_pages(base + 4 * PAGE - 1, 2));
	say_locked(s, "two bytes of two pages: locked pages", &h);
	say_rc(s, "all", lock_pages(base, h.size));
	say_rc(s, "munlock a byte", unlock_pages(base + 5 * PAGE + 7, 1));
	say_locked(s, "munlock a byte: locked pages", &h);
	need(s, unlock_pages(base, h.size), "munlock");
	say_locked(s, "munlock all: locked pages", &h);
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k32_locks_are_whole_pages)
{
	row_check(&(struct row){"K32", "mlock rounds to whole pages", ORACLE_SYSV, k32_play, NULL});
}

/* K33. --------------------------------------------------------------------- */

static void
k33_play(struct scene *s)
{
	struct place *p = made(s, 0, 4 * PAGE, 0600);
	struct held h;

	hold(s, &h, p, 0);
	for (int i = 0; i < 3; i++)
		need(s, lock_pages(h.base, h.size), "mlock");
	say_locked(s, "locked three times", &h);
	say_rc(s, "munlock", unlock_pages(h.base, h.size));
	say_locked(s, "unlocked once", &h);
	say_rc(s, "munlock again", unlock_pages(h.base, h.size));
	drop(s, &h);

	hold(s, &h, p, SHMQ_LOCK);
	need(s, lock_pages(h.base, h.size), "mlock");
	say_locked(s, "attached with lock, and locked", &h);
	need(s, unlock_pages(h.base, h.size), "munlock");
	say_locked(s, "attached with lock, unlocked once", &h);
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k33_locks_do_not_nest)
{
	row_check(&(struct row){"K33", "locks do not nest", ORACLE_SYSV, k33_play, NULL});
}

/* K34. --------------------------------------------------------------------- */

static void
k34_hole(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[0], 0);
	need(s, munmap((char *)h.base + 2 * PAGE, PAGE), "munmap");
	say_rc(s, "a hole", lock_pages(h.base, h.size));
	drop(s, &h);
}

/* RLIMIT_MEMLOCK of the next unprivileged process. */
static size_t k34_limit;

static void
k34_nobody(struct scene *s)
{
	const struct place *p = &s->places[0];
	uint64_t needed = 0, limit = 0;
	struct held h;
	int rc;

	memlock_limit(s, k34_limit);
	hold(s, &h, p, 0);
	say_rc(s, of(s->label, "mlock"), lock_pages(h.base, h.size));
	say_locked(s, of(s->label, "locked pages"), &h);
	drop(s, &h);
	rc = s->world->attach(&h, p, BY_ID, NULL, SHMQ_LOCK);
	say_rc(s, of(s->label, "attach with lock"), rc);
	say_count(s, of(s->label, "nattch then"), facts_of(s, p, BY_ID).nattch);
	if (rc == 0)
		drop(s, &h);
	say_rc(s, of(s->label, "preflight"), s->world->memlock(p->size, &needed, &limit));
	say_count(s, of(s->label, "bytes needed"), (int64_t)needed);
	say_count(s, of(s->label, "limit"), (int64_t)limit);
}

static void
k34_case(struct scene *s, const char *label, size_t limit)
{
	strcpy(s->label, label);
	k34_limit = limit;
	as_nobody(s, k34_nobody);
}

static void
k34_play(struct scene *s)
{
	struct place *p = made(s, 0, 16 * PAGE - 5, 0666);

	k34_hole(s);
	k34_case(s, "limit 0", 0);
	k34_case(s, "over the limit", 4 * PAGE);
	k34_case(s, "a page over the limit", 15 * PAGE);
	k34_case(s, "within the limit", 64 * PAGE);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k34_locking_fails_loudly)
{
	row_check(&(struct row){"K34", "mlock over a hole, over the limit, without a limit",
				ORACLE_SYSV, k34_play, NULL});
}

/* K35. --------------------------------------------------------------------- */

/* Locked KiB of a process. */
static int64_t
locked_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	while (status && kib < 0 && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmLck: %ld", &kib) != 1)
			kib = -1;
	if (status)
		fclose(status);
	return kib;
}

static struct held k35_held;

static void
k35_child(struct scene *s)
{
	say_locked(s, "in a child: locked pages", &k35_held);
	say_count(s, "in a child: locked KiB", locked_kib(getpid()));
	need(s, lock_pages(k35_held.base, PAGE), "mlock");
	say_locked(s, "in a child, locked there: locked pages", &k35_held);
}

static void
k35_exec(struct scene *s, struct other *o)
{
	struct held h;

	hold(s, &h, &s->places[0], SHMQ_LOCK);
	say_locked(s, "before exec: locked pages", &h);
	dup2(o->down[0], 0);
	dup2(o->up[1], 1);
	execl("/bin/cat", "cat", (char *)NULL);
	_exit(1);
}

static void
k35_play(struct scene *s)
{
	struct place *p = made(s, 0, 8 * PAGE, 0600);
	int64_t before = locked_kib(getpid());
	struct other o;

	hold(s, &k35_held, p, SHMQ_LOCK);
	say_locked(s, "locked pages", &k35_held);
	in_child(s, k35_child);
	say_locked(s, "after the child: locked pages", &k35_held);

	other_start(s, &o, k35_exec);
	other_go(s, &o);
	other_await(s, &o);
	say_count(s, "after exec: locked KiB", locked_kib(o.pid));
	other_end(s, &o);

	need(s, munmap((char *)k35_held.base + 4 * PAGE, 4 * PAGE), "munmap");
	say_locked(s, "half unmapped: locked pages", &k35_held);
	drop(s, &k35_held);
	say_count(s, "detached: locked KiB", locked_kib(getpid()) - before);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k35_locks_are_not_inherited)
{
	row_check(&(struct row){"K35", "locks end with fork, exec, munmap", ORACLE_SYSV, k35_play,
				NULL});
}

/* K36. --------------------------------------------------------------------- */

static void
k36_play(struct scene *s)
{
	struct place *p = made(s, 0, 16 * PAGE, 0600), *q;
	struct held h;

	hold(s, &h, p, 0);
	madvise(h.base, h.size, MADV_RANDOM);
	say_resident(s, "new: pages", &h);
	say_rc(s, "mlock a part", lock_pages((char *)h.base + 4 * PAGE, 4 * PAGE));
	say_count(s, "a part: its pages",
		  (int64_t)resident_pages((char *)h.base + 4 * PAGE, 4 * PAGE));
	say_locked(s, "a part: locked pages", &h);
	say_rc(s, "mlock all", lock_pages(h.base, h.size));
	say_resident(s, "all: pages", &h);
	say_locked(s, "all: locked pages", &h);
	drop(s, &h);
	need(s, s->world->remove(p, BY_ID), "remove");

	q = made(s, 1, 16 * PAGE, 0600);
	hold(s, &h, q, SHMQ_LOCK);
	say_resident(s, "attached with lock: pages", &h);
	say_locked(s, "attached with lock: locked pages", &h);
	drop(s, &h);
	need(s, s->world->remove(q, BY_ID), "remove");
}

Test(kernel, k36_locked_is_resident)
{
	row_check(&(struct row){"K36", "on success every page is resident and locked", ORACLE_SYSV,
				k36_play, NULL});
}

/* K37. --------------------------------------------------------------------- */

static void
k37_current(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[0], 0);
	say_rc(s, "MCL_CURRENT", lock_all(MCL_CURRENT));
	say_resident(s, "MCL_CURRENT: pages", &h);
	say_locked(s, "MCL_CURRENT: locked pages", &h);
	say_rc(s, "munlockall", unlock_all());
	say_locked(s, "munlockall: locked pages", &h);
	drop(s, &h);
}

static void
k37_future(struct scene *s)
{
	struct held h;

	say_rc(s, "MCL_FUTURE", lock_all(MCL_FUTURE));
	say_rc(s, "MCL_FUTURE: attach", s->world->attach(&h, &s->places[1], BY_ID, NULL, 0));
	say_resident(s, "MCL_FUTURE: pages", &h);
	say_locked(s, "MCL_FUTURE: locked pages", &h);
	need(s, unlock_all(), "munlockall");
	drop(s, &h);
	hold(s, &h, &s->places[1], 0);
	say_locked(s, "munlockall: locked pages of the next attach", &h);
	drop(s, &h);
}

static void
k37_limited(struct scene *s)
{
	struct held h;

	memlock_limit(s, 128 * PAGE);
	need(s, lock_all(MCL_FUTURE), "mlockall");
	say_over(s, "MCL_FUTURE, over the limit: attach",
		 s->world->attach(&h, &s->places[2], BY_ID, NULL, 0));
	say_count(s, "MCL_FUTURE, over the limit: nattch",
		  facts_of(s, &s->places[2], BY_ID).nattch);
	hold(s, &h, &s->places[0], 0);
	say_locked(s, "MCL_FUTURE, within the limit: locked pages", &h);
	drop(s, &h);
}

static void
k37_play(struct scene *s)
{
	struct place *p = made(s, 0, 8 * PAGE, 0666), *q = made(s, 1, 8 * PAGE, 0600);
	struct place *large = made(s, 2, 512 * PAGE, 0666);

	in_child(s, k37_current);
	in_child(s, k37_future);
	as_nobody(s, k37_limited);
	need(s, s->world->remove(p, BY_ID), "remove");
	need(s, s->world->remove(q, BY_ID), "remove");
	need(s, s->world->remove(large, BY_ID), "remove");
}

Test(kernel, k37_mlockall_covers_attaches)
{
	row_check(&(struct row){"K37", "mlockall, munlockall and an attach under MCL_FUTURE",
				ORACLE_SYSV, k37_play, NULL});
}
