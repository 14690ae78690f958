/* SPDX-License-Identifier: MIT */
/*
 * Hostile words, kind by kind: a peer changes one word that a kind has for itself. Who is told what
 * cannot be says -EBADMSG, and keeps to it; hints cost nothing.
 */
#include <pthread.h>

#include "hostile_scene.h"

TestSuite(hostile_kinds, .init = unit_begin, .fini = place_end, .timeout = 60);

static void
fill_up(struct scene *s)
{
	for (size_t i = 0; i < s->pair.kind->room; i++)
		pair_send(&s->pair, 'x');
	SAME(-EAGAIN, shmq_send(s->pair.tx, "x", 1, 0));
}

/* -EBADMSG, also from calls that would wait. */
static void
sender_refuses(struct scene *s)
{
	SAME(-EBADMSG, shmq_send(s->pair.tx, "x", 1, 0));
	SAME(-EBADMSG, shmq_send(s->pair.tx, "x", 1, SHMQ_FOREVER));
	SAME(-EBADMSG, shmq_reserve(s->pair.tx, &(struct iovec){0}, 1, 0));
}

static void
receiver_refuses(struct shmq *q)
{
	char buf[KIND_MSG_MAX];

	SAME(-EBADMSG, recv_now(q));
	SAME(-EBADMSG, recv_now(q));
	SAME(-EBADMSG, shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER));
}

/* Room: what a receiver says ------------------------------------------------------------------ */

static const uint64_t bad_heads[] = {
	4096, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 4095, 3,
};

#define BAD_HEADS (sizeof(bad_heads) / sizeof(bad_heads[0]))

/* Where the receiver's head is that this sender looks at. */
static uint64_t *
head_of(struct scene *s)
{
	return s->pair.kind->opts.kind == SHMQ_MPSC ? &s->lanes[1].reader.head
						    : &s->control->progress.head;
}

static void
heads(const char *kind, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct scene s;

		scene_begin(&s, kind);
		fill_up(&s);
		put(head_of(&s), bad_heads[i]);
		sender_refuses(&s);
		put(head_of(&s), 0);
		sender_refuses(&s);
		SAME(1, recv_now(s.pair.rx)); /* the other end has its own */
		scene_end(&s);
	}
}

Test(hostile_kinds, test_records_bad_head_sender_ebadmsg)
{
	heads("SPSC, records", BAD_HEADS);
	heads("MPSC, records", BAD_HEADS);
}

/* A head that no record begins at: a consumer does not become one. */
Test(hostile_kinds, test_records_bad_head_newcomer_ebadmsg)
{
	static const char *const names[] = {"SPSC, records", "MPSC, records"};

	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = NULL;
		struct scene s;

		scene_begin(&s, names[i]);
		SAME(0, shmq_detach(s.pair.rx));
		put(head_of(&s), 4);
		SAME(-EBADMSG, shmq_attach(&q, s.pair.p.attach, SHMQ_CONSUMER));
		MUST(!q);
		put(head_of(&s), 0);
		s.pair.rx = unit_join(&s.pair.p, SHMQ_CONSUMER);
		traffic(&s);
		scene_end(&s);
	}
}

/* 3 is a head that may be, of slots. */
Test(hostile_kinds, test_mpsc_bad_head_sender_ebadmsg)
{
	heads("MPSC", BAD_HEADS - 1);
}

/* Messages ---------------------------------------------------------------------------------- */

/* The first message's word `n` becomes `value`, in the lane of the sender. */
static void
receiver_is_told(const char *kind, uint64_t n, uint64_t value)
{
	struct scene s;
	unsigned lane;

	scene_begin(&s, kind);
	lane = s.pair.kind->opts.kind == SHMQ_MPSC;
	pair_send(&s.pair, 'x');
	put(data_word(&s, lane, 0, n), value);
	receiver_refuses(s.pair.rx);
	pair_send(&s.pair, 'y'); /* the other end goes on */
	scene_end(&s);
}

