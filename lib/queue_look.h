/* SPDX-License-Identifier: MIT */
/* A look at a queue that may not be mapped: what comes before the slots is there, or a copy of it;
 * the slots are read from a descriptor. */
#ifndef SHMQ_QUEUE_LOOK_H
#define SHMQ_QUEUE_LOOK_H

#include "queue.h"

struct queue_look {
	const struct shmqi_geometry *g;
	const void *object;
	bool mapped; /* all of it */
	int fd;	     /* a description without locks, or -1 */
};

static inline const struct format_control *
queue_look_control(const struct queue_look *look)
{
	return (const void *)((const unsigned char *)look->object + look->g->control_offset);
}

static inline const struct format_lane *
queue_look_lane(const struct queue_look *look, unsigned i)
{
	return (const struct format_lane *)(const void *)(queue_look_control(look) + 1) + i;
}

static inline uint64_t
queue_look_state(const struct queue_look *look, unsigned i)
{
	const struct format_participant *entry =
		(const void *)((const unsigned char *)look->object + 2 * FORMAT_PAGE);

	/* Relaxed: a diagnosis. */
	return shmq_load_relaxed_u64(&entry[i].state) & 0xffffu;
}

/* Positions: sent, received, depth. */
void shmqi_look_kind(const struct queue_look *look, struct shmq_stat *st);

/* What one participant has done: messages, position, lag. `st`: what shmqi_look_kind() says. */
void shmqi_look_place(const struct queue_look *look, const struct shmq_stat *st,
		      struct shmq_participant *row);

/* A lane's figures: how many messages were sent into it, and received from it. */
struct queue_counts {
	uint64_t sent, received;
};
struct queue_counts shmqi_look_lane(const struct queue_look *look, unsigned lane);

#endif
