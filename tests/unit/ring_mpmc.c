/* SPDX-License-Identifier: MIT */
/* The MPMC ring in plain memory: order, capacity, and words that a broken peer left. */
#include "unit/ring_mpmc.h"

TestSuite(ring_mpmc, .init = process_begin);

/* Order and capacity -------------------------------------------------------------------------- */

Test(ring_mpmc, test_full_is_exactly_capacity)
{
	struct world w;

	for (size_t c = 0; c < CAPACITIES; c++) {
		world_open(&w, capacities[c], 40, false);
		for (uint64_t lap = 0; lap < 20; lap++) {
			while (w.sent - w.received < capacities[c])
				SAME(0, send_next(&w, (unsigned)(w.sent % HANDLES)));
			no_room(&w, 0);
			no_room(&w, 1);
			for (uint64_t i = 0; i < 1 + lap % capacities[c]; i++)
				receive_next(&w, (unsigned)(lap + i) % HANDLES);
		}
		world_close(&w);
	}
}

static void
random_steps(struct world *w, unsigned steps, uint64_t *seed)
{
	uint64_t capacity = w->handle[0].capacity, position = w->tail - w->sent;

	for (unsigned i = 0; i < steps; i++) {
		unsigned by = (unsigned)random_below(seed, HANDLES);
		uint64_t fill = w->sent - w->received;
		struct shmqi_mpmc_place place = {0};

		if (random_below(seed, 2)) {
			SAME(fill < capacity, shmqi_mpmc_writable(&w->handle[by]));
			SAME(fill < capacity ? 0 : -EAGAIN, send_next(w, by));
		} else if (fill == 0) {
			nothing_there(w, by);
		} else if (random_below(seed, 2)) {
			place = receive_next(w, by);
			MUST(place.position == position + w->received - 1);
		} else {
			place = take_next(w, by);
			MUST(place.position == position + w->received - 1);
			shmqi_mpmc_release(&w->handle[by], &place);
		}
	}
}

/* Turns start anew at 2^48; 2^64 is not reached. Any handle does any step. */
Test(ring_mpmc, test_random_steps_as_a_deque_near_every_wrap)
{
	static const uint64_t starts[] = {
		0,
		1,
		UINT32_MAX - 20,
		(UINT64_C(1) << 47) - 9,
		(UINT64_C(1) << 48) - 150,
		(UINT64_C(1) << 52) - 3,
	};
	uint64_t seed = 3;
	struct world w;

	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(&w, capacities[c], c % 2 ? 40 : LONG_MESSAGE, c % 3 == 0);
			begin_at(&w, starts[s]);
			random_steps(&w, 2000, &seed);
			world_close(&w);
		}
}

Test(ring_mpmc, test_sender_is_told)
{
	struct world w;

	world_open(&w, 4, 8, false);
	SAME(0, send_next(&w, 2));
	SAME(0, send_next(&w, 1));
	SAME(2, receive_next(&w, 0).sender);
	SAME(1, receive_next(&w, 0).sender);
	world_close(&w);
}

Test(ring_mpmc, test_message_larger_than_buffer_stays)
{
	struct shmqi_mpmc_place place = {0};
	unsigned char buf[LONG_MESSAGE];
	struct world w;

	world_open(&w, 2, LONG_MESSAGE, false);
	w.sent = w.received = 7;
	MUST(length_of(&w, 7) > 1);
	SAME(0, send_next(&w, 0));
	SAME(-EMSGSIZE, shmqi_mpmc_recv(&w.handle[1], buf, 1, &place));
	SAME(-EMSGSIZE, shmqi_mpmc_recv(&w.handle[2], buf, 1, &place));
	receive_next(&w, 1);
	nothing_there(&w, 1);
	world_close(&w);
}

/* Who was away for many laps finds its way, by hints and without. */
Test(ring_mpmc, test_late_handle_finds_head_and_tail)
{
	struct world w;

	for (unsigned blind = 0; blind < 2; blind++)
		for (size_t c = 0; c < CAPACITIES; c++) {
			world_open(&w, capacities[c], 8, false);
			for (unsigned i = 0; i < 1000; i++) {
				SAME(0, send_next(&w, 0));
				receive_next(&w, 1);
			}
			if (blind)
				w.tail = w.head = 0;
			MUST(shmqi_mpmc_head_now(&w.handle[2]) == 1000);
			MUST(shmqi_mpmc_tail_now(&w.handle[3]) == 1000);
			SAME(0, send_next(&w, 3));
			receive_next(&w, 2);
			world_close(&w);
		}
}

Test(ring_mpmc, test_aborted_position_is_passed)
{
	struct shmqi_mpmc_place place = {0};
	struct world w;

	world_open(&w, 3, 8, false);
	SAME(0, send_next(&w, 0));
	SAME(0, shmqi_mpmc_claim(&w.handle[1], &place));
	SAME(0, send_next(&w, 2));
	receive_next(&w, 3);
	nothing_there(&w, 3); /* the claim is in the way */
	shmqi_mpmc_abort(&w.handle[1], &place);
	SAME(2, receive_next(&w, 3).position);
	nothing_there(&w, 0);
	for (unsigned i = 0; i < 10; i++) {
		SAME(0, send_next(&w, i % HANDLES));
		receive_next(&w, 3);
	}
	world_close(&w);
}

/* Hostile words ----------------------------------------------------------------------------------- */