Test(hostile_kinds, test_length_beyond_msg_max_receiver_ebadmsg)
{
	receiver_is_told("MPSC", 0, UINT64_C(1) << 32 | (KIND_MSG_MAX + 1));
	receiver_is_told("MPMC", 1, KIND_MSG_MAX + 1);
	receiver_is_told("MPMC, redeliver", 1, UINT32_MAX);
	receiver_is_told("broadcast", 0, UINT64_C(1) << 32 | UINT32_MAX);
	receiver_is_told("broadcast, slow_limit", 0, UINT64_C(1) << 32 | (KIND_MSG_MAX + 1));
	receiver_is_told("broadcast, lossy", 1, KIND_MSG_MAX + 1);
	receiver_is_told("broadcast, lossy", 1, UINT64_MAX);
	receiver_is_told("latest", 1, UINT64_C(1) << 32);
}

static const char *const with_records[] = {
	"SPSC, records",
	"MPSC, records",
	"broadcast, records",
	"broadcast, lossy, records",
};

/* A header is awaited, or that of the message, and nothing else. */
Test(hostile_kinds, test_record_header_receiver_ebadmsg)
{
	static const uint64_t headers[] = {
		UINT64_C(1) << 31 | (KIND_MSG_MAX + 1), /* too long */
		UINT64_C(1) << 31 | INT32_MAX,
		UINT64_C(1) << 32 | UINT64_C(1) << 31 | 1, /* another's number */
		UINT64_MAX,
		1, /* awaited, with a length */
	};

	for (size_t k = 0; k < 4; k++)
		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
			receiver_is_told(with_records[k], 0, headers[i]);
}

/* A slot that is ahead of its writer, but for a whole number of laps: no word of a writer's. */
Test(hostile_kinds, test_lossy_word_of_another_slot_ebadmsg)
{
	receiver_is_told("broadcast, lossy", 0, 2 * 3 + 2);
	receiver_is_told("broadcast, lossy", 0, 2 * 1001 + 1);
}

Test(hostile_kinds, test_latest_tail_beyond_what_is_there_ebadmsg)
{
	static const uint64_t tails[] = {2, 1000, UINT64_C(1) << 62, UINT64_MAX};

	for (size_t i = 0; i < 4; i++) {
		struct scene s;

		scene_begin(&s, "latest");
		pair_send(&s.pair, 'x');
		put(&s.control->writer.tail, tails[i]);
		receiver_refuses(s.pair.rx);
		scene_end(&s);
	}
}

/* A slot of a turn that has passed, where all before has been claimed. */
Test(hostile_kinds, test_mpmc_turn_gone_by_both_ebadmsg)
{
	struct scene s;

	scene_begin(&s, "MPMC");
	traffic(&s);
	put(data_word(&s, 0, LETTERS, 0), 0);
	sender_refuses(&s);
	receiver_refuses(s.pair.rx);
	scene_end(&s);
}

/* States that do not exist, and claims of nobody: not there yet. */
Test(hostile_kinds, test_mpmc_unknown_state_is_no_message)
{
	struct scene s;
	uint64_t good;

	scene_begin(&s, "MPMC");
	pair_send(&s.pair, 'x');
	good = *data_word(&s, 0, 0, 0);
	for (uint64_t state = 6; state < 16; state++) {
		put(data_word(&s, 0, 0, 0), state << 12);
		SAME(-EAGAIN, recv_now(s.pair.rx));
		put(data_word(&s, 0, 0, 0), state << 12 | 0xfff);
		SAME(-EAGAIN, recv_now(s.pair.rx));
	}
	put(data_word(&s, 0, 0, 0), UINT64_C(2) << 12 | 0xfff);
	SAME(-EAGAIN, recv_now(s.pair.rx));
	SAME(-ETIMEDOUT, shmq_recv(s.pair.rx, &(char[KIND_MSG_MAX]){0}, KIND_MSG_MAX, 3000000));
	put(data_word(&s, 0, 0, 0), good);
	pair_recv(&s.pair, 'x');
	scene_end(&s);
}

/* Readers of broadcast ------------------------------------------------------------------------ */

