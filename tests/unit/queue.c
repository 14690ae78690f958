/* SPDX-License-Identifier: MIT */
/* What a queue carries: every message once, in order, with its length; and exactly as many as its capacity. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

TestSuite(queue, .init = unit_begin, .fini = place_end);

/* Byte i of message `sequence`. */
static unsigned char
byte_of(uint64_t sequence, size_t i)
{
	return (unsigned char)(sequence * 31 + i * 7 + (i >> 8) + 1);
}

static void
fill(unsigned char *buf, uint64_t sequence, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = byte_of(sequence, i);
}

static bool
is_message(const unsigned char *buf, uint64_t sequence, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_of(sequence, i))
			return false;
	return true;
}

/* A queue with both its ends in one handle, and what has passed through. */
struct line {
	struct place p;
	struct shmq *q;
	size_t msg_max, capacity;
	uint64_t sent, received;
	unsigned char *buf;
};

static void
line_open(struct line *l, enum spot at, size_t msg_max, size_t capacity)
{
	*l = (struct line){.msg_max = msg_max, .capacity = capacity};
	l->p = spot_ring(at, msg_max, capacity);
	l->q = unit_join(&l->p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	l->buf = malloc(msg_max + 1);
	MUST(l->buf != NULL);
}

static void
line_close(struct line *l)
{
	SAME(0, shmq_detach(l->q));
	place_remove(&l->p);
	free(l->buf);
}

static int
put(struct line *l, size_t len)
{
	int err;

	fill(l->buf, l->sent, len);
	err = shmq_send(l->q, len ? l->buf : NULL, len, 0);
	l->sent += err == 0;
	return err;
}

/* The next one must have this length, and the byte behind it stays. */
static void
get(struct line *l, size_t len)
{
	memset(l->buf, 0, l->msg_max + 1);
	SAME(len, shmq_recv(l->q, l->buf, l->msg_max, 0));
	MUST(is_message(l->buf, l->received, len));
	SAME(0, l->buf[len]);
	l->received++;
}

static size_t
length_at(const struct line *l, uint64_t sequence)
{
	return l->msg_max ? (size_t)(sequence * 2654435761u) % (l->msg_max + 1) : 0;
}

/* Fill it to the brim and drain it again, from each position modulo capacity. */
static void
fill_and_drain(struct line *l, unsigned rounds)
{
	struct shmq_stat st = {.size = sizeof(st)};

	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < l->capacity; i++)
			SAME(0, put(l, length_at(l, l->sent)));
		SAME(-EAGAIN, put(l, 0));
		SAME(0, shmq_qstat(l->q, &st));
		SAME(l->capacity, st.depth);
		get(l, length_at(l, l->received));
		SAME(0, put(l, length_at(l, l->sent)));
		SAME(-EAGAIN, put(l, 0));
		while (l->received < l->sent)
			get(l, length_at(l, l->received));
		SAME(-EAGAIN, shmq_recv(l->q, l->buf, l->msg_max, 0));
		SAME(0, shmq_qstat(l->q, &st));
		SAME(0, st.depth);
		SAME(l->sent, st.sent);
		SAME(l->received, st.received);
	}
}

TEST_EACH_SPOT(queue, test_queue_holds_exactly_its_capacity)
{
	static const size_t capacities[] = {1, 2, 3, 7, 1000},
			    lengths[] = {0, 1, 8, 9, 56, 57, 4096};
	struct line l;

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			line_open(&l, *at, lengths[i], capacities[c]);
			fill_and_drain(&l, capacities[c] < 10 ? 20 : 3);
			line_close(&l);
		}
}

TEST_EACH_SPOT(queue, test_queue_of_long_messages_holds_exactly_its_capacity)
{
	static const size_t capacities[] = {1, 2, 3, 7};
	struct line l;

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
		line_open(&l, *at, MIB, capacities[c]);
		fill_and_drain(&l, 2);
		line_close(&l);
	}
}

TEST_EACH_SPOT(queue, test_queue_every_length_arrives)
{
	struct line l;

	line_open(&l, *at, 4096, 3);
	for (size_t len = 0; len <= l.msg_max; len++) {
		SAME(0, put(&l, len));
		if (len > 1)
			get(&l, len - 2);
	}
	get(&l, l.msg_max - 1);
	get(&l, l.msg_max);
	line_close(&l);
}

TEST_EACH_SPOT(queue, test_queue_long_lengths_arrive)
{
	static const size_t lengths[] = {0,	  1,	   7,	    8,	     9,	    63,
					 64,	  65,	   4095,    4096,    65537, MIB / 2 + 1,
					 MIB - 9, MIB - 8, MIB - 7, MIB - 1, MIB};
	struct line l;

	line_open(&l, *at, MIB, 2);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		SAME(0, put(&l, lengths[i]));
		get(&l, lengths[i]);
	}
	line_close(&l);
}

