/* SPDX-License-Identifier: MIT */
#include "support/message.h"

#include <stdio.h>
#include <string.h>

#include "support/process.h"

struct head {
	uint64_t sequence;
	uint64_t length;
	uint64_t checksum; /* of the words behind */
};

/* The i-th word of message `sequence`. */
static uint64_t
word_of(uint64_t sequence, size_t i)
{
	return (sequence + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0xc2b2ae3d27d4eb4f);
}

size_t
message_length(uint64_t sequence, size_t max)
{
	uint64_t state = sequence;
	uint64_t kind = random_below(&state, 8);

	if (kind == 0)
		return 0;
	return kind == 1 ? max : (size_t)random_below(&state, (uint64_t)max + 1);
}

static void
pattern(unsigned char *out, uint64_t sequence, size_t length)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= length; i += 8) {
		word = word_of(sequence, i);
		memcpy(out + i, &word, 8);
	}
	word = word_of(sequence, i);
	memcpy(out + i, &word, length - i);
}

static uint64_t
checksum_of(const unsigned char *bytes, size_t length)
{
	uint64_t sum = length, word;

	for (size_t i = 0; i < length; i += 8) {
		word = 0;
		memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	return sum;
}

void
message_fill(void *out, uint64_t sequence, size_t length)
{
	struct head head = {.sequence = sequence, .length = length};
	unsigned char *bytes = out;

	if (length < sizeof(head)) {
		pattern(bytes, sequence, length);
		return;
	}
	pattern(bytes + sizeof(head), sequence, length - sizeof(head));
	head.checksum = checksum_of(bytes + sizeof(head), length - sizeof(head));
	memcpy(bytes, &head, sizeof(head));
}

static void
check_short(const unsigned char *bytes, size_t length, uint64_t sequence)
{
	unsigned char want[sizeof(struct head)];

	pattern(want, sequence, length);
	MUST(memcmp(bytes, want, length) == 0);
}

void
message_check(const void *bytes, size_t length, uint64_t sequence, size_t max)
{
	const unsigned char *body = (const unsigned char *)bytes + sizeof(struct head);
	struct head head;

	if (length < sizeof(head)) {
		SAME(message_length(sequence, max), length);
		check_short(bytes, length, sequence);
		return;
	}
	memcpy(&head, bytes, sizeof(head));
	SAME(sequence, head.sequence); /* more: lost; less: repeated or out of order */
	SAME(message_length(sequence, max), length);
	SAME(length, head.length);
	SAME(checksum_of(body, length - sizeof(head)), head.checksum);
	for (size_t i = 0; i + 8 <= length - sizeof(head); i += 8) {
		uint64_t word;

		memcpy(&word, body + i, 8);
		MUST(word == word_of(sequence, i));
	}
}
