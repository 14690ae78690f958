/* SPDX-License-Identifier: MIT */
/*
 * Traffic: crowds of senders and receivers, each a process of its own, on one queue of any kind. One
 * body; what a kind promises is told by its adapter (kind_*.c).
 *
 * Every letter (letter.h) is accounted for. A run ends once every sender has sent, and every
 * receiver received, its quota: a member that does not come to it while the others go on, or that
 * stands still, is starved. Receivers end by -EPIPE, after the last sender has left and all is
 * drained.
 */
#ifndef TESTS_STRESS_TRAFFIC_H
#define TESTS_STRESS_TRAFFIC_H

#include <shmq/shmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "stress/letter.h"
#include "support/place.h"

#define TRAFFIC_CROWD 8u /* senders, and receivers, at most */
#define TRAFFIC_BATCH 5
#define TRAFFIC_STAYS 256
#define TRAFFIC_UNCOUNTED 64 /* a sender counts late: so many may have been sent besides */

enum traffic_verdict {
	TRAFFIC_FINE,
	TRAFFIC_LOST,
	TRAFFIC_REPEATED,
	TRAFFIC_DISORDER,
	TRAFFIC_TORN,
	TRAFFIC_STARVED,
	TRAFFIC_MISNUMBERED, /* shmq_info or a count tells it otherwise */
	TRAFFIC_BROKEN,	     /* a process died, or a call said what it may not */
};

struct traffic_reader;
struct traffic_ledger;

/* What a kind promises. */
struct traffic_kind {
	const char *name;
	struct shmq_opts opts;
	unsigned senders, receivers; /* the most there can be */
	bool no_batch, no_peek;
	bool numbered;	      /* one sender: shmq_info.sequence is the letter's */
	bool counts_loss;     /* shmq_info.lost tells gaps */
	bool newest;	      /* a value may be received again */
	bool sender_may_hang; /* SHMQ_HANGUP is for senders, too */
	bool oldest;	      /* SHMQ_OLDEST is for receivers */
	bool afresh;	      /* a receiver that comes again does not go on where it left */
	bool ejects;	      /* -ESTALE */
	bool lanes;	      /* order only within a sender's stay */
	bool returns;	      /* what leaves with an open peek comes to another, later */
	uint64_t limit;	      /* letters of one sender by which everybody has its quota */
	/* A receiver's stay is over: `drained` when it came to the end of the traffic. */
	enum traffic_verdict (*left)(const struct traffic_reader *reader, bool drained);
	/* All is over. */
	enum traffic_verdict (*settle)(const struct traffic_ledger *ledger);
};

extern const struct traffic_kind traffic_spsc, traffic_spsc_records, traffic_mpsc,
	traffic_mpsc_records, traffic_mpmc, traffic_mpmc_redeliver, traffic_broadcast,
	traffic_broadcast_records, traffic_broadcast_limit, traffic_lossy, traffic_lossy_records,
	traffic_latest;

#define TRAFFIC_KINDS 12
extern const struct traffic_kind *const traffic_kinds[TRAFFIC_KINDS];

/* One run. */
struct traffic {
	const struct traffic_kind *kind;
	enum place_backend on;
	unsigned senders, receivers;
	uint64_t quota;
	uint64_t seed;
	bool churn;  /* members leave and come back, again and again */
	bool remove; /* the queue is removed in the middle */
	/* A fault in the test's own path of the messages, or TRAFFIC_FINE. */
	enum traffic_verdict plant;
	unsigned patience_ms; /* how long one may stand still; 0: a minute */
};

/* A word of one process each. */
struct traffic_member {
	_Alignas(128) uint64_t count; /* letters sent, or received */
	uint64_t safe;		      /* senders: sent before the removal */
	uint64_t stays;
	pid_t pid;
};

struct traffic_ledger {
	struct traffic run;
	char address[128];
	int arrived, go; /* gates */
	uint64_t verdict;
	uint64_t satisfied, gone; /* members with their quota; senders that have left for good */
	uint32_t removing;
	struct traffic_member senders[TRAFFIC_CROWD], receivers[TRAFFIC_CROWD];
	unsigned char *bits; /* who has received what */
};

struct traffic_end {
	struct traffic_ledger *ledger;
	struct traffic_member *me;
	unsigned index, role;
	struct shmq *q;
	unsigned char *room[TRAFFIC_BATCH];
	uint64_t seed;
	bool satisfied;
};

struct traffic_reader {
	struct traffic_end end;
	uint64_t next[TRAFFIC_CROWD][TRAFFIC_STAYS];
	/* One sender: this stay. */
	uint64_t first, got, lost;
	uint64_t sent_before, sent_after; /* as the sender told, around our attach */
	uint64_t number;		  /* shmq_info.sequence of the last one */
	bool from_oldest, misnumbered;
};

/* Run it; what came of it. */
enum traffic_verdict traffic_run(const struct traffic *run);

/* For the members. */
void traffic_send(void *end);
void traffic_receive(void *end);
/* false: it was removed. */
bool traffic_join(struct traffic_end *end);
void traffic_leave(struct traffic_end *end);
int64_t traffic_timeout(struct traffic_end *end);
void traffic_report(struct traffic_ledger *ledger, enum traffic_verdict verdict, const char *what,
		    uint64_t number);
void traffic_count(struct traffic_end *end, uint64_t count);
bool traffic_over(const struct traffic_ledger *ledger);

/* For the adapters. */
bool traffic_bit(const struct traffic_ledger *ledger, unsigned receiver, unsigned sender,
		 uint64_t sequence);
void traffic_set_bit(const struct traffic_ledger *ledger, unsigned receiver, unsigned sender,
		     uint64_t sequence);
/* Of sender 0, before `end`. */
void traffic_clear_bits(const struct traffic_ledger *ledger, unsigned receiver, uint64_t end);
/* Letters of a sender that must have been received. */
uint64_t traffic_owed(const struct traffic_ledger *ledger, unsigned sender);
/* Every letter came to exactly one receiver. */
enum traffic_verdict traffic_each_to_one(const struct traffic_ledger *ledger);
/* One sender: what came in this stay is whole, but for what the reader was told it lost. */
enum traffic_verdict traffic_stay_is_whole(const struct traffic_reader *reader, bool drained);

#endif
