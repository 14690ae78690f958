/* SPDX-License-Identifier: MIT */
/*
 * Lossless broadcast, with the library's own lib/queue_broadcast.c and lib/queue_spsc.c, in
 * plain memory: one writer at a time, one reader.
 *
 * A message is one word. Without a slow limit it is read and written without atomics, so that an
 * overwritten message is a data race, or never comes; with one it is a relaxed word, as in
 * lib/racy.h: a wrong value then.
 *
 * KILL: the writer dies before its `model_kill`th step: a store to shared memory, or a fence.
 */
#ifndef BROADCAST_H
#define BROADCAST_H

#include "model.h"

#include "format.h"

#ifndef CAPACITY
#define CAPACITY 2
#endif
/* How many messages a reader may be behind; 0: it is waited for. */
#ifndef SLOW_LIMIT
#define SLOW_LIMIT 0
#endif
/* Of broadcast_join: where the reader begins, and how often the writer sends. */
#ifndef OLDEST
#define OLDEST 1
#endif
#ifndef SENDS
#define SENDS 2
#endif
/*
 * Of broadcast_eject: whether the reader comes in meanwhile, and leaves in the end, ejected or
 * not.
 */
#ifndef JOINS
#define JOINS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#define SLOT_WORDS 2
#define READER 1
#define PARTICIPANTS 2

struct bc_memory {
	struct format_control control;
	struct format_lane lanes[PARTICIPANTS];
	uint64_t slots[CAPACITY * SLOT_WORDS];
};

static struct bc_memory bc_memory;

/*
 * Who writes, who writes after a death, who reads; nobody: the program before and after its
 * threads.
 */
enum bc_side { BC_NOBODY, BC_WRITER, BC_SUCCESSOR, BC_READER };
static __thread enum bc_side bc_me;
static __thread unsigned bc_steps;
static __thread bool bc_blind; /* for NO_WALK, NO_SECOND_WALK */

/*
 * Before a step: whether its process is dead. It runs on, but stores nothing and sees nothing of
 * what others do.
 */
static inline bool
bc_dead(void)
{
	return bc_me == BC_WRITER && model_kill != 0 && bc_steps >= model_kill;
}

static inline bool
bc_dies(void)
{
	if (bc_me == BC_WRITER && model_kill != 0)
		bc_steps++;
	return bc_dead();
}

static inline bool
bc_is_state(const uint64_t *p)
{
	return p == &bc_memory.lanes[READER].reader.state;
}

static inline bool
bc_is_head(const uint64_t *p)
{
	return p == &bc_memory.lanes[READER].reader.head;
}

static inline bool
bc_is_floor(const uint64_t *p)
{
	return p == &bc_memory.control.progress.head;
}

/* The edge of a word, as the side of it that is weak here; all other words are those of slots. */
static inline bool
bc_weak(const uint64_t *p, enum weaken state, enum weaken head, enum weaken slot)
{
	if (WEAKEN == state)
		return bc_is_state(p);
	if (WEAKEN == head)
		return bc_is_head(p);
	if (WEAKEN != slot)
		return false;
	if (bc_is_state(p) || bc_is_head(p))
		return false;
	return !bc_is_floor(p);
}

static inline void
bc_store_release(uint64_t *p, uint64_t value)
{
	if (bc_dies())
		return;
	if (bc_weak(p, STATE_RELEASE, RECYCLE_RELEASE, PUBLISH_RELEASE) ||
	    (WEAKEN == FLOOR_RELEASE && bc_is_floor(p)))
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
}

static inline uint64_t
bc_load_acquire(const uint64_t *p)
{
	if (bc_dead() || (bc_blind && bc_is_state(p)))
		return 0;
	if (bc_weak(p, STATE_ACQUIRE, RECYCLE_ACQUIRE, PUBLISH_ACQUIRE) ||
	    (WEAKEN == FLOOR_ACQUIRE && bc_is_floor(p)))
		return shmq_load_relaxed_u64(p);
	return shmq_load_acquire_u64(p);
}

static inline bool
bc_cas_acq_rel(uint64_t *p, uint64_t *seen, uint64_t value)
{
	if (bc_dies())
		return false;
	if (WEAKEN != EJECT_ATOMIC || bc_me == BC_READER)
		return shmq_cas_acq_rel_u64(p, seen, value);
	shmq_store_release_u64(p, value);
	return true;
}

static inline void
bc_fence_seq_cst(void)
{
	if (bc_dies())
		return;
	if (bc_me == BC_WRITER && WEAKEN == NO_SECOND_WALK)
		bc_blind = true;
	if (bc_me == BC_WRITER && WEAKEN == JOIN_WRITER)
		return;
	if (bc_me == BC_SUCCESSOR && WEAKEN == JOIN_SUCCESSOR)
		return;
	if (bc_me != BC_READER || WEAKEN != JOIN_READER)
		shmq_fence_seq_cst();
}

static inline void
bc_fence_release(void)
{
	if (bc_dies())
		return;
	bc_blind = false;
	if (WEAKEN != EJECT_WRITER)
		shmq_fence_release();
}

static inline void
bc_fence_acquire(void)
{
	if (WEAKEN != EJECT_READER)
		shmq_fence_acquire();
}

