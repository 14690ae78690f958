/* SPDX-License-Identifier: MIT */
/*
 * Questions, groups, members, rounds.
 *
 * A question (ask_*.c) is a file; it adds groups. A group is what is compared with each other: one cell of a grid. Its
 * members run one after the other, round by round, each round beginning with another one, so that a disturbance of the
 * machine hits all of them or one round only; ratios are made within a round (results.py).
 *
 * What is measured through one pair of calls, sends and receives, comes as an adapter (peer_*.c): our own calls, floors and
 * rivals alike, all in the same loops.
 */
#ifndef SHMQ_BENCH_H
#define SHMQ_BENCH_H

#include "harness.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Adapters ---------------------------------------------------------------------------------- */

/** What a queue lets several processes do, and how it waits. */
enum bench_can {
	BENCH_PAIR = 1,	      /**< one sender, one receiver */
	BENCH_MANY_SEND = 2,  /**< several senders, one receiver */
	BENCH_MANY = 4,	      /**< several senders, several receivers */
	BENCH_SLEEPS = 8,     /**< sleeps in the kernel when there is nothing; others are polled */
	BENCH_BATCH = 16,     /**< moves what.batch messages with each call; joined only for that */
	BENCH_BROADCAST = 32, /**< one sender, every message to each receiver: bodies of a crowd */
	BENCH_LOSSY = 64,     /**< the same, but the sender never waits */
	BENCH_LATEST = 128,   /**< only the latest counts: bodies of a crowd, made of latest.h */
};

/** Which end of a queue a process has. */
enum bench_end { BENCH_SENDS, BENCH_RECEIVES };

/** A queue, or a floor, behind one pair of calls. */
struct bench_adapter {
	const char *name;
	const char *
		base; /**< NULL: ours; else what others are compared with: "rival", "floor", "weaker" (another job: always) */
	const char *note; /**< for the report: what it is, and what it promises less */
	unsigned can;
	/** 1: it can carry this; NULL: whatever is asked. */
	int (*fits)(const struct bench_what *what);
	/** Bytes of side->memory one queue needs; NULL: none. */
	size_t (*bytes)(const struct bench_what *what);
	/**
	 * In the parent, before the processes start: make `queues` queues, in side->memory (queue i begins at
	 * bench_queue_memory(side, i)), as descriptors side->fds[i], or under names that begin with side->name.
	 * 0, or a negated errno; -ENOTSUP with the reason in bench_why(). What does not do the job that is asked: bench_weaker().
	 */
	int (*make)(struct bench_side *side, unsigned queues);
	/** Take away what make() left in the system; NULL: nothing. Also called after a failed make(). */
	void (*unmake)(struct bench_side *side);
	bench_body *const *bodies; /**< of BENCH_BODIES; made by bodies.h or bodies.hh */
};

/** What an adapter's processes run. */
enum bench_body_of {
	BENCH_PRODUCE,	     /**< send as fast as can be; */
	BENCH_CONSUME,	     /**< receive, check, count and time */
	BENCH_PING,	     /**< send, wait for the answer, time the round trip; */
	BENCH_PONG,	     /**< answer, */
	BENCH_PONG_TIMED,    /**< or time the way here, then answer */
	BENCH_PACE,	     /**< send when the clock says so; */
	BENCH_ARRIVE,	     /**< time from when it was to be sent to here */
	BENCH_CROWD_PRODUCE, /**< one of several senders; */
	BENCH_CROWD_CONSUME, /**< one of several receivers */
	BENCH_BODIES
};

/** All there are, in the order of the report; those that are not installed have a note that says so and no bodies. */
extern const struct bench_adapter *const bench_adapters[];
extern const size_t bench_adapters_n;

/** The adapter of this name; it must exist. */
const struct bench_adapter *bench_adapter_named(const char *name);

/** Make `queues` queues of an adapter; bench_unmake() in any case. */
int bench_make(struct bench_side *side, const struct bench_adapter *adapter,
	       const struct bench_what *what, unsigned queues);
void bench_unmake(struct bench_side *side, const struct bench_adapter *adapter);

/** Where queue `i` of side->memory begins. */
unsigned char *bench_queue_memory(const struct bench_side *side, unsigned i);

