/* SPDX-License-Identifier: MIT */
/*
 * Participants and roles: who is attached to a queue, who is dead, and how a newcomer takes a dead
 * one's place.
 *
 * Shared words and the writers of each
 *   format_participant   whoever holds the write lock on the entry's byte
 *   role.holder          {generation:48, owner:16}; any participant, by CAS: nobody -> me
 *                        (generation + 1), me -> nobody, and,
 *                        with proof of the owner's death, dead -> nobody or me
 *
 * Invariants
 *   P1  the kernel holds a write lock on byte i exactly while the participant i is alive and
 *       attached
 *   P2  holder.owner == i + 1 implies that byte i is locked, or its owner is dead and nobody has
 *       swept yet
 *   P3  holder.generation grows with each claim, so a CAS with an old word fails
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

/* Take an entry and its byte, as shmqi_attach_how.take; `arg`: the roles wanted, and the result. */
struct shmqi_join {
	unsigned roles;
	unsigned index;
};
int shmqi_peer_join(struct shmq_seg *seg, int fd, void *arg);

/* Clear our entry; the byte goes with the unmapping. */
void shmqi_peer_leave(struct shmq_seg *seg, unsigned index);

/* Take a role. -EBUSY: its holder lives, or cannot be asked. */
int shmqi_role_claim(uint64_t *holder, struct shmq_seg *seg, unsigned index);

/* Take a claim back that nobody has seen act: the generation, too, is what it was. */
void shmqi_role_undo(uint64_t *holder, unsigned index);

/* Give a role back, if it is ours. */
void shmqi_role_give_back(uint64_t *holder, unsigned index);

/* The participant that holds a role, or PEER_NONE; and how often the role was claimed. */
unsigned shmqi_role_owner(const uint64_t *holder, uint64_t *generation);

/* Whether the role has no living holder; `probe` asks the kernel, otherwise a killed holder counts
 * as alive. fd: without locks. */
bool shmqi_role_vacant(const uint64_t *holder, int fd, bool probe, uint64_t *generation);

#endif
