/* SPDX-License-Identifier: MIT */
/* lib/bell.c: who is rung, who is not, and when a descriptor becomes readable without a ring. */
#include "bell_world.h"

#include <sys/epoll.h>

#include "support/leak.h"

TestSuite(bell, .init = begin, .fini = end, .timeout = 120);

/* One bell ----------------------------------------------------------------------------------- */

Test(bell, test_open_close_leaves_nothing)
{
	struct leak_count before = leak_count();
	struct shmqi_bell bell = opened(3);
	uint64_t nonce = world->participants[3].bell;

	MUST(bell.open && nonce != 0 && exists(nonce));
	MUST(!readable(bell.fd, 0));
	SAME(0, world->receivers.ticket + world->receivers.armed);
	shmqi_bell_close(&bell);
	MUST(!exists(nonce));
	SAME(0, world->participants[3].bell);
	shmqi_bell_close(&bell);
	memset(&bell, 0, sizeof(bell));
	shmqi_bell_close(&bell); /* of a handle that never had one: descriptor 0 is not its own */
	MUST(fcntl(0, F_GETFD) >= 0);
	leak_none_since(before);
}

Test(bell, test_armed_then_published_readable_until_asked)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	MUST(!rung(&bell));
	publish();
	for (int look = 0; look < 3; look++)
		MUST(readable(bell.fd, SOON_MS));
	MUST(rung(&bell));
	world->published = 0; /* received; and the next call finds nothing */
	armed(&bell, BELL_RECEIVERS);
	MUST(!rung(&bell));
	publish();
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
}

/* It can be polled through another epoll descriptor. */
Test(bell, test_descriptor_in_epoll_readable)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct shmqi_bell bell = opened(0);
	int fd = epoll_create1(EPOLL_CLOEXEC);

	SAME(0, epoll_ctl(fd, EPOLL_CTL_ADD, bell.fd, &event));
	armed(&bell, BELL_RECEIVERS);
	publish();
	SAME(1, epoll_wait(fd, &event, 1, SOON_MS));
	close(fd);
	shmqi_bell_close(&bell);
}

Test(bell, test_published_before_look_rings_itself)
{
	struct shmqi_bell bell = opened(0);

	world->published = 1; /* by one who did not see us */
	armed(&bell, BELL_RECEIVERS);
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
}

Test(bell, test_publisher_between_ticket_and_look_rings)
{
	struct shmqi_bell bell = opened(0);

	fake.in_barrier = wake_receivers;
	armed(&bell, BELL_RECEIVERS);
	SAME(1, fake.barriers);
	SAME(1, world->receivers.woken);
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
}

static void
count_news(void)
{
	world->receivers.events++; /* a waker that saw no ticket, and does not ring */
}

Test(bell, test_news_between_ticket_and_look_rings_itself)
{
	struct shmqi_bell bell = opened(0);

	fake.in_barrier = count_news;
	armed(&bell, BELL_RECEIVERS);
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
}

Test(bell, test_wake_always_rings)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	shmqi_bell_wake_always(&ringer, &world->receivers, BELL_RECEIVERS);
	MUST(rung(&bell));
	SAME(1, world->receivers.woken);
	armed(&bell, BELL_RECEIVERS);
	SAME(1, world->receivers.events);
	shmqi_bell_wake_always(&ringer, &world->receivers, BELL_RECEIVERS);
	shmqi_bell_wake_always(&ringer, &world->receivers, BELL_RECEIVERS);
	SAME(3, world->receivers.events);
	shmqi_bell_close(&bell);
}

/* However full the FIFO is, it is empty when a call has found nothing. */
Test(bell, test_many_rings_are_emptied)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	for (int i = 0; i < 70000; i++)
		shmqi_fifo_ring(bell.fifo);
	MUST(rung(&bell));
	armed(&bell, BELL_RECEIVERS);
	MUST(!rung(&bell));
	shmqi_bell_close(&bell);
}

/* Who is rung -------------------------------------------------------------------------------- */

/* Once for each ticket: the second publisher makes no system call. */
Test(bell, test_rung_once_per_ticket)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	publish();
	MUST(rung(&bell));
	shmqi_fifo_empty(bell.fifo);
	wake_receivers();
	SAME(1, world->receivers.events);
	MUST(!rung(&bell));
	shmqi_bell_close(&bell);
}