/** Say why a measurement is -ENOTSUP or failed: kept until the next one, shown in the report. */
void bench_why(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** In make(): say what this queue does less than is asked; it is no rival in this group. Shown in the report. */
void bench_weaker(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** In make(): the same, when a queue holds fewer messages than were asked for, or many more, and that can matter. */
void bench_holds(const struct bench_what *what, size_t messages);

/* Groups ------------------------------------------------------------------------------------ */

/** What the figures of a group are. */
enum bench_unit {
	BENCH_LATENCY, /**< ns: a distribution; less is better */
	BENCH_RATE,    /**< sample.ns is 1 / rate; more messages a second are better */
	BENCH_COST,    /**< ns for one; less is better */
	BENCH_BYTES,   /**< sample.ns is bytes; less is better */
};

/** One thing to measure. */
struct bench_member {
	const char *name;
	const char *base; /**< as in struct bench_adapter; any label that others are compared with */
	int (*run)(const struct bench_what *what, const struct bench_member *member,
		   struct bench_sample *out);
	const struct bench_adapter *adapter; /**< or NULL */
	int variant;
};

/** How two processes use an adapter. */
struct bench_pairing {
	unsigned queues;
	enum bench_body_of first, second;
	int (*sample)(const struct bench_side *side, struct bench_sample *out);
};

struct bench_group;

/** When a group is run. */
enum bench_level { BENCH_QUICK, BENCH_FULL };

/**
 * Add a group, unless this run has no room for its level.
 *
 * @param name         "question/cell", as long as there are no two of them
 * @param time_factor  of the time a member is given in each round
 * @return NULL: not in this run; else for bench_join(); owned by the registry
 */
struct bench_group *bench_add(const char *name, const struct bench_what *what, enum bench_unit unit,
			      enum bench_level level, double time_factor);

/** Add a member to a group; none to NULL. */
void bench_join(struct bench_group *group, const struct bench_member *member);

/** Add every adapter that can do all of `can` and fits, with one way to run it. */
void bench_join_adapters(struct bench_group *group, unsigned can,
			 int (*run)(const struct bench_what *, const struct bench_member *,
				    struct bench_sample *));

/** Make `queues` queues of the member's adapter, run two of its bodies, one on each core, take the sample, unmake. */
int bench_run_pair(const struct bench_what *what, const struct bench_member *member,
		   struct bench_sample *out, const struct bench_pairing *pairing);

/** Make a queue of the member's adapter, run a crowd's bodies, take the sample, unmake. */
int bench_run_crowd(const struct bench_what *what, const struct bench_member *member,
		    struct bench_sample *out,
		    int (*sample)(const struct bench_side *side, struct bench_sample *out));

/** Add the floor of round trips, peer_line.c, with each of its ways to wait. */
void bench_join_line(struct bench_group *group,
		     int (*run)(const struct bench_what *, const struct bench_member *,
				struct bench_sample *));

/** Add the floor of throughput, peer_stream.c, with each of its ways to wait. */
void bench_join_stream(struct bench_group *group,
		       int (*run)(const struct bench_what *, const struct bench_member *,
				  struct bench_sample *));

/** What the run is like; set before anything is asked. */
struct bench_plan {
	int rounds;
	double seconds; /**< for each member in each round */
	enum bench_level level;
	const char *members;   /**< only those whose name matches, as fnmatch(3) does; NULL: all */
	int smoke;	       /**< as short as can be: does it work, not how fast */
	double jitter_seconds; /**< over 0: jitter/steady runs, for so long over all rounds */
};

extern struct bench_plan bench_plan;

#define BENCH_ROUNDS_MAX 101

/* What the runner (main.cc) looks at. */
size_t bench_groups_n(void);
struct bench_group *bench_group_at(size_t i);
const char *bench_group_name(const struct bench_group *group);
enum bench_unit bench_group_unit(const struct bench_group *group);
const struct bench_what *bench_group_what(const struct bench_group *group);
size_t bench_members_n(const struct bench_group *group);
const struct bench_member *bench_member_at(const struct bench_group *group, size_t i);

/** Run all rounds of a group, unless done already; `progress` is called before each round. */
void bench_measure(struct bench_group *group, void (*progress)(const char *name, int round));

/** 0, or the negated errno with which a member failed, and why. */
int bench_error(const struct bench_group *group, size_t member, const char **why);
/** What a member was in this group, once it has run: "weaker" who did another job, and what he did less (else ""). */
const char *bench_base(const struct bench_group *group, size_t member, const char **less);
const struct bench_sample *bench_round(const struct bench_group *group, size_t member, int round);

/** Rounds that a member has: the first ones, fewer than planned of bytes and of who takes far too long. */
int bench_rounds_n(const struct bench_group *group, size_t member);

/** What each of them took in all, its start and its end included. */
double bench_round_seconds(const struct bench_group *group, size_t member);

/** Time that the hypervisor took from us while the group ran, in nanoseconds. */
double bench_stolen(const struct bench_group *group);

/* Questions: each adds its groups. */
void ask_floors(void);
void ask_calls(void);
void ask_rtt(void);
void ask_oneway(void);
void ask_throughput(void);
void ask_crowd(void);
void ask_broadcast(void);
void ask_slow_reader(void);
void ask_latest(void);
void ask_records(void);
void ask_sleep(void);
void ask_events(void);
void ask_publish(void);
void ask_lifecycle(void);
void ask_attach(void);
void ask_recovery(void);
void ask_memory(void);
void ask_jitter(void);
void ask_huge(void);
void ask_first(void);

/**
 * What a question may leave in the system, taken away when the run is over or told to stop: several can ask, each once, however
 * often it says so; `clean` must not mind being called when there is nothing.
 */
void bench_at_stop(void (*clean)(void));

/** Take it all away; also done behind each group. */
void bench_clean(void);

#ifdef __cplusplus
}
#endif

#endif
