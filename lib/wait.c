/* SPDX-License-Identifier: MIT */
#include "wait.h"

#include "os.h"

#include <errno.h>
#include <shmq/shmq.h>

#define SLICE_NS INT64_C(50000000)
#define SLICE_UNFENCED_NS INT64_C(1000000)
#define SPIN_NS \
	INT64_C(100000) /* outlasts a futex round trip, or two who once slept sleep for ever: \
			   docs/design.md */
#define SPIN_LEAST_NS INT64_C(10000)
#define SPINS_PER_CLOCK 16

struct shmqi_wait_ops
shmqi_wait_real(void)
{
	return (struct shmqi_wait_ops){
		.now_ns = shmqi_os_now_ns,
		.sleep = shmqi_os_futex_wait,
		.barrier = shmqi_os_barrier_all,
		.spin_ns = shmqi_os_cpus() > 1 ? SPIN_NS : 0,
	};
}

static int64_t
deadline_of(int64_t now, int64_t timeout_ns)
{
	if (timeout_ns == SHMQ_FOREVER || timeout_ns > INT64_MAX - now)
		return INT64_MAX;
	return now + timeout_ns;
}

static bool
spin(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, int64_t end)
{
	do {
		for (int i = 0; i < SPINS_PER_CLOCK; i++) {
			if (wait->ready(wait->arg))
				return true;
			for (int pause = 0; pause < 4; pause++)
				shmq_pause();
		}
	} while (ops->now_ns() < end);
	return false;
}

/* Draw a ticket and show it. The caller has read `events` (W1). */
static void
lie_down(struct format_sleep *words)
{
	/* Relaxed: ours, no one else writes it. */
	uint32_t ticket = shmq_load_relaxed_u32(&words->ticket) + 1;

	ticket = ticket ? ticket : 1;
	shmq_store_relaxed_u32(&words->ticket, ticket);
	/* Relaxed: the fence that follows orders it. */
	shmq_store_relaxed_u32(&words->asleep, ticket);
}

static void
get_up(struct format_sleep *words)
{
	/* Relaxed: ours; a waker that still sees the ticket makes one spurious wake. */
	shmq_store_relaxed_u32(&words->asleep, 0);
}

/* One slice of sleep, unless there have been `events` since. 0: look again. */
static int
doze(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, uint32_t events,
     int64_t left_ns)
{
	struct format_sleep *words = wait->words;
	int64_t slice = SLICE_NS;
	int err = 0;

	lie_down(words);
	/* SLEEP, fence: our ticket before our look, and, by membarrier, their publication before
	 * theirs. */
	shmq_fence_seq_cst();
	if (ops->barrier() != 0)
		slice = SLICE_UNFENCED_NS;
	if (!wait->ready(wait->arg))
		err = ops->sleep(&words->events, events, left_ns < slice ? left_ns : slice);
	get_up(words);
	return err == -EINTR ? err : 0;
}

/*
 * Spin as long as that has been worth it: all of the limit when the last wait ended within it, half
 * as long after each that did not, down to a least that still catches a peer at work.
 */
static int64_t
spin_time(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait)
{
	if (!wait->spin_ns || *wait->spin_ns == 0 || *wait->spin_ns > ops->spin_ns)
		return ops->spin_ns;
	return *wait->spin_ns;
}

static void
learn(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, int64_t waited_ns)
{
	int64_t next = spin_time(ops, wait) / 2;

	if (!wait->spin_ns)
		return;
	if (waited_ns <= ops->spin_ns)
		next = ops->spin_ns;
	*wait->spin_ns = next < SPIN_LEAST_NS ? SPIN_LEAST_NS : next;
}

int
shmqi_wait(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, int64_t timeout_ns)
{
	int64_t begin = ops->now_ns(), now = begin, deadline = deadline_of(begin, timeout_ns);
	int64_t spin_end = deadline_of(begin, spin_time(ops, wait));
	int err = 0;

	if (ops->spin_ns && spin(ops, wait, spin_end < deadline ? spin_end : deadline))
		return 0;
	while (err == 0) {
		/* WAKE, acquire: what was published, or given up, before this count is seen below.
		 * What comes after changes the count, and the futex does not sleep. */
		uint32_t events = shmq_load_acquire_u32(&wait->words->events);

		if (wait->ready(wait->arg))
			break;
		now = ops->now_ns();
		err = wait->hopeless(wait->arg);
		if (err == 0 && now >= deadline)
			err = -ETIMEDOUT;
		if (err == 0)
			err = doze(ops, wait, events, deadline - now);
	}
	learn(ops, wait, ops->now_ns() - begin);
	return err && wait->ready(wait->arg) ? 0 : err;
}

void
shmqi_wake_always(struct format_sleep *words)
{
	/* WAKE, release: what we published is seen by who finds the new count. */
	shmq_add_release_u32(&words->events, 1);
	shmqi_os_futex_wake(&words->events);
}

void
shmqi_wake(struct format_sleep *words, uint32_t *woken)
{
	/* Relaxed: only compared; the add below orders what matters. */
	uint32_t ticket = shmq_load_relaxed_u32(&words->asleep);

	if (ticket == 0 || ticket == *woken)
		return;
	*woken = ticket;
	shmqi_wake_always(words);
}
