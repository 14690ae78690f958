/* SPDX-License-Identifier: MIT */
/*
 * A ring of records in plain memory, its two ends, and messages of one or two words, in turn, that tell their number. They are read and written
 * without atomics, so that a missing edge is a data race. The capacity is CAPACITY of the longer ones.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "weaken_rings.h"

#include "ring_records.h"

#ifndef CAPACITY
#define CAPACITY 2
#endif
#define MESSAGES 3
#define WORDS_MAX 2
#define RECORD_WORDS (1 + WORDS_MAX)
#define RING_WORDS (CAPACITY * RECORD_WORDS + 1 + RECORD_WORDS)

/* The stores of one publish: the next header, the header, how many, the tail; and of one settle: how many, the head. */
#define PUBLISH_STORES 4
#define SETTLE_STORES 2

static uint64_t ring_words[RING_WORDS];

static inline struct shmqi_records
ring_view(void)
{
	return (struct shmqi_records){
		.bytes = (unsigned char *)ring_words,
		.capacity = CAPACITY * RECORD_WORDS * sizeof(uint64_t),
		.msg_max = WORDS_MAX * sizeof(uint64_t),
		.shared_tail = &model_tail,
		.shared_sent = &model_sent,
		.shared_head = &model_head,
		.shared_received = &model_received,
	};
}

static inline void
ring_reset(void)
{
	for (unsigned i = 0; i < RING_WORDS; i++)
		ring_words[i] = 0;
	model_tail = model_sent = model_head = model_received = 0;
	model_doomed = false;
	model_stores = 0;
}

/* Begin at the tail, as one more consumer: as a tap does, and a reader of broadcast. */
static inline void
ring_join(struct shmqi_records *ring)
{
	records_begin_at(ring, shmqi_records_newest(ring->shared_tail),
			 shmq_load_relaxed_u64(ring->shared_sent));
}

static inline unsigned
ring_words_of(uint64_t sequence)
{
	return 1 + sequence % WORDS_MAX;
}

/* Send the next message, of which so much room is found before it is made. */
static inline void
ring_send(struct shmqi_records *ring)
{
	unsigned char *bytes = NULL;
	unsigned words = ring_words_of(ring->sent), tries = 0;
	int err;

	do {
		err = shmqi_records_claim(ring, words * sizeof(uint64_t), &bytes);
		assert(err == 0 || err == -EAGAIN);
	} while (model_again(err == -EAGAIN, ++tries));
	for (unsigned i = 0; i < words; i++)
		((uint64_t *)(void *)bytes)[i] = ring->sent + 1000;
	shmqi_records_publish(ring, words * sizeof(uint64_t));
}

static inline void
ring_receive(struct shmqi_records *ring)
{
	unsigned char *bytes = NULL;
	unsigned words = ring_words_of(ring->received), tries = 0;
	int64_t len;

	do {
		len = shmqi_records_look(ring, &bytes);
		assert(len == (int64_t)(words * sizeof(uint64_t)) || len == -EAGAIN);
	} while (model_again(len == -EAGAIN, ++tries));
	for (unsigned i = 0; i < words; i++)
		assert(((uint64_t *)(void *)bytes)[i] == ring->received + 1000);
	shmqi_records_next(ring);
	shmqi_records_settle(ring);
}

#endif
