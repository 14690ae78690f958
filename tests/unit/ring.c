/* SPDX-License-Identifier: MIT */
/* The SPSC ring in plain memory: near every wrap, with any fill, and with words that a broken peer left. */
#include <criterion/criterion.h>
#include <shmq/ring_spsc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "support/process.h"

#define PAGE ((size_t)4096)

TestSuite(ring, .init = process_begin);

/* A ring whose slots end at a page that must not be touched, and begin as near to another as they can. */
struct world {
	unsigned char *room;
	size_t room_bytes;
	uint64_t head;
	struct shmq_spsc tx, rx; /* the two ends, each with its private half */
};

static uint64_t
slots_for(uint64_t capacity)
{
	uint64_t slots = 1;

	while (slots < capacity)
		slots *= 2;
	return slots;
}

/* What I2 wants in a slot before `start`: the turn of the last position there that is before it. */
static void
init_words(struct world *w, uint64_t start)
{
	for (uint64_t back = 1; back <= w->tx.mask + 1; back++) {
		uint64_t position = start - back;

		shmq_spsc_slot(&w->tx, position)->word = (uint64_t)shmq_spsc_turn(position) << 32;
	}
}

static void
world_open(struct world *w, uint64_t capacity, uint64_t msg_max, uint64_t start)
{
	uint64_t slots = slots_for(capacity), slot_bytes = (8 + msg_max + 7) / 8 * 8;
	size_t bytes = (size_t)(slots * slot_bytes), data = (bytes + PAGE - 1) / PAGE * PAGE;

	w->room_bytes = data + 2 * PAGE;
	w->room = mmap(NULL, w->room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(w->room != MAP_FAILED);
	SAME(0, mprotect(w->room + PAGE, data, PROT_READ | PROT_WRITE));
	w->head = start;
	w->tx = (struct shmq_spsc){
		.slots = w->room + PAGE + data - bytes,
		.mask = slots - 1,
		.slot_bytes = slot_bytes,
		.capacity = capacity,
		.msg_max = msg_max,
		.shared_head = &w->head,
		.tail = start,
		.seen = start,
		.head = start,
	};
	w->rx = w->tx;
	init_words(w, start);
}

static void
world_close(struct world *w)
{
	SAME(0, munmap(w->room, w->room_bytes));
}

/* The content of message `sequence`: its length and its bytes. */
static size_t
length_of(const struct world *w, uint64_t sequence)
{
	return (size_t)(sequence * UINT64_C(0x9e3779b97f4a7c15) % (w->tx.msg_max + 1));
}

static int
send_next(struct world *w, uint64_t sequence)
{
	struct shmq_slot *slot = NULL;
	size_t len = length_of(w, sequence);
	int err = shmq_spsc_claim(&w->tx, &slot);

	if (err)
		return err;
	for (size_t i = 0; i < len; i++)
		shmq_spsc_bytes(slot)[i] = (unsigned char)(sequence + i);
	shmq_spsc_publish(&w->tx, slot, w->tx.tail, len);
	return 0;
}

static void
check_message(const struct world *w, uint64_t position, uint64_t sequence)
{
	struct shmq_slot *slot = NULL;

	SAME(length_of(w, sequence), shmq_spsc_look(&w->rx, position, &slot));
	for (size_t i = 0; i < length_of(w, sequence); i++)
		MUST(shmq_spsc_bytes(slot)[i] == (unsigned char)(sequence + i));
}

/* Where positions, turns or both start anew. */
static const uint64_t starts[] = {
	0,
	1,
	UINT32_MAX - 5,
	UINT32_MAX,
	(UINT64_C(1) << 33) - 3,
	(UINT64_C(1) << 63) - 2,
	UINT64_MAX - 100,
	UINT64_MAX - 1,
	UINT64_MAX,
};
static const uint64_t capacities[] = {1, 2, 3, 4, 7, 8, 63, 64};

#define STARTS (sizeof(starts) / sizeof(starts[0]))
#define CAPACITIES (sizeof(capacities) / sizeof(capacities[0]))

/* Model: what was sent and not yet received is a range of sequence numbers. ------------------------- */

static void
random_steps(struct world *w, unsigned steps, uint64_t *seed)
{
	uint64_t sent = 0, received = 0;
	struct shmq_slot *slot = NULL;

	for (unsigned i = 0; i < steps; i++) {
		uint64_t fill = sent - received;

		if (random_below(seed, 2)) {
			SAME(fill < w->tx.capacity ? 0 : -EAGAIN, send_next(w, sent));
			sent += fill < w->tx.capacity;
			continue;
		}
		SAME(fill != 0, shmq_spsc_readable(&w->rx));
		if (fill == 0) {
			SAME(-EAGAIN, shmq_spsc_look(&w->rx, w->rx.head, &slot));
			continue;
		}
		fill = 1 + random_below(seed, fill);
		for (uint64_t k = 0; k < fill; k++)
			check_message(w, w->rx.head + k, received + k);
		shmq_spsc_release(&w->rx, w->rx.head + fill);
		received += fill;
		SAME(true, shmq_spsc_writable(&w->tx));
		MUST(w->head == w->rx.head);
	}
	while (received < sent) {
		check_message(w, w->rx.head, received++);
		shmq_spsc_release(&w->rx, w->rx.head + 1);
	}
	SAME(-EAGAIN, shmq_spsc_look(&w->rx, w->rx.head, &slot));
	MUST(w->rx.head == w->tx.tail);
}

Test(ring, test_ring_random_steps_as_a_deque)
{
	uint64_t seed = 3;
	struct world w;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(&w, capacities[c], 40, starts[s]);
			random_steps(&w, 3000, &seed);
			world_close(&w);
		}
}

