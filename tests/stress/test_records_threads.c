/* SPDX-License-Identifier: MIT */
/*
 * The ring of records between threads, in plain memory, for ThreadSanitizer above all: one writer, one
 * reader; each of them ends now and then, and another goes on with what is in shared memory.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "ring_records.h"
#include "support/message.h"
#include "support/process.h"

#define MESSAGES ((uint64_t)200000 * SCALE)
#define MSG_MAX 100
#define CAPACITY 520
#define BYTES 640
#define TERM 5000 /* messages that an end lasts */

TestSuite(records_threads, .init = process_begin, .timeout = 600);

static struct {
	_Alignas(128) uint64_t tail, sent;
	_Alignas(128) uint64_t head, received;
	_Alignas(128) unsigned char bytes[BYTES];
} memory;

static struct shmqi_records
view(void)
{
	MUST(format_records_bytes(CAPACITY, MSG_MAX) <= BYTES);
	return (struct shmqi_records){
		.bytes = memory.bytes,
		.capacity = CAPACITY,
		.msg_max = MSG_MAX,
		.shared_tail = &memory.tail,
		.shared_sent = &memory.sent,
		.shared_head = &memory.head,
		.shared_received = &memory.received,
	};
}

static void *
produce(void *arg)
{
	struct shmqi_records ring = view();

	for (uint64_t sequence = 0; sequence < MESSAGES; sequence++) {
		size_t length = message_length(sequence, MSG_MAX);
		unsigned char message[MSG_MAX], *bytes = NULL;
		int err;

		if (sequence % TERM == 0)
			SAME(0, shmqi_records_open_writer(&ring));
		MUST(ring.sent == sequence);
		message_fill(message, sequence, length);
		while ((err = shmqi_records_claim(&ring, MSG_MAX, &bytes)) == -EAGAIN)
			sched_yield();
		SAME(0, err);
		memcpy(bytes, message, length);
		shmqi_records_publish(&ring, length);
	}
	return arg;
}

static void *
consume(void *arg)
{
	struct shmqi_records ring = view();

	for (uint64_t sequence = 0; sequence < MESSAGES; sequence++) {
		unsigned char *bytes = NULL;
		int64_t length;

		if (sequence % (TERM + 7) == 0)
			SAME(0, shmqi_records_open_reader(&ring));
		MUST(ring.received == sequence);
		while ((length = shmqi_records_look(&ring, &bytes)) == -EAGAIN)
			sched_yield();
		message_check(bytes, (size_t)length, sequence, MSG_MAX);
		shmqi_records_next(&ring);
		if (sequence % 3 || sequence % (TERM + 7) == TERM + 6)
			shmqi_records_settle(&ring);
	}
	return arg;
}

Test(records_threads, test_threads_records_every_message_once_in_order)
{
	pthread_t threads[2];

	SAME(0, pthread_create(&threads[0], NULL, produce, NULL));
	SAME(0, pthread_create(&threads[1], NULL, consume, NULL));
	SAME(0, pthread_join(threads[0], NULL));
	SAME(0, pthread_join(threads[1], NULL));
	MUST(memory.sent == MESSAGES);
}
