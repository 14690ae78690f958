/* SPDX-License-Identifier: MIT */
/*
 * The floor of a round trip: what two cores can do at all. Each direction has one line; the sender writes the message and
 * then the number of it, the receiver spins on that number. It holds one message and never looks whether it was
 * taken, so it can do nothing but round trips. How one spins matters more than anything else (a few PAUSEs between two looks
 * can save a third), so there are three: the best one counts.
 */
#include <string.h>

#include <shmq/atomic.h>

#include "bench.h"

struct line {
	uint64_t number;
	uint64_t words[];
};

struct queue {
	struct line *line;
	uint64_t number;
	int pauses;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	/* Long messages begin with a line. */
	size_t lead = side->what.len < 1024 ? 0 : 64 - sizeof(struct line);

	(void)end;
	*queue = (struct queue){(struct line *)(void *)(bench_queue_memory(side, i) + lead), 0,
				side->what.variant};
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	memcpy(queue->line->words, message, len);
	shmq_store_release_u64(&queue->line->number, ++queue->number);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	while (shmq_load_acquire_u64(&queue->line->number) == queue->number) {
		for (int i = 0; i < queue->pauses; i++)
			shmq_pause();
	}
	queue->number++;
	memcpy(message, queue->line->words, len);
	return 0;
}

#include "bodies.h"

static size_t
bytes(const struct bench_what *what)
{
	return 64 + what->len;
}

const struct bench_adapter bench_adapter_line = {
	.name = "line",
	.base = "floor",
	.note = "a message and its number in memory of its own, nothing else",
	.can = 0,
	.bytes = bytes,
	.bodies = bodies,
};
