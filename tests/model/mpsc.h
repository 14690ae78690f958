/* SPDX-License-Identifier: MIT */
/*
 * MPSC, with the library's own lib/queue_mpsc.c, in plain memory: two lanes, a producer in lane
 * 0, the consumer in lane 1. Messages are words that are not atomic.
 */
#ifndef MPSC_H
#define MPSC_H

#include "sleep.h"

#include "format.h"

/*
 * Of mpsc_door: whether the producer's bell is rung at first, and the consumer sleeps when it
 * finds nothing.
 */
#ifndef RUNG
#define RUNG 1
#endif
#ifndef SLEEPS
#define SLEEPS 0
#endif
#define PRODUCER_LANE 0
#define OTHER_LANE 1
#define PARTICIPANTS 2

struct mpsc_memory {
	struct format_control control;
	struct format_lane lanes[PARTICIPANTS];
	uint64_t slots[PARTICIPANTS * CAPACITY * SLOT_WORDS];
};

static struct mpsc_memory mpsc_memory;

static inline uint64_t
mpsc_or_release(uint64_t *p, uint64_t bits)
{
	return WEAKEN == DOOR_RELEASE ? shmq_or_relaxed_u64(p, bits) : shmq_or_release_u64(p, bits);
}

static inline uint64_t
mpsc_and_acquire(uint64_t *p, uint64_t bits)
{
	uint64_t seen;

	if (WEAKEN != DOOR_ACQUIRE)
		return shmq_and_acquire_u64(p, bits);
	/* If somebody rings meanwhile the bell just stays up. */
	seen = shmq_load_relaxed_u64(p);
	(void)shmq_cas_relaxed_u64(p, &seen, seen & bits);
	return seen;
}

#define shmq_or_release_u64 mpsc_or_release
#define shmq_and_acquire_u64 mpsc_and_acquire

/* The checker does not know how a pair is returned in two registers: so it is made longer. */
#define shmqi_lane __attribute__((aligned(32))) shmqi_lane
#include "ring_lane.h"
#undef shmqi_lane

#include "queue.h"

static inline void
mpsc_copy(void *to, const void *from, size_t n)
{
	assert(n == sizeof(uint64_t));
	*(uint64_t *)to = *(const uint64_t *)from;
}

#define shmq_copy mpsc_copy

#include "queue_spsc.c"

#include "queue_mpsc.c"

/* Not on a stack, as in mpmc.h. */
static struct shmq_seg mpsc_seg;
static struct shmq mpsc_producer, mpsc_consumer;
static union {
	struct shmqi_mpsc mpsc;
	unsigned char bytes[sizeof(struct shmqi_mpsc) + PARTICIPANTS * sizeof(struct lane_view)];
} mpsc_pages;
static uint64_t mpsc_sent, mpsc_received;

static inline void
mpsc_attach(struct shmq *q, unsigned roles, unsigned index)
{
	int err;

	q->seg = &mpsc_seg;
	q->control = &mpsc_memory.control;
	q->kind = &shmqi_kind_mpsc;
	q->roles = roles;
	q->index = index;
	q->mpsc = NULL;
	err = shmqi_kind_mpsc.open(q);
	assert(err == 0);
}

/*
 * Both are attached, the lanes are empty, and the consumer is about to take the bell of the
 * producer's lane down, if it is rung.
 */
static inline void
mpsc_reset(bool rung)
{
	struct shmqi_geometry *g = &mpsc_seg.g;

	sleep_reset();
	mpsc_memory.control.doors[0] = rung ? UINT64_C(1) << PRODUCER_LANE : 0;
	for (unsigned i = 0; i < PARTICIPANTS; i++)
		mpsc_memory.lanes[i].reader.head = 0;
	for (unsigned i = 0; i < PARTICIPANTS * CAPACITY * SLOT_WORDS; i++)
		mpsc_memory.slots[i] = 0;
	mpsc_seg.object = &mpsc_memory;
	g->participants = PARTICIPANTS;
	g->data_offset = offsetof(struct mpsc_memory, slots);
	g->capacity = g->slots = CAPACITY;
	g->slot_bytes = sizeof(uint64_t) * SLOT_WORDS;
	g->lane_bytes = CAPACITY * g->slot_bytes;
	g->msg_max = sizeof(uint64_t);
	mpsc_attach(&mpsc_producer, SHMQ_PRODUCER, PRODUCER_LANE);
	mpsc_attach(&mpsc_consumer, SHMQ_CONSUMER, OTHER_LANE);
	mpsc_consumer.mpsc->at = PRODUCER_LANE;
	mpsc_consumer.mpsc->visited = mpsc_consumer.mpsc->since = 0;
	mpsc_consumer.mpsc->granted = mpsc_consumer.mpsc->left = 0;
	mpsc_consumer.mpsc->patrol = OTHER_LANE;
	for (unsigned i = 0; i < PARTICIPANTS; i++)
		mpsc_consumer.mpsc->lanes[i].idle = i == PRODUCER_LANE ? IDLE - 1 : 0;
}

/* Send one, and wake who sleeps, as queue_send.c does. */
static inline void
mpsc_send_one(void)
{
	int err;

	mpsc_sent = ring_message_at(0);
	err = mpsc_send(&mpsc_producer, &mpsc_sent, sizeof(mpsc_sent));
	assert(err == 0);
	sleep_wake();
}

/* Whether there was one. */
static inline bool
mpsc_receive(void)
{
	int64_t len = mpsc_recv(&mpsc_consumer, &mpsc_received, sizeof(mpsc_received));

	assert(len == sizeof(uint64_t) || len == -EAGAIN);
	if (len < 0)
		return false;
	assert(mpsc_received == ring_message_at(0));
	mpsc_settle(&mpsc_consumer);
	return true;
}

static inline bool
mpsc_rung(void)
{
	return bell_rung(&mpsc_consumer, PRODUCER_LANE);
}

/* What the code under test names of other files. */

void *
shmqi_queue_pages(const struct shmq *q, size_t bytes)
{
	(void)q;
	assert(bytes >= sizeof(struct shmqi_mpsc));
	return &mpsc_pages;
}

size_t
shmqi_round_up(size_t n, size_t unit)
{
	(void)unit;
	return n;
}

size_t
shmqi_os_page_size(void)
{
	return 1;
}

#endif
