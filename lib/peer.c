/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define ROUNDS 10000
#define ROUNDS_FULL 20
#define OWNER_BITS 16
#define OWNER_MASK UINT64_C(0xffff)
#define ROLES_MASK UINT64_C(0xffff)

static uint64_t
word_of(uint64_t generation, unsigned owner)
{
	return generation << OWNER_BITS | owner;
}

/* Take from `owner`, whose death is proven, the role; -EAGAIN: the word is another by now. */
static int
evict(uint64_t *holder, uint64_t seen, uint64_t next)
{
	/* ROLE, both: what the old holder did before; what we found. */
	return shmq_cas_acq_rel_u64(holder, &seen, next) ? 0 : -EAGAIN;
}

/* What `index` owns belongs to nobody: it is ours to give, or nobody lives there, and we hold the
 * lock that proves it. `back`: how many of its claims are to be as if they had not been. */
static void
let_go(uint64_t *holder, unsigned index, uint64_t back)
{
	/* ROLE, acquire: compared and swapped below. */
	uint64_t word = shmq_load_acquire_u64(holder);

	if ((word & OWNER_MASK) == index + 1)
		(void)evict(holder, word, word_of((word >> OWNER_BITS) - back, 0));
}

static void
enter(struct shmq_seg *seg, unsigned index)
{
	struct format_participant *entry = &format_participants(seg->object)[index];
	/* Relaxed, all of it: who writes it holds the byte; the roles follow. */
	uint64_t generation = (shmq_load_relaxed_u64(&entry->state) >> OWNER_BITS) + 1;
	pid_t pid = getpid();

	shmq_store_relaxed_u32(&entry->armed[0], 0);
	shmq_store_relaxed_u32(&entry->armed[1], 0);
	shmq_store_relaxed_u64(&entry->bell, 0);
	shmq_store_relaxed_u64(&entry->messages, 0);
	shmq_store_relaxed_u64(&entry->holds, 0);
	shmq_store_relaxed_u64(&entry->base, 0);
	shmq_store_relaxed_u32(&entry->pid, (uint32_t)pid);
	shmq_store_relaxed_u64(&entry->start_time, shmqi_os_start_time(pid));
	shmq_store_relaxed_u64(&entry->state, generation << OWNER_BITS);
}

bool
shmqi_role_single(const struct shmqi_geometry *g, unsigned role)
{
	if (g->kind == SHMQ_MPMC)
		return false;
	if (g->kind == SHMQ_MPSC)
		return role == SHMQ_CONSUMER;
	return g->kind == SHMQ_SPSC || role == SHMQ_PRODUCER;
}

uint64_t *
shmqi_role_word(void *object, const struct shmqi_geometry *g, unsigned role)
{
	struct format_control *control = format_control(object, g);

	return role == SHMQ_PRODUCER ? &control->producer.holder : &control->consumer.holder;
}

/* Whether a living participant's entry shows one of these bits. */
static bool
shows(const void *object, unsigned index, unsigned bits, int fd)
{
	const struct format_participant *entry =
		(const void *)((const unsigned char *)object + 2 * FORMAT_PAGE);
	/* ROLE, acquire: what it did before it showed, or hid, the role. */
	uint64_t state = shmq_load_acquire_u64(&entry[index].state);

	return (state & bits) && !(fd >= 0 && shmqi_lock_dead(fd, index));
}

/* Take away the roles that an entry shows. Who wins the CAS counts the departures (P4). */
static void
hide(struct shmq_seg *seg, unsigned index)
{
	uint64_t *state = &format_participants(seg->object)[index].state;
	/* ROLE, acquire: compared and swapped below. */
	uint64_t seen = shmq_load_acquire_u64(state);

	/* ROLE, both: we are the owner, or it is dead, and we hold the lock that proves it. */
	if (!(seen & ROLES_MASK) || !shmq_cas_acq_rel_u64(state, &seen, seen & ~ROLES_MASK))
		return;
	for (unsigned role = SHMQ_PRODUCER; role <= SHMQ_CONSUMER; role <<= 1) {
		if ((seen & role) && !shmqi_role_single(&seg->g, role))
			shmqi_role_depart(shmqi_role_word(seg->object, &seg->g, role));
	}
}

void
shmqi_peer_sweep(struct shmq_seg *seg, unsigned index)
{
	for (unsigned role = SHMQ_PRODUCER; role <= SHMQ_CONSUMER; role <<= 1) {
		if (shmqi_role_single(&seg->g, role))
			let_go(shmqi_role_word(seg->object, &seg->g, role), index, 0);
	}
	hide(seg, index);
	shmqi_bell_clear(&format_participants(seg->object)[index], seg->header.uuid);
}

