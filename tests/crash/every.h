/* SPDX-License-Identifier: MIT */
/*
 * Killed, and stopped, at every instruction of one operation; docs/crash.md tells the whole.
 *
 * A cell is a kind of queue x an operation x a state x a backend. Each cell is run in a process
 * of its own: a dry run single-steps the operation and notes where anything changes that outlives
 * a killed process (points); then, for each point, a trial: the same state again, a new victim
 * brought to that point, SIGKILL (or it is left standing there, alive), and the others go on and
 * account for every message.
 *
 *   every_table.c    kinds, operations, states, and which go together
 *   every_victim.c   what the victim does: the operations
 *   every_scene.c    a trial's queue, its others, and the state that the victim meets
 *   every_account.c  every message that was sent: who got it, in what order, what may be missing
 *   every_after.c    the victim is dead: newcomer, laps, capacity, stat, nothing left behind
 *   every_stop.c     the victim stands still: who goes on, who is blocked; then it goes on, too
 *   every_life.c     create, attach, detach, remove, resize, lock, set on every backend
 *   every_life_check.c   what the others make of that
 *   every_step.c     single steps: the dry run, points, bringing a victim to one
 *   every_watch.c    what the tracer sees of a segment
 *   every_words.c    what it sees in the words of an MPMC ring
 *   every_cell.c     all trials of a cell
 *   every_report.c   the lines, JSON
 *   every_main.c     arguments, workers
 */
#ifndef TESTS_CRASH_EVERY_H
#define TESTS_CRASH_EVERY_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <shmq/shmq.h>

#include "support/leak.h"
#include "support/place.h"

#define EVERY_CAPACITY 4
#define EVERY_BATCH 3
#define EVERY_MSG_MAX 600
#define EVERY_LONG_NS INT64_C(5000000000) /* nobody who goes on needs so long */
#define EVERY_LAPS 3

struct every_watch {
	unsigned char *copy;
	const unsigned char *memory; /* NULL: there is none (yet) */
	size_t bytes;
};
/* every_watch.c: a mapping of the tracer's own, which is no attach (but on sysv:). */
void every_watch_open(struct every_watch *watch, const struct place *place);
/* Whether there is something else than the last time. */
bool every_watch_changed(struct every_watch *watch);
void every_watch_close(struct every_watch *watch);

/* Tables -------------------------------------------------------------------------------------- */

struct every_kind {
	const char *name;
	struct shmq_opts opts; /* without participants */
	unsigned least, most;  /* lengths of messages, >= 16 */
};

/*
 * What the victim has at hand. Its memory is its own; what others shall know is in every_results.
 */
struct every_act {
	struct shmq *q;
	const struct every_scene *scene;
	unsigned n; /* messages of a batch */
	unsigned char bytes[EVERY_BATCH][EVERY_MSG_MAX];
	struct iovec v[EVERY_BATCH];
	ssize_t result; /* of the call that counts */
	unsigned held;	/* messages that it holds when the operation is over */
};

struct every_operation {
	const char *name;
	unsigned role;	   /* the victim's */
	unsigned messages; /* that it sends or receives */
	int64_t timeout_ns;
	bool attaches, detaches; /* the operation itself */
	bool gives_back;	 /* what it had received: no effect in the end */
	bool (*fits)(const struct every_kind *kind);
	void (*prepare)(struct every_act *a); /* before the first instruction; may be NULL */
	void (*act)(struct every_act *a);
	void (*judge)(struct every_act *a); /* after the last; may be NULL */
};

enum every_corpse { NOBODY_DIED, DIED_CLAIMING, DIED_HOLDING };

struct every_state {
	const char *name;
	int fill;   /* messages waiting; -1: full */
	bool wraps; /* head and tail across the end of the ring */
	bool contended, sleeper;
	enum every_corpse corpse;
	bool (*fits)(const struct every_kind *kind, const struct every_operation *operation);
};

extern const struct every_kind every_kinds[];
extern const struct every_operation every_operations[];
extern const struct every_state every_states[];
extern const unsigned every_kind_count, every_operation_count, every_state_count;

bool every_single(const struct every_kind *kind, unsigned role); /* one holder of that role */
bool every_many(const struct every_kind *kind, unsigned role);
bool every_stream(const struct every_kind *kind);     /* each consumer gets each message */
bool every_overwrites(const struct every_kind *kind); /* lossy, latest */
bool every_records(const struct every_kind *kind);
bool every_peeks(const struct every_kind *kind);
bool every_redelivers(const struct every_kind *kind);

