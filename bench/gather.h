/* SPDX-License-Identifier: MIT */
/*
 * Batches for the loops, which know single messages: a sender's are gathered until there are
 * enough, or the last has come; a receiver's are handed out one by one. Only a message's first and
 * last word are written before it is sent and read after it was received, as with one by one.
 * C and C++.
 */
#ifndef SHMQ_BENCH_GATHER_H
#define SHMQ_BENCH_GATHER_H

#include <stdlib.h>

#include "loop.h"

struct gather {
	unsigned char *room; /* for `batch` messages, one right behind the other */
	size_t batch;
	size_t at, filled; /* the next message; of how many there are to hand out */
};

/** 0 or -ENOMEM. */
LOOP_INLINE int
gather_open(struct gather *gather, const struct bench_what *what)
{
	gather->room = (unsigned char *)calloc(what->batch, what->len);
	gather->batch = what->batch;
	gather->at = gather->filled = 0;
	return gather->room ? 0 : -ENOMEM;
}

LOOP_INLINE uint64_t *
gather_words(const struct gather *gather, size_t i, size_t len)
{
	return (uint64_t *)(void *)(gather->room + i * len);
}

/** Put one in; 1: they are to be sent now, all of `at`, which then is 0 again. */
LOOP_INLINE int
gather_put(struct gather *gather, const uint64_t *message, size_t len)
{
	loop_stamp(gather_words(gather, gather->at++, len), message[0], len);
	return gather->at == gather->batch || __builtin_expect(message[0] == LOOP_LAST, 0);
}

/** Take one out; `at` equal to `filled`: there is none. */
LOOP_INLINE void
gather_take(struct gather *gather, uint64_t *message, size_t len)
{
	const uint64_t *words = gather_words(gather, gather->at++, len);

	message[0] = words[0];
	message[len / 8 - 1] = words[len / 8 - 1];
}

#endif
