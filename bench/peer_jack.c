/* SPDX-License-Identifier: MIT */
/*
 * JACK's ring buffer: a stream of bytes for one writer and one reader, made for threads. Its
 * struct is public and points at its bytes, so it is put together here by hand, in memory that
 * is at the same address in each process. A message is written when there is room for all of it
 * and read when all of it is there. Its size is a power of two and it holds a byte less.
 */
#include <errno.h>

#include <jack/ringbuffer.h>

#include "bench.h"

#define BYTES_AT 4096u

struct queue {
	jack_ringbuffer_t *ring;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	queue->ring = (jack_ringbuffer_t *)(void *)bench_queue_memory(side, i);
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	if (jack_ringbuffer_write_space(queue->ring) < len)
		return -EAGAIN;
	jack_ringbuffer_write(queue->ring, (const char *)(const void *)message, len);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (jack_ringbuffer_read_space(queue->ring) < len)
		return -EAGAIN;
	jack_ringbuffer_read(queue->ring, (char *)(void *)message, len);
	return 0;
}

#include "bodies.h"

static size_t
ring_bytes(const struct bench_what *what)
{
	size_t size = 1;

	while (size < what->capacity * what->len)
		size *= 2;
	return size;
}

static size_t
bytes(const struct bench_what *what)
{
	return BYTES_AT + ring_bytes(what);
}

static int
make(struct bench_side *side, unsigned queues)
{
	size_t size = ring_bytes(&side->what);

	bench_weaker("a stream of bytes: what a message is, both ends must know");
	for (unsigned i = 0; i < queues; i++) {
		unsigned char *memory = bench_queue_memory(side, i);

		*(jack_ringbuffer_t *)(void *)memory = (jack_ringbuffer_t){
			.buf = (char *)memory + BYTES_AT,
			.size = size,
			.size_mask = size - 1,
		};
	}
	return 0;
}

const struct bench_adapter bench_adapter_jack = {
	.name = "jack",
	.base = "rival",
	.note = "JACK's ring buffer: bytes without boundaries; between processes only with "
		"memory at one address",
	.can = BENCH_PAIR,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
