/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * shmq_memdev: memory that the kernel and processes share, as character devices /dev/memdevN.
 *
 * A device has a role. raw: memory, and nothing else. source and sink: one SPSC queue of the
 * library's format in that memory, of which the kernel is the producer, or the consumer. It is
 * participant 0, and holds that one's lock byte as long as the module is loaded (memdev_lock()), so
 * that the library takes it for what it is: a living peer.
 *
 * What the kernel believes of a queue is in its own memory: geometry and positions are never read
 * from the region. Of the region it reads one word at a time: the consumer's head (source), the word
 * of a slot and its bytes (sink), each checked, or masked, before it is used (include/shmq/ring_spsc.h
 * says how). So any bytes cost the process that wrote them, and an error count here.
 *
 * Who writes what
 *   ring, sequence, sent, overruns, missed   source: the timer; sink: the work
 *   errors                                   the same
 *   role, rate, opens                        under `configure`; the region is laid out anew only
 *                                            while nobody has the device open, which a mapping does
 *   protect                                  sysfs, a word by itself: for mappings to come
 */
#ifndef MEMDEV_H
#define MEMDEV_H

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <shmq/ring_spsc.h>

#include <format.h>

#define MEMDEV_NUMBER_MAX 64
#define MEMDEV_RATE_MAX 100000 /* Hz */
#define MEMDEV_SIZE_MIN (16 * 1024)
#define MEMDEV_SIZE_MAX (1ul << 30)

enum memdev_role { MEMDEV_RAW, MEMDEV_SOURCE, MEMDEV_SINK };

/* A message, in both directions. */
struct memdev_sample {
	u64 sequence; /* 0, 1, ... of all that were due, sent or not */
	s64 ktime_ns; /* CLOCK_MONOTONIC */
};

struct memdev {
	void *memory; /* of vmalloc_user() */
	size_t bytes;

	struct mutex configure;
	enum memdev_role role;
	unsigned int opens;
	u64 rate;    /* Hz; 0: the timer rests */
	u64 protect; /* 1: processes may map it read-only */

	struct shmqi_geometry g;
	struct shmq_spsc ring;
	u64 sequence; /* of the next sample: to be sent, or expected */

	struct hrtimer timer;
	ktime_t period;
	struct work_struct drain;
	wait_queue_head_t wait;

	/* Counts, each written as said above, read by anybody. */
	u64 sent;     /* source: samples published */
	u64 overruns; /* source: samples not sent, as the ring was full */
	u64 missed;   /* timer periods that were found over: nothing was due to be sent in them */
	u64 received; /* sink: messages taken, good or bad */
	u64 gaps;     /* sink: messages whose sequence was not the one expected */
	u64 errors;   /* what no honest peer writes */
	atomic_t mapped;
};

/* memdev_queue.c */
void memdev_queue_init(struct memdev *m);
/* Lay the region out for a role, as new. -ENOSPC: it is too small. The caller holds configure. */
int memdev_queue_lay_out(struct memdev *m, enum memdev_role role);
/* Let the timer run at `rate`, or not. The caller holds configure. */
void memdev_queue_set_rate(struct memdev *m, u64 rate);
/* Timer and work are at rest when this returns. */
void memdev_queue_stop(struct memdev *m);
void memdev_queue_kick(struct memdev *m);
/* Whether poll() is to say so. Any content of the region gives an answer. */
bool memdev_queue_readable(struct memdev *m);
bool memdev_queue_writable(struct memdev *m);

/* memdev_sysfs.c */
extern const struct attribute_group *memdev_groups[];
int memdev_role_parse(const char *text);

#endif
