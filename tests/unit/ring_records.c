/* SPDX-License-Identifier: MIT */
/*
 * The ring of records in plain memory: exact capacity, every length, every offset, numbers near
 * 2^32, ends that die between any two stores, and bytes that a broken peer left.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "ring_records.h"
#include "support/process.h"

TestSuite(ring_records, .init = process_begin);

/* A ring, exactly as long as it has to be: a sanitizer sees a byte beyond. */
struct world {
	uint64_t tail, sent, head, received; /* the shared words */
	struct shmqi_records tx, rx;	     /* the two ends, each with its private half */
};

static struct world w;

/* Where a ring's life begins: at this position, with this message. */
struct start {
	uint64_t position, sequence;
};

static const struct start starts[] = {
	{0, 0},
	{8, 1},
	{(UINT64_C(1) << 32) - 8, UINT32_MAX - 3},
	{UINT64_C(1) << 33, UINT32_MAX},
	{(UINT64_C(1) << 62) + 64, (UINT64_C(5) << 32) - 9},
};
static const uint64_t capacities[] = {16, 24, 40, 64, 100, 128, 1000};

#define STARTS (sizeof(starts) / sizeof(starts[0]))
#define CAPACITIES (sizeof(capacities) / sizeof(capacities[0]))

static uint64_t *
header_at(uint64_t position)
{
	return records_header(w.tx.bytes, position % format_records_period(w.tx.capacity));
}

static void
world_open(uint64_t capacity, uint64_t msg_max, const struct start *start)
{
	MUST(format_record_cost(msg_max) <= capacity);
	w.tail = w.head = start->position;
	w.sent = w.received = start->sequence;
	w.tx = (struct shmqi_records){
		.bytes = calloc(1, (size_t)format_records_bytes(capacity, msg_max)),
		.capacity = capacity,
		.msg_max = msg_max,
		.shared_tail = &w.tail,
		.shared_sent = &w.sent,
		.shared_head = &w.head,
		.shared_received = &w.received,
	};
	MUST(w.tx.bytes != NULL);
	*header_at(start->position) = records_awaited(start->sequence);
	w.rx = w.tx;
	SAME(0, shmqi_records_open_writer(&w.tx));
	SAME(0, shmqi_records_open_reader(&w.rx));
	MUST(w.tx.sent == start->sequence && w.rx.received == start->sequence);
}

static void
world_close(void)
{
	free(w.tx.bytes);
}

static uint64_t
biggest(uint64_t capacity)
{
	return capacity / 8 * 8 - 8;
}

/* The content of message `sequence`: its length and its bytes. */
static size_t
length_of(uint64_t sequence)
{
	return (size_t)((sequence * UINT64_C(0x9e3779b97f4a7c15) >> 20) % (w.tx.msg_max + 1));
}

/* Claim `claim` bytes, send the next message in them. */
static int
send_next(size_t claim)
{
	uint64_t sequence = w.tx.sent;
	size_t len = length_of(sequence);
	unsigned char *bytes = NULL;
	int err = shmqi_records_claim(&w.tx, claim, &bytes);

	if (err)
		return err;
	for (size_t i = 0; i < claim; i++)
		bytes[i] = (unsigned char)(i < len ? sequence + i : 0xff);
	shmqi_records_publish(&w.tx, len);
	return 0;
}

static void
receive_next(void)
{
	uint64_t sequence = w.rx.received;
	unsigned char *bytes = NULL;

	SAME(true, shmqi_records_readable(&w.rx));
	SAME(length_of(sequence), shmqi_records_look(&w.rx, &bytes));
	for (size_t i = 0; i < length_of(sequence); i++)
		MUST(bytes[i] == (unsigned char)(sequence + i));
	shmqi_records_next(&w.rx);
}

static void
nothing_there(void)
{
	unsigned char *bytes = NULL;

	SAME(false, shmqi_records_readable(&w.rx));
	SAME(-EAGAIN, shmqi_records_look(&w.rx, &bytes));
	MUST(bytes == NULL && w.rx.received == w.tx.sent && w.rx.head == w.tx.tail);
}

static uint64_t
cost_between(uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	while (from != to)
		sum += format_record_cost(length_of(from++));
	return sum;
}

/* In the ring is a range of sequence numbers whose summed cost is within capacity. ----------- */

