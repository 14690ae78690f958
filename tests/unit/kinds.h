/* SPDX-License-Identifier: MIT */
/* Every kind of queue, with every flag that changes what it promises. */
#ifndef TESTS_UNIT_KINDS_H
#define TESTS_UNIT_KINDS_H

#include "unit.h"

#define KINDS 12
#define KIND_MSG_MAX 64
#define KIND_CAPACITY 8

struct kind {
	const char *name;
	struct shmq_opts opts;
	bool many_producers, many_consumers;
	bool lossy;	/* the producer overwrites, consumers only read: lossy broadcast, latest */
	bool newest;	/* latest */
	bool broadcast; /* every consumer gets each message */
	bool peek, batch; /* it has them */
	size_t room; /* messages of one byte that it takes while nobody receives; 0: any number */
};

extern const struct kind kinds[KINDS];

/* One queue of a kind, with both ends. */
struct pair {
	const struct kind *kind;
	struct place p;
	struct shmq *tx, *rx;
};

struct pair pair_open(const struct kind *kind, enum place_backend on);
void pair_close(struct pair *pair);
/* Receive now; it must be this one letter. */
void pair_recv(struct pair *pair, char want);
void pair_send(struct pair *pair, char letter);

#endif