/*
 * Take entry i. The read lock is proof that no participant i lives, and keeps others from becoming
 * one while we sweep what the last left; then it becomes the write lock, in place. So whoever finds
 * byte i write-locked knows that it has been swept. -EAGAIN: somebody lives there; -EBUSY: nobody
 * does, but others look, too.
 */
static int
take_entry(struct shmq_seg *seg, int fd, const struct shmqi_join *join, unsigned index)
{
	int err = shmqi_os_lock_byte(fd, F_RDLCK, index);

	if (err)
		return err;
	/* Roles are hidden last: without them nothing is left in the ring. */
	if (join->sweep && shows(seg->object, index, (unsigned)ROLES_MASK, -1))
		join->sweep(seg, index);
	shmqi_peer_sweep(seg, index);
	err = shmqi_os_lock_byte(fd, F_WRLCK, index);
	if (err)
		(void)shmqi_os_lock_byte(fd, F_UNLCK, index);
	return err == -EAGAIN ? -EBUSY : err;
}

/* Take the first entry to be had. -EAGAIN: all are those of the living; -EBUSY: not all. */
static int
take_any_entry(struct shmq_seg *seg, int fd, struct shmqi_join *join)
{
	int result = -EAGAIN;

	for (unsigned i = 0; i < seg->g.participants; i++) {
		int err = take_entry(seg, fd, join, i);

		if (err == 0)
			join->index = i;
		if (err != -EAGAIN && err != -EBUSY)
			return err;
		result = err == -EBUSY ? err : result;
	}
	return result;
}

int
shmqi_peer_join(struct shmq_seg *seg, int fd, void *arg)
{
	struct shmqi_join *join = arg;

	/* Two who look at the same entries in step hinder each other, for a while. */
	for (int round = 0, full = 0; full < ROUNDS_FULL && round < ROUNDS; round++) {
		int err = take_any_entry(seg, fd, join);

		if (err == 0)
			enter(seg, join->index);
		if (err != -EAGAIN && err != -EBUSY)
			return err == -EBADF ? -EACCES : err;
		full += err == -EAGAIN;
		sched_yield();
	}
	return -ENOSPC;
}

void
shmqi_peer_show(struct shmq_seg *seg, unsigned index, unsigned roles)
{
	uint64_t *state = &format_participants(seg->object)[index].state;
	/* Relaxed: we hold the byte, so nobody else changes it. */
	uint64_t seen = shmq_load_relaxed_u64(state);

	/* ROLE, release: who finds the role finds what came before. */
	shmq_store_release_u64(state, seen | roles);
}

void
shmqi_peer_leave(struct shmq_seg *seg, unsigned index)
{
	hide(seg, index);
}

int
shmqi_peer_bury(struct shmq_seg *seg, unsigned index,
		void (*bury)(struct shmq_seg *seg, unsigned index, void *arg), void *arg)
{
	int err = -EBUSY, spare, fd; /* what cannot be inspected counts as alive */
	int state = shmqi_seg_lock();

	spare = shmqi_seg_spare(seg);
	fd = spare < 0 || !shmqi_lock_dead(spare, index) ? -1 : shmqi_os_reopen(spare, O_RDONLY);
	if (fd >= 0 && shmqi_os_lock_byte(fd, F_RDLCK, index) == 0) {
		bury(seg, index, arg);
		err = 0;
	}
	if (fd >= 0)
		close(fd);
	shmqi_seg_unlock(state);
	return err;
}

/*
 * Prove that `owner` is dead. Its byte is refused while it lives, and to us also while a newcomer
 * has it, which has swept before: then the word has changed. -EAGAIN: look again; -EBUSY: alive.
 */
static int
lock_dead(int fd, const uint64_t *holder, uint64_t seen, unsigned owner)
{
	if (shmqi_os_lock_byte(fd, F_RDLCK, owner) == 0)
		return 0;
	/* ROLE, acquire: only compared; the claim loads it again. */
	return shmq_load_acquire_u64(holder) != seen ? -EAGAIN : -EBUSY;
}

/*
 * Take the role from a holder that has died. A read lock is the proof, and lets go with its
 * descriptor, which no fork may copy.
 */
static int
take_over(uint64_t *holder, struct shmq_seg *seg, uint64_t seen, unsigned index)
{
	unsigned owner = (unsigned)(seen & OWNER_MASK) - 1;
	int err = -EBUSY, spare, fd; /* what cannot be inspected counts as alive */
	int state = shmqi_seg_lock();

	spare = shmqi_seg_spare(seg);
	fd = spare < 0 ? spare : shmqi_os_reopen(spare, O_RDONLY);
	if (fd >= 0) {
		err = lock_dead(fd, holder, seen, owner);
		if (err == 0)
			err = evict(holder, seen, word_of((seen >> OWNER_BITS) + 1, index + 1));
		close(fd);
	}
	shmqi_seg_unlock(state);
	return err;
}

