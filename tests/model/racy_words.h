/* SPDX-License-Identifier: MIT */
/* The copies of lib/racy.h, of whole words: the checker knows no memcpy(). Comes before the ring under test. */
#ifndef RACY_WORDS_H
#define RACY_WORDS_H

#include "weaken_rings.h"

#include "racy.h"

static inline void
model_copy_in(void *shared, const void *from, size_t n)
{
	for (size_t i = 0; i < n / 8; i++)
		shmq_store_relaxed_u64((uint64_t *)shared + i, ((const uint64_t *)from)[i]);
}

static inline void
model_copy_out(void *to, const void *shared, size_t n)
{
	for (size_t i = 0; i < n / 8; i++)
		((uint64_t *)to)[i] = shmq_load_relaxed_u64((const uint64_t *)shared + i);
}

#define shmqi_copy_in model_copy_in
#define shmqi_copy_out model_copy_out

#endif