static const char *const with_readers[] = {
	"broadcast",
	"broadcast, records",
	"broadcast, slow_limit",
};

/* Ejected, put out, or in as another, by who may not: who waits is told; the writer goes on. */
Test(hostile_kinds, test_reader_state_estale)
{
	static const uint64_t states[] = {0, 2, 3, UINT64_C(77) << 16 | 1, UINT64_MAX};

	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
			char buf[KIND_MSG_MAX];
			struct scene s;

			scene_begin(&s, with_readers[k]);
			traffic(&s);
			put(&s.lanes[0].reader.state, states[i]);
			SAME(-ESTALE, shmq_recv(s.pair.rx, buf, sizeof(buf), SHMQ_FOREVER));
			SAME(-ESTALE, shmq_recv(s.pair.rx, buf, sizeof(buf), SHMQ_FOREVER));
			pair_send(&s.pair, 'z');
			scene_end(&s);
		}
	}
}

/* A reader that is nowhere is ejected when the ring is full; others lose nothing. */
Test(hostile_kinds, test_reader_head_ejected_alone)
{
	for (size_t i = 0; i < BAD_HEADS - 1; i++) {
		struct shmq *other;
		struct scene s;

		scene_begin(&s, "broadcast");
		other = unit_join(&s.pair.p, SHMQ_CONSUMER);
		for (int n = 0; n < KIND_CAPACITY; n++)
			pair_send(&s.pair, 'x');
		put(&s.lanes[0].reader.head, bad_heads[i]);
		for (int n = 0; n < KIND_CAPACITY; n++)
			SAME(1, recv_now(other));
		for (int n = 0; n < KIND_CAPACITY; n++) {
			pair_send(&s.pair, 'y');
			SAME(1, recv_now(other));
		}
		SAME(2, s.lanes[0].reader.state & 0xffff);
		SAME(0, shmq_detach(other));
		scene_end(&s);
	}
}

/* Newcomers --------------------------------------------------------------------------------- */

/* Positions that cannot be: who comes anew is refused, or starts somewhere. */
static void
join_over(const char *kind, size_t word, uint64_t value, unsigned role, int want)
{
	struct shmq *q = NULL;
	struct scene s;

	scene_begin(&s, kind);
	traffic(&s);
	if (role & SHMQ_PRODUCER) {
		SAME(0, shmq_detach(s.pair.tx));
		s.pair.tx = NULL;
	}
	put((uint64_t *)(void *)((unsigned char *)s.control + word), value);
	SAME(want, shmq_attach(&q, s.pair.p.attach, role));
	SAME(want == 0, q != NULL);
	if (q)
		SAME(0, shmq_detach(q));
	scene_end(&s);
}

#define WORD(member) offsetof(struct format_control, member)

Test(hostile_kinds, test_lossy_records_bad_place_newcomer_ebadmsg)
{
	static const char kind[] = "broadcast, lossy, records";

	join_over(kind, WORD(writer.tail), 13, SHMQ_PRODUCER, -EBADMSG);
	join_over(kind, WORD(writer.tail), 13, SHMQ_CONSUMER, -EBADMSG);
	join_over(kind, WORD(writer.oldest), 13, SHMQ_PRODUCER, -EBADMSG);
	join_over(kind, WORD(writer.oldest), 13, SHMQ_CONSUMER | SHMQ_OLDEST, -EBADMSG);
	join_over(kind, WORD(writer.oldest), UINT64_C(1) << 40, SHMQ_PRODUCER, -EBADMSG);
	join_over(kind, WORD(writer.intent), UINT64_C(1) << 40, SHMQ_PRODUCER, -EBADMSG);
	join_over(kind, WORD(writer.intent), UINT64_C(1) << 40, SHMQ_CONSUMER, -EBADMSG);
}

