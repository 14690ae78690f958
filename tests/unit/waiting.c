/* SPDX-License-Identifier: MIT */
/* lib/wait.c with a clock, a sleep and a barrier of our own: how long, how often, and who wakes whom. */
#include <criterion/criterion.h>
#include <errno.h>
#include <shmq/shmq.h>
#include <stdlib.h>

#include "support/process.h"
#include "wait.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define NEVER INT64_MAX

/* The world as the code under test sees it. A sleep lasts as long as asked unless it is told otherwise. */
static struct {
	struct format_sleep words;
	int64_t now, tick;	/* each look at the clock takes one tick */
	int64_t ready_at;	/* there is work from this time on */
	int ready_after_sleeps; /* or from the end of so many sleeps on; -1: not by that */
	int sleep_result;	/* 0: woken for nothing at once; -ETIMEDOUT: it lasts */
	int barrier_result;
	bool read_only;
	bool wake_in_barrier; /* a publisher comes between ticket and sleep */
	int hopeless_after;   /* sleeps, until waiting is in vain; -1: never */
	int hopeless_result;
	/* what was seen */
	uint32_t first_ticket;
	unsigned looks, clocks, hopeless_asked, sleeps, barriers;
	int64_t slept, longest, last;
	uint32_t tickets[64];
} fake;

static int64_t
fake_now(void)
{
	fake.clocks++;
	return fake.now += fake.tick;
}

static bool
fake_ready(void *arg)
{
	SAME(1, arg == &fake);
	fake.looks++;
	return fake.now >= fake.ready_at ||
	       (fake.ready_after_sleeps >= 0 && (int)fake.sleeps >= fake.ready_after_sleeps);
}

static int
fake_hopeless(void *arg)
{
	SAME(1, arg == &fake);
	SAME(fake.sleeps, fake.hopeless_asked);
	fake.hopeless_asked++;
	/* It is asked before it lies down. */
	SAME(fake.read_only ? 0 : fake.sleeps, fake.words.ticket - fake.first_ticket);
	return fake.hopeless_after >= 0 && (int)fake.sleeps >= fake.hopeless_after
		       ? fake.hopeless_result
		       : 0;
}

static int
fake_barrier(void)
{
	fake.barriers++;
	SAME(fake.barriers, fake.words.ticket - fake.first_ticket);
	if (fake.wake_in_barrier)
		shmqi_wake(&fake.words);
	return fake.barrier_result;
}

static int
fake_sleep(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	MUST(word == &fake.words.events);
	MUST(timeout_ns > 0);
	MUST(fake.wake_in_barrier || shmqi_asleep(&fake.words) != fake.read_only);
	fake.tickets[fake.sleeps % 64] = fake.words.ticket;
	fake.sleeps++;
	if (*word != seen) /* as the futex does */
		return 0;
	fake.last = timeout_ns;
	fake.longest = timeout_ns > fake.longest ? timeout_ns : fake.longest;
	if (fake.sleep_result != -ETIMEDOUT)
		return fake.sleep_result;
	fake.slept += timeout_ns;
	fake.now += timeout_ns;
	return -ETIMEDOUT;
}

static void
begin(void)
{
	process_begin();
	fake.tick = 1;
	fake.ready_at = NEVER;
	fake.ready_after_sleeps = fake.hopeless_after = -1;
	fake.sleep_result = -ETIMEDOUT;
	fake.hopeless_result = -EPIPE;
}

TestSuite(waiting, .init = begin);

static int
wait_for(int64_t spin_ns, int64_t timeout_ns)
{
	struct shmqi_wait_ops ops = {fake_now, fake_sleep, fake_barrier, spin_ns};
	struct shmqi_wait wait = {
		.words = &fake.words,
		.read_only = fake.read_only,
		.ready = fake_ready,
		.hopeless = fake_hopeless,
		.arg = &fake,
	};

	fake.first_ticket = fake.words.ticket;
	fake.sleeps = fake.barriers = fake.hopeless_asked = 0;
	return shmqi_wait(&ops, &wait, timeout_ns);
}

/* Spin --------------------------------------------------------------------------------------- */

