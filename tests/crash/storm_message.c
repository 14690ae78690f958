/* SPDX-License-Identifier: MIT */
/* Messages of a storm: who sent it, its number, and bytes that follow from both. */
#include <string.h>

#include "storm.h"
#include "support/process.h"

struct head {
	uint32_t seat, length;
	uint64_t number, stamp, check;
};

static uint64_t
mix(uint64_t a, uint64_t b)
{
	uint64_t state = a * UINT64_C(0xff51afd7ed558ccd) + b;

	return random_next(&state);
}

static uint64_t
check_of(const struct head *head)
{
	return mix(mix(head->number, head->seat + 1), mix(head->stamp, head->length + 7));
}

size_t
storm_length(const struct storm *storm, const struct storm_message *m)
{
	size_t room = storm->kind->opts.msg_max - sizeof(struct head);

	return sizeof(struct head) + mix(m->number, m->seat) % (room + 1);
}

/* Bytes behind the head: eight at a time, the last ones a part of such a word. */
static uint64_t
word_at(const struct head *head, size_t at)
{
	return head->check + at * UINT64_C(0x9e3779b97f4a7c15);
}

void
storm_fill(void *bytes, size_t length, const struct storm_message *m)
{
	struct head head = {.seat = m->seat,
			    .length = (uint32_t)length,
			    .number = m->number,
			    .stamp = m->stamp};
	unsigned char *out = bytes;

	head.check = check_of(&head);
	memcpy(out, &head, sizeof(head));
	for (size_t at = sizeof(head); at < length; at += 8) {
		uint64_t word = word_at(&head, at);

		memcpy(out + at, &word, length - at < 8 ? length - at : 8);
	}
}

struct storm_message
storm_check(const struct storm *storm, const void *bytes, size_t length)
{
	const unsigned char *in = bytes;
	struct head head;
	struct storm_message m;

	MUST(length >= sizeof(head));
	memcpy(&head, in, sizeof(head));
	MUST(head.check == check_of(&head));
	SAME(length, head.length);
	for (size_t at = sizeof(head); at < length; at += 8) {
		uint64_t word = word_at(&head, at);

		MUST(memcmp(in + at, &word, length - at < 8 ? length - at : 8) == 0);
	}
	m = (struct storm_message){head.seat, head.number, head.stamp};
	MUST(m.seat < STORM_SEATS && m.number < STORM_SENT);
	SAME(storm_length(storm, &m), length);
	return m;
}
