/* SPDX-License-Identifier: MIT */
/*
 * A lossy ring in plain memory, and messages of two words that tell their position, so that a torn one is seen. CAPACITY slots, or cells.
 */
#ifndef LOSSY_H
#define LOSSY_H

#include "weaken_rings.h"

#include "racy_words.h"

#define LOSSY_TRIES 2
#include "ring_lossy.h"

#ifndef CAPACITY
#define CAPACITY 2
#endif
#define WORDS 2
#define SLOT_WORDS (2 + WORDS)

/* The stores of one send: the odd word, the message, its length, the even word, the tail. */
#define STORES (WORDS + 4)

static uint64_t lossy_slots[CAPACITY * SLOT_WORDS];

static inline struct shmqi_lossy
lossy_view(void)
{
	return (struct shmqi_lossy){
		.slots = (unsigned char *)lossy_slots,
		.mask = CAPACITY - 1,
		.slot_bytes = sizeof(uint64_t) * SLOT_WORDS,
		.capacity = CAPACITY,
		.msg_max = sizeof(uint64_t) * WORDS,
		.shared_tail = &model_tail,
	};
}

static inline void
lossy_reset(void)
{
	for (unsigned i = 0; i < CAPACITY * SLOT_WORDS; i++)
		lossy_slots[i] = 0;
	model_tail = 0;
	model_doomed = false;
	model_stores = 0;
}

static inline uint64_t
lossy_message(uint64_t position, unsigned i)
{
	return 4 * (position + 100) + 2 * i;
}

static inline void
lossy_send(struct shmqi_lossy *l)
{
	uint64_t message[WORDS];

	for (unsigned i = 0; i < WORDS; i++)
		message[i] = lossy_message(l->tail, i);
	shmqi_lossy_send(l, message, sizeof(message));
}

static inline void
lossy_check(const struct shmqi_lossy *l, const uint64_t *message, int64_t len)
{
	assert(len == sizeof(uint64_t) * WORDS);
	for (unsigned i = 0; i < WORDS; i++)
		assert(message[i] == lossy_message(l->sequence, i));
}

/* Receive once, which may find nothing: whether there was something. Nothing is missing that is not counted. */
static inline bool
lossy_receive(struct shmqi_lossy *l)
{
	uint64_t message[WORDS], lost = l->lost, head = l->head;
	int64_t len = shmqi_lossy_recv(l, message, sizeof(message));

	assert(l->head - head == l->lost - lost + (len >= 0));
	if (len == -EAGAIN)
		return false;
	lossy_check(l, message, len);
	return true;
}

/* Look for the newest once: whether there was something. It is never older than the one before. */
static inline bool
lossy_look(struct shmqi_lossy *l)
{
	uint64_t message[WORDS], head = l->head;
	int64_t len = shmqi_lossy_latest(l, message, sizeof(message), false);

	if (len == -EAGAIN)
		return false;
	lossy_check(l, message, len);
	assert(l->sequence + 1 >= head);
	return true;
}

#endif
