/* SPDX-License-Identifier: MIT */
/*
 * Damage, on every kind: each word that a send, or a receive, has changed is overwritten by a peer
 * before the other end looks. That end says -EBADMSG, or finds nothing, or what it finds is within
 * bounds; and for each kind some of it must be -EBADMSG.
 */
#include "kinds.h"

#include <stdlib.h>
#include <string.h>

#include <shmq/atomic.h>

#define LIFE_WORDS (8192 / 8) /* header and lifecycle, which others test */

TestSuite(kind_damage, .init = unit_begin, .fini = place_end);

static const uint64_t patterns[][2] = {
	/* {kept bits, set bits} */
	{~UINT64_C(0xffffffff), 0xffffffff}, /* a length in the lower half */
	{~UINT64_C(0xffffffff), KIND_MSG_MAX + 1},
	{UINT64_C(0xffffffff), UINT64_C(0xffffffff) << 32},
	{0, UINT64_MAX},
	{0, UINT64_C(1) << 40},
	{0, 1000003},
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

/* A queue as a peer has it, and as it was before. */
struct scene {
	struct pair pair;
	struct object o;
	uint64_t *words, *before;
	size_t n;
};

static void
scene_begin(struct scene *s, const struct kind *kind)
{
	s->pair = pair_open(kind, ON_SHM);
	s->o = object_map(&s->pair.p);
	s->words = (uint64_t *)(void *)s->o.bytes;
	s->n = s->o.length / 8;
	s->before = malloc(s->n * 8);
	MUST(s->before != NULL);
}

static void
scene_end(struct scene *s)
{
	free(s->before);
	object_unmap(&s->o);
	pair_close(&s->pair);
}

/* What is prepared; what the peer does then changes the words that are damaged. */
static void
prepare(struct scene *s, bool sender)
{
	for (int i = 0; i < 100 && sender && s->pair.kind->room; i++)
		if (shmq_send(s->pair.tx, "x", 1, 0) != 0)
			break;
	memcpy(s->before, s->words, s->n * 8);
	if (sender)
		(void)shmq_recv(s->pair.rx, (char[KIND_MSG_MAX]){0}, KIND_MSG_MAX, 0);
	else
		SAME(0, shmq_send(s->pair.tx, "x", 1, 0));
}

/* The next word from `at` on that was changed. */
static size_t
changed(const struct scene *s, size_t at)
{
	while (at < s->n && s->words[at] == s->before[at])
		at++;
	return at;
}

static void
damage(struct scene *s, size_t at, const uint64_t pattern[2])
{
	/* Relaxed: one thread. */
	shmq_store_relaxed_u64(&s->words[at], (s->words[at] & pattern[0]) | pattern[1]);
}

/* Say -EBADMSG once, and it is for good. */
static bool
sender_refuses(struct scene *s)
{
	for (int i = 0; i < 3; i++) {
		int err = shmq_send(s->pair.tx, "y", 1, 0);

		if (err == -EBADMSG) {
			SAME(-EBADMSG, shmq_reserve(s->pair.tx, &(struct iovec){0}, 1, 0));
			SAME(-EBADMSG, shmq_send(s->pair.tx, "y", 1, SHMQ_FOREVER));
			return true;
		}
		MUST(err == 0 || err == -EAGAIN || err == -EIDRM);
	}
	return false;
}

static bool
receiver_refuses(struct scene *s)
{
	char buf[KIND_MSG_MAX];

	for (int i = 0; i < 3; i++) {
		ssize_t got = shmq_recv(s->pair.rx, buf, sizeof(buf), 0);

		if (got == -EBADMSG) {
			SAME(-EBADMSG, shmq_recv(s->pair.rx, buf, sizeof(buf), SHMQ_FOREVER));
			return true;
		}
		MUST((got >= 0 && got <= KIND_MSG_MAX) || got == -EAGAIN || got == -EIDRM ||
		     got == -ESTALE);
	}
	return false;
}

/* How many of the damages were found out. */
static unsigned
damage_all(const struct kind *kind, bool sender)
{
	unsigned refused = 0;
	size_t at = LIFE_WORDS;

	for (unsigned pattern = 0; at < SIZE_MAX; pattern = (pattern + 1) % PATTERNS) {
		struct scene s;

		scene_begin(&s, kind);
		prepare(&s, sender);
		at = changed(&s, at);
		if (at < s.n) {
			damage(&s, at, patterns[pattern]);
			refused += sender ? sender_refuses(&s) : receiver_refuses(&s);
			at += pattern + 1 == PATTERNS;
		} else {
			at = SIZE_MAX;
		}
		scene_end(&s);
	}
	return refused;
}

Test(kind_damage, test_kind_damaged_message_receiver_ebadmsg)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (damage_all(&kinds[i], false) == 0)
			cr_assert_fail("%s: no damage was found out", kinds[i].name);
}

/*
 * Senders believe receivers only within bounds. One that overwrites believes nobody; and a reader of
 * broadcast that is nowhere is ejected, so that the others go on.
 */
Test(kind_damage, test_kind_damaged_room_sender_ebadmsg)
{
	for (unsigned i = 0; i < KINDS; i++) {
		unsigned refused = damage_all(&kinds[i], true);

		if (kinds[i].broadcast)
			SAME(0, refused);
		else if (refused == 0)
			cr_assert_fail("%s: no damage was found out", kinds[i].name);
	}
}
