/* SPDX-License-Identifier: MIT */
/*
 * The lossy ring in plain memory: exact loss at any lag, readers that are lapped while they
 * copy, writers that die between any two stores, and words that a broken writer left.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "racy.h"
#include "support/process.h"

/* What the writer does while a reader copies, or just after: compiled into the ring under test. */
static void (*in_copy)(void);
static void (*after_copy)(void);

static void
hooked_copy_out(void *to, const void *shared, size_t n)
{
	size_t half = n / 16 * 8;

	shmqi_copy_out(to, shared, half);
	if (in_copy)
		in_copy();
	shmqi_copy_out((unsigned char *)to + half, (const unsigned char *)shared + half, n - half);
	if (after_copy)
		after_copy();
}

#define shmqi_copy_out hooked_copy_out
#include "ring_lossy.h"

TestSuite(ring_lossy, .init = process_begin);

#define MSG_MAX 40
#define NEAR_2_32 ((UINT64_C(1) << 32) - 3)

struct world {
	uint64_t tail;
	struct shmqi_lossy tx, rx;
};

static struct world w;

static const uint64_t capacities[] = {1, 2, 3, 4, 5, 8, 13, 64};
static const uint64_t starts[] = {0, 1, 7, NEAR_2_32, UINT64_C(1) << 62};

#define CAPACITIES (sizeof(capacities) / sizeof(capacities[0]))
#define STARTS (sizeof(starts) / sizeof(starts[0]))

static void
world_open(uint64_t capacity, uint64_t msg_max, uint64_t start)
{
	uint64_t slots = 1, slot_bytes = 16 + (msg_max + 7) / 8 * 8;

	while (slots < capacity)
		slots *= 2;
	w.tail = start;
	w.tx = (struct shmqi_lossy){
		.slots = calloc((size_t)slots, (size_t)slot_bytes),
		.mask = slots - 1,
		.slot_bytes = slot_bytes,
		.capacity = capacity,
		.msg_max = msg_max,
		.shared_tail = &w.tail,
	};
	MUST(w.tx.slots != NULL);
	for (uint64_t p = start; p-- > 0 && start - p <= slots;)
		lossy_slot(&w.tx, p)->word = lossy_there(p);
	w.rx = w.tx;
	shmqi_lossy_open_writer(&w.tx);
	shmqi_lossy_open_reader(&w.rx, false);
	MUST(w.tx.tail == start && w.rx.head == start);
}

static void
world_close(void)
{
	free(w.tx.slots);
}

/* The content of the message at a position. */
static size_t
length_of(uint64_t position)
{
	return (size_t)((position * UINT64_C(0x9e3779b97f4a7c15) >> 20) % (w.tx.msg_max + 1));
}

static void
send_next(void)
{
	unsigned char bytes[256];
	size_t len = length_of(w.tx.tail);

	MUST(w.tx.msg_max <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(w.tx.tail * 3 + i);
	shmqi_lossy_send(&w.tx, bytes, len);
}

static void
check_bytes(uint64_t position, const unsigned char *bytes, int64_t len)
{
	SAME(length_of(position), len);
	for (size_t i = 0; i < (size_t)len; i++)
		MUST(bytes[i] == (unsigned char)(position * 3 + i));
}

static bool
begun(void)
{
	return lossy_slot(&w.tx, w.tx.tail)->word == lossy_there(w.tx.tail) - 1;
}

/* Whether the message at a position is overwritten, or about to be. */
static bool
gone(uint64_t position)
{
	return w.tx.tail + begun() - position > w.tx.mask + 1;
}

static void
receive_next(void)
{
	uint64_t head = w.rx.head, lost = w.rx.lost, tail = w.tx.tail;
	unsigned char bytes[256];
	int64_t len;

	SAME(head != tail, shmqi_lossy_readable(&w.rx));
	len = shmqi_lossy_recv(&w.rx, bytes, w.tx.msg_max);
	if (head == tail) {
		SAME(-EAGAIN, len);
		MUST(w.rx.head == head && w.rx.lost == lost);
		return;
	}
	if (len == -EAGAIN) { /* one slot, which is being written */
		SAME(0, w.tx.mask);
		SAME(true, begun());
		MUST(w.rx.head == tail && w.rx.lost - lost == tail - head);
		return;
	}
	MUST(w.rx.head == w.rx.sequence + 1);
	MUST(w.rx.lost - lost == w.rx.sequence - head);
	check_bytes(w.rx.sequence, bytes, len);
	SAME(false, gone(w.rx.sequence));
	if (!gone(head))
		MUST(w.rx.sequence == head);
	else if (!gone(tail - w.tx.capacity))
		MUST(w.rx.sequence == tail - w.tx.capacity);
}

Test(ring_lossy, test_lossy_random_steps_exact_loss)
{
	uint64_t seed = 3;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(capacities[c], MSG_MAX, starts[s]);
			for (unsigned i = 0; i < 2000; i++) {
				for (uint64_t n = random_below(&seed, 3 * capacities[c]); n; n--)
					send_next();
				if (random_below(&seed, 4) == 0)
					memset(shmqi_lossy_begin(&w.tx), 0xee, 8);
				for (uint64_t n = random_below(&seed, 2 * capacities[c] + 2); n;
				     n--)
					receive_next();
			}
			MUST(w.tail == w.tx.tail);
			world_close();
		}
}

