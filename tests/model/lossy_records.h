/* SPDX-License-Identifier: MIT */
/*
 * A lossy ring of records in plain memory, for CAPACITY messages of one word that tells their number. The intent is raised by two words more than is
 * needed; so is the room.
 */
#ifndef LOSSY_RECORDS_H
#define LOSSY_RECORDS_H

#include "racy_words.h"

#define LOSSY_RECORDS_STEP 8
#define LOSSY_RECORDS_TRIES 2
#define LOSSY_RECORDS_OPEN_TRIES 2
#include "ring_lossy_records.h"

#ifndef CAPACITY
#define CAPACITY 2
#endif
/* How often the reader receives while the writer works; and whether it comes at that time: 1 to the writer's tail, 2 to the oldest record. */
#ifndef READS
#define READS 1
#endif
#ifndef JOINS
#define JOINS 0
#endif
#define RECORD_WORDS 2
#define RING_WORDS (CAPACITY * RECORD_WORDS + LOSSY_RECORDS_STEP / 8 + 1 + RECORD_WORDS)

/* The stores of one send that raises the intent: oldest, intent, the message, the next header, the header, how many, the tail. */
#define STORES 7

static uint64_t ring_words[RING_WORDS];

static inline struct shmqi_lossy_records
ring_view(void)
{
	return (struct shmqi_lossy_records){
		.bytes = (unsigned char *)ring_words,
		.capacity = CAPACITY * RECORD_WORDS * sizeof(uint64_t),
		.msg_max = sizeof(uint64_t),
		.shared_tail = &model_tail,
		.shared_sent = &model_sent,
		.shared_intent = &model_intent,
		.shared_oldest = &model_oldest,
	};
}

static inline void
ring_reset(void)
{
	for (unsigned i = 0; i < RING_WORDS; i++)
		ring_words[i] = 0;
	model_tail = model_sent = model_intent = model_oldest = 0;
	model_doomed = false;
	model_stores = 0;
}

static inline uint64_t
ring_message(uint64_t sequence)
{
	return 2 * (sequence + 100);
}

static inline void
ring_send(struct shmqi_lossy_records *l)
{
	uint64_t message = ring_message(l->tail.sequence);

	shmqi_lossy_records_send(l, &message, sizeof(message));
}

/* Receive once, which may find nothing: whether there was something. Nothing is missing that is not counted. */
static inline bool
ring_receive(struct shmqi_lossy_records *l)
{
	uint64_t message, lost = l->lost, head = l->head.sequence;
	int64_t len = shmqi_lossy_records_recv(l, &message, sizeof(message));

	assert(l->head.sequence - head == l->lost - lost + (len >= 0));
	if (len == -EAGAIN)
		return false;
	assert(len == sizeof(message) && message == ring_message(l->sequence));
	return true;
}

#endif