/* Somebody else's sleep rings nobody whose ticket was woken before. */
Test(bell, test_ticket_no_longer_due_not_rung)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	publish();
	shmqi_fifo_empty(bell.fifo);
	(void)shmqi_ticket_draw(&world->receivers);
	wake_receivers();
	SAME(2, world->receivers.woken);
	MUST(!rung(&bell));
	shmqi_bell_close(&bell);
}

Test(bell, test_tickets_wrap_rung_all_the_same)
{
	struct shmqi_bell bell = opened(0);

	world->receivers.ticket = world->receivers.woken = UINT32_MAX - 3;
	for (int i = 0; i < 8; i++) {
		armed(&bell, BELL_RECEIVERS);
		MUST(!rung(&bell));
		wake_receivers();
		MUST(rung(&bell));
	}
	SAME(4, world->receivers.woken);
	shmqi_bell_close(&bell);
}

Test(bell, test_not_armed_not_rung)
{
	struct shmqi_bell bell = opened(0), other = opened(1);

	armed(&other, BELL_RECEIVERS);
	armed(&bell, BELL_SENDERS);
	publish();
	MUST(rung(&other));
	MUST(!rung(&bell));
	shmqi_bell_wake(&ringer, &world->senders, BELL_SENDERS);
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
	shmqi_bell_close(&other);
}

/* One bell for two sides: what one side rang is not lost when the other one is armed. */
Test(bell, test_both_sides_arming_one_keeps_other)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	wake_receivers();
	armed(&bell, BELL_SENDERS);
	MUST(rung(&bell));
	armed(&bell, BELL_RECEIVERS); /* asked: nothing there */
	MUST(!rung(&bell));
	shmqi_bell_wake(&ringer, &world->senders, BELL_SENDERS);
	armed(&bell, BELL_RECEIVERS);
	MUST(rung(&bell));
	armed(&bell, BELL_SENDERS);
	MUST(!rung(&bell));
	shmqi_bell_close(&bell);
}

/* More of them than a ringer keeps descriptors of. */
Test(bell, test_many_bells_all_rung)
{
	struct shmqi_bell bells[PARTICIPANTS];
	struct leak_count before;

	for (unsigned i = 0; i < PARTICIPANTS; i++)
		bells[i] = opened(i);
	before = leak_count();
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < PARTICIPANTS; i++)
			armed(&bells[i], BELL_RECEIVERS);
		wake_receivers();
		for (unsigned i = 0; i < PARTICIPANTS; i++)
			MUST(rung(&bells[i]));
		MUST(leak_count().descriptors <= before.descriptors + SHMQI_RINGER_KNOWN);
	}
	SAME(5, world->receivers.events);
	shmqi_ringer_close(&ringer);
	leak_none_since(before);
	for (unsigned i = 0; i < PARTICIPANTS; i++)
		shmqi_bell_close(&bells[i]);
}

/* An entry's next owner has another FIFO, though it had a descriptor of the last one's. */
Test(bell, test_next_owner_of_entry_rung)
{
	for (int life = 0; life < 20; life++) {
		struct shmqi_bell bell = opened(0);

		armed(&bell, BELL_RECEIVERS);
		wake_receivers();
		MUST(rung(&bell));
		shmqi_bell_close(&bell);
	}
}

/* The futex beside it ------------------------------------------------------------------------ */

static void
sleep_in_futex(void *arg)
{
	uint32_t events = shmq_load_relaxed_u32(&world->receivers.events);

	(void)arg;
	(void)shmqi_ticket_draw(&world->receivers);
	SAME(0, shmqi_os_futex_wait(&world->receivers.events, events, 100000 * MS));
}

