/* SPDX-License-Identifier: MIT */
/* Side files of sysv: queues, as creation (backend_sysv_queue.c) and gc (backend_sysv_gc.c) see
 * them. */
#ifndef SHMQ_BACKEND_SYSV_SIDE_H
#define SHMQ_BACKEND_SYSV_SIDE_H

#include "seg.h"

#define SIDE_DIRECTORY "/dev/shm"
#define SIDE_NEW ".shmq-new-"

#define SIDE_MAGIC UINT64_C(0x65646973716d6873) /* "shmqside" */

/* What a side file says: of which segment its creator was about to make it. */
struct record {
	uint64_t magic;
	uint64_t bytes;
	int64_t time_s;
	int32_t key, pid;
	uint64_t ipc_namespace; /* shmids mean something in one only */
	uint64_t pid_namespace; /* and pids */
	int64_t shmid;		/* -1: it is not made yet, or its creator died before it said so */
};

/* A side file as it is found: anybody may have put it there. */
struct side {
	struct record record;
	uid_t uid;
	bool creating; /* its creator holds the creation byte */
	bool held;     /* somebody holds any byte */
};

void shmqi_side_path(char out[SIDE_ROOM], int shmid, const uint8_t uuid[16]);
/* Call `each` for every side file whose name begins with `prefix`, until it returns not 0. */
int shmqi_side_each(const char *prefix, int (*each)(const char *path, void *arg), void *arg);
/* What the file says: 1; 0: it is none of ours, or gone; -ENOMEM, -EMFILE, -ENFILE, -EIO: that
 * cannot be told. */
int shmqi_side_read(const char *path, struct side *side);
/* Whether its creator, who is dead, announced that very segment. */
bool shmqi_side_made_for(const struct side *side, int shmid, const struct shmid_ds *ds);
/* Whether it may have, but that cannot be told from here. */
bool shmqi_side_untold(const struct side *side, const struct shmid_ds *ds);
/* Whether it has, and nobody else has anything to do with it. */
bool shmqi_side_left_behind(const struct side *side, int shmid, const struct shmid_ds *ds);
/* A copy of a segment's header, which may be no header; false, and errno, when it cannot be read. */
bool shmqi_side_peek(int shmid, struct format_header *out);

#endif