#undef shmq_store_release_u64
#undef shmq_load_acquire_u64
#undef shmq_cas_acq_rel_u64
#undef shmq_fence_seq_cst
#define shmq_store_release_u64 bc_store_release
#define shmq_load_acquire_u64 bc_load_acquire
#define shmq_cas_acq_rel_u64 bc_cas_acq_rel
#define shmq_fence_seq_cst bc_fence_seq_cst
#define shmq_fence_release bc_fence_release
#define shmq_fence_acquire bc_fence_acquire

#include "queue.h"

static inline void
bc_copy(void *to, const void *from, size_t n)
{
	assert(n == sizeof(uint64_t));
	if (bc_dead())
		return;
	*(uint64_t *)to = *(const uint64_t *)from;
}

static inline void
bc_copy_in(void *shared, const void *from, size_t n)
{
	assert(n == sizeof(uint64_t));
	if (bc_dead())
		return;
	shmq_store_relaxed_u64((uint64_t *)shared, *(const uint64_t *)from);
}

static inline void
bc_copy_out(void *to, const void *shared, size_t n)
{
	assert(n == sizeof(uint64_t));
	*(uint64_t *)to = shmq_load_relaxed_u64((const uint64_t *)shared);
}

#define shmq_copy bc_copy
#define shmqi_copy_in bc_copy_in
#define shmqi_copy_out bc_copy_out

#include "queue_spsc.c"

#include "queue_broadcast.c"

/* Not on a stack, as in mpmc.h. */
static struct shmq_seg bc_seg;
static struct shmq bc_queue[BC_READER + 1];
static unsigned char *bc_bytes[BC_READER + 1];
static uint64_t bc_sent[BC_READER + 1], bc_value;

static inline uint64_t
bc_message_at(uint64_t position)
{
	return position + 1000;
}

/* A process attaches: what queue_attach.c sets of its handle, and the kind's own open(). */
static inline void
bc_open(enum bc_side who, unsigned roles)
{
	struct shmq *q = &bc_queue[who];
	int err;

	q->seg = &bc_seg;
	q->control = &bc_memory.control;
	q->kind = &shmqi_kind_broadcast;
	q->roles = roles;
	q->index = roles & SHMQ_CONSUMER ? READER : 0;
	q->suspect = false;
	bc_blind = bc_me == BC_SUCCESSOR && WEAKEN == NO_WALK;
	err = shmqi_kind_broadcast.open(q);
	bc_blind = false;
	assert(err == 0);
}

/* Nobody is attached; then a writer comes and fills the ring. */
static inline void
bc_reset(void)
{
	bc_me = BC_NOBODY;
	bc_memory.control.progress.head = 0;
	for (unsigned i = 0; i < PARTICIPANTS; i++)
		bc_memory.lanes[i].reader.state = bc_memory.lanes[i].reader.head = 0;
	for (unsigned i = 0; i < CAPACITY * SLOT_WORDS; i++)
		bc_memory.slots[i] = 0;
	bc_seg.object = &bc_memory;
	bc_seg.g.participants = PARTICIPANTS;
	bc_seg.g.data_offset = offsetof(struct bc_memory, slots);
	bc_seg.g.capacity = bc_seg.g.slots = CAPACITY;
	bc_seg.g.slot_bytes = sizeof(uint64_t) * SLOT_WORDS;
	bc_seg.g.msg_max = sizeof(uint64_t);
	bc_seg.g.slow_limit = SLOW_LIMIT;
}

/*
 * Send once, as shmqi_lane_send() does; its variable on the stack confuses the checker. Whether
 * there was room.
 */
static inline bool
bc_send(enum bc_side who)
{
	struct shmq *q = &bc_queue[who];
	int err;

	if (bc_dead())
		return false;
	bc_sent[who] = bc_message_at(q->hot.ring.tail);
	err = q->kind->claim(q, sizeof(uint64_t), &bc_bytes[who]);
	assert(err == 0 || err == -EAGAIN);
	if (err)
		return false;
	if (SLOW_LIMIT)
		bc_copy_in(bc_bytes[who], &bc_sent[who], sizeof(uint64_t));
	else
		bc_copy(bc_bytes[who], &bc_sent[who], sizeof(uint64_t));
	q->kind->commit(q, sizeof(uint64_t));
	return true;
}

/* Receive once, as queue_recv.c does: what recv says. */
static inline int64_t
bc_receive(void)
{
	struct shmq *q = &bc_queue[BC_READER];
	uint64_t at = q->hot.ring.head;
	int64_t len = q->kind->recv(q, &bc_value, sizeof(bc_value));

	if (len < 0)
		return len;
	assert(len == sizeof(uint64_t));
	assert(bc_value == bc_message_at(at));
	q->kind->settle(q);
	return len;
}

/* What the code under test names of other files, and what is not reached. */

int
shmqi_peer_bury(struct shmq_seg *seg, unsigned index,
		void (*bury_it)(struct shmq_seg *seg, unsigned index, void *arg), void *arg)
{
	(void)seg;
	(void)index;
	(void)bury_it;
	(void)arg;
	return -EBUSY;
}

void
shmqi_peer_sweep(struct shmq_seg *seg, unsigned index)
{
	(void)seg;
	(void)index;
}

#endif
