/* SPDX-License-Identifier: MIT */
/* REMOVED: who sees that the queue was removed knows what was done before. */
#include "model.h"

static inline void
removed_store_release(uint32_t *p, uint32_t value)
{
	if (WEAKEN == REMOVED_RELEASE)
		shmq_store_relaxed_u32(p, value);
	else
		shmq_store_release_u32(p, value);
}

static inline uint32_t
removed_load_acquire(const uint32_t *p)
{
	return WEAKEN == REMOVED_ACQUIRE ? shmq_load_relaxed_u32(p) : shmq_load_acquire_u32(p);
}

#undef shmq_load_acquire_u32
#define shmq_store_release_u32 removed_store_release
#define shmq_load_acquire_u32 removed_load_acquire

#include "seg_control.c"

#include "queue_wait.c"

#include "carries.h"

static _Alignas(FORMAT_PAGE) unsigned char memory[2 * FORMAT_PAGE];
static const struct shmqi_geometry geometry = {.kind = SHMQ_SEGMENT};
static struct shmq queue;

static void
reset(void)
{
	memset(memory, 0, sizeof(memory));
	queue.hot.removed = &format_lifecycle(memory)->removed;
}

static void
give(void)
{
	mark(memory, &geometry);
}

static bool
got(void)
{
	return shmqi_queue_removed(&queue, false);
}

int
main(void)
{
	return carries_run();
}

/* What is reached of other files; what is not is not linked. */

void
shmqi_queue_wake_everybody(void *object, const struct shmqi_geometry *g)
{
	(void)object;
	(void)g;
}

int
shmqi_seg_spare(struct shmq_seg *seg)
{
	(void)seg;
	return -1;
}
