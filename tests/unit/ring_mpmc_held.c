/* SPDX-License-Identifier: MIT */
/* The MPMC ring in plain memory: held messages, the dead and what they leave, taps. */
#include "unit/ring_mpmc.h"

TestSuite(ring_mpmc_held, .init = process_begin);

/* Held messages ------------------------------------------------------------------------------- */

/* One slot is held, for several laps: the others go on serving, in order, with one place less. */
Test(ring_mpmc_held, test_held_message_is_passed_over_lap_after_lap)
{
	struct shmqi_mpmc_place held;
	struct world w;

	for (size_t c = 1; c < CAPACITIES; c++)
		for (uint64_t at = 0; at < capacities[c]; at += 1 + capacities[c] / 4) {
			world_open(&w, capacities[c], 40, false);
			for (uint64_t i = 0; i <= at; i++)
				SAME(0, send_next(&w, 0));
			for (uint64_t i = 0; i < at; i++)
				receive_next(&w, 1);
			held = take_next(&w, 2);
			for (unsigned lap = 0; lap < 5; lap++) {
				while (w.sent - w.received < capacities[c] - 1)
					SAME(0, send_next(&w, lap % HANDLES));
				no_room(&w, 0);
				while (w.sent != w.received)
					receive_next(&w, 1);
				nothing_there(&w, 3);
			}
			check(&w, shmqi_mpmc_bytes(held.slot), (int64_t)held.length, at);
			shmqi_mpmc_release(&w.handle[2], &held);
			SAME(MPMC_SKIPPED, mpmc_state(held.slot->word));
			for (unsigned i = 0; i < 300; i++) {
				SAME(0, send_next(&w, 0));
				receive_next(&w, 1);
			}
			while (w.sent - w.received < capacities[c])
				SAME(0, send_next(&w, 3));
			no_room(&w, 0);
			world_close(&w);
		}
}

Test(ring_mpmc_held, test_all_slots_held_is_full_until_one_is_released)
{
	struct shmqi_mpmc_place held[8];
	uint64_t position;
	struct world w;

	for (size_t c = 0; c < 5; c++)
		for (uint64_t free = 0; free < capacities[c]; free++) {
			world_open(&w, capacities[c], 8, false);
			for (uint64_t i = 0; i < capacities[c]; i++)
				SAME(0, send_next(&w, 0));
			for (uint64_t i = 0; i < capacities[c]; i++)
				held[i] = take_next(&w, 1);
			no_room(&w, 0);
			SAME(1, shmqi_mpmc_blocker(&w.handle[0], true, &position));
			shmqi_mpmc_release(&w.handle[1], &held[free]);
			for (unsigned i = 0; i < 10; i++) {
				SAME(0, send_next(&w, 0));
				no_room(&w, 2);
				receive_next(&w, 3);
			}
			world_close(&w);
		}
}

Test(ring_mpmc_held, test_returned_message_comes_again_not_counted)
{
	struct shmqi_mpmc_place place = {0};
	struct world w;

	world_open(&w, 4, 40, false);
	SAME(0, send_next(&w, 0));
	SAME(0, send_next(&w, 0));
	place = take_next(&w, 1);
	shmqi_mpmc_return(&w.handle[1], &place);
	SAME(0, receive(&w, 2, 0).deliveries);
	receive_next(&w, 2);
	nothing_there(&w, 3);
	for (unsigned i = 0; i < 10; i++) {
		SAME(0, send_next(&w, 0));
		receive_next(&w, 1);
	}
	world_close(&w);
}

/* The dead ------------------------------------------------------------------------------------- */

