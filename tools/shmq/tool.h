/* SPDX-License-Identifier: MIT */
/*
 * What the files of the shmq command share.
 *
 * Every subcommand is a function of (argc, argv) that returns the exit status: 0, 1 for a failed
 * operation, which has then printed its one line, or 2 for a usage error, which argp reports and
 * exits with by itself.
 */
#ifndef SHMQ_TOOL_H
#define SHMQ_TOOL_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>
#include <shmq/shmq.h>

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_SIGNAL = 128 /* plus the signal's number */
};

/* Long options without a letter; --timeout, --json and the like share one set of keys. */
enum option_key {
	KEY_KIND = 0x100,
	KEY_MSG_MAX,
	KEY_CAPACITY,
	KEY_MODE,
	KEY_OWNER,
	KEY_LOCK,
	KEY_POPULATE,
	KEY_HUGE,
	KEY_LOSSY,
	KEY_RECORDS,
	KEY_REDELIVER,
	KEY_MAX_DELIVERIES,
	KEY_SLOW_LIMIT,
	KEY_PARTICIPANTS,
	KEY_JSON,
	KEY_DRY_RUN,
	KEY_LINES,
	KEY_CHUNK,
	KEY_HANGUP,
	KEY_RECEIVERS,
	KEY_COUNT,
	KEY_TIMEOUT,
	KEY_FOLLOW,
	KEY_OLDEST,
	KEY_VERBOSE,
	KEY_SYSV_DIR
};

/* The subcommands. */
int cmd_create(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_lock(int argc, char **argv);
int cmd_unlock(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_recv(int argc, char **argv);
int cmd_tap(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* The same of a namespace of libshmq-sysv: `text` is an id, or a key with 0x before it. Exit statuses; the line is printed. */
#define SYSV_DIR_OPTION                                                                  \
	{                                                                                \
		"sysv-dir", KEY_SYSV_DIR, "DIR", 0, "of libshmq-sysv's namespace DIR", 0 \
	}
int sysv_ls(const char *dir, bool json);
int sysv_look(const char *dir, const char *text, struct shmq_stat *st);
int sysv_rm(const char *dir, const char *text);
int sysv_gc(const char *dir, bool dry_run);

/* What was going on when something failed: the same errno calls for different remedies. */
enum during {
	DURING_CREATE = 1,
	DURING_ATTACH = 2,
	DURING_LOOK = 4,   /* stat */
	DURING_CHANGE = 8, /* set, rm */
	DURING_LOCK = 16,
	DURING_TRANSFER = 32, /* send, recv, tap */
	DURING_ANY = 63
};

struct failure {
	const char *addr;
	const char *doing; /* "create", "attach as consumer" */
	int err;	   /* negated errno */
	enum during during;
	size_t bytes; /* memory that was asked for; 0: not known, or does not matter */
	bool locking; /* locked memory was asked for */
};

/* Print the one line about a failed operation; returns EXIT_FAILED. */
int fail(const struct failure *failure);
/* The same where memory and space do not matter. */
int fail_during(enum during during, const char *addr, const char *doing, int err);
/* The same for what has no errno of the library: "shmq: SUBJECT: " and the text. */
int fail_plain(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Arguments; each calls argp_error(), which does not return, when the text is wrong. */
size_t parse_size(const char *text, size_t max, const char *option, struct argp_state *state);
/* The same, but not 0. */
size_t parse_count(const char *text, size_t max, const char *option, struct argp_state *state);
mode_t parse_mode(const char *text, struct argp_state *state);
int64_t parse_seconds(const char *text, const char *option, struct argp_state *state);
/* Keep the only positional argument, or insist that there is one. */
error_t parse_address(int key, char *arg, const char **addr, struct argp_state *state);

/* Texts. The buffers are the caller's; each returns its buffer. */
#define TEXT_MAX 64
const char *text_bytes(char buf[TEXT_MAX], uint64_t bytes); /* 4.3 MiB */
const char *text_known(char buf[TEXT_MAX], int64_t bytes);  /* the same; -1: "-" */
const char *text_count(char buf[TEXT_MAX], int64_t count);  /* 12; -1: "-" */
const char *text_time(char buf[TEXT_MAX], int64_t seconds); /* local time; 0: "never" */
const char *text_user(char buf[TEXT_MAX], uid_t uid);
const char *text_group(char buf[TEXT_MAX], gid_t gid);
const char *text_kind(int kind);
const char *text_backend(int backend);
void print_escaped(FILE *out,
		   const char *text); /* control characters as \xNN: one line stays one line */

/* JSON. */
json_t *json_stat(const struct shmq_stat *st);
json_t *json_participant(const struct shmq_participant *row);
json_t *json_known(int64_t value); /* -1: null */
int json_print(json_t *value);	   /* and give it back; an exit status */

/* Signals that end send, recv and tap: SIGINT, SIGTERM, SIGHUP. */
void interrupt_arm(void);
int interrupted(void); /* 0, or the signal */

/* Bytes and messages moved so far, shown while they move. */
struct progress {
	const char *addr;
	const char *verb; /* "sent", "received", "seen" */
	bool live;
	bool summary;
	bool counts_missed; /* messages may pass us by: the line says how many did */
	uint64_t bytes;
	uint64_t messages;
	uint64_t missed;
	int64_t started_ns;
	int64_t shown_ns;
	unsigned quiet; /* messages since the clock was read */
};

/* To be filled in before: addr, verb. data_fd: where the data comes from or goes to. */
void progress_start(struct progress *progress, int data_fd, bool verbose);
void progress_add(struct progress *progress, uint64_t messages, uint64_t bytes);
void progress_idle(struct progress *progress);
void progress_end(struct progress *progress);
int64_t clock_ns(void);

/* An end of a queue that send, recv or tap works on. */
struct transfer {
	struct shmq *q;
	const char *addr;
	struct shmq_stat st; /* as it was when we came */
	struct progress progress;
};

/* How long a wait may last before the tool looks at signals and progress. */
#define SLICE_NS ((int64_t)100 * 1000 * 1000)

/*
 * Open the queue in a role, created with defaults if absent, but for an observer; an exit status,
 * with the line printed when it is not 0.
 */
int transfer_open(struct transfer *transfer, const char *addr, unsigned role);
/*
 * Detach, finish the progress line, and turn what ended the work into an exit status (and its
 * line).
 */
int transfer_close(struct transfer *transfer, int err, const char *doing);
/*
 * One who gets messages, recv or tap: shown in place where the queue can do that, else copied.
 */
struct reception {
	struct transfer t;
	uint64_t count;	    /* messages still wanted */
	int64_t timeout_ns; /* how long to wait for one */
	char *buffer;	    /* messages are copied here; NULL: shown in place */
	const char *doing;  /* "receive", "look" */
	const char *stuck;  /* what becomes of a message that cannot be written */
};

/* Find out how this queue gives its messages. 0, or -ENOMEM. */
int reception_start(struct reception *in, bool observer);
/*
 * Wait for a message; in place it is there until shmq_release(). 0, -ETIMEDOUT (after timeout_ns),
 * -EINTR (a signal wants us to stop), or as shmq_recv().
 */
int reception_next(struct reception *in, struct iovec *msg);
/* To standard output. 0, -EINTR, or EXIT_FAILED, and the line is printed. */
int reception_write(const struct reception *in, const struct iovec *msg);
/* No message came for as long as was asked: the line; EXIT_FAILED. */
int reception_timed_out(const struct reception *in);

/* 1: the descriptor has something now (or an end); 0: not; timeout in ms, -1: for ever. */
int wait_for(int fd, short events, int timeout_ms);

#endif