/* Exactly the last `capacity` messages are there for who comes late, or fewer if one is begun. */
Test(ring_lossy, test_lossy_oldest_is_capacity_back)
{
	for (size_t c = 0; c < CAPACITIES; c++)
		for (uint64_t sent = 0; sent < 3 * capacities[c]; sent++)
			for (unsigned half = 0; half < 2; half++) {
				uint64_t want = sent < capacities[c] ? sent : capacities[c];

				world_open(capacities[c], MSG_MAX, 0);
				for (uint64_t i = 0; i < sent; i++)
					send_next();
				if (half)
					shmqi_lossy_begin(&w.tx);
				shmqi_lossy_open_reader(&w.rx, true);
				want -= gone(sent - want);
				MUST(w.rx.head == sent - want);
				for (uint64_t i = 0; i < want; i++)
					receive_next();
				receive_next();
				SAME(0, w.rx.lost);
				world_close();
			}
}

/* A lag of more than 2^32 messages is counted. */
Test(ring_lossy, test_lossy_loss_beyond_32_bits)
{
	world_open(8, MSG_MAX, UINT64_C(1) << 40);
	w.rx.head = 5;
	for (unsigned i = 0; i < 8; i++)
		send_next();
	receive_next();
	MUST(w.rx.sequence == UINT64_C(1) << 40 && w.rx.lost == w.rx.sequence - 5);
	world_close();
}

Test(ring_lossy, test_lossy_every_length)
{
	unsigned char sent[200], got[200];

	for (size_t max = 0; max < sizeof(sent); max++) {
		world_open(2, max, NEAR_2_32);
		for (size_t len = 0; len <= max; len++) {
			memset(sent, (int)len + 1, len);
			memset(got, 0, sizeof(got));
			shmqi_lossy_send(&w.tx, sent, len);
			SAME(len ? -EMSGSIZE : 0,
			     shmqi_lossy_latest(&w.rx, got, len - 1 + !len, 0));
			w.rx.head = w.tx.tail - 1;
			if (len)
				SAME(-EMSGSIZE, shmqi_lossy_recv(&w.rx, got, len - 1));
			SAME(len, shmqi_lossy_recv(&w.rx, got, len));
			MUST(memcmp(sent, got, len) == 0 && got[len] == 0);
		}
		SAME(0, w.rx.lost);
		world_close();
	}
}

/* Lapped while copying ----------------------------------------------------------------------- */

static uint64_t hooked_sends, hooked_times;

static void
writer_laps(void)
{
	if (hooked_times == 0)
		return;
	hooked_times--;
	for (uint64_t i = 0; i < hooked_sends; i++)
		send_next();
}

/* The writer begins only: the odd word and some of the bytes. */
static void
writer_begins(void)
{
	unsigned char *bytes;

	if (hooked_times == 0)
		return;
	hooked_times--;
	bytes = shmqi_lossy_begin(&w.tx);
	memset(bytes, 0xee, (w.tx.msg_max + 7) / 8 * 8);
}

static void
lap_in_copy(void (*in)(void), void (*after)(void), uint64_t sends, uint64_t times)
{
	uint64_t lost = w.rx.lost, head = w.rx.head;
	unsigned char bytes[256];
	int64_t len;

	in_copy = in;
	after_copy = after;
	hooked_sends = sends;
	hooked_times = times;
	len = shmqi_lossy_recv(&w.rx, bytes, MSG_MAX);
	in_copy = after_copy = NULL;
	if (len >= 0)
		check_bytes(w.rx.sequence, bytes, len);
	else
		SAME(-EAGAIN, len);
	MUST(w.rx.lost - lost == w.rx.head - head - (len >= 0));
}