Test(ring_mpmc_held, test_dead_producer_claim_is_voided)
{
	struct shmqi_mpmc_place place = {0};
	uint64_t position = 99;
	struct world w;

	world_open(&w, 4, 8, false);
	SAME(0, shmqi_mpmc_claim(&w.handle[1], &place));
	SAME(0, send_next(&w, 0));
	nothing_there(&w, 3);
	SAME(1, shmqi_mpmc_blocker(&w.handle[3], false, &position));
	SAME(0, position);
	SAME(SHMQI_MPMC_NOTHING, shmqi_mpmc_recover(&w.handle[3], position, 2));
	SAME(SHMQI_MPMC_VOIDED, shmqi_mpmc_recover(&w.handle[3], position, 1));
	SAME(SHMQI_MPMC_NOTHING, shmqi_mpmc_recover(&w.handle[3], position, 1));
	SAME(UINT_MAX, shmqi_mpmc_blocker(&w.handle[3], false, &position));
	SAME(1, receive_next(&w, 3).position);
	nothing_there(&w, 3);
	world_close(&w);
}

Test(ring_mpmc_held, test_full_behind_a_dead_claim_names_its_owner)
{
	struct shmqi_mpmc_place place = {0};
	uint64_t position = 99;
	struct world w;

	world_open(&w, 3, 8, false);
	SAME(0, shmqi_mpmc_claim(&w.handle[2], &place));
	SAME(0, send_next(&w, 0));
	SAME(0, send_next(&w, 0));
	no_room(&w, 0);
	SAME(2, shmqi_mpmc_blocker(&w.handle[0], true, &position));
	SAME(SHMQI_MPMC_VOIDED, shmqi_mpmc_recover(&w.handle[0], position, 2));
	SAME(0, send_next(&w, 0));
	for (unsigned i = 0; i < 3; i++)
		receive_next(&w, 1);
	world_close(&w);
}

Test(ring_mpmc_held, test_dead_consumer_without_redelivery_loses_what_it_held)
{
	struct shmqi_mpmc_swept swept = {0};
	struct world w;

	world_open(&w, 4, 8, false);
	for (unsigned i = 0; i < 4; i++)
		SAME(0, send_next(&w, 0));
	take_next(&w, 1);
	receive_next(&w, 2);
	take_next(&w, 1);
	shmqi_mpmc_sweep(&w.handle[3], 1, &swept);
	SAME(2, swept.lost);
	SAME(0, swept.voided + swept.orphaned + swept.dead_letters);
	receive_next(&w, 2);
	nothing_there(&w, 2);
	for (unsigned i = 0; i < 4; i++)
		SAME(0, send_next(&w, 0));
	no_room(&w, 0);
	world_close(&w);
}

/* The orphan waits while the ring goes round; everybody who looks finds it, once. */
Test(ring_mpmc_held, test_dead_consumer_with_redelivery_leaves_an_orphan)
{
	struct shmqi_mpmc_swept swept = {0};
	struct world w;

	for (unsigned laps = 0; laps < 3; laps++) {
		world_open(&w, 5, 8, true);
		for (unsigned i = 0; i < 3; i++)
			SAME(0, send_next(&w, 0));
		receive_next(&w, 1);
		take_next(&w, 1);
		swept = (struct shmqi_mpmc_swept){0};
		for (unsigned i = 0; i < laps * 5;
		     i++) { /* pass over what the dead one holds, too */
			receive_next(&w, 2);
			SAME(0, send_next(&w, 0));
		}
		shmqi_mpmc_sweep(&w.handle[3], 1, &swept);
		SAME(1, swept.orphaned);
		for (unsigned i = 0; i < laps * 5; i++)
			SAME(0, i < 3 ? send_next(&w, 0) : 0);
		SAME(1, receive(&w, 3, 1).deliveries);
		while (w.received != w.sent)
			SAME(0, receive_next(&w, 2).deliveries);
		nothing_there(&w, 2);
		world_close(&w);
	}
}

Test(ring_mpmc_held, test_max_deliveries_makes_a_dead_letter)
{
	struct shmqi_mpmc_swept swept = {0};
	struct world w;

	world_open(&w, 2, LONG_MESSAGE, true);
	SAME(0, send_next(&w, 0));
	for (unsigned n = 0; n < 3; n++) {
		SAME(n, take(&w, 1, 0).deliveries);
		SAME(0, swept.dead_letters);
		shmqi_mpmc_sweep(&w.handle[2], 1, &swept);
	}
	SAME(2, swept.orphaned);
	SAME(1, swept.dead_letters);
	SAME(0, swept.lost);
	nothing_there(&w, 1);
	world_close(&w);
}

