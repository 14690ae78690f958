/* SPDX-License-Identifier: MIT */
/* The scene of fuzz_kinds.c: a queue of a kind in a memfd, our handles, and a second mapping. */
#ifndef FUZZ_KINDS_H
#define FUZZ_KINDS_H

#include "format.h"
#include "fuzz_input.h"

#include <pthread.h>
#include <shmq/shmq.h>
#include <stdio.h>
#include <sys/mman.h>

#define HANDLES 4
#define STORES 8

/* One of ours: a handle, and what is open on it. */
struct end {
	struct shmq *q;
	unsigned role;
	struct iovec reserved, peeked;
};

/* What the second thread stores, over and over. */
struct store {
	volatile uint64_t *at;
	uint64_t values[2];
};

struct scene {
	struct fuzz_input in;
	char address[32];
	int fd;
	struct shmqi_geometry g; /* as created */
	unsigned char *shared;	 /* the hostile mapping */
	unsigned char *message;	 /* msg_max bytes, and one more */
	struct end ends[HANDLES];
	struct store stores[STORES];
	unsigned stored;
	pthread_t thread;
	uint32_t stop; /* of the thread */
};

static inline unsigned
byte(struct scene *s)
{
	return fuzz_byte(&s->in);
}

static inline unsigned
word(struct scene *s)
{
	return fuzz_word(&s->in);
}

/* A target is about FUZZ_KINDS of these, from FUZZ_FIRST on: CMakeLists.txt has the families. */
static const struct {
	int kind;
	unsigned flags;
	bool slow;
} kinds[] = {
	{SHMQ_SPSC, 0, false},
	{SHMQ_SPSC, SHMQ_RECORDS, false},
	{SHMQ_MPSC, 0, false},
	{SHMQ_MPSC, SHMQ_RECORDS, false},
	{SHMQ_MPMC, 0, false},
	{SHMQ_MPMC, SHMQ_REDELIVER, false},
	{SHMQ_BROADCAST, 0, false},
	{SHMQ_BROADCAST, 0, true},
	{SHMQ_BROADCAST, SHMQ_RECORDS, false},
	{SHMQ_BROADCAST, SHMQ_RECORDS, true},
	{SHMQ_BROADCAST, SHMQ_LOSSY, false},
	{SHMQ_BROADCAST, SHMQ_LOSSY | SHMQ_RECORDS, false},
	{SHMQ_LATEST, 0, false},
};

static inline void
scene_begin(struct scene *s)
{
	static const size_t msg_max[] = {8, 0, 1, 40, 100, 300};
	static const size_t capacity[] = {2, 3, 8, 5};
	unsigned kind = FUZZ_FIRST + byte(s) % FUZZ_KINDS, shape = byte(s);
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = kinds[kind].kind,
		.flags = kinds[kind].flags,
		.msg_max = msg_max[shape % 6],
		.capacity = capacity[shape / 6 % 4],
		.participants = 1 + shape / 24 % 4,
		.max_deliveries = kinds[kind].flags & SHMQ_REDELIVER ? 1 + shape / 96 : 0,
	};

	if (opts.flags & SHMQ_RECORDS)
		opts.capacity *= format_record_cost(opts.msg_max);
	if (kinds[kind].slow)
		opts.slow_limit = opts.capacity - shape / 96 % opts.capacity;
	s->fd = shmq_create("memfd:fuzz", &opts);
	must(s->fd >= 0);
	snprintf(s->address, sizeof(s->address), "fd:%d", s->fd);
	s->g = (struct shmqi_geometry){
		.kind = opts.kind,
		.flags = opts.flags,
		.participants = opts.participants,
		.max_deliveries = opts.max_deliveries,
		.page_size = FORMAT_PAGE,
		.msg_max = opts.msg_max,
		.capacity = opts.capacity,
		.slow_limit = opts.slow_limit,
	};
	must(shmqi_format_plan_queue(&s->g) == 0);
	s->shared = mmap(NULL, s->g.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	s->message = calloc(1, opts.msg_max + 1);
	must(s->shared != MAP_FAILED && s->message);
}

static inline void
scene_end(struct scene *s)
{
	for (size_t i = 0; i < HANDLES; i++)
		must(!s->ends[i].q || shmq_detach(s->ends[i].q) == 0);
	if (s->stored) {
		shmq_store_relaxed_u32(&s->stop, 1);
		must(pthread_join(s->thread, NULL) == 0);
	}
	munmap(s->shared, s->g.total_bytes);
	close(s->fd);
	free(s->message);
}

#endif
