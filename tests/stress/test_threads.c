/* SPDX-License-Identifier: MIT */
/*
 * Threads, for ThreadSanitizer above all: the ring in plain memory, where the sanitizer sees both
 * ends at one address; handles in two threads of one process; and look-ups by address while others
 * attach and detach.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <shmq/ring_spsc.h>

#include "stress/transfer.h"
#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

#define MSG_MAX 100
#define SLOT_BYTES 128
#define SLOTS 8

TestSuite(threads, .init = place_begin, .fini = place_end, .timeout = 600);

static void
run_two(void *(*first)(void *), void *(*second)(void *), void *arg)
{
	pthread_t threads[2];

	SAME(0, pthread_create(&threads[0], NULL, first, arg));
	SAME(0, pthread_create(&threads[1], NULL, second, arg));
	SAME(0, pthread_join(threads[0], NULL));
	SAME(0, pthread_join(threads[1], NULL));
}

/* The ring ----------------------------------------------------------------------------------- */

#define RING_MESSAGES ((uint64_t)200000 * SCALE)

struct ring {
	_Alignas(128) uint64_t head;
	_Alignas(128) unsigned char slots[SLOTS * SLOT_BYTES];
	uint64_t capacity;
};

static struct shmq_spsc
view(struct ring *ring)
{
	return (struct shmq_spsc){
		.slots = ring->slots,
		.mask = SLOTS - 1,
		.slot_bytes = SLOT_BYTES,
		.capacity = ring->capacity,
		.msg_max = MSG_MAX,
		.shared_head = &ring->head,
	};
}

static void *
ring_produce(void *arg)
{
	struct shmq_spsc ring = view(arg);

	for (uint64_t sequence = 0; sequence < RING_MESSAGES; sequence++) {
		size_t length = message_length(sequence, MSG_MAX);
		unsigned char bytes[MSG_MAX];
		struct shmq_slot *slot = NULL;
		int err;

		message_fill(bytes, sequence, length);
		while ((err = shmq_spsc_claim(&ring, &slot)) == -EAGAIN)
			sched_yield();
		SAME(0, err);
		shmq_copy(shmq_spsc_bytes(slot), bytes, length);
		shmq_spsc_publish(&ring, slot, sequence, length);
	}
	return NULL;
}

static void *
ring_consume(void *arg)
{
	struct shmq_spsc ring = view(arg);

	for (uint64_t sequence = 0; sequence < RING_MESSAGES; sequence++) {
		struct shmq_slot *slot = NULL;
		int64_t length;

		while ((length = shmq_spsc_look(&ring, ring.head, &slot)) == -EAGAIN)
			sched_yield();
		MUST(length >= 0);
		message_check(shmq_spsc_bytes(slot), (size_t)length, sequence, MSG_MAX);
		shmq_spsc_release(&ring, sequence + 1);
	}
	return NULL;
}

Test(threads, test_ring_in_threads_stream_is_exact)
{
	for (uint64_t capacity = 1; capacity <= SLOTS; capacity += SLOTS - 1) {
		struct ring *ring = aligned_alloc(128, sizeof(*ring));

		MUST(ring != NULL);
		memset(ring, 0, sizeof(*ring));
		ring->capacity = capacity;
		run_two(ring_produce, ring_consume, ring);
		SAME(RING_MESSAGES, ring->head);
		free(ring);
	}
}

/* Handles ------------------------------------------------------------------------------------ */

static void *
produce(void *arg)
{
	transfer_produce(arg);
	return NULL;
}

static void *
consume(void *arg)
{
	transfer_consume(arg);
	return NULL;
}

Test(threads, test_handles_in_threads_stream_is_exact)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = MSG_MAX, .capacity = 7};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, &opts);
		struct transfer transfer = {
			.address = place.attach, .msg_max = MSG_MAX, .count = 5000 * SCALE};

		run_two(produce, consume, &transfer);
		SAME(transfer.count, place_stat(&place).received);
		place_remove(&place);
		place = place_queue(on, 0, &opts);
		transfer.address = place.attach;
		transfer.blocking = true;
		run_two(produce, consume, &transfer);
		SAME(transfer.count, place_stat(&place).received);
		place_remove(&place);
	}
}

/* The table of attaches ---------------------------------------------------------------------- */

#define CHANGES ((unsigned)300 * SCALE)

struct table {
	struct place places[PLACES];
	struct shmq_seg *fixed;
	uint32_t changed; /* how often; both threads work until it is CHANGES */
};

/* Attach and detach, all the time. */
static void *
change(void *arg)
{
	struct table *table = arg;

	for (unsigned i = 0; i < CHANGES; i++) {
		struct shmq_stat st = {.size = sizeof(st)};
		struct shmq_seg *seg = NULL;

		SAME(0, shmq_seg_attach(&seg, table->places[i % PLACES].attach, 0));
		SAME(0, shmq_seg_find((char *)shmq_seg_base(seg) + 100, &st));
		MUST(st.base == shmq_seg_base(seg));
		SAME(0, shmq_seg_detach(seg));
		/* Relaxed: only a count. */
		shmq_store_relaxed_u32(&table->changed, i + 1);
	}
	return NULL;
}

/* Look the whole time for the one that stays, and beside it. */
static void *
look_up(void *arg)
{
	struct table *table = arg;
	char *base = shmq_seg_base(table->fixed);
	int local;

	while (shmq_load_relaxed_u32(&table->changed) < CHANGES) {
		struct shmq_stat st = {.size = sizeof(st)};

		SAME(0, shmq_seg_find(base + 8191, &st));
		MUST(st.base == base && st.segsz == 8192);
		SAME(-ENOENT, shmq_seg_find(&local, &st));
		(void)shmq_seg_find(base + 8192, &st);
		(void)shmq_seg_find(base - 1, &st);
	}
	return NULL;
}

Test(threads, test_seg_find_while_others_attach_and_detach)
{
	struct table table = {.changed = 0};

	for (enum place_backend on = ON_SHM; on < PLACES; on++)
		table.places[on] = place_segment(on, 0, NULL);
	SAME(0, shmq_seg_attach(&table.fixed, table.places[ON_SHM].attach, 0));
	run_two(change, look_up, &table);
	SAME(1, place_stat(&table.places[ON_SHM]).nattch);
	SAME(0, shmq_seg_detach(table.fixed));
	for (enum place_backend on = ON_SHM; on < PLACES; on++)
		place_remove(&table.places[on]);
}
