/* SPDX-License-Identifier: MIT */
/*
 * What a bell is made of: a FIFO that others find by its name, a timer, and one descriptor for
 * both. Everything returns a negated errno on failure unless it says otherwise.
 *
 * A bell's FIFO is /dev/shm/.shmq-bell-NONCE-UUID: a number never used before, and its queue. All
 * open it for reading and writing, so no writer is ever signalled for want of a reader. Who owns it
 * holds an flock() on it, which goes with the owner's death. It gets this name only when it is
 * locked; before, it is /dev/shm/.shmq-bell-new-NONCE. So a FIFO under its final name that is not
 * locked is a dead one's.
 */
#ifndef SHMQ_OS_BELL_H
#define SHMQ_OS_BELL_H

#include "os.h"

#define SHMQI_BELL_NAME_ROOM 96

/* Who may ring: who may write the queue. */
struct shmqi_bell_access {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* Make a bell's FIFO and lock it: its descriptor, non-blocking, and the number in its name. */
int shmqi_fifo_create(const uint8_t uuid[16], const struct shmqi_bell_access *access,
		      uint64_t *nonce);

/* Open another's, to ring it. */
int shmqi_fifo_open(const uint8_t uuid[16], uint64_t nonce);

/* Put a byte in, if there is room. */
void shmqi_fifo_ring(int fd);

/* Take all bytes out, up to as many as a FIFO holds. */
void shmqi_fifo_empty(int fd);

void shmqi_fifo_unlink(const uint8_t uuid[16], uint64_t nonce);

/* A descriptor that is readable once, `ns` after it was set. */
int shmqi_timer_new(void);
void shmqi_timer_set(int fd, int64_t ns);

/* A descriptor that is readable when one of the two is. */
int shmqi_either_new(int a, int b);

/*
 * Remove the FIFOs of dead owners that are ours to remove. Calls `each` for what was, or with
 * dry_run would be, removed; how many there were.
 */
int shmqi_bell_gc(bool dry_run, void (*each)(const char *what, int err, void *arg), void *arg);

#endif
