/* SPDX-License-Identifier: MIT */
/*
 * The harness: one measurement is one body of code in each of two or more processes, each pinned to a core and started afresh
 * (fork and exec), with a board of shared memory between them. The parent only waits: it ends its children when one fails,
 * when they hang, and when it is itself told to stop.
 */
#ifndef SHMQ_BENCH_HARNESS_H
#define SHMQ_BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What to measure. What does not apply is 0. */
struct bench_what {
	size_t len;	 /**< bytes of a message: a multiple of 8, at most BENCH_LEN_MAX */
	size_t capacity; /**< messages */
	unsigned batch;	 /**< messages for each call */
	unsigned producers, consumers; /**< of a crowd */
	int mixed; /**< a crowd: of each kind, every other one on the other core; 0: producers on the first core,
				consumers on the second */
	int closed; /**< closed loop: one message on its way, so how many the queue holds is nothing to it */
	int broadcast;	    /**< of a crowd with one producer: each consumer gets every message */
	int lossy;	    /**< but those that he was too slow for */
	double load;	    /**< open loop: share of what the queue can carry */
	double interval_ns; /**< open loop: from one message to the next; 0: none */
	unsigned segments;  /**< others there are in the system */
	unsigned participants; /**< that are attached, or that there can be */
	int pauses;	       /**< of the loop, where a polled queue is full or empty */
	int variant;	       /**< means something to the member that is run */
	double seconds;	       /**< how long */
};

/** One writer with 32 readers, and some. */
#define BENCH_PARTIES_MAX 40
#define BENCH_LEN_MAX ((size_t)1 << 20)

/** A figure beside the one that ratios are made of. */
struct bench_figure {
	const char *name; /**< as in the JSON: "cpu", "missed", "faults"; a string that stays */
	double value;
};

#define BENCH_FIGURES_MAX 12

/** What one measurement gives. */
struct bench_sample {
	double ns; /**< what ratios are made of: median of a latency, time or bytes for one */
	double quantiles
		[BENCH_QUANTILES]; /**< of a latency: bench_quantiles[]; the last is the greatest; else 0 */
	double count;		   /**< how many were measured */
	double preempted;	   /**< how often the kernel took a core away for something else; */
	double taken; /**< more processes than cores: the share of a core that others had */
	unsigned figures_n;
	struct bench_figure figures[BENCH_FIGURES_MAX];
};

/** Shared by the parent and the children; 0 when they start. */
struct bench_shared {
	uint32_t parties;	 /**< children there are */
	uint32_t ready;		 /**< children that are set up */
	int64_t error;		 /**< of the first child that failed: a negated errno */
	char why[128];		 /**< what it had to say */
	uint64_t count;		 /**< throughput: messages */
	uint64_t ns;		 /**< throughput: nanoseconds they took */
	uint64_t preempted;	 /**< involuntary context switches of all children */
	uint64_t sleeps;	 /**< voluntary context switches */
	uint64_t missed;	 /**< attempts or messages that came to nothing */
	uint32_t finished;	 /**< crowd: producers that have sent all they will */
	uint32_t away[31];	 /**< nobody writes here while `finished` is looked at */
	uint64_t sent, sent_sum; /**< crowd: messages, and what they add up to */
	uint64_t received, received_sum;
	uint64_t in_time;	   /**< crowd: what had been received when the time was over */
	uint64_t begin_ns, end_ns; /**< when all were ready; when the last consumer ended */
	uint64_t cpu_ns[BENCH_PARTIES_MAX];  /**< each child's CPU time from when all were ready, */
	uint64_t left_ns[BENCH_PARTIES_MAX]; /**< to its end: when that was */
	uint64_t words[16];		     /**< a question's own */
	struct bench_histogram latency;	     /**< filled by one process */
	struct bench_histogram
		other; /**< of something else, by one process: a send alone, a late wake-up */
};

/** What a body gets. */
struct bench_side {
	struct bench_what what;
	struct bench_shared *shared;
	unsigned me; /**< number of this process; a crowd has its producers first */
	unsigned queues;
	unsigned char *
		memory; /**< zeroed shared memory, at the same address in each process; NULL: none */
	size_t memory_bytes;
	int memory_fd;
	int fds[2];    /**< descriptors of the queues, inherited; -1: none */
	char name[48]; /**< for what must have a name: unique, no slash, begins with shmq-bench */
	int board_fd;
};

/** The whole life of a process that measures. 0 or a negated errno. */
typedef int bench_body(struct bench_side *side);

/**
 * Block the signals the parent waits for, pick the cores, calibrate the clock. 0, or -ENODEV: fewer than two cores allowed.
 *
 * @param fifo  1: children run under SCHED_FIFO, so that nothing but the kernel takes their cores away
 */
int bench_init(const char *cpus, int fifo);

/** The life of a child: what main() does when its first argument is BENCH_PARTY. Does not return. */
void bench_party(int argc, char **argv) __attribute__((noreturn));
#define BENCH_PARTY "--party"

/** The two cores in use. */
const int *bench_cpus(void);

/** In parent and children. */
double bench_ticks_per_ns(void);

/** Fill `side` with zeroed memory of `memory_bytes` (0: none). 0 or a negated errno; bench_side_free() in any case. */
int bench_side_init(struct bench_side *side, const struct bench_what *what, size_t memory_bytes);
void bench_side_free(struct bench_side *side);

struct shmq;
struct shmq_opts;

/** Create a queue as a sealed memfd, which has no name to leak: fds[i]. 0 or a negated errno. */
int bench_side_queue(struct bench_side *side, int i, const struct shmq_opts *opts);

/** Attach a queue by its descriptor. 0 or a negated errno. */
int bench_attach_fd(struct shmq **out, int fd, unsigned role);

/** Run the bodies, each in its own process on its own core, to their ends. 0 or the negated errno of what went wrong. */
int bench_pair(struct bench_side *side, bench_body *one, bench_body *other);

/** Run what.producers times one body and what.consumers times the other, each in its own process. */
int bench_crowd(struct bench_side *side, bench_body *produce, bench_body *consume);

/** Run one body, in its own process on the first core. */
int bench_solo(struct bench_side *side, bench_body *body);

/** In a body, once set up: wait for the other processes, pages present. */
void bench_ready(struct bench_side *side);

/** The sample of a latency (shared->latency), of a rate (count, ns), of the rate of a crowd; -EBADMSG: not all that was sent came. */
int bench_sample_latency(const struct bench_side *side, struct bench_sample *out);
int bench_sample_rate(const struct bench_side *side, struct bench_sample *out);
int bench_sample_crowd(const struct bench_side *side, struct bench_sample *out);

/**
 * How much the kernel took the cores away for something else. With two processes on a core it takes it from each now and then: what counts
 * then is what all of them together did not have. They must not sleep.
 */
void bench_sample_disturbed(const struct bench_side *side, struct bench_sample *out);

/** Add a figure to a sample. */
void bench_figure(struct bench_sample *sample, const char *name, double value);

/** Add "cpu_first" and "cpu_second": the share of its core that each of a pair used. */
void bench_figure_cpu(const struct bench_side *side, struct bench_sample *sample);

#ifdef __cplusplus
}
#endif

#endif
