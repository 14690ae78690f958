/* SPDX-License-Identifier: MIT */
/*
 * Letters: messages that say who sent them and which they are. Sender and sequence number decide
 * length and every byte, and a checksum of all of it comes first, so that loss, repetition, disorder
 * and tearing can be told apart whoever receives them.
 */
#ifndef TESTS_STRESS_LETTER_H
#define TESTS_STRESS_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct letter {
	uint64_t checksum; /* of the rest, and of the bytes behind it */
	uint64_t sequence; /* of this sender, from 0 */
	uint32_t sender;
	uint32_t stay; /* how often the sender had attached before */
	uint64_t length;
};

/* How long this one is, sizeof(struct letter)..max: the shortest and the longest often. */
size_t letter_length(uint32_t sender, uint64_t sequence, size_t max);
/* Write it, checksum, length and bytes; sender, sequence and stay are given. */
void letter_write(void *out, const struct letter *letter, size_t max);
/* Read one; false: it is not what letter_write() wrote. */
bool letter_read(struct letter *letter, const void *bytes, size_t length, size_t max);

#endif
