/* SPDX-License-Identifier: MIT */
/*
 * Copies between private memory and a slot that somebody else may write, or read, at the same
 * time.
 *
 * The slot's side is accessed as relaxed atomic 64-bit words: a race is no undefined behaviour, it
 * gives bytes of either message. Whoever reads proves by the slot's word, afterwards, that
 * there was no race, and does not look at the bytes before. Relaxed is enough: the edge on the
 * slot's word orders them, together with a fence where the reader does not write that word.
 *
 * The slot's side begins at a multiple of 8, and its last word is accessed whole: slots are padded.
 */
#ifndef SHMQ_RACY_H
#define SHMQ_RACY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <shmq/atomic.h>

/* Fewer than 8 bytes, private on both sides, without a call. */
SHMQ_INLINE void
racy_few(void *to, const void *from, size_t n)
{
	unsigned char *out = (unsigned char *)to;
	const unsigned char *in = (const unsigned char *)from;

	if (n & 4)
		memcpy(out, in, 4);
	out += n & 4;
	in += n & 4;
	if (n & 2)
		memcpy(out, in, 2);
	out += n & 2;
	in += n & 2;
	if (n & 1)
		*out = *in;
}

/* Copy `n` bytes into a slot. */
SHMQ_INLINE void
shmqi_copy_in(void *shared, const void *from, size_t n)
{
	uint64_t *out = (uint64_t *)shared;
	const unsigned char *in = (const unsigned char *)from;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), in += sizeof(word)) {
		memcpy(&word, in, sizeof(word));
		shmq_store_relaxed_u64(out++, word);
	}
	if (n) {
		word = 0;
		racy_few(&word, in, n);
		shmq_store_relaxed_u64(out, word);
	}
}

/* Copy `n` bytes out of a slot. */
SHMQ_INLINE void
shmqi_copy_out(void *to, const void *shared, size_t n)
{
	unsigned char *out = (unsigned char *)to;
	const uint64_t *in = (const uint64_t *)shared;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), out += sizeof(word)) {
		word = shmq_load_relaxed_u64(in++);
		memcpy(out, &word, sizeof(word));
	}
	if (n) {
		word = shmq_load_relaxed_u64(in);
		racy_few(out, &word, n);
	}
}

#endif