static uint64_t
any_word(uint64_t *seed, uint64_t near)
{
	uint64_t turn = near + random_below(seed, 40) - 20;

	if (random_below(seed, 4) == 0)
		return random_next(seed);
	return mpmc_word(turn, (enum mpmc_state)random_below(seed, 7),
			 (unsigned)random_below(seed, HANDLES + 1));
}

static void
any_step(struct world *w, uint64_t *seed)
{
	struct shmqi_mpmc *ring = &w->handle[random_below(seed, HANDLES)];
	unsigned dead = (unsigned)random_below(seed, HANDLES);
	struct shmqi_mpmc_swept swept = {0};
	unsigned char buf[LONG_MESSAGE];
	struct shmqi_mpmc_place place = {0};
	uint64_t position;

	switch (random_below(seed, 7)) {
	case 0:
		if (shmqi_mpmc_claim(ring, &place) == 0) {
			memset(shmqi_mpmc_bytes(place.slot), 1, ring->msg_max);
			shmqi_mpmc_commit(ring, &place, ring->msg_max);
		}
		break;
	case 1:
		MUST(shmqi_mpmc_recv(ring, buf, sizeof(buf), &place) <= (int64_t)ring->msg_max);
		break;
	case 2:
		if (shmqi_mpmc_take(ring, &place) >= 0) {
			MUST(place.length <= ring->msg_max);
			memset(shmqi_mpmc_bytes(place.slot), 2, ring->msg_max);
			place.slot->word = any_word(seed, place.turn);
			shmqi_mpmc_release(ring, &place);
		}
		break;
	case 3:
		shmqi_mpmc_sweep(ring, dead, &swept);
		break;
	case 4:
		if (shmqi_mpmc_blocker(ring, random_below(seed, 2), &position) != UINT_MAX)
			(void)shmqi_mpmc_recover(ring, position, dead);
		break;
	case 5:
		MUST(shmqi_mpmc_tap(ring, ring->head + random_below(seed, 5), buf, sizeof(buf)) <=
		     (int64_t)ring->msg_max);
		break;
	default:
		(void)shmqi_mpmc_readable(ring);
		(void)shmqi_mpmc_writable(ring);
	}
}

/* Any words, meta and hints: each call returns, and nothing outside the slots is touched. */
Test(ring_mpmc, test_hostile_content_stays_inside)
{
	uint64_t seed = 9;
	struct world w;

	for (size_t c = 0; c < CAPACITIES; c++) {
		world_open(&w, capacities[c], c % 2 ? 24 : LONG_MESSAGE, c % 3 == 0);
		for (unsigned i = 0; i < 20000; i++) {
			struct shmqi_mpmc_slot *slot = mpmc_slot(&w.handle[0], random_next(&seed));

			if (random_below(&seed, 2))
				slot->word = any_word(&seed, w.handle[0].tail);
			if (random_below(&seed, 4) == 0)
				slot->meta = random_next(&seed) >> random_below(&seed, 64);
			if (random_below(&seed, 50) == 0)
				w.tail = w.head = random_next(&seed) >> random_below(&seed, 64);
			any_step(&w, &seed);
			if (random_below(&seed, 100) == 0)
				begin_at(&w, random_next(&seed));
		}
		world_close(&w);
	}
}

Test(ring_mpmc, test_impossible_slot_ebadmsg)
{
	struct shmqi_mpmc_place place = {0};
	unsigned char buf[8];
	struct world w;

	world_open(&w, 4, 8, false);
	begin_at(&w, 8);
	mpmc_slot(&w.handle[0], 8)->word = mpmc_word(4, MPMC_FREE, 0);
	SAME(-EBADMSG, shmqi_mpmc_claim(&w.handle[0], &place));
	SAME(-EBADMSG, shmqi_mpmc_recv(&w.handle[0], buf, sizeof(buf), &place));
	SAME(true, shmqi_mpmc_readable(&w.handle[0]));
	SAME(true, shmqi_mpmc_writable(&w.handle[0]));
	begin_at(&w, 8);
	SAME(0, send(&w, 0, 1));
	mpmc_slot(&w.handle[0], 8)->meta = 9;
	SAME(-EBADMSG, shmqi_mpmc_recv(&w.handle[0], buf, sizeof(buf), &place));
	SAME(-EBADMSG, shmqi_mpmc_take(&w.handle[0], &place));
	SAME(-EBADMSG, shmqi_mpmc_tap(&w.handle[0], 8, buf, sizeof(buf)));
	world_close(&w);
}

/* racy.h ----------------------------------------------------------------------------------------- */

Test(ring_mpmc, test_racy_copies_every_length_exactly)
{
	unsigned char from[81], to[81];
	uint64_t slot[12];

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	for (size_t len = 0; len <= 72; len++)
		for (size_t shift = 0; shift < 9; shift++) {
			memset(slot, 0xee, sizeof(slot));
			memset(to, 0, sizeof(to));
			shmqi_copy_in(slot, from + shift, len);
			MUST(memcmp(slot, from + shift, len) == 0);
			SAME(0xee, ((unsigned char *)slot)[(len + 7) / 8 * 8]);
			memset((unsigned char *)slot + len, 0xee, 8);
			shmqi_copy_out(to + shift, slot, len);
			MUST(memcmp(to + shift, from + shift, len) == 0);
			for (size_t i = 0; i < sizeof(to); i++)
				MUST(i - shift < len || to[i] == 0);
		}
}
