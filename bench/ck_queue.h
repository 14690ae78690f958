/* SPDX-License-Identifier: MIT */
/*
 * What the adapters of ck_ring have in common: the ring, and on the next page its entries,
 * which the caller keeps. Entries of pointer size for 8 bytes (that is what it is made for), of
 * a struct's size, known to the compiler, for every other length of the grid. It holds one
 * message less than its size. A process that is killed within a call leaves a ring of several
 * senders blocked for good.
 */
#ifndef SHMQ_BENCH_CK_QUEUE_H
#define SHMQ_BENCH_CK_QUEUE_H

#include <errno.h>
#include <stdint.h>

#include <ck_ring.h>

#include "bench.h"

#define ENTRIES_AT 4096u

struct queue {
	struct ck_ring *ring;
	void *entries;
	int alone; /* 1: one receiver */
};

/* Every length but 8. */
#define CK_LENGTHS(DO) DO(56) DO(256) DO(1024) DO(4096) DO(65536) DO(1048576)

#define MESSAGE(len)                     \
	struct message_##len {           \
		uint64_t words[len / 8]; \
	};                               \
	CK_RING_PROTOTYPE(message_##len, message_##len)

CK_LENGTHS(MESSAGE)

/* A case of queue_send(), of queue_recv(): `way` is spsc, mpmc, ... */
#define CK_SEND(way, len)                                                  \
	case len:                                                          \
		return ck_ring_enqueue_##way##_message_##len(              \
			       queue->ring, queue->entries,                \
			       (struct message_##len *)(uintptr_t)message) \
			       ? 0                                         \
			       : -EAGAIN;

#define CK_RECV(way, len)                                                  \
	case len:                                                          \
		return ck_ring_dequeue_##way##_message_##len(              \
			       queue->ring, queue->entries,                \
			       (struct message_##len *)(uintptr_t)message) \
			       ? 0                                         \
			       : -EAGAIN;

#define CK_FITS(bytes) || what->len == (bytes)

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	unsigned char *memory = bench_queue_memory(side, i);

	(void)end;
	*queue = (struct queue){(struct ck_ring *)(void *)memory, memory + ENTRIES_AT,
				side->what.consumers == 1};
	return 0;
}

static int
fits(const struct bench_what *what)
{
	return what->len == 8 CK_LENGTHS(CK_FITS);
}

static size_t
bytes(const struct bench_what *what)
{
	return ENTRIES_AT + what->capacity * what->len;
}

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++)
		ck_ring_init((struct ck_ring *)(void *)bench_queue_memory(side, i),
			     (unsigned)side->what.capacity);
	return 0;
}

#endif
