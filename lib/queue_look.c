/* SPDX-License-Identifier: MIT */
#include "queue_look.h"

#include "ring_records.h"

#include <shmq/shmq.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A word of the data. PUBLISH and its like, acquire: only the word itself is looked at. */
static uint64_t
word_at(const struct queue_look *look, uint64_t offset)
{
	uint64_t at = look->g->data_offset + offset, word = 0;

	if (look->mapped)
		/* PUBLISH, acquire: a turn, nothing behind it. */
		return shmq_load_acquire_u64(
			(const uint64_t *)(const void *)((const unsigned char *)look->object + at));
	if (pread(look->fd, &word, sizeof(word), (off_t)at) != sizeof(word))
		return 0;
	return word;
}

/* Slots -------------------------------------------------------------------------------------- */

/* Whether the message at `position` is in the ring that begins at `offset`. */
static bool
is_there(const struct queue_look *look, uint64_t offset, uint64_t position)
{
	uint64_t word =
		word_at(look, offset + (position & (look->g->slots - 1)) * look->g->slot_bytes);

	return (uint32_t)(word >> 32) == shmq_spsc_turn(position);
}

/* As shmq_spsc_find_tail(), for a ring that may not be mapped. */
static uint64_t
find_tail(const struct queue_look *look, uint64_t offset, uint64_t head)
{
	uint64_t there = 0, beyond = look->g->capacity;

	if (!is_there(look, offset, head))
		return head;
	while (there < beyond) {
		uint64_t middle = there + (beyond - there) / 2;

		if (is_there(look, offset, head + middle))
			there = middle + 1;
		else
			beyond = middle;
	}
	return head + there;
}

/* Lanes -------------------------------------------------------------------------------------- */

static bool
records(const struct queue_look *look)
{
	return look->g->flags & SHMQ_RECORDS;
}

/* The header at a position of the ring of records that begins at `offset`. */
static uint64_t
header_at(const struct queue_look *look, uint64_t offset, uint64_t position)
{
	return word_at(look, offset + position / 8 * 8 % format_records_period(look->g->capacity));
}

/*
 * Records, whose counts are hints: who was killed may have left `sent` one short, or `received` ahead of the head. As
 * for whoever comes anew, the headers at tail and head tell; what they cannot be, while others are at work, is not
 * believed.
 */
static struct queue_counts
count_records(const struct queue_look *look, uint64_t offset, const struct format_writer *writer,
	      const struct format_reader *reader)
{
	/* Relaxed, all of them: counts, and guesses where to look. */
	uint64_t tail = shmq_load_relaxed_u64(&writer->tail);
	uint64_t head = shmq_load_relaxed_u64(&reader->head);
	struct queue_counts counts = {.received = shmq_load_relaxed_u64(&reader->received),
				      .sent = shmq_load_relaxed_u64(&writer->sent)};
	uint64_t header = header_at(look, offset, tail), at;

	if (header == records_present(counts.sent, records_length(header)))
		counts.sent++;
	at = records_sequence(header_at(look, offset, head), counts.received);
	if (counts.received - at <= look->g->capacity / FORMAT_SLOT_WORD)
		counts.received = at;
	if ((int64_t)(counts.sent - counts.received) < 0)
		counts.sent = counts.received;
	return counts;
}

/* Relaxed: counts, each alone; but RECYCLE, acquire: slots before a head may be anything. */
struct queue_counts
shmqi_look_lane(const struct queue_look *look, unsigned lane)
{
	const struct format_lane *l = queue_look_lane(look, lane);
	struct queue_counts counts;

	if (records(look))
		return count_records(look, lane * look->g->lane_bytes, &l->writer, &l->reader);
	/* RECYCLE, acquire: as above. */
	counts.received = shmq_load_acquire_u64(&l->reader.head);
	counts.sent = find_tail(look, lane * look->g->lane_bytes, counts.received);
	return counts;
}

static void
look_mpsc(const struct queue_look *look, struct shmq_stat *st)
{
	for (unsigned i = 0; i < look->g->participants; i++) {
		struct queue_counts counts = shmqi_look_lane(look, i);

		st->sent += counts.sent;
		st->received += counts.received;
	}
}

static void
look_spsc(const struct queue_look *look, struct shmq_stat *st)
{
	const struct format_control *control = queue_look_control(look);

	if (records(look)) {
		const struct format_reader reader = {
			.head = shmq_load_relaxed_u64(&control->progress.head),
			.received = shmq_load_relaxed_u64(&control->progress.received)};
		struct queue_counts counts = count_records(look, 0, &control->writer, &reader);

		st->received = counts.received;
		st->sent = counts.sent;
		return;
	}
	/* RECYCLE, acquire: slots before it may be anything. */
	st->received = shmq_load_acquire_u64(&control->progress.head);
	st->sent = find_tail(look, 0, st->received);
}

