/* SPDX-License-Identifier: MIT */
/* Every operation that makes system calls or allocates, with what it may say when one fails. */
#ifndef TESTS_FAULTS_OPERATIONS_H
#define TESTS_FAULTS_OPERATIONS_H

#include <stdbool.h>

#include "support/leak.h"
#include "support/place.h"

#define OPERATION_ERRORS 12
#define ONCE 1u /* what has failed need not be there for a second try */
#define ON(backend) (1u << (backend))
#define ON_NAMED (ON(ON_SHM) | ON(ON_SYSV) | ON(ON_FILE))
#define ON_MMAP (ON(ON_SHM) | ON(ON_FILE) | ON(ON_MEMFD))
#define ON_ALL (ON_NAMED | ON(ON_MEMFD))

struct trial {
	const struct operation *operation;
	struct place place;
	struct place warm; /* a queue of its own to make what stays for good */
	struct shmq *q, *peer;
	struct shmq_seg *seg;
	struct leak_count before;
	int result;
};

enum object { QUEUE, CROWD, LANES, READERS, SEGMENT, NOTHING };

struct operation {
	const char *name;
	unsigned on; /* backends */
	enum object
		object; /* what is under the address when it begins; CROWD, LANES, READERS: MPMC, MPSC, broadcast */
	unsigned flags;
	/* in the process that acts: before, the act itself, what must be true of a success, and
	 * back to what was before */
	void (*ready)(struct trial *t);
	int (*act)(struct trial *t);
	void (*look)(struct trial *t);
	void (*undo)(struct trial *t);
	int errors[OPERATION_ERRORS]; /* documented */
};

/* Ended by a row without a name. */
extern const struct operation operations_make[], operations_use[];

/* All of them, counted from 0; NULL: no more. */
const struct operation *operation_at(unsigned n);

#define OPERATION_CAPACITY 4

#define SHORT_OF -ENOMEM, -EMFILE, -ENFILE
#define NO_ERRORS \
	{         \
		0 \
	}
#define WAIT_ERRORS    \
	{              \
		-EINTR \
	}
#define SYNC_ERRORS           \
	{                     \
		-ENOMEM, -EIO \
	}
#define GROW_ERRORS                    \
	{                              \
		-ENOMEM, -ENOSPC, -EIO \
	}
#define LOOK_ERRORS            \
	{                      \
		SHORT_OF, -EIO \
	}
#define ATTACH_ERRORS                   \
	{                               \
		SHORT_OF, -EAGAIN, -EIO \
	}
#define CREATE_ERRORS                   \
	{                               \
		SHORT_OF, -ENOSPC, -EIO \
	}
#define OPEN_ERRORS                              \
	{                                        \
		SHORT_OF, -ENOSPC, -EIO, -EAGAIN \
	}

/* Parts of them that both files have. */
void operation_attach(struct trial *t);
void operation_use_attached(struct trial *t);
void operation_detach(struct trial *t);

/* What it works on, and what shows that it works. */
extern const struct shmq_opts operation_spsc, operation_mpmc, operation_mpsc, operation_broadcast;
extern const struct shmq_seg_opts operation_raw;
void operation_use(struct trial *t);
void operation_fill(struct trial *t);

/* Make what the operation works on, and what warms up. */
void trial_begin(struct trial *t, const struct operation *operation, enum place_backend on);
/* It is whole, nobody is attached to it, and it works; then it is removed. */
void trial_end(struct trial *t);

/* In the process that acts: what comes before the act, and all that must be true after it. */
void trial_ready(struct trial *t);
void trial_check(struct trial *t);

#endif
