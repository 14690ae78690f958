/* SPDX-License-Identifier: MIT */
/* A peer that writes what it likes into a live queue: its victim's handle says -EBADMSG and keeps to it; nothing else happens. */
#include "unit.h"

#include <shmq/inline.h>
#include <string.h>
#include <unistd.h>

#include "format.h"

#define CAPACITY 4
#define MSG_MAX 64

TestSuite(hostile, .init = unit_begin, .fini = place_end);

/* A live queue, its ends, and its memory as a peer has it. */
struct scene {
	struct place p;
	struct shmq *tx, *rx;
	struct object o;
	struct format_header header;
	struct format_control *control;
};

static void
scene_begin(struct scene *s, enum spot at)
{
	s->p = spot_ring(at, MSG_MAX, CAPACITY);
	s->tx = unit_join(&s->p, SHMQ_PRODUCER);
	s->rx = unit_join(&s->p, SHMQ_CONSUMER);
	s->o = object_map(&s->p);
	memcpy(&s->header, s->o.bytes, sizeof(s->header));
	s->control = (struct format_control *)(void *)(s->o.bytes + s->header.control_offset);
}

static void
scene_end(struct scene *s)
{
	object_unmap(&s->o);
	SAME(0, shmq_detach(s->tx));
	SAME(0, shmq_detach(s->rx));
	place_remove(&s->p);
}

static uint64_t *
slot_word(struct scene *s, uint64_t position)
{
	uint64_t at = s->header.data_offset + position % s->header.slots * s->header.slot_bytes;

	return (uint64_t *)(void *)(s->o.bytes + at);
}

static void
fill_up(struct scene *s)
{
	for (int i = 0; i < CAPACITY; i++)
		SAME(0, shmq_send(s->tx, "x", 1, 0));
}

/* The handle refuses whatever is asked of its role, also when the memory is mended. */
static void
sender_refuses(struct shmq *q)
{
	struct iovec v = {"x", 1};

	SAME(-EBADMSG, shmq_send(q, "x", 1, 0));
	SAME(-EBADMSG, shmq_send(q, "x", 1, SHMQ_FOREVER));
	SAME(-EBADMSG, shmq_send_batch(q, &v, 1, 0));
	SAME(-EBADMSG, shmq_reserve(q, &v, 1, 0));
}

static void
receiver_refuses(struct shmq *q)
{
	char buf[MSG_MAX];
	struct iovec v = {buf, sizeof(buf)};

	SAME(-EBADMSG, shmq_recv(q, buf, sizeof(buf), 0));
	SAME(-EBADMSG, shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER));
	SAME(-EBADMSG, shmq_recv_batch(q, &v, 1, 0));
	SAME(-EBADMSG, shmq_peek(q, &v, 0));
}

static const uint64_t bad_heads[] = {
	CAPACITY + 1,	   CAPACITY + 2,      1000,	  UINT32_MAX,
	UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - CAPACITY,
};

TEST_EACH_SPOT(hostile, test_bad_head_sender_ebadmsg_for_good)
{
	char buf[MSG_MAX];
	struct scene s;

	for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
		scene_begin(&s, *at);
		fill_up(&s);
		shmq_store_relaxed_u64(&s.control->progress.head, bad_heads[i]);
		sender_refuses(s.tx);
		shmq_store_relaxed_u64(&s.control->progress.head, 0);
		sender_refuses(s.tx);
		/* The other end has its own. */
		for (int k = 0; k < CAPACITY; k++)
			SAME(1, shmq_recv(s.rx, buf, sizeof(buf), 0));
		SAME(-EAGAIN, shmq_recv(s.rx, buf, sizeof(buf), 0));
		sender_refuses(s.tx);
		SAME(0, shmq_detach(s.tx));
		s.tx = unit_join(&s.p, SHMQ_PRODUCER);
		SAME(0, shmq_send(s.tx, "x", 1, 0));
		scene_end(&s);
	}
}