static void
try_send(uint64_t *released, uint64_t *seed)
{
	size_t len = length_of(w.tx.sent);
	size_t claim = len + (size_t)random_below(seed, w.tx.msg_max + 1 - len);
	uint64_t used = cost_between(*released, w.tx.sent);
	bool room = used + format_record_cost(claim) <= w.tx.capacity;

	MUST(w.tx.tail - w.head == used);
	SAME(room ? 0 : -EAGAIN, send_next(claim));
	if (!room)
		SAME(false, shmqi_records_writable(&w.tx));
}

static void
random_steps(unsigned steps, uint64_t *seed)
{
	uint64_t released = w.rx.received;

	for (unsigned i = 0; i < steps; i++) {
		if (random_below(seed, 2)) {
			try_send(&released, seed);
			continue;
		}
		if (w.rx.received == w.tx.sent) {
			nothing_there();
		} else {
			for (uint64_t n = 1 + random_below(seed, w.tx.sent - w.rx.received); n; n--)
				receive_next();
		}
		if (random_below(seed, 4)) {
			shmqi_records_settle(&w.rx);
			released = w.rx.received;
			MUST(w.head == w.rx.head && w.received == released);
		}
		MUST(w.tail == w.tx.tail && w.sent == w.tx.sent);
	}
	while (w.rx.received != w.tx.sent)
		receive_next();
	nothing_there();
}

Test(ring_records, test_records_random_steps_within_exact_capacity)
{
	uint64_t seed = 3;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++)
			for (uint64_t max = 0; max <= biggest(capacities[c]); max += 7) {
				world_open(capacities[c], max, &starts[s]);
				random_steps(600, &seed);
				world_close();
			}
}

/* The sum may be exactly the capacity; writable() tells of the length that was refused. */
Test(ring_records, test_records_sum_is_capacity_then_eagain)
{
	unsigned char *bytes = NULL;

	for (size_t c = 0; c < CAPACITIES; c++)
		for (uint64_t len = 0; len <= biggest(capacities[c]); len++) {
			uint64_t left = capacities[c] / 8 * 8;

			world_open(capacities[c], biggest(capacities[c]), &starts[0]);
			for (; left >= format_record_cost(len); left -= format_record_cost(len)) {
				SAME(0, shmqi_records_claim(&w.tx, len, &bytes));
				shmqi_records_publish(&w.tx, len);
			}
			SAME(-EAGAIN, shmqi_records_claim(&w.tx, len, &bytes));
			if (left) {
				SAME(-EAGAIN, shmqi_records_claim(&w.tx, left - 8 + 1, &bytes));
				SAME(0, shmqi_records_claim(&w.tx, left - 8, &bytes));
				shmqi_records_publish(&w.tx, left - 8);
			}
			SAME(-EAGAIN, shmqi_records_claim(&w.tx, 0, &bytes));
			SAME(-EAGAIN, shmqi_records_claim_seen(&w.tx, len, &bytes));
			SAME(false, shmqi_records_writable(&w.tx));
			SAME(len, shmqi_records_look(&w.rx, &bytes));
			shmqi_records_next(&w.rx);
			SAME(false, shmqi_records_writable(&w.tx));
			shmqi_records_settle(&w.rx);
			SAME(true, shmqi_records_writable(&w.tx));
			SAME(0, shmqi_records_claim(&w.tx, len, &bytes));
			world_close();
		}
}

/* Every length at every offset that a record can begin at. */
Test(ring_records, test_records_every_length_at_every_offset)
{
	uint64_t capacity = 120, period = format_records_period(capacity);

	for (uint64_t len = 0; len <= biggest(capacity); len++)
		for (uint64_t offset = 0; offset < period; offset += 8) {
			struct start start = {offset, 77};
			unsigned char *bytes = NULL, *got = NULL;

			world_open(capacity, len, &start);
			for (unsigned i = 0; i < 5; i++) {
				SAME(0, shmqi_records_claim(&w.tx, len, &bytes));
				memset(bytes, (int)(len + i), len);
				shmqi_records_publish(&w.tx, len);
				SAME(len, shmqi_records_look(&w.rx, &got));
				MUST(got == bytes);
				for (size_t k = 0; k < len; k++)
					SAME((unsigned char)(len + i), got[k]);
				shmqi_records_next(&w.rx);
				shmqi_records_settle(&w.rx);
				nothing_there();
			}
			world_close();
		}
}

