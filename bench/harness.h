/* SPDX-License-Identifier: MIT */
/*
 * The harness: one measurement is one body of code in each of two processes, each pinned to its own core, with a control page
 * between them; or a crowd of processes, each pinned to one of the two cores. The parent only waits: it ends its children when one fails, when they hang, and when it is itself told to stop.
 */
#ifndef SHMQ_BENCH_HARNESS_H
#define SHMQ_BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to measure. */
struct bench_what {
	size_t len;	 /**< bytes of a message: a multiple of 8, at most BENCH_LEN_MAX */
	size_t capacity; /**< messages */
	int variant;	 /**< means something to the member that is run */
	double seconds;	 /**< how long */
	unsigned producers, consumers; /**< of a crowd; 0: a pair */
	int mixed; /**< a crowd: of each kind, every other one on the other core;
					  0: producers on the first core, consumers on the second */
};

#define BENCH_PARTIES_MAX 16

#define BENCH_LEN_MAX 1024
#define BENCH_WORDS_MAX (BENCH_LEN_MAX / 8)

/** What one measurement gives; 0 where it does not apply. */
struct bench_sample {
	double ns;	/**< nanoseconds for one: median of a latency, 1 / rate of a throughput */
	double p99_ns;	/**< of a latency */
	double send_ns; /**< blocking: median of the send alone */
	double sleeps;	/**< blocking: times asleep for each round trip, both sides together */
	double p999_ns; /**< of a latency that asks for it */
	double missed; /**< share of the attempts or messages that came to nothing, where that is measured */
	double count;	  /**< how many were measured */
	double preempted; /**< how often the kernel took a core away for something else */
};

/* Of a latency histogram: a tick each, then BENCH_COARSE ticks each, the last one for all that is beyond. */
#define BENCH_FINE_BINS 32768u
#define BENCH_BINS 65536u
#define BENCH_COARSE 128u

/** Shared by the parent and the children; anonymous memory, so it has no name to leak. */
struct bench_shared {
	uint32_t parties;	 /**< children there are */
	uint32_t ready;		 /**< children that are set up */
	int64_t error;		 /**< of the first child that failed: a negated errno */
	uint64_t count;		 /**< throughput: messages */
	uint64_t ns;		 /**< throughput: nanoseconds they took */
	uint32_t preempted;	 /**< involuntary context switches of all children */
	uint64_t sleeps;	 /**< voluntary context switches */
	uint64_t missed;	 /**< attempts or messages that came to nothing */
	uint32_t finished;	 /**< crowd: producers that have sent all they will */
	uint32_t away[31];	 /**< nobody writes here while `finished` is looked at */
	uint64_t sent, sent_sum; /**< crowd: messages, and what they add up to */
	uint64_t received, received_sum;
	uint64_t begin_ns, end_ns;	/**< when all were ready; when the last consumer ended */
	uint64_t bins[BENCH_BINS];	/**< latency histogram */
	uint64_t send_bins[BENCH_BINS]; /**< the same of the send alone */
};

/** What a body gets. */
struct bench_side {
	struct bench_what what;
	struct bench_shared *shared;
	unsigned me; /**< in a body: number of this process; a crowd has its producers first */
	unsigned char *
		memory; /**< peers: shared anonymous memory, two halves for two directions; NULL: none */
	size_t memory_bytes;
	int fds[2]; /**< shmq: descriptors of the two queues, one for each direction; -1: none */
};

/**
 * Block the signals the parent waits for, pick the cores, calibrate the clock. 0, or -ENODEV: fewer than two cores allowed.
 *
 * @param fifo  1: children run under SCHED_FIFO, so that nothing but the kernel takes their cores away
 */
int bench_init(const char *cpus, int fifo);

/** The two cores in use. */
const int *bench_cpus(void);

double bench_ticks_per_ns(void);

/** Called when the harness is told to stop by a signal, before it ends. */
void bench_at_stop(void (*clean)(void));

/** Fill `side` with zeroed memory of `memory_bytes` (0: none). 0 or a negated errno; bench_side_free() in any case. */
int bench_side_init(struct bench_side *side, const struct bench_what *what, size_t memory_bytes);

/** Create the two queues of `side` as sealed memfds, which have no name to leak. 0 or a negated errno. */
int bench_side_queues(struct bench_side *side);

struct shmq;
struct shmq_opts;

/** Create one queue, fds[0], in the same way. 0 or a negated errno. */
int bench_side_queue(struct bench_side *side, const struct shmq_opts *opts);

/** Attach a queue by its descriptor. 0 or a negated errno. */
int bench_attach_fd(struct shmq **out, int fd, unsigned role);

void bench_side_free(struct bench_side *side);

/** Run the bodies, each in its own process on its own core, to their ends. 0 or the negated errno of what went wrong. */
int bench_pair(struct bench_side *side, int (*one)(struct bench_side *),
	       int (*other)(struct bench_side *));

/** Run what.producers times one body and what.consumers times the other, each in its own process. */
int bench_crowd(struct bench_side *side, int (*produce)(struct bench_side *),
		int (*consume)(struct bench_side *));

/** Run one body, in its own process on the first core. */
int bench_solo(struct bench_side *side, int (*body)(struct bench_side *));

/** In a body, once set up: wait for the other processes, pages present. */
void bench_ready(struct bench_side *side);

/** In a body: count one latency. */
static inline void
bench_count(uint64_t *bins, uint64_t ticks)
{
	uint64_t bin = ticks;

	if (bin >= BENCH_FINE_BINS)
		bin = BENCH_FINE_BINS + (ticks - BENCH_FINE_BINS) / BENCH_COARSE;
	bins[bin < BENCH_BINS ? bin : BENCH_BINS - 1]++;
}

/** Nanoseconds at `part` (0..1) of a histogram; `count` becomes its sum. */
double bench_quantile(const uint64_t *bins, double part, double *count);

/** The sample of a latency, of a throughput, and of the throughput of a crowd; -EBADMSG: not all that was sent was received. */
void bench_sample_latency(const struct bench_side *side, struct bench_sample *out);
void bench_sample_rate(const struct bench_side *side, struct bench_sample *out);
int bench_sample_crowd(const struct bench_side *side, struct bench_sample *out);

#ifdef __cplusplus
}
#endif

#endif