Test(ring, test_ring_full_is_exactly_capacity_near_every_wrap)
{
	struct world w;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(&w, capacities[c], 0, starts[s]);
			for (uint64_t i = 0; i < 300; i++) {
				for (uint64_t k = i ? capacities[c] - 1 : 0; k < capacities[c]; k++)
					SAME(0, send_next(&w, k));
				SAME(false, shmq_spsc_writable(&w.tx));
				SAME(-EAGAIN, send_next(&w, 0));
				shmq_spsc_release(&w.rx, w.rx.head + 1);
				SAME(true, shmq_spsc_writable(&w.tx));
			}
			world_close(&w);
		}
}

/* A producer that comes later finds where the last one stopped, for every fill, wherever the head is. */
static void
find_every_tail(uint64_t capacity, uint64_t start)
{
	struct world w;

	world_open(&w, capacity, 8, start);
	for (uint64_t before = 0; before < 2 * capacity + 1; before++) {
		uint64_t head = w.rx.head;

		for (uint64_t fill = 0; fill <= capacity; fill++) {
			MUST(shmq_spsc_find_tail(&w.tx, head) == head + fill);
			if (fill < capacity)
				SAME(0, send_next(&w, fill));
		}
		shmq_spsc_release(&w.rx, head + capacity);
		MUST(shmq_spsc_find_tail(&w.tx, w.rx.head) == w.rx.head);
		SAME(0, send_next(&w, 0)); /* so that heads are odd, too */
		shmq_spsc_release(&w.rx, w.rx.head + 1);
	}
	world_close(&w);
}

Test(ring, test_ring_find_tail_for_all_fills)
{
	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++)
			find_every_tail(capacities[c], starts[s]);
}

/* Hostile words ------------------------------------------------------------------------------ */