Test(waiting, test_wait_ready_during_spin_no_sleep)
{
	fake.tick = US;
	fake.ready_at = 5 * US;
	SAME(0, wait_for(20 * US, SHMQ_FOREVER));
	SAME(0, fake.sleeps);
	SAME(0, fake.barriers);
	SAME(0, fake.hopeless_asked);
	SAME(0, fake.words.ticket);
}

Test(waiting, test_wait_spin_is_bounded)
{
	fake.tick = US;
	fake.ready_after_sleeps = 1;
	SAME(0, wait_for(20 * US, SHMQ_FOREVER));
	SAME(1, fake.sleeps);
	/* One look at the clock a microsecond: about as many as the spin has microseconds. */
	MUST(fake.clocks <= 30);
	MUST(fake.looks < 30 * 100);
}

Test(waiting, test_wait_spin_ends_at_the_deadline)
{
	fake.tick = US;
	SAME(-ETIMEDOUT, wait_for(1000 * MS, 50 * US));
	MUST(fake.now >= 50 * US && fake.now < 60 * US);
	SAME(0, fake.sleeps);
}

Test(waiting, test_wait_without_spin_sleeps_at_once)
{
	fake.ready_after_sleeps = 1;
	SAME(0, wait_for(0, SHMQ_FOREVER));
	SAME(1, fake.sleeps);
	MUST(fake.looks <= 4);
}

/* Slices ------------------------------------------------------------------------------------- */

Test(waiting, test_wait_slices_are_50_ms_and_meet_the_deadline)
{
	fake.tick = 0;
	SAME(-ETIMEDOUT, wait_for(0, 1025 * MS));
	SAME(50 * MS, fake.longest);
	SAME(1025 * MS, fake.slept);
	SAME(25 * MS, fake.last);
	SAME(21, fake.sleeps);
	SAME(fake.sleeps, fake.barriers);
}

Test(waiting, test_wait_without_membarrier_slices_are_1_ms)
{
	fake.tick = 0;
	fake.barrier_result = -ENOSYS;
	SAME(-ETIMEDOUT, wait_for(0, 10 * MS + 7));
	SAME(1 * MS, fake.longest);
	SAME(7, fake.last);
	SAME(11, fake.sleeps);
}

/* Blocked on what somebody holds who may be dead: the next look is soon. */
Test(waiting, test_wait_blocked_slices_are_2_ms)
{
	fake.tick = 0;
	fake.hopeless_after = 0;
	fake.hopeless_result = 1;
	SAME(-ETIMEDOUT, wait_for(0, 9 * MS));
	SAME(2 * MS, fake.longest);
	SAME(1 * MS, fake.last);
	SAME(5, fake.sleeps);
	SAME(6, fake.hopeless_asked);
}

Test(waiting, test_wait_blocked_without_membarrier_slices_are_1_ms)
{
	fake.tick = 0;
	fake.hopeless_after = 0;
	fake.hopeless_result = 1;
	fake.barrier_result = -ENOSYS;
	SAME(-ETIMEDOUT, wait_for(0, 3 * MS));
	SAME(1 * MS, fake.longest);
}

/* Who cannot write draws no ticket: nobody knows of it, so it looks often, though less and less so. */
Test(waiting, test_wait_read_only_naps)
{
	fake.tick = 0;
	fake.read_only = true;
	SAME(-ETIMEDOUT, wait_for(0, 10 * MS));
	SAME(0, fake.words.ticket + fake.barriers);
	SAME(1 * MS, fake.longest);
	SAME(10 * MS, fake.slept);
	SAME(14, fake.sleeps); /* 50, 100, 200, 400, 800 us, 8 x 1 ms, and the rest */
	SAME(450 * US, fake.last);
	fake.slept = fake.longest = 0;
	SAME(-ETIMEDOUT, wait_for(0, 7 * US));
	SAME(7 * US, fake.slept);
}