/* Old bytes that look like headers, of any number that could be expected, are none. */
Test(ring_records, test_records_stale_bytes_are_no_headers)
{
	uint64_t seed = 8;
	unsigned char *bytes = NULL;

	for (size_t s = 0; s < STARTS; s++) {
		world_open(128, 96, &starts[s]);
		for (unsigned i = 0; i < 20000; i++) {
			size_t words = (size_t)random_below(&seed, 13);

			SAME(0, shmqi_records_claim(&w.tx, words * 8, &bytes));
			for (size_t k = 0; k < words; k++)
				((uint64_t *)(void *)bytes)[k] =
					records_present(w.tx.sent + 1 + random_below(&seed, 6), 0);
			shmqi_records_publish(&w.tx, words * 8);
			SAME(words * 8, shmqi_records_look(&w.rx, &bytes));
			shmqi_records_next(&w.rx);
			shmqi_records_settle(&w.rx);
			nothing_there();
			SAME(0, shmqi_records_open_writer(&w.tx));
			nothing_there();
		}
		world_close();
	}
}

/* Ends that die ------------------------------------------------------------------------------ */

/* Publish, but stop after the first `stores` stores: next header, header, sent, tail. */
static void
publish_and_die(size_t len, unsigned stores)
{
	uint64_t *words[] = {header_at(w.tx.tail + format_record_cost(len)), header_at(w.tx.tail),
			     &w.sent, &w.tail};
	uint64_t before[4];

	for (unsigned i = 0; i < 4; i++)
		before[i] = *words[i];
	shmqi_records_publish(&w.tx, len);
	for (unsigned i = stores; i < 4; i++)
		*words[i] = before[i];
}

/* A producer dies after any number of its stores, over and over; the next one goes on. */
static void
producers_die(unsigned steps, uint64_t *seed)
{
	for (unsigned i = 0; i < steps; i++) {
		unsigned stores = (unsigned)random_below(seed, 6);
		uint64_t sequence = w.tx.sent;
		size_t len = length_of(sequence);
		unsigned char *bytes = NULL;

		if (shmqi_records_claim(&w.tx, len, &bytes) == 0) {
			memset(bytes, 0xee, len / 2);
			for (size_t k = 0; stores && k < len; k++)
				bytes[k] = (unsigned char)(sequence + k);
			if (stores)
				publish_and_die(len, stores - 1);
			sequence += stores > 2;
		}
		w.tx.tail = w.tx.sent = w.tx.seen = 77; /* nothing private is left */
		SAME(0, shmqi_records_open_writer(&w.tx));
		MUST(w.tx.sent == sequence && w.sent == sequence && w.tail == w.tx.tail);
		if (random_below(seed, 2) && w.rx.received != w.tx.sent) {
			receive_next();
			shmqi_records_settle(&w.rx);
		}
	}
	while (w.rx.received != w.tx.sent)
		receive_next();
	nothing_there();
}

Test(ring_records, test_records_producer_dies_between_stores_successor_goes_on)
{
	uint64_t seed = 17;

	for (size_t s = 0; s < STARTS; s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(capacities[c], biggest(capacities[c]) / 2, &starts[s]);
			producers_die(4000, &seed);
			world_close();
		}
}

/* A successor may die, too, when it has counted what its predecessor had not. */
Test(ring_records, test_records_successor_dies_while_it_counts)
{
	unsigned char *bytes = NULL;

	world_open(64, 24, &starts[3]);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t tail = w.tail, sent = w.sent;

		SAME(0, shmqi_records_claim(&w.tx, 9, &bytes));
		publish_and_die(9, 2);
		MUST(w.tail == tail && w.sent == sent);
		w.sent = sent + 1; /* so far the successor came */
		SAME(0, shmqi_records_open_writer(&w.tx));
		MUST(w.tx.sent == sent + 1 && w.tail == tail + 24 && w.sent == sent + 1);
		SAME(9, shmqi_records_look(&w.rx, &bytes));
		shmqi_records_next(&w.rx);
		shmqi_records_settle(&w.rx);
	}
	world_close();
}

/* A consumer dies before, between, after its two stores: the next one finds the same messages. */
Test(ring_records, test_records_consumer_dies_between_stores_successor_goes_on)
{
	uint64_t seed = 23;

	for (size_t s = 0; s < STARTS; s++) {
		world_open(200, 30, &starts[s]);
		for (unsigned i = 0; i < 20000; i++) {
			uint64_t head = w.head, received = w.received, settled = received;

			while (send_next(length_of(w.tx.sent)) == 0)
				;
			for (uint64_t n = random_below(&seed, w.tx.sent - received + 1); n; n--)
				receive_next();
			shmqi_records_settle(&w.rx);
			if (random_below(&seed, 2)) {
				w.head = head;
				if (random_below(&seed, 2))
					w.received = received;
			} else {
				settled = w.rx.received;
			}
			SAME(0, shmqi_records_open_reader(&w.rx));
			MUST(w.rx.received == settled);
			shmqi_records_settle(&w.rx);
		}
		world_close();
	}
}