/* Bells and sleepers in the futex are due together: the system call is not saved then. */
Test(bell, test_sleeper_beside_bells_is_woken)
{
	struct shmqi_bell bells[3];
	pid_t sleeper;

	for (unsigned i = 0; i < 3; i++)
		bells[i] = opened(i);
	for (int order = 0; order < 3; order++) {
		for (int i = 0; i < order; i++)
			armed(&bells[i], BELL_RECEIVERS);
		sleeper = process_start(sleep_in_futex, NULL);
		process_await_call(sleeper, PROCESS_FUTEX);
		for (int i = order; i < 3; i++)
			armed(&bells[i], BELL_RECEIVERS);
		wake_receivers();
		process_join(sleeper);
		for (int i = 0; i < 3; i++)
			MUST(rung(&bells[i]));
	}
	for (unsigned i = 0; i < 3; i++)
		shmqi_bell_close(&bells[i]);
}

/* A bell that is armed twice has drawn two tickets: one of them could be a sleeper's. */
Test(bell, test_sleeper_beside_bell_armed_twice_is_woken)
{
	struct shmqi_bell bell = opened(0);
	pid_t sleeper;

	armed(&bell, BELL_RECEIVERS);
	sleeper = process_start(sleep_in_futex, NULL);
	process_await_call(sleeper, PROCESS_FUTEX);
	armed(&bell, BELL_RECEIVERS);
	wake_receivers();
	process_join(sleeper);
	shmqi_bell_close(&bell);
}

/* One that died while it armed has no ticket that could count as a sleeper's. */
Test(bell, test_sleeper_beside_bell_arming_is_woken)
{
	struct shmqi_bell bell = opened(0);
	pid_t sleeper = process_start(sleep_in_futex, NULL);

	process_await_call(sleeper, PROCESS_FUTEX);
	world->participants[0].armed[BELL_RECEIVERS] = BELL_ARMING;
	world->receivers.armed = 1;
	wake_receivers();
	process_join(sleeper);
	MUST(rung(&bell));
	shmqi_bell_close(&bell);
}

/* Slices ------------------------------------------------------------------------------------- */

Test(bell, test_nobody_rings_readable_by_slice)
{
	struct shmqi_bell bell = opened(0);

	MUST(!armed(&bell, BELL_RECEIVERS));
	SAME(fake.now + 50 * MS, bell.slice_end);
	MUST(readable(bell.fd, SOON_MS));
	MUST(!rung(&bell));
	fake.now += 50 * MS;
	MUST(armed(&bell, BELL_RECEIVERS)); /* it is time to ask who is dead */
	MUST(!armed(&bell, BELL_RECEIVERS));
	SAME(fake.now + 50 * MS, bell.slice_end);
	MUST(readable(bell.fd, SOON_MS));
	shmqi_bell_close(&bell);
}

/* The timer is set once for a slice, however often a call finds nothing in it. */
Test(bell, test_slice_is_not_prolonged_by_asking)
{
	struct shmqi_bell bell = opened(0);

	armed(&bell, BELL_RECEIVERS);
	for (int i = 0; i < 49; i++) {
		int64_t slice_end = bell.slice_end;

		fake.now += MS;
		MUST(!armed(&bell, BELL_RECEIVERS));
		SAME(slice_end, bell.slice_end);
	}
	fake.now += MS;
	MUST(armed(&bell, BELL_RECEIVERS));
	shmqi_bell_close(&bell);
}

Test(bell, test_without_membarrier_slice_is_1_ms)
{
	struct shmqi_bell bell = opened(0);

	fake.barrier_result = -ENOSYS;
	armed(&bell, BELL_RECEIVERS);
	SAME(fake.now + 1 * MS, bell.slice_end);
	MUST(readable(bell.fd, SOON_MS));
	shmqi_bell_close(&bell);
}

Test(bell, test_deaf_readable_after_1_ms_or_at_once)
{
	struct leak_count before = leak_count();
	struct shmqi_bell bell;

	SAME(0, shmqi_bell_open_deaf(&bell));
	MUST(!readable(bell.fd, 0));
	MUST(!armed(&bell, BELL_RECEIVERS));
	SAME(fake.now + 1 * MS, bell.slice_end);
	MUST(readable(bell.fd, SOON_MS));
	fake.now += MS;
	MUST(armed(&bell, BELL_RECEIVERS));
	world->published = 1;
	armed(&bell, BELL_RECEIVERS);
	MUST(readable(bell.fd, SOON_MS));
	SAME(0, world->receivers.ticket + world->receivers.armed);
	shmqi_bell_close(&bell);
	leak_none_since(before);
}
