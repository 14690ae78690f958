/* SPDX-License-Identifier: MIT */
/*
 * Participants and roles: who is attached to a queue, who is dead, and how a newcomer takes a dead
 * one's place.
 *
 * Shared words and the writers of each
 *   participant.state    {generation:48, roles:16}; whoever holds the lock on the entry's byte adds
 *                        roles; roles are taken away by CAS, by the owner, or with proof of its
 *                        death
 *   role.holder          any participant, by CAS. A role that one may hold: {generation:48,
 *                        owner:16}: nobody -> me (generation + 1), me -> nobody, and, with proof of
 *                        the owner's death, dead -> nobody or me. A role that many may hold:
 *                        {arrivals:48, attached:16}
 *
 * Invariants
 *   P1  the kernel holds a write lock on byte i exactly while the participant i is alive and
 *       attached
 *   P2  holder.owner == i + 1 implies that byte i is locked, or its owner is dead and nobody has
 *       swept yet
 *   P3  holder's generation, or arrivals, grow with each claim, so a CAS with an old word fails
 *   P4  attached is at least the number of entries that show the role: an arrival is counted before
 *       its entry shows the role, a departure after. One killed between leaves it too high; only a
 *       walk over the entries proves that nobody is left, and one that is counted shows at least
 *       that it is coming.
 *
 * Proof of death of i is a read lock on byte i, which is granted only when no writer holds it, to
 * many at once: to newcomers before they take the entry, and to recoverers. Each then reads the
 * word again and changes it by CAS, so it may die or stop anywhere.
 *
 * Edge
 *   ROLE    CAS of holder that gives a role up, or takes it from a dead one -> CAS or load of
 *           holder by the next; carries all that the
 *           old holder did. (A dead one did no CAS: its last stores are before the kernel's release
 *           of its lock, which we acquired.)
 */
#ifndef SHMQ_PEER_H
#define SHMQ_PEER_H

#include "seg.h"

#define PEER_NONE 0xffffu

/* In an entry's state: about to be counted as a holder of these roles (P4), then to show them. */
#define PEER_COMING(roles) ((roles) << 8)

/* Take an entry and its byte, as shmqi_attach_how.take; `arg`: what else a dead one's place needs,
 * and the result. */
struct shmqi_join {
	/* Sweep what the dead participant `index` holds in the ring; repeatable. May be NULL. */
	void (*sweep)(struct shmq_seg *seg, unsigned index);
	unsigned index;
};
int shmqi_peer_join(struct shmq_seg *seg, int fd, void *arg);

/* Show roles that were taken in our entry. */
void shmqi_peer_show(struct shmq_seg *seg, unsigned index, unsigned roles);

/* Clear our entry; the byte goes with the unmapping. */
void shmqi_peer_leave(struct shmq_seg *seg, unsigned index);

/*
 * Call `bury` while participant `index` is proven dead: 0, or -EBUSY: it lives, or cannot be asked.
 */
int shmqi_peer_bury(struct shmq_seg *seg, unsigned index,
		    void (*bury)(struct shmq_seg *seg, unsigned index, void *arg), void *arg);

/* Take the roles away that a dead participant's entry shows; the caller has proof. */
void shmqi_peer_sweep(struct shmq_seg *seg, unsigned index);

/* Whether only one participant at a time may hold the role in this kind. */
bool shmqi_role_single(const struct shmqi_geometry *g, unsigned role);

/* The word of a role. */
uint64_t *shmqi_role_word(void *object, const struct shmqi_geometry *g, unsigned role);

/* Take a role. -EBUSY: its holder lives, or cannot be asked. */
int shmqi_role_claim(uint64_t *holder, struct shmq_seg *seg, unsigned index);

/* Take a claim back that nobody has seen act: the generation, too, is what it was. */
void shmqi_role_undo(uint64_t *holder, unsigned index);

/* Give a role back, if it is ours. */
void shmqi_role_give_back(uint64_t *holder, unsigned index);

/* Count an arrival in, or a departure from, a role that many may hold. */
void shmqi_role_arrive(uint64_t *holder);
void shmqi_role_depart(uint64_t *holder);

/* The participant that holds a single role, or PEER_NONE; and how often the role was claimed. */
unsigned shmqi_role_owner(const uint64_t *holder, uint64_t *generation);

/* Whether the role has no living holder. fd: a description without locks, to ask the kernel; -1:
 * do not, so that a killed holder counts as alive. *generation: claims, or arrivals, by now. */
bool shmqi_role_vacant(const void *object, const struct shmqi_geometry *g, unsigned role, int fd,
		       uint64_t *generation);

/* Walk over the entries, and if nobody living holds the role, count only the dead that still show
 * it (P4). */
void shmqi_role_mend(struct shmq_seg *seg, unsigned role);

/* How many living participants hold the role. */
unsigned shmqi_role_count(const void *object, const struct shmqi_geometry *g, unsigned role,
			  int fd);

#endif
