/* SPDX-License-Identifier: MIT */
/*
 * A storm: processes that send and receive are killed at random instants and started again, round
 * by round; after each round the queue is drained and every message accounted for.
 *
 * Who sends notes a message before it sends it, and again when the call has returned. Who receives
 * notes what it is about to do, then what it got (while it is peeked, where there is peek), then
 * that it has released it. So of each process there is at most one note that is not finished, the
 * last one, and only when it was killed: that is the difference which this kill explains.
 *
 * A round ends with one last message after which all that is left is received; or by the removal of
 * the queue under its senders and receivers, who then end by themselves.
 *
 * Senders and receivers sit in seats; a seat's processes, one after the other, are lives. Where a
 * role is for one only, the seats are rivals for it.
 */
#ifndef TESTS_CRASH_STORM_H
#define TESTS_CRASH_STORM_H

#include <stdbool.h>

#include <shmq/shmq.h>

#include "support/place.h"

#define STORM_SEATS 6
#define STORM_BATCH 5
#define STORM_MSG_MAX 400
#define STORM_SENT (1u << 17)  /* messages of a seat in a round */
#define STORM_NOTES (1u << 20) /* in a log in a round */
#define STORM_LIVES (1u << 13) /* in a round */

/* How messages are sent and received: what a kind's processes choose from. */
enum storm_way {
	BY_SEND = 1,
	BY_SEND_BATCH = 2,
	BY_COMMIT = 4,
	BY_ABORT = 8, /* a reservation that comes to nothing */
	BY_PEEK = 16,
	BY_RECV = 32,
	BY_RECV_BATCH = 64,
};

struct storm_kind {
	const char *name;
	struct shmq_opts opts;
	unsigned producers, consumers; /* seats */
	unsigned ways;
};

/* What a message was, as its sender noted. */
enum storm_sent_state { UNSENT, BEGUN, RETURNED };
struct storm_sent {
	uint64_t word;	/* {life, state:2} */
	uint64_t time;	/* when it was begun, ns */
	uint64_t stamp; /* its number among all messages that were begun; sole producer only */
};

/* What a receiver noted. */
enum storm_what {
	NOTHING_NOTED,
	JOINED,	   /* `number` is the life */
	WILL_PEEK, /* and may have a message that it has not noted */
	WILL_RECV, /* or up to `number` */
	HELD,	   /* peeked message `number` of `seat` */
	DONE,	   /* received, or released */
	FINISHED   /* WILL_RECV of several, which are all noted behind */
};
struct storm_note {
	uint64_t word;		 /* {number:48, seat:4, deliveries:8, what:4} */
	uint64_t position, lost; /* JOINED: highest, and whether it starts with the next message */
	uint64_t began, noted;	 /* when, ns */
};

#define NOTE_WHAT(word) ((enum storm_what)((word)&15))
#define NOTE_DELIVERIES(word) ((unsigned)((word) >> 4) & 255)
#define NOTE_SEAT(word) ((unsigned)((word) >> 12) & 15)
#define NOTE_NUMBER(word) ((word) >> 16)
#define NOTE(what, deliveries, seat, number)                                               \
	((uint64_t)(number) << 16 | (uint64_t)(seat) << 12 | (uint64_t)(deliveries) << 4 | \
	 (uint64_t)(what))

struct storm_log {
	uint64_t count; /* a hint: at most one more is noted */
	uint64_t reserved[15];
	struct storm_note notes[STORM_NOTES];
};

struct storm_seat {
	uint64_t next;	   /* producers: number of the next message */
	uint64_t steps;	   /* operations done */
	uint64_t attached; /* the life that is */
	uint64_t leave;	   /* the life that is asked to end by itself */
	uint64_t reserved[12];
};

struct storm_life {
	bool producer;
	unsigned seat;
	uint64_t killed_ns; /* 0: never */
};

/* All of it: each word has one writer at a time, and is read after that one's end, or is a hint. */
struct storm_shared {
	uint64_t stamp; /* of the next message; sole producer only */
	uint64_t returned; /* the stamp that comes after that of the last message whose send returned */
	uint64_t highest; /* position received by anybody, plus 1 */
	uint64_t settled; /* nobody detaches for a while any more */
	uint64_t removed; /* the queue is, or is about to be */
	uint64_t reserved[11];
	struct storm_seat seats[2][STORM_SEATS]; /* [1]: producers */
	struct storm_life lives[STORM_LIVES];
	struct storm_sent sent[STORM_SEATS][STORM_SENT];
	struct storm_log logs[STORM_SEATS];
};

