/* SPDX-License-Identifier: MIT */
#include "wait.h"

#include <errno.h>
#include <shmq/ring_spsc.h>
#include <shmq/shmq.h>

#define SLICE_BLOCKED_NS INT64_C(2000000) /* how late the death of who holds us up is found out */
#define SPIN_NS \
	INT64_C(100000) /* outlasts a futex round trip, or two who once slept sleep for ever: \
			   docs/design.md */
#define SPIN_LEAST_NS INT64_C(10000)
#define NAP_NS INT64_C(50000) /* the first one */
#define NAP_MOST_NS INT64_C(1000000)
#define SPINS_PER_CLOCK 64

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
			shmq_spsc_pause(SHMQ_SPSC_EMPTY_PAUSES);
		}
	} while (ops->now_ns() < end);
	return false;
}

uint32_t
shmqi_ticket_draw(struct format_sleep *words)
{
	/* TICKET, release: who reads this ticket, or a later one, adds to `events` after our read
	 * of it, and finds our bell. */
	return shmq_add_release_u32(&words->ticket, 1) + 1;
}

/* One slice of sleep, unless there have been `events` since. 0: look again. */
static int
doze(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, uint32_t events,
     int64_t slice_ns)
{
	struct format_sleep *words = wait->words;
	int err = 0;

	(void)shmqi_ticket_draw(words);
	/* SLEEP, fence: our ticket before our look, and, by membarrier, their publication before
	 * theirs. */
	shmq_fence_seq_cst();
	if (ops->barrier() != 0 && slice_ns > SHMQI_SLICE_UNFENCED_NS)
		slice_ns = SHMQI_SLICE_UNFENCED_NS;
	if (!wait->ready(wait->arg))
		err = ops->sleep(&words->events, events, slice_ns);
	return err == -EINTR ? err : 0;
}

/* How long somebody naps of whom no publisher knows, who napped so long before; 0: not yet. */
static int64_t
next_nap(int64_t nap_ns)
{
	if (nap_ns == 0)
		return NAP_NS;
	return nap_ns * 2 < NAP_MOST_NS ? nap_ns * 2 : NAP_MOST_NS;
}

static int
nap(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, uint32_t events,
    int64_t nap_ns)
{
	int err = ops->sleep(&wait->words->events, events, nap_ns);

	return err == -EINTR ? err : 0;
}

static int64_t
longest(const struct shmqi_wait *wait, bool blocked, int64_t nap_ns)
{
	if (wait->read_only)
		return nap_ns;
	return blocked ? SLICE_BLOCKED_NS : SHMQI_SLICE_NS;
}

/* One sleep, of the kind that this wait is for. */
static int
sleep_once(const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait, uint32_t events,
	   int64_t longest_ns, int64_t left_ns)
{
	int64_t ns = left_ns < longest_ns ? left_ns : longest_ns;

	return wait->read_only ? nap(ops, wait, events, ns) : doze(ops, wait, events, ns);
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
	int64_t begin = ops->now_ns(), now, deadline = deadline_of(begin, timeout_ns);
	int64_t spin_end = deadline_of(begin, spin_time(ops, wait)), nap_ns = 0;
	int err = 0;

	if (ops->spin_ns && spin(ops, wait, spin_end < deadline ? spin_end : deadline))
		return 0;
	while (err == 0) {
		/* WAKE, acquire: what was published, or given up, before this count is seen below.
		 * What comes after changes the count, and the futex does not sleep. */
		uint32_t events = shmq_load_acquire_u32(&wait->words->events);
		int blocked;

		if (wait->ready(wait->arg))
			break;
		now = ops->now_ns();
		blocked = wait->hopeless(wait->arg);
		err = blocked < 0 ? blocked : now >= deadline ? -ETIMEDOUT : 0;
		nap_ns = next_nap(nap_ns);
		if (err == 0)
			err = sleep_once(ops, wait, events, longest(wait, blocked, nap_ns),
					 deadline - now);
	}
	learn(ops, wait, ops->now_ns() - begin);
	return err && wait->ready(wait->arg) ? 0 : err;
}

void
shmqi_wake_begin(struct format_sleep *words, struct shmqi_due *due)
{
	/* Relaxed: where it ends is what counts; an older one wakes more. */
	due->woken = shmq_load_relaxed_u32(&words->woken);
	/* TICKET, acquire: whose tickets these are have read `events` before the add below, and
	 * show their bells. */
	due->ticket = shmq_load_acquire_u32(&words->ticket);
	/* WAKE, release: what we published is seen by who finds the new count. */
	shmq_add_release_u32(&words->events, 1);
}

void
shmqi_wake_end(struct format_sleep *words, const struct shmqi_due *due)
{
	/* Relaxed: only compared. It says what has been done, not what is visible: whoever skips
	 * its wake because of it relies on the sleeper being woken, which needs nothing more of us.
	 * */
	shmq_store_relaxed_u32(&words->woken, due->ticket);
}

void
shmqi_wake_always(struct format_sleep *words)
{
	struct shmqi_due due;

	shmqi_wake_begin(words, &due);
	shmqi_os_futex_wake(&words->events);
	shmqi_wake_end(words, &due);
}

void
shmqi_wake(struct format_sleep *words)
{
	if (shmqi_asleep(words))
		shmqi_wake_always(words);
}