static const uint64_t bad_lengths[] = {MSG_MAX + 1, 2 * MSG_MAX, INT32_MAX, UINT32_MAX};

TEST_EACH_SPOT(hostile, test_bad_length_receiver_ebadmsg_for_good)
{
	struct scene s;
	uint64_t good;

	for (size_t i = 0; i < sizeof(bad_lengths) / sizeof(bad_lengths[0]); i++) {
		scene_begin(&s, *at);
		SAME(0, shmq_send(s.tx, "x", 1, 0));
		good = *slot_word(&s, 0);
		shmq_store_relaxed_u64(slot_word(&s, 0), good >> 32 << 32 | bad_lengths[i]);
		receiver_refuses(s.rx);
		shmq_store_relaxed_u64(slot_word(&s, 0), good);
		receiver_refuses(s.rx);
		SAME(0, shmq_send(s.tx, "y", 1, 0)); /* the other end goes on */
		SAME(0, shmq_detach(s.rx));
		s.rx = unit_join(&s.p, SHMQ_CONSUMER);
		SAME(1, shmq_recv(s.rx, &(char[MSG_MAX]){0}, MSG_MAX, 0));
		scene_end(&s);
	}
}

/* The second of a batch is bad: the first is received, then the handle is done. */
TEST_EACH_SPOT(hostile, test_bad_length_inside_batch_ebadmsg_after_it)
{
	char buf[2][MSG_MAX];
	struct iovec v[2] = {{buf[0], MSG_MAX}, {buf[1], MSG_MAX}};
	struct scene s;

	scene_begin(&s, *at);
	SAME(0, shmq_send(s.tx, "first", 5, 0));
	SAME(0, shmq_send(s.tx, "second", 6, 0));
	shmq_store_relaxed_u64(slot_word(&s, 1), *slot_word(&s, 1) | UINT32_MAX);
	SAME(1, shmq_recv_batch(s.rx, v, 2, 0));
	SAME(5, v[0].iov_len);
	SAME(MSG_MAX, v[1].iov_len);
	receiver_refuses(s.rx);
	scene_end(&s);
}

TEST_EACH_SPOT(hostile, test_bad_turn_is_no_message)
{
	struct scene s;
	uint64_t good;
	char c;

	scene_begin(&s, *at);
	SAME(0, shmq_send(s.tx, "x", 1, 0));
	good = *slot_word(&s, 0);
	for (unsigned bit = 32; bit < 64; bit++) {
		shmq_store_relaxed_u64(slot_word(&s, 0), good ^ UINT64_C(1) << bit);
		SAME(-EAGAIN, shmq_recv(s.rx, &c, 1, 0));
	}
	shmq_store_relaxed_u64(slot_word(&s, 0), good);
	SAME(1, shmq_recv(s.rx, &c, 1, 0));
	SAME('x', c);
	scene_end(&s);
}

/* Through the inlined calls the same. */
TEST_EACH_SPOT(hostile, test_port_ebadmsg_for_good)
{
	struct shmq_port tx = {0}, rx = {0};
	char buf[MSG_MAX];
	struct scene s;

	scene_begin(&s, *at);
	SAME(0, shmq_port_open(&tx, s.tx));
	SAME(0, shmq_port_open(&rx, s.rx));
	fill_up(&s);
	shmq_store_relaxed_u64(&s.control->progress.head, 1 << 20);
	SAME(-EBADMSG, shmq_port_send(&tx, "x", 1));
	shmq_store_relaxed_u64(&s.control->progress.head, 0);
	SAME(-EBADMSG, shmq_port_send(&tx, "x", 1));
	sender_refuses(s.tx);
	shmq_store_relaxed_u64(slot_word(&s, 0), *slot_word(&s, 0) | UINT32_MAX);
	SAME(-EBADMSG, shmq_port_recv(&rx, buf, sizeof(buf)));
	SAME(-EBADMSG, shmq_port_recv(&rx, buf, sizeof(buf)));
	receiver_refuses(s.rx);
	scene_end(&s);
}

