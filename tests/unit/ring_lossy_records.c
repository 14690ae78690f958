/* SPDX-License-Identifier: MIT */
/*
 * The lossy ring of records in plain memory: exact loss at any lag, readers that are lapped while
 * they read a header or copy, writers that die between any two stores, bytes that look like
 * headers, and what a broken writer left.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "racy.h"
#include "support/process.h"

/* What the writer does while a reader copies, and at a reader's fences: compiled into the ring
 * under test. */
static void (*in_copy)(void);
static void (*at_fence)(void);

static void
hooked_copy_out(void *to, const void *shared, size_t n)
{
	size_t half = n / 16 * 8;

	shmqi_copy_out(to, shared, half);
	if (in_copy)
		in_copy();
	shmqi_copy_out((unsigned char *)to + half, (const unsigned char *)shared + half, n - half);
}

static void
hooked_fence_acquire(void)
{
	if (at_fence)
		at_fence();
}

#define shmqi_copy_out hooked_copy_out
#define shmq_fence_acquire hooked_fence_acquire
#include "ring_lossy_records.h"

TestSuite(ring_lossy_records, .init = process_begin);

#define MOST 4000 /* messages in one world */

struct start {
	uint64_t position, sequence;
};

struct world {
	uint64_t tail, sent, intent, oldest; /* the shared words */
	struct shmqi_lossy_records tx, rx;
	uint64_t first;		   /* the first message's number */
	uint64_t at[MOST + 1];	   /* where each message begins */
	unsigned char bytes[2048]; /* what was received */
};

static struct world w;

static const struct start starts[] = {
	{0, 0},
	{8, 1},
	{(UINT64_C(1) << 32) - 8, UINT32_MAX - 3},
	{UINT64_C(1) << 33, UINT32_MAX},
	{(UINT64_C(1) << 62) + 64, (UINT64_C(5) << 32) - 9},
};
static const uint64_t capacities[] = {16, 40, 100, 128, 1000, 5000};

#define STARTS (sizeof(starts) / sizeof(starts[0]))
#define CAPACITIES (sizeof(capacities) / sizeof(capacities[0]))

static void
world_open(uint64_t capacity, uint64_t msg_max, const struct start *start)
{
	struct lossy_records_place place = {.position = start->position};

	MUST(format_record_cost(msg_max) <= capacity && msg_max <= sizeof(w.bytes));
	w.tail = w.intent = w.oldest = w.at[0] = start->position;
	w.sent = w.first = start->sequence;
	w.tx = (struct shmqi_lossy_records){
		.bytes = calloc(1, (size_t)shmqi_lossy_records_bytes(capacity, msg_max)),
		.capacity = capacity,
		.msg_max = msg_max,
		.shared_tail = &w.tail,
		.shared_sent = &w.sent,
		.shared_intent = &w.intent,
		.shared_oldest = &w.oldest,
	};
	MUST(w.tx.bytes != NULL);
	place.offset = place.position % format_records_period(capacity + LOSSY_RECORDS_STEP);
	*lossy_records_header(&w.tx, &place) = records_awaited(start->sequence);
	w.rx = w.tx;
	SAME(0, shmqi_lossy_records_open_writer(&w.tx));
	SAME(0, shmqi_lossy_records_open_reader(&w.rx, false));
	MUST(w.tx.tail.sequence == w.first && w.rx.head.sequence == w.first);
}

static void
world_close(void)
{
	free(w.tx.bytes);
}

static uint64_t
biggest(uint64_t capacity)
{
	uint64_t most = capacity / 8 * 8 - 8;

	return most < 500 ? most : 500;
}

static uint64_t
position_of(uint64_t sequence)
{
	MUST(sequence - w.first <= MOST);
	return w.at[sequence - w.first];
}

static size_t
length_of(uint64_t sequence)
{
	return (size_t)((sequence * UINT64_C(0x9e3779b97f4a7c15) >> 20) % (w.tx.msg_max + 1));
}

