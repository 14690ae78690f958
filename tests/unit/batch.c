/* SPDX-License-Identifier: MIT */
/* Batches, reservations and peeks: what each does, and what each forbids meanwhile. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N 6

TestSuite(batch, .init = unit_begin, .fini = place_end);

/* A queue of N messages of 64 bytes with both ends, N buffers, and a vector of them. */
struct bench {
	struct place p;
	struct shmq *q;
	char buf[N][64];
	struct iovec v[N];
};

static void
bench_begin(struct bench *b, enum spot at)
{
	memset(b, 0, sizeof(*b));
	b->p = spot_ring(at, 64, N);
	b->q = unit_join(&b->p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	for (int i = 0; i < N; i++)
		b->v[i] = (struct iovec){b->buf[i], 64};
}

static void
bench_end(struct bench *b)
{
	SAME(0, shmq_detach(b->q));
	place_remove(&b->p);
}

static void
send_text(struct bench *b, const char *text)
{
	SAME(0, shmq_send(b->q, text, strlen(text), 0));
}

static void
recv_text(struct bench *b, const char *text)
{
	char buf[65] = "";

	SAME(strlen(text), shmq_recv(b->q, buf, 64, 0));
	cr_assert_str_eq(buf, text);
}

static uint64_t
depth(const struct bench *b)
{
	return place_stat(&b->p).depth;
}

/* A buffer that is none ends the batch there: what came before is received. */
TEST_EACH_SPOT(batch, test_recv_batch_no_buffer_in_the_middle_ends_it)
{
	struct bench b;

	bench_begin(&b, *at);
	send_text(&b, "one");
	send_text(&b, "two");
	b.v[1] = (struct iovec){NULL, 64};
	SAME(1, shmq_recv_batch(b.q, b.v, 3, 0));
	SAME(3, b.v[0].iov_len);
	b.v[0] = (struct iovec){NULL, 1};
	SAME(-EINVAL, shmq_recv_batch(b.q, b.v, 1, 0));
	recv_text(&b, "two");
	bench_end(&b);
}

/* Batches ------------------------------------------------------------------------------------ */

/* A buffer of no bytes, at NULL, is room enough for a message of none. */
TEST_EACH_SPOT(batch, test_recv_batch_takes_message_of_no_bytes_at_null)
{
	struct bench b;

	bench_begin(&b, *at);
	send_text(&b, "one");
	send_text(&b, "");
	send_text(&b, "three");
	b.v[1] = (struct iovec){NULL, 0};
	SAME(3, shmq_recv_batch(b.q, b.v, N, 0));
	SAME(3, b.v[0].iov_len);
	SAME(0, b.v[1].iov_len);
	SAME(5, b.v[2].iov_len);
	SAME(0, depth(&b));
	bench_end(&b);
}

/* What does not fit ends a batch, stays, and is the next call's. */
TEST_EACH_SPOT(batch, test_recv_batch_ends_before_what_does_not_fit)
{
	struct bench b;

	bench_begin(&b, *at);
	send_text(&b, "one");
	send_text(&b, "longer");
	send_text(&b, "three");
	b.v[1].iov_len = 3;
	SAME(1, shmq_recv_batch(b.q, b.v, N, 0));
	SAME(2, depth(&b));
	b.v[0].iov_len = 3;
	SAME(-EMSGSIZE, shmq_recv_batch(b.q, b.v, N, 0));
	recv_text(&b, "longer");
	recv_text(&b, "three");
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_batch_sends_and_receives_in_order)
{
	struct bench b;

	bench_begin(&b, *at);
	for (int i = 0; i < N; i++) {
		memset(b.buf[i], 'a' + i, 64);
		b.v[i].iov_len = (size_t)i * 12;
	}
	SAME(N, shmq_send_batch(b.q, b.v, N, 0));
	SAME(N, depth(&b));
	memset(b.buf, 0, sizeof(b.buf));
	for (int i = 0; i < N; i++)
		b.v[i].iov_len = 64;
	SAME(N, shmq_recv_batch(b.q, b.v, N, 0));
	for (int i = 0; i < N; i++) {
		SAME(i * 12, b.v[i].iov_len);
		for (int k = 0; k < 64; k++)
			SAME(k < i * 12 ? 'a' + i : 0, b.buf[i][k]);
	}
	SAME(0, depth(&b));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_batch_of_none_is_zero)
{
	struct bench b;

	bench_begin(&b, *at);
	SAME(0, shmq_send_batch(b.q, b.v, 0, 0));
	SAME(0, shmq_send_batch(b.q, NULL, 0, SHMQ_FOREVER));
	SAME(0, shmq_recv_batch(b.q, b.v, 0, SHMQ_FOREVER));
	SAME(0, shmq_recv_batch(b.q, NULL, 0, 0));
	SAME(0, depth(&b));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_batch_takes_what_fits_and_what_is_there)
{
	struct bench b;

	bench_begin(&b, *at);
	SAME(4, shmq_send_batch(b.q, b.v, 4, 0));
	SAME(2, shmq_send_batch(b.q, b.v, N, SHMQ_FOREVER));
	SAME(-EAGAIN, shmq_send_batch(b.q, b.v, N, 0));
	SAME(-ETIMEDOUT, shmq_send_batch(b.q, b.v, N, 1000));
	SAME(4, shmq_recv_batch(b.q, b.v, 4, 0));
	SAME(2, shmq_recv_batch(b.q, b.v, N, SHMQ_FOREVER));
	SAME(-EAGAIN, shmq_recv_batch(b.q, b.v, N, 0));
	SAME(-ETIMEDOUT, shmq_recv_batch(b.q, b.v, N, 1000));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_send_batch_ends_before_too_long_one)
{
	struct bench b;

	bench_begin(&b, *at);
	b.v[2].iov_len = 65;
	SAME(2, shmq_send_batch(b.q, b.v, N, 0));
	SAME(2, depth(&b));
	SAME(-EMSGSIZE, shmq_send_batch(b.q, b.v + 2, 4, 0));
	SAME(2, depth(&b));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_send_batch_ends_before_null_bytes)
{
	struct bench b;

	bench_begin(&b, *at);
	b.v[1] = (struct iovec){NULL, 0}; /* a message of no bytes */
	b.v[3] = (struct iovec){NULL, 1};
	SAME(3, shmq_send_batch(b.q, b.v, N, 0));
	SAME(-EINVAL, shmq_send_batch(b.q, b.v + 3, 1, 0));
	SAME(3, depth(&b));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_recv_batch_ends_before_one_that_does_not_fit)
{
	struct bench b;

	bench_begin(&b, *at);
	send_text(&b, "one");
	send_text(&b, "two and more");
	send_text(&b, "three");
	b.v[1].iov_len = 5;
	SAME(1, shmq_recv_batch(b.q, b.v, 3, 0));
	SAME(3, b.v[0].iov_len);
	SAME(5, b.v[1].iov_len);
	SAME(0, b.buf[1][0]);
	SAME(-EMSGSIZE, shmq_recv_batch(b.q, b.v + 1, 2, 0));
	SAME(2, depth(&b));
	recv_text(&b, "two and more");
	recv_text(&b, "three");
	bench_end(&b);
}

/* Reservations ------------------------------------------------------------------------------- */

TEST_EACH_SPOT(batch, test_reserve_commit_sends_in_place)
{
	struct bench b;
	struct iovec slot = {NULL, 0};

	bench_begin(&b, *at);
	for (int i = 0; i < 3 * N; i++) {
		SAME(0, shmq_reserve(b.q, &slot, 20, 0));
		SAME(20, slot.iov_len);
		SAME(0, (uintptr_t)slot.iov_base & 7);
		memcpy(slot.iov_base, "in place", 8);
		SAME(0, depth(&b));
		slot.iov_len = i % 2 ? 8 : 2;
		SAME(0, shmq_commit(b.q, &slot));
		SAME(1, depth(&b));
		recv_text(&b, i % 2 ? "in place" : "in");
	}
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_reserve_open_others_ebusy)
{
	struct bench b;
	struct iovec slot, second = {(void *)1, 7};

	bench_begin(&b, *at);
	SAME(0, shmq_reserve(b.q, &slot, 64, 0));
	SAME(-EBUSY, shmq_reserve(b.q, &second, 64, 0));
	SAME(-EBUSY, shmq_reserve(b.q, &second, 64, SHMQ_FOREVER));
	SAME(-EBUSY, shmq_send(b.q, "x", 1, 0));
	SAME(-EBUSY, shmq_send(b.q, "x", 1, SHMQ_FOREVER));
	SAME(-EBUSY, shmq_send_batch(b.q, b.v, 2, 0));
	MUST(second.iov_base == (void *)1 && second.iov_len == 7);
	SAME(-EAGAIN, shmq_recv(b.q, b.buf[0], 64, 0));
	SAME(0, shmq_abort(b.q, &slot));
	send_text(&b, "x");
	recv_text(&b, "x");
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_reserve_wrong_slot_einval_stays_open)
{
	struct bench b;
	struct iovec slot, other;

	bench_begin(&b, *at);
	other = b.v[0];
	SAME(-EINVAL, shmq_commit(b.q, &other));
	SAME(-EINVAL, shmq_abort(b.q, &other));
	SAME(0, shmq_reserve(b.q, &slot, 10, 0));
	SAME(-EINVAL, shmq_commit(b.q, &other));
	SAME(-EINVAL, shmq_abort(b.q, &other));
	slot.iov_len = 11;
	SAME(-EMSGSIZE, shmq_commit(b.q, &slot));
	SAME(0, depth(&b));
	slot.iov_len = 0;
	SAME(0, shmq_commit(b.q, &slot));
	SAME(-EINVAL, shmq_commit(b.q, &slot));
	SAME(-EINVAL, shmq_abort(b.q, &slot));
	SAME(1, depth(&b));
	recv_text(&b, "");
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_reserve_full_eagain)
{
	struct bench b;
	struct iovec slot = {(void *)1, 7};

	bench_begin(&b, *at);
	SAME(N, shmq_send_batch(b.q, b.v, N, 0));
	SAME(-EAGAIN, shmq_reserve(b.q, &slot, 1, 0));
	SAME(-ETIMEDOUT, shmq_reserve(b.q, &slot, 1, 1000));
	MUST(slot.iov_base == (void *)1 && slot.iov_len == 7);
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_detach_aborts_reservation)
{
	struct bench b;
	struct iovec slot;

	bench_begin(&b, *at);
	send_text(&b, "before");
	SAME(0, shmq_reserve(b.q, &slot, 64, 0));
	memset(slot.iov_base, 'z', 64);
	SAME(0, shmq_detach(b.q));
	b.q = unit_join(&b.p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	SAME(1, depth(&b));
	send_text(&b, "after");
	recv_text(&b, "before");
	recv_text(&b, "after");
	bench_end(&b);
}

/* Peeks -------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(batch, test_peek_release_receives_in_place)
{
	struct bench b;
	struct iovec msg, again;

	bench_begin(&b, *at);
	for (int i = 0; i < 3 * N; i++) {
		send_text(&b, "first");
		send_text(&b, "second");
		SAME(0, shmq_peek(b.q, &msg, 0));
		SAME(5, msg.iov_len);
		SAME(0, (uintptr_t)msg.iov_base & 7);
		SAME(0, memcmp(msg.iov_base, "first", 5));
		SAME(0, shmq_peek(b.q, &again, SHMQ_FOREVER));
		MUST(again.iov_base == msg.iov_base && again.iov_len == 5);
		SAME(2, depth(&b));
		SAME(0, shmq_release(b.q, &again));
		SAME(1, depth(&b));
		recv_text(&b, "second");
	}
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_peek_open_others_ebusy)
{
	struct bench b;
	struct iovec msg;

	bench_begin(&b, *at);
	send_text(&b, "peeked");
	send_text(&b, "next");
	SAME(0, shmq_peek(b.q, &msg, 0));
	SAME(-EBUSY, shmq_recv(b.q, b.buf[0], 64, 0));
	SAME(-EBUSY, shmq_recv(b.q, b.buf[0], 64, SHMQ_FOREVER));
	SAME(-EBUSY, shmq_recv_batch(b.q, b.v, 2, 0));
	SAME(64, b.v[0].iov_len);
	SAME(2, depth(&b));
	send_text(&b, "last");
	SAME(0, shmq_release(b.q, &msg));
	recv_text(&b, "next");
	recv_text(&b, "last");
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_peek_empty_eagain_and_release_einval)
{
	struct bench b;
	struct iovec msg = {(void *)1, 7};

	bench_begin(&b, *at);
	SAME(-EAGAIN, shmq_peek(b.q, &msg, 0));
	SAME(-ETIMEDOUT, shmq_peek(b.q, &msg, 1000));
	MUST(msg.iov_base == (void *)1 && msg.iov_len == 7);
	SAME(-EINVAL, shmq_release(b.q, &msg));
	send_text(&b, "here");
	SAME(0, shmq_peek(b.q, &msg, 0));
	SAME(-EINVAL, shmq_release(b.q, &b.v[0]));
	SAME(1, depth(&b));
	SAME(0, shmq_release(b.q, &msg));
	SAME(-EINVAL, shmq_release(b.q, &msg));
	SAME(0, depth(&b));
	bench_end(&b);
}

TEST_EACH_SPOT(batch, test_detach_returns_peeked_message)
{
	struct bench b;
	struct iovec msg;

	bench_begin(&b, *at);
	send_text(&b, "comes again");
	SAME(0, shmq_peek(b.q, &msg, 0));
	SAME(0, shmq_detach(b.q));
	b.q = unit_join(&b.p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	recv_text(&b, "comes again");
	bench_end(&b);
}

/* Both at once, one each, on a queue of one message. */
TEST_EACH_SPOT(batch, test_peek_and_reserve_are_independent)
{
	struct place p = spot_ring(*at, 64, 2);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct iovec msg, slot;

	SAME(0, shmq_send(q, "first", 5, 0));
	SAME(0, shmq_peek(q, &msg, 0));
	SAME(0, shmq_reserve(q, &slot, 6, 0));
	MUST(slot.iov_base != msg.iov_base);
	memcpy(slot.iov_base, "second", 6);
	SAME(0, memcmp(msg.iov_base, "first", 5));
	SAME(0, shmq_commit(q, &slot));
	SAME(-EAGAIN, shmq_reserve(q, &slot, 1, 0));
	SAME(0, shmq_release(q, &msg));
	SAME(0, shmq_peek(q, &msg, 0));
	SAME(6, msg.iov_len);
	SAME(0, memcmp(msg.iov_base, "second", 6));
	SAME(0, shmq_release(q, &msg));
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

/* From 1 KiB on a message begins with a cache line, in every slot and every lane. */
Test(batch, test_long_messages_begin_with_a_cache_line)
{
	static const int kinds[] = {SHMQ_SPSC, SHMQ_MPSC, SHMQ_MPMC, SHMQ_BROADCAST};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		const struct shmq_opts opts = {.size = sizeof(opts),
					       .kind = kinds[k],
					       .msg_max = 1040,
					       .capacity = 4,
					       .participants = 4};
		struct shmq *q;
		char address[32];
		int fd = shmq_create("memfd:shmq-batch", &opts);

		MUST(fd >= 0);
		snprintf(address, sizeof(address), "fd:%d", fd);
		SAME(0, shmq_attach(&q, address, SHMQ_PRODUCER));
		for (int i = 0; i < 3; i++) {
			struct iovec slot;

			SAME(0, shmq_reserve(q, &slot, 1040, 0));
			SAME(0, (uintptr_t)slot.iov_base % 64);
			SAME(0, shmq_commit(q, &slot));
		}
		SAME(0, shmq_detach(q));
		close(fd);
	}
}

/* Producers do not disturb each other: the lanes of MPSC have no cache line in common. */
Test(batch, test_lanes_share_no_cache_line)
{
	static const size_t lengths[] = {8, 100, 1024, 1040, 1080};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const struct shmq_opts opts = {.size = sizeof(opts),
					       .kind = SHMQ_MPSC,
					       .msg_max = lengths[i],
					       .capacity = 4,
					       .participants = 4};
		uint64_t data, slots[2], lane_bytes, end; /* docs/format.md; slots, slot_bytes */
		int fd = shmq_create("memfd:shmq-batch", &opts);

		MUST(fd >= 0);
		SAME(8, pread(fd, &data, 8, 64));
		SAME(16, pread(fd, slots, 16, 96));
		SAME(8, pread(fd, &lane_bytes, 8, 160));
		close(fd);
		end = data + (slots[0] - 1) * slots[1] + 8 + lengths[i];
		MUST((end - 1) / 64 < (data + lane_bytes) / 64);
	}
}