/* One more reader, at any time of the writer's: it begins at the tail. */
Test(ring_records, test_records_join_begins_at_tail_though_producer_died)
{
	for (unsigned stores = 0; stores <= 4; stores++)
		for (size_t s = 0; s < STARTS; s++) {
			unsigned char *bytes = NULL;
			struct shmqi_records joined;

			world_open(200, 30, &starts[s]);
			w.tx.shared_head = NULL;
			SAME(0, shmqi_records_open_writer(&w.tx));
			SAME(-EAGAIN, shmqi_records_claim_seen(&w.tx, 0, &bytes)); /* none seen */
			w.tx.seen = w.tx.tail;
			for (unsigned i = 0; i < 3; i++) {
				SAME(0, shmqi_records_claim_seen(&w.tx, 30, &bytes));
				shmqi_records_publish(&w.tx, 30);
			}
			SAME(0, shmqi_records_claim_seen(&w.tx, 30, &bytes));
			publish_and_die(30, stores);
			joined = w.rx;
			records_begin_at(&joined, shmqi_records_newest(&w.tail), w.sent);
			MUST(joined.head == w.tail);
			MUST(joined.received == starts[s].sequence + 3 + (stores == 4));
			SAME(stores == 2 || stores == 3 ? 30 : -EAGAIN,
			     shmqi_records_look(&joined, &bytes));
			world_close();
		}
}

/* Hostile words ------------------------------------------------------------------------------ */

Test(ring_records, test_records_hostile_head_ebadmsg)
{
	uint64_t seed = 5;
	unsigned char *bytes = NULL;

	world_open(128, 24, &starts[4]);
	for (unsigned i = 0; i < 4; i++) {
		SAME(0, shmqi_records_claim(&w.tx, 24, &bytes));
		shmqi_records_publish(&w.tx, 24);
	}
	for (unsigned i = 0; i < 20000; i++) {
		struct shmqi_records tx = w.tx;
		uint64_t near = tx.seen - 200 + random_below(&seed, 600);
		bool possible;
		int want;

		w.head = i % 2 ? near : random_next(&seed);
		possible = w.head - tx.seen <= tx.tail - tx.seen && w.head % 8 == 0;
		want = possible ? 0 : -EBADMSG;
		if (possible && tx.tail + 8 - w.head > tx.capacity)
			want = -EAGAIN;
		SAME(want, shmqi_records_claim(&tx, 0, &bytes));
	}
	world_close();
}

/* Noise with some truth in it, so that ways beyond the first check are gone. */
static uint64_t
noise(uint64_t *seed, const struct shmqi_records *r)
{
	switch (random_below(seed, 4)) {
	case 0:
		return records_present(r->received, random_below(seed, r->msg_max + 9));
	case 1:
		return records_awaited(r->received + random_below(seed, 3));
	default:
		return random_next(seed) >> random_below(seed, 64);
	}
}

/* Any content: a message within bounds, nothing, or -EBADMSG. A sanitizer sees other accesses. */
Test(ring_records, test_records_noise_stays_inside)
{
	uint64_t seed = 29;

	world_open(100, 33, &starts[1]);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned char *bytes = NULL;
		int64_t len;

		*records_header(w.tx.bytes, random_below(&seed, w.rx.period / 8) * 8) =
			noise(&seed, &w.rx);
		*records_header(w.tx.bytes, w.rx.head_offset) = noise(&seed, &w.rx);
		w.tail = random_next(&seed) << random_below(&seed, 8);
		w.head = w.tail - random_below(&seed, 30) * 8;
		w.sent = w.received = random_next(&seed);
		len = shmqi_records_look(&w.rx, &bytes);
		if (len >= 0) {
			MUST(len <= 33);
			memset(bytes, 1, (size_t)len);
			shmqi_records_next(&w.rx);
		} else {
			MUST(len == -EAGAIN || len == -EBADMSG);
		}
		w.head = shmqi_records_newest(&w.tail);
		SAME(w.head % 8 ? -EBADMSG : 0, shmqi_records_open_reader(&w.rx));
		if (shmqi_records_open_writer(&w.tx) == 0 &&
		    shmqi_records_claim(&w.tx, 33, &bytes) == 0) {
			memset(bytes, 2, 33);
			shmqi_records_publish(&w.tx, 33);
		}
		if (random_below(&seed, 8) == 0)
			SAME(w.head % 8 ? -EBADMSG : 0, shmqi_records_open_reader(&w.rx));
	}
	world_close();
}