/* Word `i` of message `sequence`: like the header of a message that could be expected. */
static uint64_t
word_of(uint64_t sequence, size_t i)
{
	uint64_t near = sequence - 40 + (sequence * 7 + i * 13) % 80;

	return records_present(near, i % (w.tx.msg_max + 1));
}

static void
fill(unsigned char *bytes, uint64_t sequence, size_t len)
{
	for (size_t i = 0; i * 8 < len; i++) {
		uint64_t word = word_of(sequence, i);

		memcpy(bytes + i * 8, &word, len - i * 8 < 8 ? len - i * 8 : 8);
	}
}

static void
sent_one(size_t len)
{
	uint64_t sequence = w.tx.tail.sequence;

	MUST(w.tx.tail.position == position_of(sequence - 1) + format_record_cost(len));
	w.at[sequence - w.first] = w.tx.tail.position;
}

static void
send_next(void)
{
	unsigned char bytes[2048];
	size_t len = length_of(w.tx.tail.sequence);

	fill(bytes, w.tx.tail.sequence, len);
	shmqi_lossy_records_send(&w.tx, bytes, len);
	sent_one(len);
}

static bool
has_room(uint64_t messages)
{
	return w.tx.tail.sequence - w.first + messages < MOST;
}

static void
check_bytes(uint64_t sequence, int64_t len)
{
	unsigned char bytes[2048];

	SAME(length_of(sequence), len);
	fill(bytes, sequence, (size_t)len);
	MUST(memcmp(bytes, w.bytes, (size_t)len) == 0);
}

/* Receive the next one, or one that is ahead. */
static int64_t
receive_next(void)
{
	uint64_t head = w.rx.head.sequence, lost = w.rx.lost;
	int64_t len = shmqi_lossy_records_recv(&w.rx, w.bytes, w.tx.msg_max);

	if (len < 0) {
		SAME(-EAGAIN, len);
		MUST(w.rx.lost - lost == w.rx.head.sequence - head);
		return len;
	}
	MUST(w.rx.sequence == w.rx.head.sequence - 1);
	MUST(w.rx.lost - lost == w.rx.sequence - head);
	MUST(w.rx.head.position == position_of(w.rx.head.sequence));
	check_bytes(w.rx.sequence, len);
	return len;
}

static void
receive_quietly(void)
{
	uint64_t head = w.rx.head.sequence, tail = w.tx.tail.sequence;

	SAME(head != tail, shmqi_lossy_records_readable(&w.rx));
	if (head == tail) {
		SAME(-EAGAIN, receive_next());
		MUST(w.rx.head.sequence == head);
	} else if (receive_next() < 0) { /* what is begun takes all the room */
		MUST(w.rx.head.sequence == tail);
	} else if (w.rx.sequence != head) {
		uint64_t before = position_of(w.rx.sequence - 1);

		MUST(w.intent - position_of(head) > w.tx.period);
		MUST((int64_t)(before - w.oldest) < 0); /* or a writer died when it had passed it */
	}
}

Test(ring_lossy_records, test_lossy_records_random_steps_exact_loss)
{
	uint64_t seed = 3;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++)
			for (uint64_t max = 0; max <= biggest(capacities[c]); max += max / 4 + 1) {
				world_open(capacities[c], max, &starts[s]);
				for (uint64_t much = 2 * capacities[c] / (8 + max / 2) + 4;
				     has_room(much);) {
					for (uint64_t n = random_below(&seed, much); n; n--)
						send_next();
					if (random_below(&seed, 4) == 0)
						memset(shmqi_lossy_records_begin(&w.tx, max), 0xee,
						       max);
					for (uint64_t n = random_below(&seed, much + 2); n; n--)
						receive_quietly();
				}
				MUST(w.tail == w.tx.tail.position && w.sent == w.tx.tail.sequence);
				world_close();
			}
}