/* A trial's account --------------------------------------------------------------------------- */

enum every_sender { BY_OUT, BY_VICTIM, BY_SLEEPER, BY_NEWCOMER, BY_CORPSE, SENDERS };
enum every_reader { IN_READER, NEW_READER, SLEEPER_READER, VICTIM_READER, READERS };

/* A message that was, or may have been, sent. */
struct every_entry {
	uint64_t id;
	bool maybe_sent;  /* the victim died, and this is its message */
	bool maybe_taken; /* the victim died, or stands, and may have received it */
	bool floats;	  /* its place in the order is not known */
	bool again;	  /* it may come later than its place: redelivered */
	bool corpse;	  /* the corpse had it, not the victim */
	unsigned seen;	  /* by which readers, a bit each */
};

#define EVERY_ENTRIES 512

struct every_account {
	const struct every_kind *kind;
	unsigned n;
	struct every_entry entries[EVERY_ENTRIES];
	uint32_t next[SENDERS];	 /* number of the sender's next message */
	int last[READERS];	 /* the entry that the reader got last; -1 */
	unsigned first[READERS]; /* streams: the first entry that the reader is to get */
	bool reads[READERS];	 /* streams: it is there */
};

#define EVERY_ID(sender, number) ((uint64_t)((sender) + 1) << 32 | (uint32_t)(number))
#define EVERY_SENDER(id) ((unsigned)((id) >> 32) - 1)

size_t every_length(const struct every_kind *kind, uint64_t id);
size_t every_fill(const struct every_kind *kind, uint64_t id, void *bytes);
/* The id of a message that is whole, or 0. */
uint64_t every_read(const struct every_kind *kind, const void *bytes, size_t length);

void every_account_begin(struct every_account *a, const struct every_kind *kind);
struct every_entry *every_account_sent(struct every_account *a, uint64_t id);
void every_account_joins(struct every_account *a, enum every_reader reader, unsigned first);
/*
 * A reader got a message; `lost`: how many it was told it has missed. What is wrong ends the
 * trial.
 */
void every_account_got(struct every_account *a, enum every_reader reader, uint64_t id,
		       uint64_t lost);
/* Messages that this reader (streams), or any, must still get. */
unsigned every_account_due(const struct every_account *a, enum every_reader reader);
/*
 * Nothing is due; how many of the victim's messages came to be, or of those it received, did not
 * come again.
 */
void every_account_end(struct every_account *a);
unsigned every_account_effect(const struct every_account *a, bool sent);

/* A trial ------------------------------------------------------------------------------------- */

/* Where others look at what the victim, and the sleeper, have come to. */
struct every_results {
	ssize_t result;
	unsigned got;
	uint64_t ids[EVERY_BATCH];
	unsigned held;
	ssize_t slept; /* the sleeper's */
	uint64_t slept_id, slept_lost, slept_early;
};

enum every_seat { OUT, IN, NEWCOMER, SEATS };

/* every_words.c: MPMC. */
struct every_words {
	uint64_t voided; /* positions counted as given up */
	uint64_t slots[EVERY_CAPACITY];
	pid_t claimants[EVERY_CAPACITY]; /* who writes there; 0: nobody */
};

struct every_life;

struct every_scene {
	const struct every_life *life; /* instead of the three below */
	const struct every_kind *kind;
	const struct every_operation *operation;
	const struct every_state *state;
	bool dry, frozen; /* the dry run; the sleeper stands still */
	bool stop;	  /* the others ask for hang-ups, which are not to come */
	struct place place;
	struct shmq *seat[SEATS];
	struct iovec claimed, held;    /* by OUT, by IN */
	pid_t victim, sleeper, corpse; /* 0: none, or no more */
	struct every_account account;
	struct every_results *results;
	unsigned effect;	       /* messages of the victim, by the counts */
	struct every_words words;      /* when the victim began */
	unsigned uncounted;	       /* places that it has given up and not counted */
	struct every_entry *slept_for; /* what the sleeper would send */
	struct leak_count before;
};

/* every_scene.c */
void every_scene_set(struct every_scene *s);   /* all but the victim's first instruction */
void every_scene_clear(struct every_scene *s); /* whatever is left of it after a failure */
struct shmq *every_attach(struct every_scene *s, unsigned role);
int every_send(struct every_scene *s, enum every_seat seat, int64_t timeout_ns);
/* Length, or an error. */
ssize_t every_recv(struct every_scene *s, enum every_seat seat, int64_t timeout_ns);
/* A seat that is taken, and of that role. */
bool every_taken(const struct every_scene *s, unsigned role); /* by anybody */
bool every_sits(const struct every_scene *s, enum every_seat seat, unsigned role);
void every_freeze_sleeper(struct every_scene *s, bool freeze);
void every_finish_contended(struct every_scene *s);

