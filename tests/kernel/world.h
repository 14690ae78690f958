/* SPDX-License-Identifier: MIT */
/*
 * The kernel's rows, played in several worlds.
 *
 * A row (docs/kernel-rows.md) is one scenario: a function that plays on a world and writes down what it observes. A world is a table of
 * operations on shared memory: the kernel's own system calls (the oracle), or shmq with one backend. The same scenario runs
 * in the kernel's world and in each of ours, and every observation must be equal, but for the exceptions the row declares.
 *
 *   place        a segment in a world: how it is called there
 *   held         an attach
 *   facts        what IPC_STAT tells, in one shape for all worlds
 *   observation  a name and a value in words: an errno, a count, yes or no
 *   scene        one run of one scenario in one world, in a process of its own
 *
 * The scene lies in memory shared with the processes it starts, so any of them may observe.
 */
#ifndef KERNEL_WORLD_H
#define KERNEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/shm.h>
#include <sys/types.h>
#include <time.h>

#include <shmq/shmq.h>

#define PAGE ((size_t)4096)
#define NOBODY 65534u
#define PLACES 16

/* Bits of an exception's mask: the worlds that are shmq over mmap. SysV has none, as it has no exceptions. */
enum {
	ON_SHM = 1,
	ON_FILE = 2,
	ON_MEMFD = 4,
	ON_PRELOAD = 8,
	ON_MMAP = ON_SHM | ON_FILE | ON_MEMFD
};

/* How to reach a segment. By id: shmid or descriptor; a backend without ids has only the name. */
enum how { BY_NAME, BY_ID };

struct world;

struct place {
	const struct world *world;
	int slot;
	char name[320]; /* shmq: address; mmap worlds: path */
	key_t key;	/* kernel: 0 for IPC_PRIVATE */
	int id;		/* shmid, or descriptor; -1: none */
	size_t size;	/* as asked for at creation */
	pid_t creator;
};

struct wish {
	size_t size;
	mode_t mode;	/* 0: 0600 */
	unsigned flags; /* SHMQ_SPARSE, SHMQ_POPULATE */
	size_t page_size;
};

struct held {
	const struct place *place;
	void *base;
	size_t size;
	struct shmq_seg *seg;
};

struct facts {
	bool is_private; /* the key is IPC_PRIVATE */
	uid_t uid, gid, cuid, cgid;
	unsigned mode; /* permissions, SHMQ_DEST, SHMQ_LOCKED */
	int64_t id;
	unsigned seq;
	size_t segsz;
	int64_t atime, dtime, ctime;
	pid_t cpid, lpid;
	int64_t nattch;
	int64_t resident_pages;
	bool locked; /* its memory is locked now */
};

struct totals {
	int64_t segments, pages, resident;
};

/* What no world may accept. */
enum bad { BAD_COMMAND, BAD_ID, BAD_LENGTH, BAD_ALIGNMENT, BAD_WRAP };

/*
 * Results are >= 0 or a negated errno. `attach` takes SHM_* flags and SHMQ_LOCK, SHMQ_POPULATE. `find` asks for at least
 * `size` bytes, 0 for any. `met` tells how often the walk over all segments meets this one. `reader` attaches through a
 * descriptor that is open for reading only; NULL where segments have no descriptors.
 */
struct world {
	const char *name;
	unsigned bit;
	int backend; /* of shmq; -1: the kernel */
	void (*call)(struct place *p);
	int (*create)(struct place *p, const struct wish *wish);
	int (*create_private)(struct place *p, const struct wish *wish);
	int (*open)(struct place *p, const struct wish *wish);
	int (*find)(const struct place *p, size_t size);
	int (*attach)(struct held *h, const struct place *p, enum how how, void *at,
		      unsigned flags);
	int (*reader)(struct held *h, const struct place *p, unsigned flags);
	int (*detach)(struct held *h);
	int (*detach_at)(const void *base);
	int (*stat)(const struct place *p, enum how how, struct facts *f);
	int (*stat_held)(const struct held *h, struct facts *f);
	int (*set)(const struct place *p, const struct shmq_perm *perm);
	int (*remove)(const struct place *p, enum how how);
	int (*lock)(const struct place *p);
	int (*unlock)(const struct place *p);
	int (*resize)(struct held *h, size_t size);
	int (*sync)(struct held *h);
	int (*met)(const struct place *p);
	int (*totals)(struct totals *t);
	int64_t (*allocated)(const struct place *p); /* pages, used or not */
	int (*memlock)(size_t bytes, uint64_t *needed, uint64_t *limit);
	int (*refuse)(const struct place *p, enum bad what);
};

extern const struct world kernel_sysv;	/* shmget and the rest */
extern const struct world kernel_tmpfs; /* mmap of a file in /dev/shm */
extern const struct world kernel_disk;	/* mmap of a file on a disk */
extern const struct world shmq_sysv, shmq_shm, shmq_file, shmq_memfd;
extern const struct world preload; /* shmget and the rest, of libshmq-sysv */

extern const struct world *const worlds[]; /* those to be compared to the kernel's; ends with NULL */

/* Who plays the kernel in a row: always SysV, or the kernel's own object of the backend's kind. */
enum oracle { ORACLE_SYSV, ORACLE_ALIKE };

/* A difference that is settled: for these worlds this observation may differ. A row's table ends with a NULL observation. */
struct exception {
	unsigned worlds;
	const char *observation;
	const char *row;
	const char *reason;
};

struct scene;

struct row {
	const char *id;
	const char *title;
	enum oracle oracle;
	void (*play)(struct scene *s);
	const struct exception *exceptions;
};

