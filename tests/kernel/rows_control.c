/* SPDX-License-Identifier: MIT */
/* K16-K20: stat, set, remove, lock. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define SAME_UID ((uid_t)-1)
#define SAME_GID ((gid_t)-1)
#define SAME_MODE ((mode_t)-1)

static int
set_perm(struct scene *s, const struct place *p, uid_t uid, gid_t gid, mode_t mode)
{
	struct shmq_perm perm = {sizeof(perm), uid, gid, mode};

	return s->world->set(p, &perm);
}

/* K16. --------------------------------------------------------------------- */

static void
k16_owners(struct scene *s, const char *label, const struct facts *f)
{
	say_count(s, of(label, "uid"), f->uid);
	say_count(s, of(label, "gid"), f->gid);
	say_count(s, of(label, "cuid"), f->cuid);
	say_count(s, of(label, "cgid"), f->cgid);
	say_octal(s, of(label, "mode"), f->mode);
}

static void
k16_new(struct scene *s)
{
	struct facts f = facts_of(s, &s->places[0], BY_NAME);

	k16_owners(s, "new", &f);
	say_fact(s, "new: the key is IPC_PRIVATE", f.is_private);
	say_count(s, "new: segsz", (int64_t)f.segsz);
	say(s, "new: atime", when(s, f.atime));
	say(s, "new: dtime", when(s, f.dtime));
	say(s, "new: ctime", when(s, f.ctime));
	say(s, "new: cpid", who(s, f.cpid));
	say(s, "new: lpid", who(s, f.lpid));
	say_count(s, "new: nattch", f.nattch);
}

static void
k16_nobody(struct scene *s)
{
	struct facts f;

	say_rc(s, of(s->label, "stat"), s->world->stat(&s->places[0], BY_ID, &f));
}

static void
k16_used(struct scene *s, struct place *p)
{
	struct held h;
	struct facts f;

	hold(s, &h, p, 0);
	drop(s, &h);
	f = facts_of(s, p, BY_ID);
	say(s, "used: atime", when(s, f.atime));
	say(s, "used: dtime", when(s, f.dtime));
	say(s, "used: lpid", who(s, f.lpid));
}

static void
k16_play(struct scene *s)
{
	struct place *p, *q;
	struct facts f, first;

	mark(s);
	p = made(s, 0, 12345, 0640);
	k16_new(s);
	k16_used(s, p);
	first = facts_of(s, p, BY_ID);
	say_rc(s, "bad buffer", s->world->stat(p, BY_ID, NULL));
	strcpy(s->label, "nobody, others ---");
	as_nobody(s, k16_nobody);
	need(s, set_perm(s, p, SAME_UID, SAME_GID, 0604), "set");
	strcpy(s->label, "nobody, others r--");
	as_nobody(s, k16_nobody);
	say_rc(s, "bad id", s->world->refuse(p, BAD_ID));
	need(s, s->world->remove(p, BY_ID), "remove");

	q = made_by_nobody(s, 0, PAGE, 0600);
	f = facts_of(s, q, BY_ID);
	k16_owners(s, "made by nobody", &f);
	say_fact(s, "the next of that name has another id or seq",
		 f.id != first.id || f.seq != first.seq);
	need(s, s->world->remove(q, BY_ID), "remove");
}

#define K16_NAMELESS "memfd: has no name, and so no key"

static const struct exception k16_exceptions[] = {
	{ON_MEMFD, "new: the key is IPC_PRIVATE", "K1", K16_NAMELESS},
	{0},
};

Test(kernel, k16_stat_tells_everything)
{
	row_check(&(struct row){"K16", "IPC_STAT: every field, and who may ask", ORACLE_SYSV,
				k16_play, k16_exceptions});
}

/* K17. --------------------------------------------------------------------- */

/* ctime is in seconds: wait for the clock to show the next one. */
static void
next_second(struct scene *s)
{
	struct timespec then;

	clock_gettime(CLOCK_REALTIME, &then);
	then.tv_sec++;
	then.tv_nsec = 20 * 1000 * 1000;
	need(s, -clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &then, NULL), "the next second");
	mark(s);
}

static void
k17_privileged(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);
	struct facts f;

	next_second(s);
	say(s, "before: ctime", when(s, facts_of(s, p, BY_ID).ctime));
	say_rc(s, "set everything", set_perm(s, p, 1, 2, 07642));
	f = facts_of(s, p, BY_ID);
	say_count(s, "uid", f.uid);
	say_count(s, "gid", f.gid);
	say_count(s, "cuid", f.cuid);
	say_count(s, "cgid", f.cgid);
	say_octal(s, "mode", f.mode);
	say(s, "ctime", when(s, f.ctime));
	say(s, "atime", when(s, f.atime));
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k17_nobody(struct scene *s)
{
	const struct place *p = &s->places[0];

	say_rc(s, of(s->label, "everything"), set_perm(s, p, NOBODY, NOBODY, 0646));
	say_rc(s, of(s->label, "mode"), set_perm(s, p, SAME_UID, SAME_GID, 0664));
	say_rc(s, of(s->label, "gid to one's own"), set_perm(s, p, SAME_UID, NOBODY, SAME_MODE));
	say_rc(s, of(s->label, "gid to another's"), set_perm(s, p, SAME_UID, 7, SAME_MODE));
	say_rc(s, of(s->label, "uid"), set_perm(s, p, 7, SAME_GID, SAME_MODE));
}