Test(hostile_kinds, test_records_bad_tail_newcomer_ebadmsg)
{
	join_over("SPSC, records", WORD(writer.tail), 13, SHMQ_PRODUCER, -EBADMSG);
	join_over("SPSC, records", WORD(writer.tail), 1 << 20, SHMQ_PRODUCER, -EBADMSG);
	join_over("broadcast, records", WORD(writer.tail), 13, SHMQ_PRODUCER, -EBADMSG);
	join_over("broadcast, records", WORD(progress.head), 1 << 20, SHMQ_PRODUCER, -EBADMSG);
}

/* Hints -------------------------------------------------------------------------------------- */

/* Nobody's word is taken for where to look: what is there is found. */
Test(hostile_kinds, test_mpsc_doors_any_message_is_found)
{
	static const uint64_t doors[] = {0, UINT64_MAX, 1, UINT64_C(1) << 63};

	for (size_t i = 0; i < 4; i++) {
		ssize_t got = -EAGAIN;
		struct scene s;

		scene_begin(&s, i & 1 ? "MPSC" : "MPSC, records");
		pair_send(&s.pair, 'x');
		for (unsigned k = 0; k < 64; k++)
			put(&s.control->doors[k], doors[i]);
		/* Patrol: one lane for each empty call. */
		for (unsigned n = 0; n <= s.header.participants && got == -EAGAIN; n++)
			got = recv_now(s.pair.rx);
		SAME(1, got);
		put(&s.control->doors[0], 0);
		pair_send(&s.pair, 'y');
		put(&s.control->doors[0], 0);
		SAME(1, shmq_recv(s.pair.rx, &(char[KIND_MSG_MAX]){0}, KIND_MSG_MAX, SHMQ_FOREVER));
		scene_end(&s);
	}
}

/* Hints that are behind, and any number of events: what is there is found all the same. */
Test(hostile_kinds, test_mpmc_hints_behind_harmless)
{
	struct scene s;

	scene_begin(&s, "MPMC, redeliver");
	for (uint64_t i = 0; i < 40; i++) {
		put(&s.control->writer.tail, UINT64_C(0) - i * i);
		put(&s.control->progress.head, i & 1 ? 0 : UINT64_C(1) << 63);
		put(&s.control->recovery.orphan_events, UINT64_C(0x9e3779b97f4a7c15) * i);
		traffic(&s);
	}
	scene_end(&s);
}

/* Who is said to hold what it does not hold is asked, and that is all. */
Test(hostile_kinds, test_mpmc_holds_harmless)
{
	static const uint64_t holds[] = {1, 1000, UINT64_C(1) << 63, UINT64_MAX};
	struct scene s;

	scene_begin(&s, "MPMC, redeliver");
	for (size_t i = 0; i < 4; i++) {
		for (unsigned k = 0; k < s.header.participants; k++)
			put(&s.entries[k].holds, holds[i]);
		SAME(-ETIMEDOUT,
		     shmq_recv(s.pair.rx, &(char[KIND_MSG_MAX]){0}, KIND_MSG_MAX, 3000000));
		traffic(&s);
	}
	scene_end(&s);
}

static uint32_t stop;

/* The role is nobody's, at every instant. */
static void *
nobody_produces(void *arg)
{
	while (!shmq_load_relaxed_u32(&stop))
		put(arg, 0);
	return NULL;
}

/* A newcomer whose role is taken away while it settles in: it is a producer, and reads nothing. */
Test(hostile_kinds, test_role_vanishes_under_a_newcomer_harmless)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		pthread_t thread;
		struct scene s;

		scene_begin(&s, kinds[kind].name);
		shmq_store_relaxed_u32(&stop, 0);
		SAME(0,
		     pthread_create(&thread, NULL, nobody_produces, &s.control->producer.holder));
		for (unsigned i = 0; i < 1000; i++) {
			struct shmq *q = NULL;
			int err = shmq_attach(&q, s.pair.p.attach, SHMQ_PRODUCER);

			MUST(err == 0 || err == -EBUSY || err == -EAGAIN);
			SAME(0, err ? 0 : shmq_detach(q));
		}
		shmq_store_relaxed_u32(&stop, 1);
		SAME(0, pthread_join(thread, NULL));
		scene_end(&s);
	}
}