/* Outcomes (outcome.c). */

struct observation {
	char name[80];
	char value[32];
};

struct outcome {
	unsigned count;
	bool done;
	bool barred;	  /* it needs a privilege that this machine does not give us */
	char broken[256]; /* why the scene could not be played to its end; empty: it was */
	struct observation seen[96];
};

/* Write down one observation. */
void say(struct scene *s, const char *name, const char *value);
void say_rc(struct scene *s, const char *name, int rc);	  /* "ok" or the errno's name */
void say_over(struct scene *s, const char *name, int rc); /* the same, of RLIMIT_MEMLOCK */
void say_fact(struct scene *s, const char *name, bool fact);
void say_count(struct scene *s, const char *name, int64_t count);
void say_octal(struct scene *s, const char *name, unsigned mode);

/* "prefix: name", valid until the fourth call after this one. */
const char *of(const char *prefix, const char *name);

/* "never", "now" (between the scene's mark and this moment) or "before". */
const char *when(const struct scene *s, int64_t time);

/* "none", "creator" (the scene's own process), "other". */
const char *who(const struct scene *s, pid_t pid);

const char *observed(const struct outcome *out, const char *name);

/* What came of one row in one world. */
struct verdict {
	const struct row *row;
	const struct world *world;
	unsigned failures;
	char failed[8192]; /* differences without an exception, one a line */
	char cell[2048];   /* for the table: "same", or the exceptions that were used */
};

/* Compare two outcomes under the exceptions of verdict->row. */
void compare(struct verdict *verdict, const struct outcome *kernel, const struct outcome *ours);

/* Keep the verdict's line for the table, and the outcomes for people, if SHMQ_KERNEL_TABLE_DIR says where. */
void publish(const struct verdict *verdict, const struct outcome *kernel,
	     const struct outcome *ours);

/* Scenes (scene.c). */

struct scene {
	const struct world *world;
	pid_t pid;	/* of the process that plays */
	time_t mark;	/* the moment "now" begins */
	bool apart;	/* in namespaces of its own: its SysV ids mean nothing outside */
	char label[32]; /* names what a helper process observes */
	struct place places[PLACES];
	struct outcome out;
};

/* Play a row in the kernel's world and in all of ours; fail the running test for each difference. */
void row_check(const struct row *row);

/* Give up unless rc >= 0: the scene cannot go on. What fails for want of a capability bars the row. */
void need(struct scene *s, int rc, const char *what);

/* Let "now" begin. */
void mark(struct scene *s);

struct place *place(struct scene *s, int slot);
struct place *made(struct scene *s, int slot, size_t size, mode_t mode); /* and created, sparse */
struct place *made_by_nobody(struct scene *s, int slot, size_t size, mode_t mode);
void hold(struct scene *s, struct held *h, const struct place *p, unsigned flags);
void drop(struct scene *s, struct held *h);
struct facts facts_of(struct scene *s, const struct place *p, enum how how);

/* The directory of file: segments: on a disk, its own for this test. */
const char *scene_dir(void);

/* Distinguishes the names of this test from those of any other running now. */
pid_t scene_run(void);

/* People (people.c): other processes. */

struct other {
	pid_t pid;
	int up[2], down[2];
};

/* Start a process that runs `body`. The pair of calls to say and await is one step. */
void other_start(struct scene *s, struct other *o, void (*body)(struct scene *s, struct other *o));
void other_await(struct scene *s, struct other *o); /* until the other tells */
void other_go(struct scene *s, struct other *o);    /* let it go on */
void other_tell(struct other *o);		    /* in the other: we are there */
void other_wait(struct other *o);		    /* in the other: until we may go on */
int other_end(struct scene *s, struct other *o);    /* until it has died: its wait status */

/* Run `body` in another process, or as another user without any privilege, to its end. */
void in_child(struct scene *s, void (*body)(struct scene *s));
void as_nobody(struct scene *s, void (*body)(struct scene *s));

/* The signal that an access to this byte raises; 0: none. Another process dies of it. */
int touch_signal(struct scene *s, const volatile void *byte, bool write);

/* From here on in namespaces of our own, where /dev/shm, file: and the SysV tables hold so many bytes. */
void small_world(struct scene *s, size_t bytes);

/* RLIMIT_MEMLOCK of this process. */
void memlock_limit(struct scene *s, size_t bytes);

/*
 * Locking (memory.c): 0 or a negated errno. The first two are the system calls themselves, as a sanitizer makes the C library's
 * functions do nothing; the others are the functions, as its own memory is too large to be locked.
 */

int lock_pages(const void *at, size_t len);
int unlock_pages(const void *at, size_t len);
int lock_all(int flags);
int unlock_all(void);

/* Pages that a SysV segment has, from the kernel's table, or from libshmq-sysv's; -1: there is none of that id. */
int64_t sysv_pages(int id);
int64_t preload_pages(int id);

/* Memory (memory.c): what the kernel says about a range of addresses. */

size_t mapped_pages(const void *base, size_t len);
size_t resident_pages(const void *base, size_t len);
size_t locked_pages(const void *base, size_t len); /* the `lo` flag of smaps */
size_t dirty_pages(const void *base, size_t len);
const char *
protection(const void *at); /* as in maps: "rw-s"; "none" if unmapped; valid until the next call */
bool mapping_ends(const void *at);	      /* a mapping ends exactly there */
void *reserve(struct scene *s, size_t pages); /* PROT_NONE, ours */
unsigned leftovers(void);		      /* open descriptors plus mappings of shared memory */

#endif