/* Received is what the slowest reader has; without readers nothing waits to be received. */
static void
look_broadcast(const struct queue_look *look, struct shmq_stat *st)
{
	look_spsc(look, st);
	st->received = st->sent;
	for (unsigned i = 0; i < look->g->participants; i++) {
		const struct format_reader *reader = &queue_look_lane(look, i)->reader;
		uint64_t count = records(look) ? shmq_load_relaxed_u64(&reader->received)
					       : shmq_load_relaxed_u64(&reader->head);

		if ((shmq_load_relaxed_u64(&reader->state) & 0xffffu) == SHMQI_READER_IN &&
		    st->sent - count > st->sent - st->received && st->sent - count <= st->sent)
			st->received = count;
	}
}

/* Whoever looks may find what is still there. */
static void
look_lossy(const struct queue_look *look, struct shmq_stat *st)
{
	const struct format_writer *writer = &queue_look_control(look)->writer;
	uint64_t oldest = shmq_load_relaxed_u64(&writer->oldest), keep = look->g->capacity, header;
	uint64_t period = format_records_period(look->g->capacity + FORMAT_LOSSY_SLACK);

	st->sent = records(look) ? shmq_load_relaxed_u64(&writer->sent)
				 : shmq_load_relaxed_u64(&writer->tail);
	if (look->g->kind == SHMQ_LATEST)
		keep = 1;
	st->depth = st->sent < keep ? st->sent : keep;
	if (records(look)) {
		header = word_at(look, oldest / 8 * 8 % period);
		st->depth = (uint32_t)((uint32_t)st->sent - (uint32_t)(header >> 32));
	}
	st->received = st->sent - st->depth;
}

/* MPMC --------------------------------------------------------------------------------------- */

/* What slots show: messages committed and not released; how far beyond `tail` is claimed. */
struct slots_seen {
	uint64_t tail, depth;
	int64_t claimed;
};

static void
see_slot(const struct queue_look *look, struct slots_seen *seen, uint64_t word)
{
	bool there = mpmc_state(word) == MPMC_CLAIMED || mpmc_state(word) == MPMC_FULL;
	int64_t beyond = mpmc_ahead(word, seen->tail) + 1 - (there ? 0 : (int64_t)look->g->slots);

	seen->depth += shmqi_mpmc_occupied(word);
	seen->claimed = beyond > seen->claimed ? beyond : seen->claimed;
}

/* Slots that are not mapped are read many at a time. */
static void
see_unmapped(const struct queue_look *look, struct slots_seen *seen)
{
	unsigned char block[1 << 15];
	uint64_t each = look->g->slot_bytes, many = sizeof(block) / each, word;

	for (uint64_t i = 0; i < look->g->slots; i += many ? many : 1) {
		uint64_t n = look->g->slots - i < many ? look->g->slots - i : many;
		off_t at = (off_t)(look->g->data_offset + i * each);

		if (many == 0)
			see_slot(look, seen, word_at(look, i * each));
		else if (pread(look->fd, block, n * each, at) != (ssize_t)(n * each))
			return;
		for (uint64_t k = 0; k < n; k++) {
			memcpy(&word, block + k * each, sizeof(word));
			see_slot(look, seen, word);
		}
	}
}

/*
 * Whether every page with a slot's word is allocated, as its creator left it. Anybody can make an
 * object without pages that says it has 2^30 slots, at no cost: a walk over those would last, and
 * of SysV allocate them all.
 */
static bool
all_there(const struct queue_look *look, const struct shmq_stat *st)
{
	const struct shmqi_geometry *g = look->g;
	uint64_t needed = g->slots * (g->slot_bytes < FORMAT_PAGE ? g->slot_bytes : FORMAT_PAGE);
	struct stat file;

	if (st->backend == SHMQ_BACKEND_SYSV)
		return st->resident_bytes >= 0 && (uint64_t)st->resident_bytes >= needed;
	return fstat(look->fd, &file) == 0 && (uint64_t)file.st_blocks * 512 >= needed;
}

/* Without a look at the slots: what senders and receivers said last. */
static void
see_hints(const struct format_control *control, uint64_t slots, struct slots_seen *seen)
{
	/* Relaxed: a hint. */
	uint64_t held = seen->tail - shmq_load_relaxed_u64(&control->progress.head);

	seen->depth = held <= slots ? held : 0;
}