/* every_words.c */
void every_words_look(struct every_words *words, const struct place *place);
/* Whether the victim, which stands still, has claimed a place. */
bool every_claims(const struct every_scene *s);
/* It is about to be killed there. */
void every_note_uncounted(struct every_scene *s);

/* every_victim.c */
void every_be_victim(void *scene);
void every_be_sleeper(void *scene);
void every_be_corpse(void *scene);
/* Where the operation begins, and where it is over: what the tracer waits for. */
void every_first(void);
void every_last(void);
/* Attach and detach something: what the first time makes for good is made. */
void every_warm_up(void);

/*
 * every_after.c: the victim is dead. Way 0: a newcomer takes its place, then the others go on;
 * way 1: the others go on before that. Returns its effect in messages.
 */
unsigned every_after(struct every_scene *s, unsigned way);
bool every_two_ways(const struct every_kind *kind, const struct every_operation *operation,
		    const struct every_state *state);
void every_drain(struct every_scene *s);
void every_laps(struct every_scene *s);
void every_join_sleeper(struct every_scene *s);
void every_leave(struct every_scene *s); /* stat, detach all, remove; nothing is left */

/* every_stop.c: the victim stands still, and goes on. Returns whether somebody was blocked. */
bool every_while_stopped(struct every_scene *s);

/* Steps --------------------------------------------------------------------------------------- */

struct every_point {
	unsigned k;	  /* instructions executed before */
	unsigned calls;	  /* system calls behind it */
	unsigned steps;	  /* instructions since the last of them, or the first of all */
	unsigned changes; /* if it differs from the one before: how often that was so since then */
	bool hot;	  /* the same number of steps each time */
	bool at_call;	  /* stopped at the entry of a system call: the next instruction */
	bool distinct;	  /* something that outlives the victim differs from the point before */
	uint64_t pc;
	uint64_t landmark; /* hot: an instruction executed once since that call, or 0 */
	unsigned beyond;   /* steps from there */
};

struct every_run {
	unsigned instructions, calls;
	unsigned seen; /* changes since the last system call */
	unsigned n;    /* points: k = 0..instructions, and the entries of system calls */
	struct every_point *points;
};

/* Single-step a victim to its end, looking at `place` after each step. It is there then, alive. */
void every_dry_run(pid_t victim, const struct place *place, struct every_run *run);
/*
 * Bring a fresh victim to a point; false: it is not there. Changes of `place` are counted where
 * that is surer than steps; NULL: they are not.
 */
bool every_reach(pid_t victim, const struct every_point *point, const struct place *place);
uint64_t every_where(pid_t victim);

/* Cells --------------------------------------------------------------------------------------- */

struct every_cell {
	const struct every_kind *kind;
	const struct every_operation *operation;
	const struct every_state *state;
	enum place_backend on;
	const struct every_life *life; /* instead of kind, operation, state */
};

/* How thorough. */
struct every_how {
	bool kill, stop;
	bool every;	      /* each instruction, without sharing */
	unsigned stop_stride; /* each so many instructions */
	long at;	      /* only this k; -1: all */
	unsigned jobs;
	const char *json;
	const char *kind, *operation, *state, *on;
};

#define EVERY_TEXT 400

/* In memory that the main process shares. */
struct every_outcome {
	bool applies;
	unsigned instructions, points, distinct, kills, none, whole, part, stops, blocked, failures;
	unsigned at; /* the one at work, for who is killed by its time limit */
	bool stopped;
	unsigned failed_at; /* the first time */
	bool failed_stopped;
	double seconds;
	char text[EVERY_TEXT]; /* of the first failure */
};

void every_cell_run(const struct every_cell *cell, const struct every_how *how,
		    struct every_outcome *out);

/* every_must.c: what does not hold ends the trial. */
extern jmp_buf every_trial;
extern char every_failure[EVERY_TEXT];
void every_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A clock that moves by itself, and the same each time: for the victim. */
void every_fake_clock(void);

/* every_report.c */
const char *every_place_name(enum place_backend on);
void every_report_head(void);
void every_report_line(const struct every_cell *cell, const struct every_outcome *out);
int every_report_end(const struct every_cell *cells, const struct every_outcome *out, unsigned n,
		     const struct every_how *how);

#endif
