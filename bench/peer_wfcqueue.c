/* SPDX-License-Identifier: MIT */
/*
 * liburcu's wfcqueue, made for threads: a list of nodes, linked by pointer, in memory that is
 * at the same address in each process. Who sends takes a node of his own, and who receives
 * gives it back through another wfcqueue, of which there is one for each sender: that is what
 * bounds it, to the capacity. Nothing blocks; the mutex that several receivers would need is
 * only for one process, so there is one.
 */
#define _LGPL_SOURCE

#include <errno.h>
#include <string.h>

#include <urcu/wfcqueue.h>

#include "bench.h"

struct list {
	struct __cds_wfcq_head head __attribute__((aligned(128)));
	struct cds_wfcq_tail tail __attribute__((aligned(128)));
};

struct node {
	struct cds_wfcq_node link; /* first: a node is found by it */
	uint64_t sender;
	uint64_t words[];
};

struct memory {
	struct list messages;
	struct list free[BENCH_PARTIES_MAX]; /* of each sender */
	unsigned char nodes[];
};

struct queue {
	struct memory *memory;
	struct list *free; /* a sender's own */
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	unsigned sender = end == BENCH_SENDS && side->what.producers ? side->me : 0;

	queue->memory = (struct memory *)(void *)bench_queue_memory(side, i);
	queue->free = &queue->memory->free[sender];
	return 0;
}

/* NULL: there is none, or its sender is just about to link it. */
static inline struct node *
take(struct list *list)
{
	struct cds_wfcq_node *link = __cds_wfcq_dequeue_nonblocking(&list->head, &list->tail);

	return link == CDS_WFCQ_WOULDBLOCK ? NULL : (struct node *)(void *)link;
}

static inline void
put(struct list *list, struct node *node)
{
	cds_wfcq_node_init(&node->link);
	cds_wfcq_enqueue(&list->head, &list->tail, &node->link);
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct node *node = take(queue->free);

	if (!node)
		return -EAGAIN;
	memcpy(node->words, message, len);
	put(&queue->memory->messages, node);
	return 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct node *node = take(&queue->memory->messages);

	if (!node)
		return -EAGAIN;
	memcpy(message, node->words, len);
	put(&queue->memory->free[node->sender], node);
	return 0;
}

#include "bodies.h"

static size_t
node_bytes(const struct bench_what *what)
{
	return (sizeof(struct node) + what->len + 63) / 64 * 64;
}

static size_t
bytes(const struct bench_what *what)
{
	return sizeof(struct memory) + what->capacity * node_bytes(what);
}

static void
make_one(struct memory *memory, const struct bench_what *what)
{
	unsigned senders = what->producers ? what->producers : 1;

	__cds_wfcq_init(&memory->messages.head, &memory->messages.tail);
	for (unsigned i = 0; i < senders; i++)
		__cds_wfcq_init(&memory->free[i].head, &memory->free[i].tail);
	for (size_t i = 0; i < what->capacity; i++) {
		unsigned char *at = memory->nodes + i * node_bytes(what);
		struct node *node = (struct node *)(void *)at;

		node->sender = i * senders / what->capacity;
		put(&memory->free[node->sender], node);
	}
}

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++)
		make_one((struct memory *)(void *)bench_queue_memory(side, i), &side->what);
	return 0;
}

const struct bench_adapter bench_adapter_wfcqueue = {
	.name = "wfcqueue",
	.base = "rival",
	.note = "liburcu's wfcqueue, nodes given back by another; between processes only with"
		" memory at one address; lost with a killed process",
	.can = BENCH_PAIR | BENCH_MANY_SEND,
	.bytes = bytes,
	.make = make,
	.bodies = bodies,
};