Test(ring_lossy, test_lossy_lapped_in_copy_is_never_torn)
{
	for (size_t c = 0; c < CAPACITIES; c++)
		for (uint64_t sends = 0; sends < 3 * capacities[c]; sends++)
			for (uint64_t times = 1; times < 2 * LOSSY_TRIES; times++)
				for (unsigned after = 0; after < 2; after++) {
					world_open(capacities[c], MSG_MAX, 9);
					for (uint64_t i = 0; i < capacities[c]; i++)
						send_next();
					lap_in_copy(after ? NULL : writer_laps,
						    after ? writer_laps : NULL, sends, times);
					if (sends <= w.tx.mask + 1 - capacities[c])
						SAME(0, w.rx.lost);
					world_close();
				}
	world_open(4, MSG_MAX, 9);
	for (unsigned i = 0; i < 4; i++)
		send_next();
	lap_in_copy(writer_begins, NULL, 0, 1);
	MUST(w.rx.sequence > 9 && w.rx.lost == w.rx.sequence - 9);
	world_close();
}

/* The newest value --------------------------------------------------------------------------- */

static void
latest_is(uint64_t position)
{
	unsigned char bytes[256];
	int64_t len = shmqi_lossy_latest(&w.rx, bytes, MSG_MAX, false);

	check_bytes(position, bytes, len);
	MUST(w.rx.sequence == position && w.rx.lost == 0);
}

Test(ring_lossy, test_latest_is_newest_complete_value)
{
	unsigned char bytes[256];

	for (uint64_t cells = 2; cells <= 4; cells++) {
		world_open(cells, MSG_MAX, 0);
		shmqi_lossy_open_reader(&w.rx, true);
		SAME(false, shmqi_lossy_news(&w.rx));
		SAME(-EAGAIN, shmqi_lossy_latest(&w.rx, bytes, MSG_MAX, false));
		shmqi_lossy_begin(&w.tx);
		SAME(-EAGAIN, shmqi_lossy_latest(&w.rx, bytes, MSG_MAX, false));
		for (uint64_t i = 0; i < 50; i++) {
			send_next();
			SAME(true, shmqi_lossy_news(&w.rx));
			if (i % 3 == 0)
				continue;
			memset(shmqi_lossy_begin(&w.tx), 0xee, MSG_MAX); /* abandoned */
			latest_is(i);
			SAME(false, shmqi_lossy_news(&w.rx));
			SAME(-EAGAIN, shmqi_lossy_latest(&w.rx, bytes, MSG_MAX, true));
			latest_is(i);
			shmqi_lossy_open_reader(&w.rx, true); /* a newcomer sees it, too */
			SAME(true, shmqi_lossy_news(&w.rx));
			latest_is(i);
		}
		SAME(0, w.rx.lapped);
		world_close();
	}
}

/* Lapped in its copy, a reader takes a newer value; lapped for ever, it gives up and counts. */
Test(ring_lossy, test_latest_lapped_takes_newer_or_gives_up)
{
	unsigned char bytes[256];
	int64_t len;

	in_copy = writer_laps;
	for (uint64_t times = 0; times < 2 * LOSSY_TRIES; times++)
		for (uint64_t sends = 3; sends < 9; sends++) {
			world_open(4, MSG_MAX, 0);
			send_next();
			hooked_sends = sends;
			hooked_times = times;
			len = shmqi_lossy_latest(&w.rx, bytes, MSG_MAX, false);
			if (sends > 3 && times >= LOSSY_TRIES) {
				SAME(-EAGAIN, len);
				SAME(1, w.rx.lapped);
			} else {
				check_bytes(sends > 3 ? sends * times : 0, bytes, len);
				SAME(0, w.rx.lapped);
			}
			world_close();
		}
	in_copy = NULL;
}

/* Writers that die --------------------------------------------------------------------------- */

/* Send, but stop after the first `stores` of: odd word, bytes and length, even word, tail. */
static void
send_and_die(unsigned stores)
{
	struct shmqi_lossy_slot *slot = lossy_slot(&w.tx, w.tx.tail);
	uint64_t odd = lossy_there(w.tx.tail) - 1, tail = w.tail;

	if (stores == 0)
		return;
	if (stores == 1) {
		shmqi_lossy_begin(&w.tx);
		return;
	}
	send_next();
	if (stores < 4)
		w.tail = tail;
	if (stores < 3)
		slot->word = odd;
}

