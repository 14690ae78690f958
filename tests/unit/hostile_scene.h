/* SPDX-License-Identifier: MIT */
/* A live queue of a kind, with both ends, and its memory as a hostile peer has it. */
#ifndef TESTS_UNIT_HOSTILE_SCENE_H
#define TESTS_UNIT_HOSTILE_SCENE_H

#include "kinds.h"

#include <string.h>

#include "format.h"

#define LETTERS 4

struct scene {
	struct pair pair;
	struct object o;
	struct format_header header;
	struct format_control *control;
	struct format_lane *lanes; /* MPSC, lossless broadcast */
	struct format_participant *entries;
};

static inline const struct kind *
kind_named(const char *name)
{
	unsigned i = 0;

	while (i < KINDS && strcmp(kinds[i].name, name) != 0)
		i++;
	MUST(i < KINDS);
	return &kinds[i];
}

static inline void
scene_begin(struct scene *s, const char *kind)
{
	s->pair = pair_open(kind_named(kind), ON_SHM);
	s->o = object_map(&s->pair.p);
	memcpy(&s->header, s->o.bytes, sizeof(s->header));
	s->control = (struct format_control *)(void *)(s->o.bytes + s->header.control_offset);
	s->lanes = (struct format_lane *)(void *)(s->control + 1);
	s->entries = format_participants(s->o.bytes);
}

static inline void
scene_end(struct scene *s)
{
	object_unmap(&s->o);
	pair_close(&s->pair);
}

/* The n-th word of a ring's data; of slots: of the n-th slot. */
static inline uint64_t *
data_word(struct scene *s, unsigned lane, uint64_t slot, uint64_t n)
{
	uint64_t at = s->header.data_offset + lane * s->header.lane_bytes;

	return (uint64_t *)(void *)(s->o.bytes + at + slot * s->header.slot_bytes) + n;
}

/* Relaxed: one thread. */
static inline void
put(uint64_t *word, uint64_t value)
{
	shmq_store_relaxed_u64(word, value);
}

static inline ssize_t
recv_now(struct shmq *q)
{
	char buf[KIND_MSG_MAX];

	return shmq_recv(q, buf, sizeof(buf), 0);
}

/* Some messages, one by one: nothing is lost. */
static inline void
traffic(struct scene *s)
{
	for (char letter = 'a'; letter < 'a' + LETTERS; letter++) {
		pair_send(&s->pair, letter);
		pair_recv(&s->pair, letter);
	}
}

#endif
