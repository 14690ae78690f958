/* SPDX-License-Identifier: MIT */
/*
 * Where a test's segments lie: a world of its own, as far as the system lets us, and addresses on
 * every backend.
 *
 * place_begin() moves the test into a mount and an IPC namespace with a fresh /dev/shm, so that
 * what is left behind can be counted and goes with the test. Where that is not allowed, names and
 * keys made of the process id keep tests apart, and a guard process clears them when the test's
 * process has ended in whatever way.
 */
#ifndef TESTS_SUPPORT_PLACE_H
#define TESTS_SUPPORT_PLACE_H

#include <shmq/shmq.h>
#include <stdbool.h>
#include <stdint.h>

enum place_backend { ON_SHM, ON_SYSV, ON_FILE, ON_MEMFD, PLACES };

struct place {
	enum place_backend on;
	char create[128]; /* the address to create it at */
	char attach[128]; /* and the one to attach it by */
	int fd;		  /* memfd: the descriptor, else -1 */
};

/* Fixture of every test that uses this file. */
void place_begin(void);
void place_end(void);

/* Whether /dev/shm and SysV are the test's own. If not, a test that needs it skips itself. */
bool place_is_private(void);
/* A /dev/shm of that many bytes, in a private world. */
void place_limit_shm(uint64_t bytes);

/* The directory of file: segments. */
const char *place_directory(void);

/* The n-th (0..15) name on a backend; nothing is created. */
struct place place_name(enum place_backend on, unsigned n);
/* Create a queue (NULL options: 8 messages of 64 bytes) or a raw segment there. */
struct place place_queue(enum place_backend on, unsigned n, const struct shmq_opts *opts);
struct place place_segment(enum place_backend on, unsigned n, const struct shmq_seg_opts *opts);
/* Remove, and close the descriptor. */
void place_remove(struct place *place);

/* Take away whatever a failed attempt has left under the test's names. */
void place_wipe(void);

/*
 * What there is in /dev/shm, in the directory, and of SysV segments: a count that is 0 when all is
 * gone. Private world only.
 */
unsigned place_leftovers(void);
/* Bytes that /dev/shm and SysV segments take. Private world only. */
uint64_t place_used_bytes(void);
/* What is left, when that is ours to count: so many names, or nothing at all. */
void place_expect_leftovers(unsigned want);
void place_expect_nothing(void);
/* gc, after which there is nothing more for it to do. */
void place_clear_up(void);
/* A message through a queue by its one handle; attach by address and do so, if it is there: whether it is. */
void place_use(struct shmq *q);
bool place_serves(const struct place *place);

/* Stat by address, which must work. */
struct shmq_stat place_stat(const struct place *place);

#endif
