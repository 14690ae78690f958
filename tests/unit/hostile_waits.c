/* SPDX-License-Identifier: MIT */
/*
 * Hostile words, of any kind: those that are about waking cost nothing, a wait without limit ends
 * whatever the ring says, and nobody is told of a participant that cannot be.
 */
#include "hostile_scene.h"

#include <signal.h>
#include <sys/time.h>

TestSuite(hostile_waits, .init = unit_begin, .fini = place_end, .timeout = 60);

/* Everybody sleeps, or nobody, and every bell is to be rung, which is nobody's. */
Test(hostile_waits, test_any_kind_sleep_words_and_bells_harmless)
{
	static const uint32_t words[] = {0, 1, 7, INT32_MAX, UINT32_MAX};

	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s;

		scene_begin(&s, kinds[k].name);
		SAME(1, shmq_fd(s.pair.rx) >= 0);
		for (size_t i = 0; i < 25; i++) {
			struct format_sleep *sides[] = {&s.control->senders, &s.control->receivers};

			for (int n = 0; n < 2; n++) {
				shmq_store_relaxed_u32(&sides[n]->ticket, words[i % 5]);
				shmq_store_relaxed_u32(&sides[n]->woken, words[i / 5]);
				shmq_store_relaxed_u32(&sides[n]->events, words[(i + 2) % 5]);
				shmq_store_relaxed_u32(&sides[n]->armed, 1);
				shmq_store_relaxed_u32(&s.entries[2].armed[n], words[i / 5]);
			}
			put(&s.entries[2].bell, i);
			put(&s.entries[0].bell, i * 77);
			traffic(&s);
		}
		scene_end(&s);
	}
}

/* What is told of a message ------------------------------------------------------------------- */

/* A sender that there cannot be is nobody. */
Test(hostile_waits, test_any_kind_sender_out_of_range_is_nobody)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq_info info = {.size = sizeof(info)};
		struct scene s;

		scene_begin(&s, kinds[k].name);
		pair_send(&s.pair, 'x');
		if (kinds[k].opts.kind == SHMQ_MPMC)
			put(data_word(&s, 0, 0, 1), UINT64_C(0xffff) << 32 | 1);
		else
			put(&s.control->producer.holder, UINT64_C(1) << 16 | 0xffff);
		pair_recv(&s.pair, 'x');
		SAME(0, shmq_info(s.pair.rx, &info));
		MUST(info.sender == -1 || info.sender < (int)s.header.participants);
		scene_end(&s);
	}
}

/* Who waits comes back ------------------------------------------------------------------------ */

static void
on_alarm(int signal)
{
	(void)signal;
}

/* Whatever the ring says, a signal ends a wait without limit, and so does the removal. */
static void
wait_ends(struct scene *s, struct shmq *q)
{
	const struct itimerval every = {{0, 5000}, {0, 5000}};
	char buf[KIND_MSG_MAX];
	ssize_t got;

	MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &every, NULL) == 0);
	got = shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER);
	MUST(got == -EINTR || got == -EBADMSG);
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL) == 0);
	shmq_store_relaxed_u32(&format_lifecycle(s->o.bytes)->removed, 1);
	got = shmq_recv(q, buf, sizeof(buf), SHMQ_FOREVER);
	MUST(got == -EIDRM || got == -EBADMSG);
}

Test(hostile_waits, test_latest_tail_set_back_wait_ends)
{
	struct scene s;

	scene_begin(&s, "latest");
	traffic(&s);
	put(&s.control->writer.tail, 0);
	wait_ends(&s, s.pair.rx);
	scene_end(&s);
}

/* Whoever has gone is noticed, too. */
Test(hostile_waits, test_latest_slot_ahead_hang_up_ends_the_wait)
{
	char buf[KIND_MSG_MAX];
	struct shmq *rx;
	struct scene s;

	scene_begin(&s, "latest");
	traffic(&s);
	rx = unit_join(&s.pair.p, SHMQ_CONSUMER | SHMQ_HANGUP);
	put(&s.control->writer.tail, LETTERS + 1);
	put(data_word(&s, 0, LETTERS % s.header.slots, 0), 4000);
	SAME(0, shmq_detach(s.pair.tx));
	SAME(-EPIPE, shmq_recv(rx, buf, sizeof(buf), SHMQ_FOREVER));
	s.pair.tx = rx; /* for scene_end() */
	scene_end(&s);
}

/* A reader that joins begins at the tail, if that can be one. */
Test(hostile_waits, test_records_bad_tail_newcomer_ebadmsg)
{
	static const char *const names[] = {"broadcast, records", "broadcast, lossy, records"};

	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = NULL;
		struct scene s;
		uint64_t *tail;

		scene_begin(&s, names[i]);
		traffic(&s);
		tail = &s.control->writer.tail;
		put(tail, *tail + 4);
		SAME(-EBADMSG, shmq_attach(&q, s.pair.p.attach, SHMQ_CONSUMER));
		if (i == 0) { /* laps ahead of all readers, of whom the writer loses none */
			put(tail, *tail - 4 + (UINT64_C(1) << 40));
			SAME(-EBADMSG, shmq_attach(&q, s.pair.p.attach, SHMQ_CONSUMER));
		}
		MUST(!q);
		scene_end(&s);
	}
}

Test(hostile_waits, test_latest_slot_ahead_wait_ends)
{
	struct scene s;

	scene_begin(&s, "latest");
	traffic(&s);
	put(&s.control->writer.tail, LETTERS + 1);
	put(data_word(&s, 0, LETTERS % s.header.slots, 0), 4000);
	wait_ends(&s, s.pair.rx);
	scene_end(&s);
}

Test(hostile_waits, test_observer_bad_record_wait_ends)
{
	struct shmq *tap;
	struct scene s;

	scene_begin(&s, "SPSC, records");
	tap = unit_join(&s.pair.p, SHMQ_OBSERVER);
	put(data_word(&s, 0, 0, 0), 1);
	wait_ends(&s, tap);
	SAME(0, shmq_detach(tap));
	scene_end(&s);
}
