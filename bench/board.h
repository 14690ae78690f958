/* SPDX-License-Identifier: MIT */
/*
 * The board: what the parent hangs up for its children, in memory that they inherit by its descriptor.
 */
#ifndef SHMQ_BENCH_BOARD_H
#define SHMQ_BENCH_BOARD_H

#include "harness.h"

/** A process to be: where its body is in the program, and its core. */
struct bench_board_party {
	intptr_t body;
	int cpu;
};

struct bench_board {
	struct bench_side side; /**< pointers mean nothing to a child */
	struct bench_board_party parties[BENCH_PARTIES_MAX];
	double ticks_per_ns;
	int real_time;
	struct bench_shared shared;
};

static inline struct bench_board *
bench_board_of(const struct bench_side *side)
{
	return (struct bench_board *)(void *)((unsigned char *)side->shared -
					      offsetof(struct bench_board, shared));
}

/** Where queues are mapped, as some rivals keep pointers in them; free in every process, under a sanitizer, too. */
#define BENCH_MEMORY_AT ((void *)0x500000000000)

/** Map a queue's memory there, or where there is room; NULL: it cannot be. */
unsigned char *bench_map_memory(int fd, size_t bytes, void *at);

/** A body's place in the program is the same in each process of it, wherever the program is loaded. */
intptr_t bench_body_place(bench_body *body);
bench_body *bench_body_at(intptr_t place);

void bench_set_ticks_per_ns(double ticks_per_ns);

#endif
