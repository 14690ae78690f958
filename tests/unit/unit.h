/* SPDX-License-Identifier: MIT */
/* What the unit tests share: spots to create at, objects to look into, other users. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <shmq/shmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/leak.h"
#include "support/place.h"
#include "support/process.h"

/* Where a test runs: the places of support/place.h, and sysv: without a key. */
enum spot { SPOT_SHM, SPOT_SYSV, SPOT_FILE, SPOT_MEMFD, SPOT_SYSV_ID, SPOTS };

/* A test that runs once on each spot, named by `*at`. */
#define TEST_EACH_SPOT(suite, test)              \
	ParameterizedTestParameters(suite, test) \
	{                                        \
		return unit_spots();             \
	}                                        \
	ParameterizedTest(enum spot *at, suite, test)

struct criterion_test_params unit_spots(void);

bool spot_is_sysv(enum spot at);

/* Create the n-th segment or queue on a spot; place_remove() removes it. NULL options: as place_segment(), place_queue(). */
struct place spot_segment(enum spot at, unsigned n, const struct shmq_seg_opts *opts);
struct place spot_queue(enum spot at, unsigned n, const struct shmq_opts *opts);
/* A queue of that size. */
struct place spot_ring(enum spot at, size_t msg_max, size_t capacity);

/* Where a new object would be created: the address. */
struct place spot_name(enum spot at, unsigned n);

/* Attach, which must work. */
struct shmq_seg *unit_attach(const struct place *place, unsigned flags);
struct shmq *unit_join(const struct place *place, unsigned role);

/* Fixture: place_begin(), and one attach and detach so that leaks can be counted. */
void unit_begin(void);

/* The bytes of a place's object, header and all, mapped apart from the library. */
struct object {
	unsigned char *bytes;
	size_t length;
	bool sysv;
};
struct object object_map(const struct place *place);
void object_unmap(struct object *object);
/* The path of a shm: or file: place. */
void object_path(char *out, size_t room, const struct place *place);
/* The shmid of a sysv: place. */
int object_shmid(const struct place *place);

/* Become user and group 65534 without privileges, RLIMIT_MEMLOCK `memlock` bytes. */
void unit_drop_privileges(uint64_t memlock);
/* Run `body` in a child without privileges, which must succeed. */
void unit_as_nobody(void (*body)(void *arg), void *arg, uint64_t memlock);

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t unit_now_ns(void);

/* A result struct full of a pattern, and whether it still is. */
void unit_dirty(struct shmq_stat *st, size_t size);
bool unit_still_dirty(const struct shmq_stat *st, size_t size);

/* A directory that anybody may write to, in the test's own. */
void unit_open_directory(char *out, size_t room);

#endif
