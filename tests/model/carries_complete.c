/* SPDX-License-Identifier: MIT */
/* COMPLETE: who finds the magic number finds the whole of the queue. */
#include "model.h"

static inline void
complete_store_release(uint64_t *p, uint64_t value)
{
	if (WEAKEN == COMPLETE_RELEASE)
		shmq_store_relaxed_u64(p, value);
	else
		shmq_store_release_u64(p, value);
}

static inline uint64_t
complete_load_acquire(const uint64_t *p)
{
	return WEAKEN == COMPLETE_ACQUIRE ? shmq_load_relaxed_u64(p) : shmq_load_acquire_u64(p);
}

#undef shmq_store_release_u64
#undef shmq_load_acquire_u64
#define shmq_store_release_u64 complete_store_release
#define shmq_load_acquire_u64 complete_load_acquire

#include "format.c"

#include "carries.h"

static _Alignas(FORMAT_PAGE) unsigned char object[2 * FORMAT_PAGE];

static void
reset(void)
{
	memset(object, 0, sizeof(object));
}

static void
give(void)
{
	shmqi_format_publish((struct format_header *)(void *)object);
}

/* The rest of this header is no queue's. */
static bool
got(void)
{
	struct shmqi_geometry g;
	struct format_header copy = {0};

	(void)shmqi_format_check((const struct format_header *)(const void *)object, sizeof(object),
				 &copy, &g);
	return copy.magic == FORMAT_MAGIC;
}

int
main(void)
{
	return carries_run();
}
