/* SPDX-License-Identifier: MIT */
#include "stress/letter.h"

#include <string.h>

#include "support/process.h"

static uint64_t
word_of(const struct letter *letter, size_t i)
{
	uint64_t state = letter->sequence << 16 ^ letter->sender;

	return (state + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0xc2b2ae3d27d4eb4f);
}

size_t
letter_length(uint32_t sender, uint64_t sequence, size_t max)
{
	uint64_t state = sequence << 16 ^ sender, kind = random_below(&state, 8);

	if (kind == 0 || max == sizeof(struct letter))
		return sizeof(struct letter);
	if (kind == 1)
		return max;
	return sizeof(struct letter) + random_below(&state, max - sizeof(struct letter) + 1);
}

static uint64_t
checksum_of(const unsigned char *bytes, size_t length)
{
	uint64_t sum = length, word;

	for (size_t i = sizeof(uint64_t); i < length; i += 8) {
		word = 0;
		memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	return sum;
}

void
letter_write(void *out, const struct letter *letter, size_t max)
{
	struct letter head = *letter;
	unsigned char *bytes = out;
	size_t i;

	head.length = letter_length(head.sender, head.sequence, max);
	memcpy(bytes, &head, sizeof(head));
	for (i = sizeof(head); i < head.length; i += 8) {
		uint64_t word = word_of(letter, i);

		memcpy(bytes + i, &word, head.length - i < 8 ? head.length - i : 8);
	}
	head.checksum = checksum_of(bytes, head.length);
	memcpy(bytes, &head.checksum, sizeof(head.checksum));
}

bool
letter_read(struct letter *letter, const void *bytes, size_t length, size_t max)
{
	if (length < sizeof(*letter) || length > max)
		return false;
	memcpy(letter, bytes, sizeof(*letter));
	return letter->length == length && checksum_of(bytes, length) == letter->checksum &&
	       letter_length(letter->sender, letter->sequence, max) == length;
}
