/* SPDX-License-Identifier: MIT */
/* An MPMC ring in plain memory, and what its tests do with it. */
#ifndef TESTS_UNIT_RING_MPMC_H
#define TESTS_UNIT_RING_MPMC_H

#include <criterion/criterion.h>
#include <sys/mman.h>

#include "ring_mpmc_look.h"
#include "support/process.h"

#define PAGE ((size_t)4096)
#define HANDLES 4
#define LONG_MESSAGE 600

/* A ring between pages that must not be touched, and participants 0 to 3, each with its own view of it. */
struct world {
	unsigned char *room;
	size_t room_bytes;
	uint64_t tail, head, orphan_events;
	struct shmqi_mpmc handle[HANDLES];
	uint64_t sent, received;
};

/* What a ring shows whose position `start` is the next. */
static inline void
begin_at(struct world *w, uint64_t start)
{
	struct shmqi_mpmc *ring = &w->handle[0];

	w->tail = start;
	w->head = start;
	for (unsigned i = 0; i < HANDLES; i++)
		shmqi_mpmc_open(&w->handle[i]);
	for (uint64_t i = 0; i < ring->capacity; i++)
		mpmc_slot(ring, start + i)->word = mpmc_word(start + i, MPMC_FREE, 0);
}

static inline void
world_open(struct world *w, uint64_t capacity, uint64_t msg_max, bool redeliver)
{
	uint64_t slot_bytes = (16 + msg_max + 7) / 8 * 8;
	size_t bytes = (size_t)(capacity * slot_bytes), data = (bytes + PAGE - 1) / PAGE * PAGE;

	*w = (struct world){.room_bytes = data + 2 * PAGE};
	w->room = mmap(NULL, w->room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(w->room != MAP_FAILED);
	SAME(0, mprotect(w->room + PAGE, data, PROT_READ | PROT_WRITE));
	for (unsigned i = 0; i < HANDLES; i++)
		w->handle[i] = (struct shmqi_mpmc){
			.slots = w->room + PAGE + data - bytes,
			.capacity = capacity,
			.slot_bytes = slot_bytes,
			.msg_max = msg_max,
			.shared_tail = &w->tail,
			.shared_head = &w->head,
			.orphan_events = &w->orphan_events,
			.owner = i + 1,
			.redeliver = redeliver,
			.max_deliveries = 3,
		};
	begin_at(w, 0);
}

static inline void
world_close(struct world *w)
{
	SAME(0, munmap(w->room, w->room_bytes));
}

/* The content of message `sequence`: its length and its bytes. */
static inline size_t
length_of(const struct world *w, uint64_t sequence)
{
	return (size_t)(sequence * UINT64_C(0x9e3779b97f4a7c15) % (w->handle[0].msg_max + 1));
}

static inline void
fill(const struct world *w, unsigned char *bytes, uint64_t sequence)
{
	for (size_t i = 0; i < length_of(w, sequence); i++)
		bytes[i] = (unsigned char)(sequence + i);
}

static inline void
check(const struct world *w, const unsigned char *bytes, int64_t len, uint64_t sequence)
{
	SAME(length_of(w, sequence), len);
	for (size_t i = 0; i < length_of(w, sequence); i++)
		MUST(bytes[i] == (unsigned char)(sequence + i));
}

static inline int
send(struct world *w, unsigned by, uint64_t sequence)
{
	struct shmqi_mpmc_place place = {0};
	int err = shmqi_mpmc_claim(&w->handle[by], &place);

	if (err)
		return err;
	fill(w, shmqi_mpmc_bytes(place.slot), sequence);
	shmqi_mpmc_commit(&w->handle[by], &place, length_of(w, sequence));
	return 0;
}

static inline int
send_next(struct world *w, unsigned by)
{
	int err = send(w, by, w->sent);

	w->sent += !err;
	return err;
}

/* Receive the message `sequence`; its place. */
static inline struct shmqi_mpmc_place
receive(struct world *w, unsigned by, uint64_t sequence)
{
	unsigned char buf[LONG_MESSAGE];
	struct shmqi_mpmc_place place = {0};
	int64_t len;

	SAME(true, shmqi_mpmc_readable(&w->handle[by]));
	len = shmqi_mpmc_recv(&w->handle[by], buf, sizeof(buf), &place);
	check(w, buf, len, sequence);
	return place;
}

static inline struct shmqi_mpmc_place
receive_next(struct world *w, unsigned by)
{
	return receive(w, by, w->received++);
}

static inline struct shmqi_mpmc_place
take(struct world *w, unsigned by, uint64_t sequence)
{
	struct shmqi_mpmc_place place = {0};
	int64_t len = shmqi_mpmc_take(&w->handle[by], &place);

	MUST(len >= 0);
	check(w, shmqi_mpmc_bytes(place.slot), len, sequence);
	return place;
}

static inline struct shmqi_mpmc_place
take_next(struct world *w, unsigned by)
{
	return take(w, by, w->received++);
}

static inline void
nothing_there(struct world *w, unsigned by)
{
	unsigned char buf[LONG_MESSAGE];
	struct shmqi_mpmc_place place = {0};

	SAME(-EAGAIN, shmqi_mpmc_recv(&w->handle[by], buf, sizeof(buf), &place));
	SAME(-EAGAIN, shmqi_mpmc_take(&w->handle[by], &place));
	SAME(false, shmqi_mpmc_readable(&w->handle[by]));
}

static inline void
no_room(struct world *w, unsigned by)
{
	SAME(false, shmqi_mpmc_writable(&w->handle[by]));
	SAME(-EAGAIN, send(w, by, 0));
}

static const uint64_t capacities[] = {1, 2, 3, 5, 8, 64, 100};

#define CAPACITIES (sizeof(capacities) / sizeof(capacities[0]))

#endif