Test(waiting, test_wait_read_only_ends)
{
	fake.tick = 0;
	fake.read_only = true;
	fake.ready_after_sleeps = 3;
	SAME(0, wait_for(0, SHMQ_FOREVER));
	fake.ready_after_sleeps = -1;
	fake.hopeless_after = 3;
	SAME(-EPIPE, wait_for(0, SHMQ_FOREVER));
	fake.hopeless_after = -1;
	fake.sleep_result = -EINTR;
	SAME(-EINTR, wait_for(0, SHMQ_FOREVER));
}

/* Only the sleeps in which it is blocked are short. */
Test(waiting, test_wait_blocked_later_slices_change)
{
	fake.tick = 0;
	fake.hopeless_after = 2;
	fake.hopeless_result = 1;
	SAME(-ETIMEDOUT, wait_for(0, 104 * MS));
	SAME(50 * MS, fake.longest);
	SAME(4, fake.sleeps);
}

Test(waiting, test_wait_shorter_than_a_slice)
{
	fake.tick = 0;
	SAME(-ETIMEDOUT, wait_for(0, 1));
	SAME(1, fake.slept);
	SAME(1, fake.sleeps);
}

Test(waiting, test_wait_forever_goes_on)
{
	fake.now = INT64_MAX / 2;
	fake.ready_after_sleeps = 5000;
	SAME(0, wait_for(0, SHMQ_FOREVER));
	SAME(5000, fake.sleeps);
	SAME(50 * MS, fake.longest);
}

Test(waiting, test_wait_longest_timeouts_do_not_overflow)
{
	static const int64_t timeouts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX - 50 * MS};

	for (int i = 0; i < 3; i++) {
		fake.now = 1000 * MS;
		fake.ready_after_sleeps = 3;
		SAME(0, wait_for(10 * US, timeouts[i]));
		SAME(3, fake.sleeps);
		SAME(50 * MS, fake.longest);
	}
}

Test(waiting, test_wait_spurious_wakes_do_not_end_it)
{
	fake.tick = US;
	fake.sleep_result = 0;
	SAME(-ETIMEDOUT, wait_for(0, 40 * US));
	MUST(fake.sleeps > 5);
	MUST(fake.now >= 40 * US);
}

/* Reasons to stop ---------------------------------------------------------------------------- */

Test(waiting, test_wait_hopeless_says_why)
{
	fake.hopeless_after = 3;
	SAME(-EPIPE, wait_for(0, SHMQ_FOREVER));
	SAME(3, fake.sleeps);
	SAME(4, fake.hopeless_asked);
}

Test(waiting, test_wait_hopeless_comes_before_timeout)
{
	fake.hopeless_after = 0;
	SAME(-EPIPE, wait_for(0, 1));
	SAME(0, fake.sleeps);
}

/* What came last, before the peer was gone, is not lost. */
Test(waiting, test_wait_ready_beats_hopeless)
{
	fake.tick = 0;
	fake.hopeless_after = fake.ready_after_sleeps = 2;
	SAME(0, wait_for(0, SHMQ_FOREVER));
}

Test(waiting, test_wait_signal_eintr)
{
	fake.sleep_result = -EINTR;
	SAME(-EINTR, wait_for(0, SHMQ_FOREVER));
	SAME(1, fake.sleeps);
}

Test(waiting, test_wait_ready_beats_signal)
{
	fake.sleep_result = -EINTR;
	fake.ready_after_sleeps = 1;
	SAME(0, wait_for(0, SHMQ_FOREVER));
}

/* Tickets ------------------------------------------------------------------------------------ */

Test(waiting, test_ticket_of_each_sleep_is_new)
{
	fake.tick = 0;
	fake.words.ticket = 41;
	SAME(-ETIMEDOUT, wait_for(0, 500 * MS));
	SAME(10, fake.sleeps);
	for (unsigned i = 0; i < 10; i++)
		SAME(42 + i, fake.tickets[i]);
}

/* Tickets are only compared for equality: none is special. */
Test(waiting, test_ticket_wraps)
{
	fake.tick = 0;
	fake.words.ticket = fake.words.woken = UINT32_MAX - 1;
	SAME(-ETIMEDOUT, wait_for(0, 150 * MS));
	SAME(UINT32_MAX, fake.tickets[0]);
	SAME(0, fake.tickets[1]);
	SAME(1, fake.tickets[2]);
	MUST(shmqi_asleep(&fake.words));
}