/* The last `capacity` bytes of records are there for who comes late, or lags that much: B4. */
Test(ring_lossy_records, test_lossy_records_keep_capacity)
{
	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			uint64_t all = w.first;

			world_open(capacities[c], biggest(capacities[c]), &starts[s]);
			all = w.first;
			while (has_room(1)) {
				send_next();
				while (w.tail - position_of(all) > capacities[c])
					all++;
				SAME(0, shmqi_lossy_records_open_reader(&w.rx, true));
				MUST(w.rx.head.sequence <= all);
				MUST(w.rx.head.position == position_of(w.rx.head.sequence));
				while (w.rx.head.sequence < w.tx.tail.sequence)
					receive_quietly();
				SAME(0, w.rx.lost);
			}
			world_close();
		}
}

Test(ring_lossy_records, test_lossy_records_every_length_at_every_offset)
{
	uint64_t period = format_records_period(64 + LOSSY_RECORDS_STEP);

	for (uint64_t len = 0; len <= 56; len++)
		for (uint64_t offset = 0; offset < period; offset += 8) {
			struct start start = {offset, 3};

			world_open(64, len, &start);
			for (unsigned i = 0; i < 3; i++) {
				size_t half = len / 2;

				fill(shmqi_lossy_records_begin(&w.tx, len), 3 + i, half);
				shmqi_lossy_records_publish(&w.tx, half); /* less than begun */
				sent_one(half);
				if (half)
					SAME(-EMSGSIZE,
					     shmqi_lossy_records_recv(&w.rx, w.bytes, half - 1));
				SAME(half, shmqi_lossy_records_recv(&w.rx, w.bytes, len));
				shmqi_lossy_records_send(&w.tx, w.bytes, len);
				sent_one(len);
				SAME(len, shmqi_lossy_records_recv(&w.rx, w.bytes, len));
			}
			SAME(0, w.rx.lost);
			world_close();
		}
}

/* Lapped while reading ----------------------------------------------------------------------- */

static uint64_t hooked_sends, hooked_skips, hooked_times;

static void
writer_laps(void)
{
	if (hooked_skips) {
		hooked_skips--;
		return;
	}
	if (hooked_times == 0)
		return;
	hooked_times--;
	for (uint64_t i = 0; i < hooked_sends; i++)
		send_next();
}

/* The writer begins a message and writes its bytes, all over what a reader reads. */
static void
writer_begins(void)
{
	memset(shmqi_lossy_records_begin(&w.tx, w.tx.msg_max), 0xee, w.tx.msg_max);
}

static void
receive_lapped(void (*copy)(void), void (*fence)(void))
{
	in_copy = copy;
	at_fence = fence;
	receive_next();
	in_copy = at_fence = NULL;
	while (receive_next() >= 0)
		;
	MUST(w.rx.head.sequence == w.tx.tail.sequence);
}

Test(ring_lossy_records, test_lossy_records_lapped_is_never_torn)
{
	for (size_t s = 0; s < STARTS; s++)
		for (uint64_t sends = 0; sends < 120; sends += 1 + sends / 8)
			for (uint64_t skips = 0; skips < 6; skips++)
				for (uint64_t times = 1; times < 8; times++) {
					world_open(200, 90, &starts[s]);
					for (unsigned i = 0; i < 10; i++)
						send_next();
					hooked_sends = sends;
					hooked_skips = skips;
					hooked_times = times;
					receive_lapped(writer_laps, NULL);
					hooked_skips = skips;
					hooked_times = times;
					receive_lapped(NULL, writer_laps);
					world_close();
				}
}

/* A message in the making is as large as the ring: a reader notices in its very copy. */
Test(ring_lossy_records, test_lossy_records_begun_over_copy_is_never_torn)
{
	for (unsigned before = 1; before < 30; before++)
		for (unsigned fence = 0; fence < 2; fence++) {
			world_open(1200, 1100, &starts[3]);
			for (unsigned i = 0; i < before; i++)
				send_next();
			receive_lapped(fence ? NULL : writer_begins, fence ? writer_begins : NULL);
			world_close();
		}
}

/* Writers that die --------------------------------------------------------------------------- */

