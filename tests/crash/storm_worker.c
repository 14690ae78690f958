/* SPDX-License-Identifier: MIT */
/* What senders and receivers of a storm have in common. */
#include "storm_worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "support/process.h"

/* One of the ways in `mask`, by chance. */
unsigned
storm_choose(unsigned mask, uint64_t *seed)
{
	unsigned n = (unsigned)random_below(seed, (uint64_t)__builtin_popcount(mask));

	for (; n; n--)
		mask &= mask - 1;
	return mask & -mask;
}

int64_t
storm_choose_timeout(uint64_t *seed)
{
	switch (random_below(seed, 4)) {
	case 0:
		return 0;
	case 1:
		return (int64_t)random_below(seed, 300000);
	default:
		return SHMQ_FOREVER;
	}
}

void
storm_set(uint64_t *word, uint64_t value)
{
	shmq_fence_compiler();
	shmq_store_relaxed_u64(word, value);
	shmq_fence_compiler();
}

void
storm_add(uint64_t *word, uint64_t more)
{
	storm_set(word, shmq_load_relaxed_u64(word) + more);
}

/* Relaxed, both: it is seen soon, and where it matters, the queue tells. */
bool
storm_is_removed(const struct storm_worker *w)
{
	return shmq_load_relaxed_u64(&w->storm->shared->removed);
}

bool
storm_is_to_leave(const struct storm_worker *w)
{
	const struct storm_seat *seat = &w->storm->shared->seats[w->producer][w->seat];

	return shmq_load_relaxed_u64(&seat->leave) == w->life;
}

/*
 * Attach; rivals for a role wait until it is free. NULL: the queue is gone (what has its address
 * now is no queue), or there is no more need.
 */
struct shmq *
storm_join(const struct storm_worker *w, unsigned role)
{
	struct shmq *q = NULL;
	int err;

	for (;;) {
		err = shmq_attach(&q, w->storm->place.attach, role);
		if (err != -EBUSY || !w->storm->sole[w->producer])
			break;
		if (storm_is_to_leave(w))
			return NULL;
		usleep(50);
	}
	if (storm_is_removed(w) &&
	    (err == -ENOENT || err == -EIDRM || err == -EINVAL || err == -EPROTONOSUPPORT))
		return NULL;
	SAME(0, err);
	storm_set(&w->storm->shared->seats[w->producer][w->seat].attached, w->life);
	return q;
}

/* There is nothing to do: now and then, sleep until the descriptor tells of something. */
void
storm_wait_for_bell(const struct storm_worker *w, struct shmq *q, uint64_t *seed)
{
	struct pollfd bell = {.events = POLLIN};

	if (!w->storm->bells || random_below(seed, 16))
		return;
	bell.fd = shmq_fd(q);
	MUST(bell.fd >= 0);
	MUST(poll(&bell, 1, 1000) == 1);
}

bool
storm_nothing_done(int64_t result)
{
	if (result == -EAGAIN)
		sched_yield();
	return result == -EAGAIN || result == -ETIMEDOUT;
}