TEST_EACH_SPOT(queue, test_send_too_long_emsgsize_nothing_sent)
{
	static const size_t maxima[] = {0, 1, 64, 4096};
	struct iovec slot = {(void *)1, 77};
	struct line l;

	for (size_t i = 0; i < 4; i++) {
		line_open(&l, *at, maxima[i], 2);
		for (size_t len = maxima[i] + 1; len < SIZE_MAX / 4; len = len * 2 + 1) {
			SAME(-EMSGSIZE, shmq_send(l.q, l.buf, len, 0));
			SAME(-EMSGSIZE, shmq_send(l.q, l.buf, len, SHMQ_FOREVER));
			SAME(-EMSGSIZE, shmq_reserve(l.q, &slot, len, 0));
		}
		SAME(-EMSGSIZE, shmq_send(l.q, l.buf, SIZE_MAX, 0));
		SAME(-EMSGSIZE, shmq_reserve(l.q, &slot, SIZE_MAX, 0));
		MUST(slot.iov_base == (void *)1 && slot.iov_len == 77);
		SAME(0, place_stat(&l.p).sent);
		fill_and_drain(&l, 2);
		line_close(&l);
	}
}

TEST_EACH_SPOT(queue, test_recv_too_short_emsgsize_message_stays)
{
	struct line l;

	line_open(&l, *at, 64, 2);
	SAME(0, put(&l, 40));
	SAME(0, put(&l, 0));
	memset(l.buf, 0x77, l.msg_max);
	SAME(-EMSGSIZE, shmq_recv(l.q, l.buf, 39, 0));
	SAME(-EMSGSIZE, shmq_recv(l.q, l.buf, 39, SHMQ_FOREVER));
	SAME(-EMSGSIZE, shmq_recv(l.q, NULL, 0, 0));
	for (size_t i = 0; i < l.msg_max; i++)
		SAME(0x77, l.buf[i]);
	SAME(2, place_stat(&l.p).depth);
	get(&l, 40);
	get(&l, 0);
	line_close(&l);
}

TEST_EACH_SPOT(queue, test_messages_wait_for_a_later_consumer)
{
	struct line l;

	line_open(&l, *at, 64, 4);
	for (int i = 0; i < 3; i++)
		SAME(0, put(&l, 10));
	get(&l, 10);
	SAME(0, shmq_detach(l.q));
	l.q = unit_join(&l.p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	SAME(0, put(&l, 11));
	SAME(0, put(&l, 12));
	SAME(-EAGAIN, put(&l, 13));
	get(&l, 10);
	get(&l, 10);
	get(&l, 11);
	get(&l, 12);
	SAME(-EAGAIN, shmq_recv(l.q, l.buf, 64, 0));
	line_close(&l);
}

/* Two handles, as two processes have them. */
TEST_EACH_SPOT(queue, test_two_handles_alternate_in_random_steps)
{
	struct place p = spot_ring(*at, 200, 7);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *rx = unit_join(&p, SHMQ_CONSUMER);
	uint64_t sent = 0, received = 0, seed = 42;
	unsigned char buf[200];

	while (received < 20000) {
		for (uint64_t n = random_below(&seed, 12); n; n--) {
			fill(buf, sent, sent % 201);
			int err = shmq_send(tx, buf, sent % 201, 0);

			SAME(sent - received < 7 ? 0 : -EAGAIN, err);
			sent += err == 0;
		}
		for (uint64_t n = random_below(&seed, 12); n; n--) {
			ssize_t len = shmq_recv(rx, buf, sizeof(buf), 0);

			if (sent == received) {
				SAME(-EAGAIN, len);
				continue;
			}
			SAME(received % 201, len);
			MUST(is_message(buf, received, received % 201));
			received++;
		}
	}
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

/* A record as long as the ring, after a short one: nothing is kept for who asks for the oldest. */
TEST_EACH_SPOT(queue, test_broadcast_record_of_the_whole_ring_is_sent)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = SHMQ_BROADCAST,
				       .flags = SHMQ_RECORDS,
				       .msg_max = 240,
				       .capacity = 256};
	struct place p = spot_queue(*at, 0, &opts);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	char bytes[240] = "x";

	for (int i = 0; i < 3; i++) {
		SAME(0, shmq_send(q, bytes, 1, 0));
		SAME(1, shmq_recv(q, bytes, sizeof(bytes), 0));
		SAME(0, shmq_send(q, bytes, sizeof(bytes), 0));
		SAME(-EAGAIN, shmq_send(q, bytes, 1, 0));
		SAME(sizeof(bytes), shmq_recv(q, bytes, sizeof(bytes), 0));
	}
	SAME(0, shmq_detach(q));
	place_remove(&p);
}