#define WORDS 6

/* Send, but stop after the first `stores` of: oldest, intent, next header, header, sent, tail. */
static void
send_and_die(unsigned stores)
{
	struct lossy_records_place next = w.tx.tail;
	size_t len = length_of(next.sequence);
	uint64_t *words[WORDS] = {&w.oldest, &w.intent, NULL, lossy_records_header(&w.tx, &next),
				  &w.sent,   &w.tail};
	uint64_t before[WORDS];

	lossy_records_advance(&w.tx, &next, len);
	words[2] = lossy_records_header(&w.tx, &next);
	for (unsigned i = 0; i < WORDS; i++)
		before[i] = *words[i];
	send_next();
	for (unsigned i = stores; i < WORDS; i++)
		*words[i] = before[i];
}

Test(ring_lossy_records, test_lossy_records_writer_dies_between_stores_successor_goes_on)
{
	uint64_t seed = 7;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(capacities[c], biggest(capacities[c]), &starts[s]);
			while (has_room(2)) {
				unsigned stores = (unsigned)random_below(&seed, WORDS + 1);
				uint64_t sequence = w.tx.tail.sequence + (stores > 3);

				send_and_die(stores);
				memset(&w.tx.tail, 0xee, sizeof(w.tx.tail));
				memset(&w.tx.oldest, 0xee, sizeof(w.tx.oldest));
				w.tx.intent = 1;
				SAME(0, shmqi_lossy_records_open_writer(&w.tx));
				MUST(w.tx.tail.sequence == sequence && w.sent == sequence);
				MUST(w.tail == position_of(sequence));
				for (uint64_t n = random_below(&seed, 3); n; n--)
					receive_quietly();
			}
			world_close();
		}
}

/* Hostile words ------------------------------------------------------------------------------ */

static uint64_t
noise(uint64_t *seed)
{
	switch (random_below(seed, 4)) {
	case 0:
		return records_present(w.rx.head.sequence, random_below(seed, w.tx.msg_max + 9));
	case 1:
		return records_awaited(w.rx.head.sequence + random_below(seed, 3));
	default:
		return random_next(seed) >> random_below(seed, 64);
	}
}

/* Some word around where the reader is, or any word at all. */
static uint64_t
noise_word(uint64_t *seed)
{
	uint64_t near = w.rx.head.position - 2048 + random_below(seed, 512) * 8;

	return random_below(seed, 4) ? near : random_next(seed);
}

static void
writer_on_noise(uint64_t *seed)
{
	if (shmqi_lossy_records_open_writer(&w.tx) < 0)
		return;
	for (unsigned i = 0; i < 20; i++) {
		size_t len = (size_t)random_below(seed, w.tx.msg_max + 1);

		shmqi_lossy_records_send(&w.tx, w.bytes, len);
	}
}

Test(ring_lossy_records, test_lossy_records_noise_stays_inside)
{
	uint64_t seed = 31;

	world_open(200, 150, &starts[1]);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t lost = w.rx.lost, head = w.rx.head.sequence;
		int64_t len;

		for (unsigned k = 0; k < 8; k++)
			*records_header(w.tx.bytes, random_below(&seed, w.rx.period / 8) * 8) =
				noise(&seed);
		*lossy_records_header(&w.rx, &w.rx.head) = noise(&seed);
		w.tail = noise_word(&seed);
		w.intent = noise_word(&seed);
		w.oldest = noise_word(&seed);
		w.sent = w.rx.head.sequence - 100 + random_below(&seed, 200);
		len = shmqi_lossy_records_recv(&w.rx, w.bytes, w.tx.msg_max);
		MUST(len <= (int64_t)w.tx.msg_max);
		MUST(w.rx.lost - lost == w.rx.head.sequence - head - (len >= 0));
		if (random_below(&seed, 4) == 0)
			writer_on_noise(&seed);
		if (random_below(&seed, 16) == 0)
			shmqi_lossy_records_open_reader(&w.rx, i & 1);
	}
	world_close();
}