int
shmqi_role_claim(uint64_t *holder, struct shmq_seg *seg, unsigned index)
{
	int err;

	do {
		/* ROLE, acquire: what the last holder did. */
		uint64_t seen = shmq_load_acquire_u64(holder);

		if ((seen & OWNER_MASK) == 0)
			err = evict(holder, seen, word_of((seen >> OWNER_BITS) + 1, index + 1));
		else
			err = take_over(holder, seg, seen, index);
	} while (err == -EAGAIN); /* lost a race: each loser sees a newer generation (P3) */
	return err;
}

void
shmqi_role_undo(uint64_t *holder, unsigned index)
{
	let_go(holder, index, 1);
}

void
shmqi_role_give_back(uint64_t *holder, unsigned index)
{
	let_go(holder, index, 0);
}

/* Add to arrivals and attached, but never below 0 nor into the arrivals. */
static void
count(uint64_t *holder, uint64_t arrivals, int attached)
{
	/* ROLE, acquire: only compared. */
	uint64_t seen = shmq_load_acquire_u64(holder), next;

	do {
		uint64_t now = seen & OWNER_MASK;

		if (attached < 0 ? now > 0 : now < OWNER_MASK)
			now += (uint64_t)(int64_t)attached;
		next = word_of((seen >> OWNER_BITS) + arrivals, (unsigned)now);
		/* ROLE, both: what those before us did; what we did before we leave. */
	} while (!shmq_cas_acq_rel_u64(holder, &seen, next));
}

void
shmqi_role_arrive(uint64_t *holder)
{
	count(holder, 1, 1);
}

void
shmqi_role_depart(uint64_t *holder)
{
	count(holder, 0, -1);
}

unsigned
shmqi_role_owner(const uint64_t *holder, uint64_t *generation)
{
	/* ROLE, acquire: what a holder that left has done. */
	uint64_t word = shmq_load_acquire_u64(holder);

	*generation = word >> OWNER_BITS;
	return (word & OWNER_MASK) ? (unsigned)(word & OWNER_MASK) - 1 : PEER_NONE;
}

static uint64_t
role_word(const void *object, const struct shmqi_geometry *g, unsigned role)
{
	const struct format_control *control =
		(const void *)((const unsigned char *)object + g->control_offset);

	/* ROLE, acquire: what a holder that left has done. */
	return shmq_load_acquire_u64(role == SHMQ_PRODUCER ? &control->producer.holder
							   : &control->consumer.holder);
}

bool
shmqi_role_vacant(const void *object, const struct shmqi_geometry *g, unsigned role, int fd,
		  uint64_t *generation)
{
	uint64_t word = role_word(object, g, role);

	*generation = word >> OWNER_BITS;
	if ((word & OWNER_MASK) == 0)
		return true;
	if (fd < 0)
		return false;
	if (shmqi_role_single(g, role))
		return shmqi_lock_dead(fd, (unsigned)(word & OWNER_MASK) - 1);
	for (unsigned i = 0; i < g->participants; i++) {
		if (shows(object, i, role | PEER_COMING(role), fd))
			return false;
	}
	return true;
}

void
shmqi_role_mend(struct shmq_seg *seg, unsigned role)
{
	uint64_t *word = shmqi_role_word(seg->object, &seg->g, role);
	/* ROLE, acquire: who is counted shows at least that it is coming. */
	uint64_t seen = shmq_load_acquire_u64(word);
	int spare = shmqi_seg_spare(seg);
	unsigned dead = 0;

	if (shmqi_role_single(&seg->g, role) || !(seen & OWNER_MASK) || spare < 0)
		return;
	for (unsigned i = 0; i < seg->g.participants; i++) {
		if (shows(seg->object, i, role | PEER_COMING(role), spare))
			return;
		dead += shows(seg->object, i, role, -1); /* who hides it will count it out */
	}
	/* ROLE, both: nobody has arrived, or was counted out, since we looked, or this fails. */
	(void)shmq_cas_acq_rel_u64(word, &seen, (seen & ~OWNER_MASK) | dead);
}

unsigned
shmqi_role_count(const void *object, const struct shmqi_geometry *g, unsigned role, int fd)
{
	uint64_t generation;
	unsigned n = 0;

	if (shmqi_role_single(g, role))
		return !shmqi_role_vacant(object, g, role, fd, &generation);
	for (unsigned i = 0; i < g->participants; i++)
		n += shows(object, i, role, fd);
	return n;
}