/* What one round, or all rounds, came to. */
struct storm_sum {
	uint64_t kills, killed_producers, killed_consumers, stops;
	uint64_t leaves, removals;	  /* ended when asked to; rounds that ended by removal */
	uint64_t sent;			  /* by shmq_stat */
	uint64_t received;		  /* different messages; streams: by the witness */
	uint64_t redelivered, lost, dead; /* by shmq_stat; lossy: what the witness missed */
	uint64_t all;			  /* notes of messages, of all receivers */
	/* differences, each of one kill */
	uint64_t doubt_sent, doubt_unsent; /* sends that had not returned: it was sent, or not */
	uint64_t repeated;   /* deliveries of what a dead one had noted and not released */
	uint64_t unnoted;    /* consumed, or delivered, and killed before it was noted */
	uint64_t unreleased; /* noted and killed before release returned: it was released */
	uint64_t uncounted;  /* void positions that stat takes for messages */
	uint64_t left;	     /* sent while the queue was removed, after its receivers had left */
	uint64_t unexplained;
};

/* Faults of our own, to see that they are found. */
enum storm_plant { SOUND, LOSES, REPEATS };

struct storm {
	const struct storm_kind *kind;
	unsigned name; /* of place_queue() */
	bool bells;    /* they also wait by shmq_fd(); those killed leave its names behind */
	enum storm_plant plant;
	struct place place;
	struct storm_shared *shared;
	uint64_t seed;
	int64_t pids[2][STORM_SEATS]; /* 0: down */
	bool stopped[2][STORM_SEATS], leaving[2][STORM_SEATS];
	unsigned life_of[2][STORM_SEATS];
	unsigned lives;
	bool sole[2]; /* consumers, producers: a role for one at a time */
	bool stream;  /* each consumer gets every message, or misses it and knows */
	bool lossy;
	uint64_t removed_ns; /* when shmq_remove() had returned; 0: the round did not end so */
	struct shmq_stat before, after;
	struct storm_sum sum, total;
};

/* One life. */
struct storm_worker {
	struct storm *storm;
	bool producer;
	unsigned seat, life;
	bool last; /* the one that ends a round: the last message, or all that is left; a witness */
	int gate;  /* the last producer sends when it is opened */
	uint64_t seed;
};

/* storm_send.c, storm_receive.c: the bodies of processes; `arg` is a storm_worker. */
void storm_produce(void *arg);
void storm_consume(void *arg);

/* storm_message.c */
struct storm_message {
	unsigned seat;
	uint64_t number, stamp;
};
size_t storm_length(const struct storm *storm, const struct storm_message *m);
void storm_fill(void *bytes, size_t length, const struct storm_message *m);
/* Which message this is; every byte of it must be right. */
struct storm_message storm_check(const struct storm *storm, const void *bytes, size_t length);

/* storm_account.c, storm_streams.c: what became of each message of a round. */
void storm_account(struct storm *storm);
void storm_account_streams(struct storm *storm);

/* storm_match.c: differences and the kills that can explain them, one for each. */
struct storm_window {
	uint64_t from, to; /* it happened between */
	bool consumed;	   /* only by a receive, not by a peek */
};
struct storm_match;
struct storm_match *storm_match_new(const struct storm *storm, bool peek_takes);
/* Find a kill for one more difference; false: there is none. */
bool storm_match_add(struct storm_match *match, const struct storm_window *window);
void storm_match_free(struct storm_match *match);

/* storm.c */
enum storm_end { BY_DRAIN, BY_REMOVAL };

/* Make the storm's queue there; what it knows of former queues stays (zeroed at first). */
void storm_open(struct storm *storm, const struct storm_kind *kind, enum place_backend on);
/* One round of about so many kills; false: differences that nothing explains. */
bool storm_round(struct storm *storm, unsigned kills, enum storm_end end);
/* Remove the queue, if no round has. */
void storm_close(struct storm *storm);
/* Give the memory of notes back; between rounds. */
void storm_forget(struct storm *storm);
/* Say on stderr what is wrong. */
void storm_complain(const struct storm *storm, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* storm_run.c: the whole storm on shm:, as a test; prints its line of the table. */
void storm_run(const struct storm_kind *kind, unsigned kills);

/* storm_kinds.c */
extern const struct storm_kind storm_kinds[];
extern const unsigned storm_kind_count;
/* NULL: there is none. */
const struct storm_kind *storm_kind_named(const char *name);

#endif