static void
look_mpmc(const struct queue_look *look, struct shmq_stat *st)
{
	const struct format_control *control = queue_look_control(look);
	/* Relaxed, all of them: counts and a hint, each alone. */
	struct slots_seen seen = {.tail = shmq_load_relaxed_u64(&control->writer.tail)};
	uint64_t gone = shmq_load_relaxed_u64(&control->recovery.lost) +
			shmq_load_relaxed_u64(&control->recovery.dead);

	if (!all_there(look, st))
		see_hints(control, look->g->slots, &seen);
	else if (look->mapped)
		for (uint64_t i = 0; i < look->g->slots; i++)
			see_slot(look, &seen, word_at(look, i * look->g->slot_bytes));
	else
		see_unmapped(look, &seen);
	st->depth = seen.depth;
	st->sent = seen.tail + (uint64_t)seen.claimed -
		   shmq_load_relaxed_u64(&control->recovery.voided);
	gone += st->depth;
	st->received = st->sent > gone ? st->sent - gone : 0;
}

/* Participants ------------------------------------------------------------------------------- */

/* Whether this role's place has a count of its own; else it is that of the queue. */
static bool
counts_itself(const struct shmqi_geometry *g, bool producer)
{
	if (g->kind == SHMQ_MPSC)
		return producer;
	return g->kind == SHMQ_BROADCAST && !producer && !shmqi_format_read_only(g);
}

/* How many messages went through the place of participant `i` in this role, since creation. */
static uint64_t
count_of(const struct queue_look *look, unsigned i, bool producer, const struct shmq_stat *st)
{
	const struct format_reader *reader = &queue_look_lane(look, i)->reader;

	if (!counts_itself(look->g, producer))
		return producer ? st->sent : st->received;
	if (producer)
		return shmqi_look_lane(look, i).sent;
	/* Relaxed: a diagnosis. */
	return shmq_load_relaxed_u64(records(look) ? &reader->received : &reader->head);
}

void
shmqi_look_place(const struct queue_look *look, const struct shmq_stat *st,
		 struct shmq_participant *row)
{
	const struct format_participant *entry =
		(const void *)((const unsigned char *)look->object + 2 * FORMAT_PAGE);
	bool producer = row->roles & SHMQ_PRODUCER, consumer = row->roles & SHMQ_CONSUMER;
	uint64_t base, position, messages;

	/* Relaxed, both: a diagnosis. */
	base = shmq_load_relaxed_u64(&entry[row->index].base);
	row->lag = consumer ? (int64_t)st->depth : -1;
	row->position = -1;
	if (look->g->kind == SHMQ_MPMC) {
		row->messages = (int64_t)shmq_load_relaxed_u64(&entry[row->index].messages);
		return;
	}
	messages = -base;
	if (consumer) {
		position = count_of(look, row->index, false, st);
		row->position = (int64_t)position;
		messages += position;
		if (look->g->kind == SHMQ_BROADCAST)
			row->lag = (int64_t)(st->sent - position);
	}
	if (producer) {
		position = count_of(look, row->index, true, st);
		row->position = (int64_t)position;
		messages += position;
	}
	row->messages = (int64_t)messages;
}

uint64_t
shmqi_queue_count(const struct shmq *q)
{
	const struct queue_look look = {&q->seg->g, q->seg->object, true, -1};
	struct shmq_stat st = {.size = sizeof(st)};
	bool producer = q->roles & SHMQ_PRODUCER, consumer = q->roles & SHMQ_CONSUMER;
	uint64_t count = 0;

	if (look.g->kind == SHMQ_MPMC)
		return 0;
	/* An attach does not walk over all lanes for the count of one. */
	if ((producer && !counts_itself(look.g, true)) ||
	    (consumer && !counts_itself(look.g, false)))
		shmqi_look_kind(&look, &st);
	if (consumer)
		count += count_of(&look, q->index, false, &st);
	if (producer)
		count += count_of(&look, q->index, true, &st);
	return count;
}

void
shmqi_look_kind(const struct queue_look *look, struct shmq_stat *st)
{
	switch (look->g->kind) {
	case SHMQ_MPSC:
		look_mpsc(look, st);
		break;
	case SHMQ_MPMC:
		look_mpmc(look, st);
		return;
	case SHMQ_LATEST:
		look_lossy(look, st);
		return;
	case SHMQ_BROADCAST:
		if (look->g->flags & SHMQ_LOSSY) {
			look_lossy(look, st);
			return;
		}
		look_broadcast(look, st);
		break;
	default:
		look_spsc(look, st);
		break;
	}
	st->depth = st->sent - st->received;
}
