/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define ROUNDS 20
#define OWNER_BITS 16
#define OWNER_MASK UINT64_C(0xffff)
#define ROLES_MASK UINT64_C(0xffff)

static uint64_t
word_of(uint64_t generation, unsigned owner)
{
	return generation << OWNER_BITS | owner;
}

static struct format_spsc *
control_of(struct shmq_seg *seg)
{
	return (struct format_spsc *)(void *)((unsigned char *)seg->object + seg->g.control_offset);
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
enter(struct shmq_seg *seg, unsigned index, unsigned roles)
{
	struct format_participant *entry = &format_participants(seg->object)[index];
	/* Relaxed, all of it: a diagnosis; who writes it holds the byte. */
	uint64_t generation = (shmq_load_relaxed_u64(&entry->state) >> OWNER_BITS) + 1;
	pid_t pid = getpid();

	shmq_store_relaxed_u32(&entry->pid, (uint32_t)pid);
	shmq_store_relaxed_u64(&entry->start_time, shmqi_os_start_time(pid));
	shmq_store_relaxed_u64(&entry->state, generation << OWNER_BITS | roles);
}

/*
 * Take entry i. The read lock is proof that no participant i lives, and keeps others from becoming
 * one while we sweep what the last left; then it becomes the write lock, in place. So whoever finds
 * byte i write-locked knows that it has been swept. -EAGAIN: somebody lives there, or looks, too.
 */
static int
take_entry(struct shmq_seg *seg, int fd, unsigned index)
{
	struct format_spsc *control = control_of(seg);
	int err = shmqi_os_lock_byte(fd, F_RDLCK, index);

	if (err)
		return err;
	let_go(&control->producer.holder, index, 0);
	let_go(&control->consumer.holder, index, 0);
	err = shmqi_os_lock_byte(fd, F_WRLCK, index);
	if (err)
		(void)shmqi_os_lock_byte(fd, F_UNLCK, index);
	return err;
}

int
shmqi_peer_join(struct shmq_seg *seg, int fd, void *arg)
{
	struct shmqi_join *join = arg;

	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < seg->g.participants; i++) {
			int err = take_entry(seg, fd, i);

			if (err == -EAGAIN)
				continue;
			if (err)
				return err == -EBADF ? -EACCES : err;
			enter(seg, i, join->roles);
			join->index = i;
			return 0;
		}
		/* Entries are full of the living, or others look at dead ones, which is short. */
		sched_yield();
	}
	return -ENOSPC;
}

void
shmqi_peer_leave(struct shmq_seg *seg, unsigned index)
{
	struct format_participant *entry = &format_participants(seg->object)[index];

	/* Relaxed: a diagnosis; the byte is still ours. */
	shmq_store_relaxed_u64(&entry->state, shmq_load_relaxed_u64(&entry->state) & ~ROLES_MASK);
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

	pthread_mutex_lock(&shmqi_seg_mutex);
	spare = shmqi_seg_spare(seg);
	fd = spare < 0 ? spare : shmqi_os_reopen(spare, O_RDONLY);
	if (fd >= 0) {
		err = lock_dead(fd, holder, seen, owner);
		if (err == 0)
			err = evict(holder, seen, word_of((seen >> OWNER_BITS) + 1, index + 1));
		close(fd);
	}
	pthread_mutex_unlock(&shmqi_seg_mutex);
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

unsigned
shmqi_role_owner(const uint64_t *holder, uint64_t *generation)
{
	/* ROLE, acquire: what a holder that left has done. */
	uint64_t word = shmq_load_acquire_u64(holder);

	*generation = word >> OWNER_BITS;
	return (word & OWNER_MASK) ? (unsigned)(word & OWNER_MASK) - 1 : PEER_NONE;
}

bool
shmqi_role_vacant(const uint64_t *holder, int fd, bool probe, uint64_t *generation)
{
	unsigned owner = shmqi_role_owner(holder, generation);

	return owner == PEER_NONE || (probe && fd >= 0 && shmqi_lock_dead(fd, owner));
}