/* Noise -------------------------------------------------------------------------------------- */

/* Everything behind the header is anything; every call comes back, without a signal. */
static void
one_of_each(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_info info = {.size = sizeof(info)};
	char buf[MSG_MAX];
	struct iovec v = {buf, sizeof(buf)};

	(void)shmq_send(s->tx, buf, 1, 0);
	(void)shmq_recv(s->rx, buf, sizeof(buf), 0);
	(void)shmq_send_batch(s->tx, &v, 1, 1000);
	(void)shmq_recv_batch(s->rx, &v, 1, 1000);
	if (shmq_reserve(s->tx, &v, MSG_MAX, 0) == 0) {
		memset(v.iov_base, 7, MSG_MAX);
		SAME(0, shmq_commit(s->tx, &v));
	}
	if (shmq_peek(s->rx, &v, 0) == 0) {
		MUST(v.iov_len <= MSG_MAX);
		SAME(0, shmq_release(s->rx, &v));
	}
	(void)shmq_info(s->rx, &info);
	SAME(0, shmq_qstat(s->rx, &st));
	MUST(st.depth <= CAPACITY);
	SAME(0, shmq_stat(s->p.attach, &st));
}

static void
scribble(struct scene *s, uint64_t *seed)
{
	uint64_t words = (s->o.length - FORMAT_PAGE) / 8, n = 1 + random_below(seed, 64);
	uint64_t *all = (uint64_t *)(void *)(s->o.bytes + FORMAT_PAGE);

	while (n--) {
		uint64_t *word = all + random_below(seed, words);

		if (random_below(seed, 2)) /* where it matters most */
			word = (uint64_t *)(void *)s->control +
			       random_below(seed, sizeof(*s->control) / 8);
		shmq_store_relaxed_u64(word, random_below(seed, 4) ? random_next(seed)
								   : random_below(seed, 16));
	}
}

static void
detach_both(struct scene *s)
{
	SAME(0, shmq_detach(s->tx));
	SAME(0, shmq_detach(s->rx));
}

/* Newcomers to a scribbled queue are let in or refused, by a reason that is documented. */
static int
rejoin(struct scene *s, struct shmq **q, unsigned role)
{
	int err = shmq_attach(q, s->p.attach, role);

	MUST(err == 0 || err == -EBADMSG || err == -EBUSY || err == -ENOSPC || err == -EIDRM ||
	     err == -ENOENT || err == -EPERM || err == -ENOMEM);
	return err;
}

TEST_EACH_SPOT(hostile, test_noise_behind_the_header_no_signal)
{
	uint64_t seed = 7 + (uint64_t)*at;
	struct scene s;

	for (int round = 0; round < 20; round++) {
		scene_begin(&s, *at);
		fill_up(&s);
		for (int i = 0; i < 20; i++) {
			scribble(&s, &seed);
			one_of_each(&s);
		}
		detach_both(&s);
		if (rejoin(&s, &s.tx, SHMQ_PRODUCER) == 0) {
			(void)shmq_send(s.tx, "x", 1, 0);
			SAME(0, shmq_detach(s.tx));
		}
		if (rejoin(&s, &s.rx, SHMQ_CONSUMER | SHMQ_HANGUP) == 0) {
			(void)shmq_recv(s.rx, &(char[MSG_MAX]){0}, MSG_MAX, 0);
			SAME(0, shmq_detach(s.rx));
		}
		object_unmap(&s.o);
		(void)shmq_remove(s.p.attach);
		if (s.p.fd >= 0)
			close(s.p.fd);
		if (s.p.on == ON_SHM || s.p.on == ON_FILE)
			(void)shmq_gc(0, NULL, NULL);
	}
}