/* Any head that is not in [last seen, tail] is none; any that is, is believed. */
static void
try_head(struct world *w, uint64_t seen, uint64_t head)
{
	struct shmq_spsc ring = w->tx;
	struct shmq_slot *slot = NULL;
	bool possible = head - seen <= ring.tail - seen;
	int err;

	shmq_store_relaxed_u64(&w->head, head);
	err = shmq_spsc_claim(&ring, &slot);
	MUST(ring.tail == w->tx.tail);
	if (!possible) {
		SAME(-EBADMSG, err);
		MUST(slot == NULL);
		return;
	}
	SAME(head == seen ? -EAGAIN : 0, err);
	if (slot)
		shmq_spsc_publish(&ring, slot, ring.tail, ring.msg_max);
}

Test(ring, test_ring_hostile_head_ebadmsg)
{
	uint64_t seed = 5;
	struct world w;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(&w, capacities[c], 24, starts[s]);
			for (uint64_t i = 0; i < capacities[c]; i++)
				SAME(0, send_next(&w, i));
			for (uint64_t i = 0; i < 200; i++) {
				try_head(&w, starts[s], starts[s] + i);
				try_head(&w, starts[s], starts[s] - i);
				try_head(&w, starts[s], random_next(&seed));
			}
			world_close(&w);
		}
}

/* Any word is no message, or one that fits its slot; nothing outside the slots is touched (guard pages). */
Test(ring, test_ring_hostile_slot_words_stay_inside)
{
	uint64_t seed = 9;
	struct shmq_slot *slot = NULL;
	struct world w;

	for (size_t c = 0; c < CAPACITIES; c++) {
		world_open(&w, capacities[c], 24, 0);
		for (unsigned i = 0; i < 20000; i++) {
			uint64_t at = random_next(&seed), word = random_next(&seed);
			uint64_t turn = (uint64_t)shmq_spsc_turn(at) << 32;
			int64_t len;

			word = i % 2 ? turn | word >> random_below(&seed, 64) >> 32 : word;
			shmq_store_relaxed_u64(&shmq_spsc_slot(&w.tx, at)->word, word);
			len = shmq_spsc_look(&w.rx, at, &slot);
			if (word >> 32 << 32 != turn) {
				SAME(-EAGAIN, len);
			} else if ((uint32_t)word > 24) {
				SAME(-EBADMSG, len);
			} else {
				SAME((uint32_t)word, len);
				memset(shmq_spsc_bytes(slot), 1, (size_t)len);
			}
		}
		world_close(&w);
	}
}

/* Over any words, the tail found is one that a tail can be. */
Test(ring, test_ring_find_tail_of_noise_is_within_capacity)
{
	uint64_t seed = 11;
	struct world w;

	for (size_t c = 0; c < CAPACITIES; c++) {
		world_open(&w, capacities[c], 8, 0);
		for (unsigned i = 0; i < 2000; i++) {
			uint64_t head = random_next(&seed);

			for (uint64_t k = 0; k <= w.tx.mask; k++)
				shmq_spsc_slot(&w.tx, k)->word =
					random_below(&seed, 2)
						? random_next(&seed)
						: (uint64_t)shmq_spsc_turn(head + k) << 32;
			MUST(shmq_spsc_find_tail(&w.tx, head) - head <= capacities[c]);
		}
		world_close(&w);
	}
}

/* shmq_copy() -------------------------------------------------------------------------------- */

/* Every length, at every alignment of either side, up to a page that must not be touched. */
Test(ring, test_copy_every_length_exactly)
{
	unsigned char *room = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char from[160], *to;

	MUST(room != MAP_FAILED);
	SAME(0, mprotect(room + PAGE, PAGE, PROT_READ | PROT_WRITE));
	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	for (size_t len = 0; len <= 130; len++)
		for (size_t shift = 0; shift < 9; shift++) {
			memset(room + PAGE, 0, PAGE);
			to = room + 2 * PAGE - len - shift;
			shmq_copy(to, from + shift, len);
			MUST(memcmp(to, from + shift, len) == 0);
			SAME(0, to[-1]);
			for (size_t i = 0; i < shift; i++)
				SAME(0, to[len + i]);
		}
	SAME(0, munmap(room, 3 * PAGE));
}