static void
k17_case(struct scene *s, const char *label, struct place *p)
{
	strcpy(s->label, label);
	as_nobody(s, k17_nobody);
	say_octal(s, of(label, "mode afterwards"), facts_of(s, p, BY_ID).mode);
	need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k17_play(struct scene *s)
{
	struct place *p;

	k17_privileged(s);
	k17_case(s, "neither", made(s, 0, PAGE, 0666));
	k17_case(s, "owner and creator", made_by_nobody(s, 0, PAGE, 0666));
	k17_case(s, "owner without a bit", made_by_nobody(s, 0, PAGE, 0066));

	p = made(s, 0, PAGE, 0666);
	need(s, set_perm(s, p, NOBODY, SAME_GID, SAME_MODE), "set");
	k17_case(s, "owner", p);

	p = made_by_nobody(s, 0, PAGE, 0666);
	need(s, set_perm(s, p, 1, 1, SAME_MODE), "set");
	k17_case(s, "creator", p);
}

#define K17_CHOWN "changing the owner needs the privilege that chown needs"
#define K17_CHMOD "chmod and chown know the owner of an inode, not its creator"

static const struct exception k17_exceptions[] = {
	{ON_MMAP, "owner and creator: gid to another's", "K17", K17_CHOWN},
	{ON_MMAP, "owner and creator: uid", "K17", K17_CHOWN},
	{ON_MMAP, "owner: gid to another's", "K17", K17_CHOWN},
	{ON_MMAP, "owner: uid", "K17", K17_CHOWN},
	{ON_MMAP, "owner without a bit: gid to another's", "K17", K17_CHOWN},
	{ON_MMAP, "owner without a bit: uid", "K17", K17_CHOWN},
	{ON_MMAP, "creator: everything", "K17", K17_CHMOD},
	{ON_MMAP, "creator: mode", "K17", K17_CHMOD},
	{ON_MMAP, "creator: gid to one's own", "K17", K17_CHMOD},
	{ON_MMAP, "creator: gid to another's", "K17", K17_CHMOD},
	{ON_MMAP, "creator: uid", "K17", K17_CHMOD},
	{ON_MMAP, "creator: mode afterwards", "K17", K17_CHMOD},
	{0},
};

Test(kernel, k17_set_changes_owner_and_mode)
{
	row_check(&(struct row){"K17", "IPC_SET: owner, mode, ctime, and who may", ORACLE_SYSV,
				k17_play, k17_exceptions});
}

/* K18. --------------------------------------------------------------------- */

/* By id, while somebody is attached. */
static void
k18_by_id(struct scene *s, const struct place *p)
{
	struct facts f = {0};
	struct held h;
	int rc = s->world->stat(p, BY_ID, &f);

	say_rc(s, "by id: stat", rc);
	say_fact(s, "by id: stat says SHM_DEST", f.mode & SHMQ_DEST);
	rc = s->world->attach(&h, p, BY_ID, NULL, 0);
	say_rc(s, "by id: attach", rc);
	if (rc == 0) {
		say_fact(s, "by id: the same memory", *(volatile char *)h.base == 'x');
		drop(s, &h);
	}
	say_rc(s, "by id: remove again", s->world->remove(p, BY_ID));
}

/* The key is free: a new segment under it is a different one, and the old one lives beside it. */
static void
k18_successor(struct scene *s, const struct held *old)
{
	struct place *next = place(s, 0);
	struct held h;

	say_rc(s, "the key is free", s->world->create(next, &(struct wish){.size = PAGE}));
	hold(s, &h, next, 0);
	*(volatile char *)h.base = 'y';
	say_fact(s, "the next segment is another", *(volatile char *)old->base == 'x');
	say_fact(s, "the next segment is not marked", !(facts_of(s, next, BY_ID).mode & SHMQ_DEST));
	drop(s, &h);
	need(s, s->world->remove(next, BY_ID), "remove");
}

static void
k18_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600), old;
	struct held h, second;
	struct facts f;

	hold(s, &h, p, 0);
	hold(s, &second, p, 0);
	*(volatile char *)h.base = 'x';
	say_rc(s, "remove", s->world->remove(p, BY_NAME));
	need(s, s->world->stat_held(&h, &f), "stat of an attach");
	say_octal(s, "mode", f.mode);
	say_fact(s, "the key is IPC_PRIVATE", f.is_private);
	say_count(s, "nattch", f.nattch);
	say_rc(s, "by key: find", s->world->find(p, 0));
	k18_by_id(s, p);

	/* The successor takes the place; a descriptor of the old one stays in ours. */
	old = *p;
	p->id = -1;
	h.place = &old;
	k18_successor(s, &h);
	drop(s, &second);
	need(s, s->world->stat_held(&h, &f), "stat of an attach");
	say_count(s, "one left: nattch", f.nattch);
	say_fact(s, "one left: memory", *(volatile char *)h.base == 'x');
	drop(s, &h);
	say_fact(s, "after the last detach: gone", s->world->stat(&old, BY_ID, &f) < 0);
	if (s->world == &shmq_memfd)
		close(old.id);
}