/* Killed between the CAS that takes an orphan and the store that counts it: not counted. */
Test(ring_mpmc_held, test_taker_of_an_orphan_killed_before_it_counts)
{
	struct shmqi_mpmc_swept swept = {0};
	struct shmqi_mpmc_place place = {0};
	struct world w;

	world_open(&w, 2, 8, true);
	SAME(0, send_next(&w, 0));
	place = take(&w, 1, 0);
	shmqi_mpmc_sweep(&w.handle[2], 1, &swept);
	MUST(mpmc_state(place.slot->word) == MPMC_ORPHAN);
	place.slot->word = mpmc_word(place.turn, MPMC_TAKEN, 4);
	shmqi_mpmc_sweep(&w.handle[2], 3, &swept);
	SAME(1, receive(&w, 0, 0).deliveries);
	world_close(&w);
}

/* An orphan larger than the buffer stays, first in line. */
Test(ring_mpmc_held, test_orphan_larger_than_buffer_stays)
{
	struct shmqi_mpmc_swept swept = {0};
	struct shmqi_mpmc_place place = {0};
	unsigned char buf[LONG_MESSAGE];
	struct world w;

	world_open(&w, 3, LONG_MESSAGE, true);
	SAME(0, send(&w, 0, 7));
	SAME(0, send(&w, 0, 8));
	take(&w, 1, 7);
	shmqi_mpmc_sweep(&w.handle[2], 1, &swept);
	for (unsigned i = 0; i < 2; i++)
		SAME(-EMSGSIZE, shmqi_mpmc_recv(&w.handle[2], buf, 1, &place));
	receive(&w, 2, 7);
	receive(&w, 2, 8);
	world_close(&w);
}

/* Who comes after the events looks, too. */
Test(ring_mpmc_held, test_newcomer_finds_an_old_orphan)
{
	struct shmqi_mpmc_swept swept = {0};
	struct world w;

	world_open(&w, 4, 8, true);
	SAME(0, send_next(&w, 0));
	take_next(&w, 1);
	shmqi_mpmc_sweep(&w.handle[2], 1, &swept);
	shmqi_mpmc_open(&w.handle[3]);
	SAME(1, receive(&w, 3, 0).deliveries);
	world_close(&w);
}

/* Taps ------------------------------------------------------------------------------------------ */

static void
tap(struct world *w, int64_t want, uint64_t position)
{
	unsigned char buf[LONG_MESSAGE];
	int64_t len = shmqi_mpmc_tap(&w->handle[3], position, buf, sizeof(buf));

	if (want < 0)
		SAME(want, len);
	else
		check(w, buf, len, (uint64_t)want);
}

Test(ring_mpmc_held, test_tap_sees_messages_before_and_after_they_are_received)
{
	struct shmqi_mpmc_place place = {0};
	struct world w;

	world_open(&w, 3, 40, false);
	tap(&w, -EAGAIN, 0);
	for (unsigned i = 0; i < 3; i++)
		SAME(0, send_next(&w, 0));
	tap(&w, 0, 0);
	tap(&w, 2, 2);
	tap(&w, -EAGAIN, 3);
	receive_next(&w, 1);
	tap(&w, 0, 0); /* the bytes are there still */
	place = take_next(&w, 1);
	tap(&w, -ENOENT, 1); /* held */
	shmqi_mpmc_release(&w.handle[1], &place);
	tap(&w, 1, 1);
	SAME(0, send_next(&w, 0));
	tap(&w, -ENOENT, 0); /* gone by */
	tap(&w, 3, 3);
	SAME(-EMSGSIZE, shmqi_mpmc_tap(&w.handle[3], 3, NULL, 0));
	SAME(0, shmqi_mpmc_claim(&w.handle[0], &place));
	tap(&w, -EAGAIN, 4);
	shmqi_mpmc_abort(&w.handle[0], &place);
	tap(&w, -ENOENT, 4); /* void */
	SAME(4, w.sent);
	world_close(&w);
}

