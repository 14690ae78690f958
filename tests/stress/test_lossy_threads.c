/* SPDX-License-Identifier: MIT */
/*
 * The lossy rings between threads, in plain memory, for ThreadSanitizer above all: one writer at full
 * speed, readers that cannot keep up. What arrives is whole and in order, and what does not is
 * counted.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "ring_lossy.h"
#include "ring_lossy_records.h"
#include "support/message.h"
#include "support/process.h"

#define READERS 4
#define MESSAGES ((uint64_t)300000 * SCALE)
#define MSG_MAX 100
#define SLOT_BYTES 128
#define SLOTS 8
#define CELLS 4
#define RECORDS_CAPACITY 512
#define RECORDS_BYTES 2048

TestSuite(lossy_threads, .init = process_begin, .timeout = 600);

/* Shared memory, of either ring. */
static struct {
	_Alignas(128) uint64_t tail, sent;
	_Alignas(128) uint64_t intent, oldest;
	_Alignas(128) unsigned char bytes[RECORDS_BYTES];
} memory;

/* One handle, of either ring, and what both can do. */
struct handle {
	struct shmqi_lossy slots;
	struct shmqi_lossy_records records;
};

struct way {
	void (*open)(struct handle *h, bool writer);
	void (*send)(struct handle *h, const void *msg, size_t len);
	int64_t (*recv)(struct handle *h, void *buf, uint64_t *sequence, uint64_t *lost);
};

static void
slots_open(struct handle *h, bool writer, uint64_t slots)
{
	h->slots = (struct shmqi_lossy){
		.slots = memory.bytes,
		.mask = slots - 1,
		.slot_bytes = SLOT_BYTES,
		.capacity = slots,
		.msg_max = MSG_MAX,
		.shared_tail = &memory.tail,
	};
	if (writer)
		shmqi_lossy_open_writer(&h->slots);
	else
		shmqi_lossy_open_reader(&h->slots, true);
}

static void
broadcast_open(struct handle *h, bool writer)
{
	slots_open(h, writer, SLOTS);
}

static void
latest_open(struct handle *h, bool writer)
{
	slots_open(h, writer, CELLS);
}

static void
slots_send(struct handle *h, const void *msg, size_t len)
{
	shmqi_lossy_send(&h->slots, msg, len);
}

static int64_t
broadcast_recv(struct handle *h, void *buf, uint64_t *sequence, uint64_t *lost)
{
	int64_t len = shmqi_lossy_recv(&h->slots, buf, MSG_MAX);

	*sequence = h->slots.sequence;
	*lost = h->slots.lost;
	return len;
}

/* Values that were passed over are the loss here. */
static int64_t
latest_recv(struct handle *h, void *buf, uint64_t *sequence, uint64_t *lost)
{
	uint64_t head = h->slots.head;
	int64_t len = shmqi_lossy_latest(&h->slots, buf, MSG_MAX, true);

	*sequence = h->slots.sequence;
	if (len >= 0)
		*lost += *sequence - head;
	return len;
}

static void
records_open(struct handle *h, bool writer)
{
	MUST(shmqi_lossy_records_bytes(RECORDS_CAPACITY, MSG_MAX) <= RECORDS_BYTES);
	h->records = (struct shmqi_lossy_records){
		.bytes = memory.bytes,
		.capacity = RECORDS_CAPACITY,
		.msg_max = MSG_MAX,
		.shared_tail = &memory.tail,
		.shared_sent = &memory.sent,
		.shared_intent = &memory.intent,
		.shared_oldest = &memory.oldest,
	};
	SAME(0, writer ? shmqi_lossy_records_open_writer(&h->records)
		       : shmqi_lossy_records_open_reader(&h->records, true));
}

static void
records_send(struct handle *h, const void *msg, size_t len)
{
	shmqi_lossy_records_send(&h->records, msg, len);
}

static int64_t
records_recv(struct handle *h, void *buf, uint64_t *sequence, uint64_t *lost)
{
	int64_t len = shmqi_lossy_records_recv(&h->records, buf, MSG_MAX);

	*sequence = h->records.sequence;
	*lost = h->records.lost;
	return len;
}

static const struct way broadcast = {broadcast_open, slots_send, broadcast_recv};
static const struct way latest = {latest_open, slots_send, latest_recv};
static const struct way records = {records_open, records_send, records_recv};

/* The stream --------------------------------------------------------------------------------- */

static const struct way *way;
static pthread_barrier_t start;

static void *
write_all(void *arg)
{
	unsigned char bytes[MSG_MAX];
	struct handle h;

	way->open(&h, true);
	pthread_barrier_wait(&start);
	for (uint64_t sequence = 0; sequence < MESSAGES; sequence++) {
		size_t length = message_length(sequence, MSG_MAX);

		message_fill(bytes, sequence, length);
		way->send(&h, bytes, length);
		if (sequence % 1024 == 0)
			sched_yield(); /* on few CPUs, so that readers catch it at work */
	}
	return arg;
}

static void *
read_all(void *arg)
{
	unsigned char bytes[MSG_MAX];
	uint64_t received = 0, lost = 0, sequence = 0;
	struct handle h;

	way->open(&h, false);
	pthread_barrier_wait(&start);
	while (received + lost < MESSAGES) {
		int64_t length = way->recv(&h, bytes, &sequence, &lost);

		if (length == -EAGAIN) {
			sched_yield();
			continue;
		}
		MUST(sequence == received + lost);
		received++;
		message_check(bytes, (size_t)length, sequence, MSG_MAX);
	}
	MUST(sequence == MESSAGES - 1);
	*(uint64_t *)arg = received;
	return NULL;
}

static void
stream(const struct way *by)
{
	pthread_t writer, readers[READERS];
	uint64_t received[READERS];

	way = by;
	SAME(0, pthread_barrier_init(&start, NULL, READERS + 1));
	SAME(0, pthread_create(&writer, NULL, write_all, NULL));
	for (unsigned i = 0; i < READERS; i++)
		SAME(0, pthread_create(&readers[i], NULL, read_all, &received[i]));
	SAME(0, pthread_join(writer, NULL));
	for (unsigned i = 0; i < READERS; i++)
		SAME(0, pthread_join(readers[i], NULL));
	for (unsigned i = 0; i < READERS; i++)
		MUST(received[i] > 0);
	SAME(0, pthread_barrier_destroy(&start));
}

Test(lossy_threads, test_threads_lossy_whole_in_order_loss_exact)
{
	stream(&broadcast);
}

Test(lossy_threads, test_threads_latest_whole_and_newer)
{
	stream(&latest);
}

Test(lossy_threads, test_threads_lossy_records_whole_in_order_loss_exact)
{
	stream(&records);
}