/* W1: whoever sees the ticket changes the count that the futex compares. */
Test(waiting, test_wake_between_ticket_and_sleep_is_not_lost)
{
	fake.tick = 0;
	fake.wake_in_barrier = true;
	fake.ready_after_sleeps = 4;
	SAME(0, wait_for(0, SHMQ_FOREVER));
	SAME(0, fake.slept);
	SAME(4, fake.words.events);
}

/* Whoever saw no more than a ticket of an earlier sleep does not hide this one. */
Test(waiting, test_sleeper_never_clears)
{
	fake.tick = 0;
	SAME(-ETIMEDOUT, wait_for(0, 100 * MS));
	SAME(2, fake.words.ticket);
	SAME(0, fake.words.woken + fake.words.events);
	MUST(shmqi_asleep(&fake.words));
}

Test(waiting, test_wake_once_for_all_publishers)
{
	struct format_sleep words = {.events = 0};

	MUST(!shmqi_asleep(&words));
	shmqi_wake(&words);
	SAME(0, words.events);
	words.ticket = 5; /* five lie down */
	for (int publisher = 0; publisher < 3; publisher++)
		shmqi_wake(&words);
	SAME(1, words.events);
	SAME(5, words.woken);
	words.ticket = 6; /* one more */
	MUST(shmqi_asleep(&words));
	shmqi_wake(&words);
	SAME(2, words.events);
	MUST(!shmqi_asleep(&words));
	SAME(6, words.ticket);
}

/* W3: what came after the waker's look is not said to be woken. */
Test(waiting, test_ticket_drawn_during_wake_stays_due)
{
	struct format_sleep words = {.ticket = 1};
	struct shmqi_due due;

	shmqi_wake_begin(&words, &due);
	SAME(0, due.woken);
	SAME(1, due.ticket);
	SAME(1, words.events); /* W1: before the system call */
	SAME(2, shmqi_ticket_draw(&words));
	shmqi_wake_end(&words, &due);
	SAME(1, words.woken);
	MUST(shmqi_asleep(&words));
}

/* A waker that was held up stores an old ticket: one wake for nothing, and no more. */
Test(waiting, test_late_waker_costs_one_wake)
{
	struct format_sleep words = {.ticket = 1};
	struct shmqi_due late;

	shmqi_wake_begin(&words, &late);
	words.ticket = 2;
	shmqi_wake(&words);
	SAME(2, words.events);
	shmqi_wake_end(&words, &late);
	MUST(shmqi_asleep(&words));
	for (int i = 0; i < 3; i++)
		shmqi_wake(&words);
	SAME(3, words.events);
	SAME(2, words.woken);
}

Test(waiting, test_wake_always_counts_always)
{
	struct format_sleep words = {.events = UINT32_MAX, .ticket = 7, .woken = 7};

	shmqi_wake_always(&words);
	SAME(0, words.events);
	shmqi_wake_always(&words);
	SAME(1, words.events);
	SAME(7, words.ticket);
	SAME(7, words.woken);
	words.ticket = 8;
	shmqi_wake_always(&words);
	SAME(8, words.woken);
}

/* The real ones -------------------------------------------------------------------------------- */

Test(waiting, test_real_ops_wait_and_time_out)
{
	struct shmqi_wait_ops ops = shmqi_wait_real();
	struct shmqi_wait wait = {
		.words = &fake.words,
		.ready = fake_ready,
		.hopeless = fake_hopeless,
		.arg = &fake,
	};
	int64_t before = ops.now_ns();

	/* Its hopeless() is asked once a sleep, which is not counted here. */
	fake.hopeless_asked = fake.sleeps = 0;
	SAME(-ETIMEDOUT, ops.sleep(&fake.words.events, 0, MS));
	SAME(0, ops.sleep(&fake.words.events, 1, 1000 * MS)); /* it is not 1: no sleep */
	MUST(ops.now_ns() - before >= MS);
	SAME(-ETIMEDOUT, shmqi_wait(&ops, &wait, 10 * US));
	MUST(ops.spin_ns >= 0);
}