/* What was held over a lap is not the message of the position that was passed over. */
Test(ring_mpmc_held, test_tap_of_a_passed_position_sees_nothing)
{
	struct shmqi_mpmc_place held;
	struct world w;

	world_open(&w, 2, 8, false);
	SAME(0, send_next(&w, 0));
	held = take_next(&w, 1);
	for (unsigned i = 0; i < 4; i++) {
		SAME(0, send_next(&w, 0));
		receive_next(&w, 1);
	}
	tap(&w, -ENOENT, 2);
	shmqi_mpmc_release(&w.handle[1], &held);
	for (uint64_t position = 0; position < 7; position += 2)
		tap(&w, -ENOENT, position);
	world_close(&w);
}

/* An orphan that is taken and released lies where the position of its slot was passed over. */
Test(ring_mpmc_held, test_tap_of_a_passed_orphan_sees_nothing)
{
	struct shmqi_mpmc_swept swept = {0};
	struct shmqi_mpmc_place place = {0};
	struct world w;

	world_open(&w, 2, 8, true);
	SAME(0, send_next(&w, 0));
	take_next(&w, 1);
	shmqi_mpmc_sweep(&w.handle[2], 1, &swept);
	for (unsigned i = 0; i < 2;
	     i++) { /* by a producer that passes by before the orphan is found */
		w.handle[2].orphans_seen = w.orphan_events;
		SAME(0, send_next(&w, 0));
		receive_next(&w, 2);
	}
	place = take(&w, 1, 0);
	shmqi_mpmc_release(&w.handle[1], &place);
	tap(&w, -ENOENT, 2);
	world_close(&w);
}

/* The word of a slot that is looked at, before and after its bytes were copied. */
Test(ring_mpmc_held, test_tap_believes_what_was_not_sent_over)
{
	struct shmqi_mpmc *ring;
	uint64_t full, next;
	struct world w;

	world_open(&w, 4, 8, false);
	ring = &w.handle[0];
	full = mpmc_word(8, MPMC_FULL, 0);
	next = mpmc_word(12, MPMC_FREE, 0);
	SAME(true, mpmc_tap_holds(ring, 8, full, full));
	SAME(true, mpmc_tap_holds(ring, 8, full, next)); /* received since */
	SAME(true, mpmc_tap_holds(ring, 8, next, next));
	SAME(false, mpmc_tap_holds(ring, 8, full, mpmc_word(12, MPMC_CLAIMED, 1)));
	SAME(false, mpmc_tap_holds(ring, 8, full, mpmc_word(12, MPMC_FULL, 0)));
	SAME(false, mpmc_tap_holds(ring, 8, full, mpmc_word(16, MPMC_FREE, 0)));
	world_close(&w);
}

/* A length that cannot be: of a message that has gone meanwhile, or of a broken peer. */
Test(ring_mpmc_held, test_describe_bad_length_stale_or_ebadmsg)
{
	struct shmqi_mpmc_place place = {0};
	uint64_t full;
	struct world w;

	world_open(&w, 4, 8, false);
	full = mpmc_word(8, MPMC_FULL, 0);
	place.slot = mpmc_slot(&w.handle[0], 8);
	place.slot->meta = 9;
	place.slot->word = full;
	SAME(-EBADMSG, mpmc_describe(&w.handle[0], &place, full, 8));
	place.slot->word = mpmc_word(12, MPMC_FREE, 0);
	SAME(-ESTALE, mpmc_describe(&w.handle[0], &place, full, 8));
	place.slot->meta = 8;
	SAME(0, mpmc_describe(&w.handle[0], &place, full, 8));
	world_close(&w);
}
