/* SPDX-License-Identifier: MIT */
/* K7-K10: attach. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

/* K7. ---------------------------------------------------------------------- */

/* Attach at `at`; say what came of it, and whether the memory is the segment's and lies where it should. */
static void
k07_attach(struct scene *s, const char *label, void *at, unsigned flags, void *expected)
{
	const struct place *p = &s->places[0];
	struct held h;
	int rc = s->world->attach(&h, p, BY_ID, at, flags);

	say_rc(s, label, rc);
	if (rc < 0)
		return;
	say_fact(s, of(label, "is where it should be"), !expected || h.base == expected);
	say_fact(s, of(label, "is the segment"), *(volatile char *)h.base == 'x');
	say_fact(s, of(label, "pages around are untouched"),
		 !expected || (strcmp(protection((char *)h.base - PAGE), "---p") == 0 &&
			       strcmp(protection((char *)h.base + 2 * PAGE), "---p") == 0));
	drop(s, &h);
}

/* Make a hole for two pages between reserved ones. */
static void *
hole(struct scene *s, char *reserved)
{
	char *at = reserved + 8 * PAGE;

	need(s, munmap(at, 2 * PAGE), "munmap");
	return at;
}

/* What SHM_REMAP replaces may be an attach: then that one is gone. */
static void
k07_replace(struct scene *s, char *at)
{
	struct place *other = made(s, 1, 2 * PAGE, 0600);
	struct held old, new;

	need(s, s->world->attach(&old, other, BY_ID, at, 0), "attach");
	*(volatile char *)at = 'o';
	need(s, s->world->attach(&new, &s->places[0], BY_ID, at, SHM_REMAP), "attach");
	say_fact(s, "attach replaced: is the segment", *(volatile char *)at == 'x');
	say_count(s, "attach replaced: nattch of the old", facts_of(s, other, BY_ID).nattch);
	say_count(s, "attach replaced: nattch of the new",
		  facts_of(s, &s->places[0], BY_ID).nattch);
	say_rc(s, "attach replaced: detach", s->world->detach_at(at));
	say_rc(s, "attach replaced: detach again", s->world->detach_at(at));
	say_count(s, "attach replaced: nattch then", facts_of(s, &s->places[0], BY_ID).nattch);
	(void)s->world->detach(&old);
	need(s, s->world->remove(other, BY_ID), "remove");
}

static void
k07_play(struct scene *s)
{
	struct place *p = made(s, 0, 2 * PAGE, 0600);
	char *reserved = reserve(s, 16), *at, *taken = reserved + 2 * PAGE;
	struct held h;

	hold(s, &h, p, 0);
	*(volatile char *)h.base = 'x';
	drop(s, &h);

	at = hole(s, reserved);
	k07_attach(s, "NULL", NULL, 0, NULL);
	k07_attach(s, "fixed", at, 0, at);
	k07_attach(s, "unaligned", at + 1, 0, at);
	k07_attach(s, "unaligned, SHM_RND", at + 123, SHM_RND, at);
	k07_attach(s, "taken", taken, 0, taken);
	k07_attach(s, "partly taken", at - PAGE, 0, NULL);
	say(s, "taken: what was there stays", protection(taken));
	k07_attach(s, "taken, SHM_REMAP", taken, SHM_REMAP, taken);
	k07_attach(s, "taken and unaligned, SHM_RND and SHM_REMAP", taken + 6 * PAGE + 5,
		   SHM_RND | SHM_REMAP, NULL);
	k07_attach(s, "NULL, SHM_REMAP", NULL, SHM_REMAP, NULL);
	k07_replace(s, at);
	say_count(s, "nattch afterwards", facts_of(s, p, BY_ID).nattch);
	need(s, s->world->remove(p, BY_ID), "remove");
	munmap(reserved, 16 * PAGE);
}

Test(kernel, k07_attach_address_is_checked)
{
	row_check(&(struct row){"K7", "attach address: picked, fixed, rounded, taken, replaced",
				ORACLE_SYSV, k07_play, NULL});
}

/* K8. ---------------------------------------------------------------------- */

static void
k08_access(struct scene *s, const char *label, unsigned flags)
{
	struct held h;

	hold(s, &h, &s->places[0], flags);
	say(s, of(label, "protection"), protection(h.base));
	say_count(s, of(label, "signal of a load"), touch_signal(s, h.base, false));
	say_count(s, of(label, "signal of a store"), touch_signal(s, h.base, true));
	say_fact(s, of(label, "mprotect to write"),
		 mprotect(h.base, PAGE, PROT_READ | PROT_WRITE) == 0);
	drop(s, &h);
}

static void
k08_try(struct scene *s)
{
	static const unsigned flags[] = {SHM_RDONLY, 0, SHM_RDONLY | SHM_EXEC, SHM_EXEC};
	static const char *const names[] = {"read", "write", "read, execute", "write, execute"};

	for (int i = 0; i < 4; i++) {
		struct held h;
		int rc = s->world->attach(&h, &s->places[0], BY_ID, NULL, flags[i]);

		say_rc(s, of(s->label, names[i]), rc);
		if (rc == 0)
			drop(s, &h);
	}
}

static void
k08_permissions(struct scene *s, const char *label, mode_t mode)
{
	struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, mode};

	need(s, s->world->set(&s->places[0], &perm), "set");
	strcpy(s->label, label);
	as_nobody(s, k08_try);
}