Test(ring_lossy, test_lossy_writer_dies_between_stores_successor_goes_on)
{
	uint64_t seed = 7;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(capacities[c], MSG_MAX, starts[s]);
			for (unsigned i = 0; i < 4000; i++) {
				unsigned stores = (unsigned)random_below(&seed, 5);
				uint64_t tail = w.tx.tail + (stores >= 3);

				send_and_die(stores);
				w.tx.tail = 99;
				shmqi_lossy_open_writer(&w.tx);
				MUST(w.tx.tail == tail && w.tail == tail);
				for (uint64_t n = random_below(&seed, 3); n; n--)
					receive_next();
			}
			world_close();
		}
}

/* Whoever looks for the newest value gets one at every step of a dying writer. */
Test(ring_lossy, test_latest_writer_dies_value_stays)
{
	uint64_t seed = 7;

	for (uint64_t cells = 2; cells <= 8; cells++) {
		world_open(cells, MSG_MAX, 0);
		send_next();
		for (unsigned i = 0; i < 2000; i++) {
			unsigned stores = (unsigned)random_below(&seed, 5);
			uint64_t newest = w.tx.tail - 1 + (stores == 4);

			send_and_die(stores);
			latest_is(newest);
			shmqi_lossy_open_writer(&w.tx);
			latest_is(w.tx.tail - 1);
		}
		world_close();
	}
}

/* Hostile words ------------------------------------------------------------------------------ */

static uint64_t
noise(uint64_t *seed, uint64_t near)
{
	switch (random_below(seed, 3)) {
	case 0:
		return near - 20 + random_below(seed, 41);
	case 1:
		return random_next(seed) >> random_below(seed, 64);
	default:
		return lossy_there(near - 8 + random_below(seed, 17));
	}
}

Test(ring_lossy, test_lossy_noise_stays_inside)
{
	uint64_t seed = 31;
	unsigned char *bytes = malloc(256);

	for (size_t c = 0; c < CAPACITIES; c++) {
		world_open(capacities[c], MSG_MAX, 100);
		for (unsigned i = 0; i < 50000; i++) {
			struct shmqi_lossy_slot *slot = lossy_slot(&w.tx, random_next(&seed));
			uint64_t lost = w.rx.lost, head = w.rx.head;
			int64_t len;

			slot->word = noise(&seed, w.rx.head);
			slot->length = noise(&seed, MSG_MAX);
			w.tail = noise(&seed, w.rx.head);
			if (i % 2)
				len = shmqi_lossy_recv(&w.rx, bytes, 256);
			else
				len = shmqi_lossy_latest(&w.rx, bytes, 256, i & 2);
			SAME(true, len <= MSG_MAX);
			if (i % 2)
				MUST(w.rx.lost - lost == w.rx.head - head - (len >= 0));
			if (i % 16 == 0)
				shmqi_lossy_open_writer(&w.tx);
			if (i % 16 == 8)
				send_next();
			if (random_below(&seed, 100) == 0)
				shmqi_lossy_open_reader(&w.rx, i & 1);
		}
		world_close();
	}
	free(bytes);
}

/* A word of another slot's messages, a length beyond the limit, a tail before what is there. */
Test(ring_lossy, test_lossy_broken_words_ebadmsg)
{
	unsigned char bytes[256];

	world_open(4, MSG_MAX, 100);
	send_next();
	lossy_slot(&w.tx, 100)->length = MSG_MAX + 1;
	SAME(-EBADMSG, shmqi_lossy_recv(&w.rx, bytes, sizeof(bytes)));
	SAME(-EBADMSG, shmqi_lossy_latest(&w.rx, bytes, sizeof(bytes), false));
	lossy_slot(&w.tx, 100)->word = lossy_there(101);
	SAME(-EBADMSG, shmqi_lossy_recv(&w.rx, bytes, sizeof(bytes)));
	lossy_slot(&w.tx, 100)->word = lossy_there(100) - 1;
	SAME(-EBADMSG, shmqi_lossy_latest(&w.rx, bytes, sizeof(bytes), false));
	MUST(w.rx.head == 100 && w.rx.lost == 0);
	world_close();
}
