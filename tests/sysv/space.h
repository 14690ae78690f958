/* SPDX-License-Identifier: MIT */
/* A namespace of a test's own, and what must always be true of one. */
#ifndef SYSV_SPACE_H
#define SYSV_SPACE_H

#include <stddef.h>
#include <sys/shm.h>
#include <sys/types.h>

#define PAGE ((size_t)4096)
#define NOBODY 65534u

/* Criterion's init and fini: a directory in /dev/shm that anybody may use. */
void space_begin(void);
void space_end(void);
const char *space_path(void);

/* A new, empty one for the same process. */
void space_renew(void);

/* The path of a segment's file, with huge pages or without; valid until the next call. */
const char *space_file(int id);
/* How many files of segments there are. */
int space_files(void);

/* Table, files and totals agree: SHM_STAT meets as many as SHM_INFO counts, each has its file, and each key finds its own. */
void space_consistent(void);
/* Remove all there is; then nothing is left, and a new segment can be made. */
void space_clear(void);

/* IPC_STAT of what must be there. */
struct shmid_ds space_stat(int id);
long space_nattch(int id);

/* What a call returned, or the negated errno. */
int space_rc(int rc);

/* Open descriptors of this process. */
int space_descriptors(void);

/* From here on another user, without privileges. */
void space_become(uid_t uid, gid_t gid);

#endif