#define K18_NO_ID "no attach by id: after removal only those attached can reach it"
#define K18_HOLDER "no names: whoever holds the descriptor can reach it, as by id"

static const struct exception k18_exceptions[] = {
	{ON_SHM | ON_FILE, "by id: stat", "K18", K18_NO_ID},
	{ON_SHM | ON_FILE, "by id: stat says SHM_DEST", "K18", K18_NO_ID},
	{ON_SHM | ON_FILE, "by id: attach", "K18", K18_NO_ID},
	{ON_SHM | ON_FILE, "by id: the same memory", "K18", K18_NO_ID},
	{ON_SHM | ON_FILE, "by id: remove again", "K18", K18_NO_ID},
	{ON_MEMFD, "by key: find", "K18", K18_HOLDER},
	{0},
};

Test(kernel, k18_removed_while_attached)
{
	row_check(&(struct row){"K18", "IPC_RMID with nattch > 0: marked, the key is free",
				ORACLE_SYSV, k18_play, k18_exceptions});
}

/* K19. --------------------------------------------------------------------- */

static void
k19_nobody(struct scene *s)
{
	say_rc(s, of(s->label, "remove"), s->world->remove(&s->places[0], BY_ID));
}

static void
k19_case(struct scene *s, const char *label, struct place *p)
{
	struct facts f;
	int rc;

	strcpy(s->label, label);
	as_nobody(s, k19_nobody);
	rc = s->world->stat(p, BY_ID, &f);
	say_fact(s, of(label, "destroyed"), rc == -EINVAL || rc == -EIDRM || rc == -ENOENT);
	say_fact(s, of(label, "refused, but marked"), rc == 0 && (f.mode & SHMQ_DEST));
	if (rc == 0)
		need(s, s->world->remove(p, BY_ID), "remove");
}

static void
k19_play(struct scene *s)
{
	struct place *p = made(s, 0, PAGE, 0600);
	struct facts f;
	int rc;

	say_rc(s, "remove", s->world->remove(p, BY_NAME));
	rc = s->world->stat(p, BY_ID, &f);
	say(s, "by id: stat",
	    rc == -EINVAL || rc == -EIDRM ? "EINVAL or EIDRM" : strerrorname_np(-rc));
	rc = s->world->remove(p, BY_ID);
	say(s, "by id: remove",
	    rc == -EINVAL || rc == -EIDRM ? "EINVAL or EIDRM" : strerrorname_np(-rc));

	k19_case(s, "neither", made(s, 0, PAGE, 0666));
	k19_case(s, "owner and creator", made_by_nobody(s, 0, PAGE, 0600));
	k19_case(s, "owner without a bit", made_by_nobody(s, 0, PAGE, 0066));
	p = made(s, 0, PAGE, 0600);
	need(s, set_perm(s, p, NOBODY, SAME_GID, SAME_MODE), "set");
	k19_case(s, "owner", p);
	p = made_by_nobody(s, 0, PAGE, 0600);
	need(s, set_perm(s, p, 1, 1, 0666), "set");
	k19_case(s, "creator", p);
}

#define K19_NO_ID "no attach by id: the only address is the name, and an absent name is ENOENT"
#define K19_UNLINK "an inode has an owner and no creator, and a sticky directory asks for the owner"

static const struct exception k19_exceptions[] = {
	{ON_SHM | ON_FILE, "by id: stat", "K18", K19_NO_ID},
	{ON_SHM | ON_FILE, "by id: remove", "K18", K19_NO_ID},
	{ON_MMAP, "creator: remove", "K19", K19_UNLINK},
	{ON_MMAP, "creator: destroyed", "K19", K19_UNLINK},
	{0},
};

Test(kernel, k19_removed_while_detached)
{
	row_check(&(struct row){"K19", "IPC_RMID with nattch 0: destroyed at once, and who may",
				ORACLE_SYSV, k19_play, k19_exceptions});
}