/* In a world of its own, because a machine's /dev/shm may be mounted noexec. */
static void
k08_play(struct scene *s)
{
	struct place *p;

	small_world(s, (size_t)1 << 20);
	p = made(s, 0, PAGE, 0600);
	k08_access(s, "read-only", SHM_RDONLY);
	k08_access(s, "read and write", 0);
	k08_access(s, "read and execute", SHM_RDONLY | SHM_EXEC);
	k08_access(s, "all", SHM_EXEC);
	k08_permissions(s, "mode r--", 0604);
	k08_permissions(s, "mode rw-", 0606);
	k08_permissions(s, "mode r-x", 0605);
	k08_permissions(s, "mode rwx", 0607);
	k08_permissions(s, "mode -w-", 0602);
	need(s, s->world->remove(p, BY_ID), "remove");
}

Test(kernel, k08_protection_is_kept)
{
	row_check(&(struct row){"K8", "SHM_RDONLY, SHM_EXEC and the permissions they need",
				ORACLE_SYSV, k08_play, NULL});
}

/* K9. ---------------------------------------------------------------------- */

static void
k09_say(struct scene *s, const char *label)
{
	struct facts f = facts_of(s, &s->places[0], BY_ID);

	say_count(s, of(label, "nattch"), f.nattch);
	say(s, of(label, "atime"), when(s, f.atime));
	say(s, of(label, "lpid"), who(s, f.lpid));
}

/* A reader that may not write. */
static void
k09_reader(struct scene *s)
{
	struct held h;

	hold(s, &h, &s->places[0], SHM_RDONLY);
	k09_say(s, "reader attached");
	drop(s, &h);
}

static void
k09_writer(struct scene *s, struct other *o)
{
	struct held h;

	hold(s, &h, &s->places[0], 0);
	other_tell(o);
	other_wait(o);
	drop(s, &h);
}

static void
k09_play(struct scene *s)
{
	struct held first, second, third;
	struct other o;
	struct place *p;

	mark(s);
	p = made(s, 0, PAGE, 0604);
	k09_say(s, "created");
	as_nobody(s, k09_reader);

	other_start(s, &o, k09_writer);
	other_await(s, &o);
	k09_say(s, "another attached");
	hold(s, &first, p, 0);
	k09_say(s, "we, too");
	hold(s, &second, p, 0);
	hold(s, &third, p, SHM_RDONLY);
	k09_say(s, "we three times");
	other_go(s, &o);
	other_end(s, &o);
	drop(s, &second);
	drop(s, &third);
	k09_say(s, "one left");
	drop(s, &first);
	need(s, s->world->remove(p, BY_ID), "remove");
}

#define K09_READER "a read-only attach without write permission leaves atime and lpid as they were"

static const struct exception k09_exceptions[] = {
	{ON_MMAP, "reader attached: atime", "K9", K09_READER},
	{ON_MMAP, "reader attached: lpid", "K9", K09_READER},
	{0},
};

Test(kernel, k09_attach_is_counted)
{
	row_check(&(struct row){"K9", "attach: nattch, atime, lpid", ORACLE_SYSV, k09_play,
				k09_exceptions});
}

/* K10. --------------------------------------------------------------------- */

/* The kernel may say EINVAL or EIDRM of what is gone. */
static void
say_gone(struct scene *s, const char *name, int rc)
{
	if (rc == -EINVAL || rc == -EIDRM)
		say(s, name, "EINVAL or EIDRM");
	else
		say_rc(s, name, rc);
}

static void
k10_play(struct scene *s)
{
	struct place *p = place(s, 0), *gone;
	struct facts f;
	struct held h;

	p->id = 0x7ffffff0;
	say_gone(s, "bad id: attach", s->world->attach(&h, p, BY_ID, NULL, 0));
	say_gone(s, "bad id: stat", s->world->stat(p, BY_ID, &f));
	p->id = -1;

	gone = made(s, 1, PAGE, 0600);
	hold(s, &h, gone, 0);
	drop(s, &h);
	need(s, s->world->remove(gone, BY_ID), "remove");
	say_gone(s, "destroyed: attach by id", s->world->attach(&h, gone, BY_ID, NULL, 0));
	say_gone(s, "destroyed: stat by id", s->world->stat(gone, BY_ID, &f));
	say_gone(s, "destroyed: attach by key", s->world->attach(&h, gone, BY_NAME, NULL, 0));
}

#define K10_NO_ID "no attach by id: the only address is the name, and an absent name is ENOENT"
#define K10_NAMELESS "memfd: has no name: its descriptor is its id"

static const struct exception k10_exceptions[] = {
	{ON_SHM | ON_FILE, "bad id: attach", "K18", K10_NO_ID},
	{ON_SHM | ON_FILE, "bad id: stat", "K18", K10_NO_ID},
	{ON_SHM | ON_FILE, "destroyed: attach by id", "K18", K10_NO_ID},
	{ON_SHM | ON_FILE, "destroyed: stat by id", "K18", K10_NO_ID},
	{ON_MEMFD, "destroyed: attach by key", "K1", K10_NAMELESS},
	{0},
};

Test(kernel, k10_what_is_gone_is_refused)
{
	row_check(&(struct row){"K10", "attach of a bad or destroyed id", ORACLE_SYSV, k10_play,
				k10_exceptions});
}
