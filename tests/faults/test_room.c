/* SPDX-License-Identifier: MIT */
/*
 * A /dev/shm with too few pages, or inodes, for an operation: one more each time, until it works.
 * Until then -ENOSPC or -ENOMEM, never a signal, nothing left, and what is there stays whole.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "support/place.h"
#include "support/process.h"

TestSuite(room, .init = place_begin, .fini = place_end, .timeout = 120);

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)
#define PAGE 4096
#define PAGES_MOST 400
#define SEGMENT_BYTES (5 * PAGE)

static const struct shmq_opts spsc = {.size = sizeof(spsc), .msg_max = 1000, .capacity = 16};
static const struct shmq_opts mpmc = {
	.size = sizeof(mpmc), .kind = SHMQ_MPMC, .msg_max = 1000, .capacity = 16};
static const struct shmq_opts records = {.size = sizeof(records),
					 .kind = SHMQ_BROADCAST,
					 .msg_max = 1000,
					 .capacity = 16384,
					 .flags = SHMQ_RECORDS};
static const struct shmq_opts locked = {
	.size = sizeof(locked), .msg_max = 1000, .capacity = 16, .flags = SHMQ_LOCK};

/* What /dev/shm has room for. */
static void
room(unsigned pages, unsigned inodes)
{
	char options[96];

	snprintf(options, sizeof(options), "mode=1777,size=%u,nr_inodes=%u", pages * PAGE, inodes);
	if (mount("none", "/dev/shm", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, options) != 0)
		SAME(0, errno);
}

static unsigned
used(bool inodes)
{
	struct statfs fs;

	SAME(0, statfs("/dev/shm", &fs));
	return (unsigned)(inodes ? fs.f_files - fs.f_ffree : fs.f_blocks - fs.f_bfree);
}

/* An operation: tried until it works, with what is used then as a queue, or as memory. */
struct operation {
	const char *name;
	int (*act)(struct place *place);
	void (*use)(struct place *place);
};

static struct shmq *queue;
static struct shmq_seg *segment;

static int
create_spsc(struct place *place)
{
	return shmq_create(place->create, &spsc);
}

static int
create_mpmc(struct place *place)
{
	return shmq_create(place->create, &mpmc);
}

static int
create_records(struct place *place)
{
	return shmq_create(place->create, &records);
}

static int
create_locked(struct place *place)
{
	return shmq_create(place->create, &locked);
}

/* To the brim, and back. */
static void
use_queue(struct place *place)
{
	struct shmq *q = NULL;
	char bytes[1000] = "x";
	int n = 0;

	SAME(0, shmq_attach(&q, place->attach, BOTH));
	while (shmq_send(q, bytes, sizeof(bytes), 0) == 0)
		n++;
	MUST(n >= 16);
	while (n-- > 0)
		SAME((int)sizeof(bytes), shmq_recv(q, bytes, sizeof(bytes), 0));
	SAME(0, shmq_detach(q));
	place_remove(place);
}

static int
create_segment(struct place *place)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = SEGMENT_BYTES};

	return shmq_seg_create(place->create, &opts);
}

static int
create_populated(struct place *place)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = SEGMENT_BYTES, .flags = SHMQ_POPULATE};

	return shmq_seg_create(place->create, &opts);
}

static void
use_segment(struct place *place)
{
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, place->attach, 0));
	memset(shmq_seg_base(seg), 1, SEGMENT_BYTES);
	SAME(0, shmq_seg_detach(seg));
	place_remove(place);
}

/* First touch is the user's affair; all that comes before is ours. */
static int
create_and_attach_sparse(struct place *place)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = SEGMENT_BYTES, .flags = SHMQ_SPARSE};
	int err = shmq_seg_create(place->create, &opts);

	if (err == 0) {
		SAME(0, shmq_seg_attach(&segment, place->attach, 0));
		SAME(0, shmq_seg_detach(segment));
	}
	return err;
}

static void
just_remove(struct place *place)
{
	place_remove(place);
}

static int
populate_sparse(struct place *place)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = SEGMENT_BYTES, .flags = SHMQ_SPARSE};
	int err = shmq_seg_create(place->create, &opts);

	if (err)
		return err;
	err = shmq_seg_attach(&segment, place->attach, SHMQ_POPULATE);
	if (err)
		place_remove(place);
	else
		SAME(0, shmq_seg_detach(segment));
	return err;
}

/* On what is there already: a segment, or a queue, made while there was room. */
static int
grow(struct place *place)
{
	(void)place;
	return shmq_seg_resize(segment, 4 * SEGMENT_BYTES);
}

static void
use_grown(struct place *place)
{
	memset(shmq_seg_base(segment), 1, 4 * SEGMENT_BYTES);
	SAME(0, shmq_seg_detach(segment));
	place_remove(place);
}

static int
get_fd(struct place *place)
{
	int fd = shmq_fd(queue);

	(void)place;
	if (fd < 0) /* it goes on as before */
		SAME(0, shmq_send(queue, "x", 1, 0) + (int)shmq_recv(queue, &(char){0}, 1, 0) - 1);
	return fd < 0 ? fd : 0;
}

static void
use_fd(struct place *place)
{
	SAME(0, shmq_detach(queue));
	place_remove(place);
}

static const struct operation fresh[] = {
	{"create", create_spsc, use_queue},
	{"create_mpmc", create_mpmc, use_queue},
	{"create_records", create_records, use_queue},
	{"create_locked", create_locked, use_queue},
	{"seg_create", create_segment, use_segment},
	{"seg_create_populated", create_populated, use_segment},
	{"seg_create_sparse", create_and_attach_sparse, just_remove},
	{"seg_attach_populated", populate_sparse, use_segment},
};

/* One more page, or inode, than is used, and more, until it works: how many that took. */
static unsigned
until_it_works(const struct operation *operation, struct place *place, bool inodes)
{
	unsigned base = used(inodes), names = place_leftovers();

	for (unsigned more = 0; more < PAGES_MOST; more++) {
		unsigned limit = base + more;
		int err;

		if (limit > 0) /* 0: no limit */
			room(inodes ? PAGES_MOST : limit, inodes ? limit : PAGES_MOST);
		err = limit > 0 ? operation->act(place) : -ENOSPC;
		if (err == 0)
			return more;
		if (err != -ENOSPC && err != -ENOMEM)
			SAME(-ENOSPC, err);
		SAME(names, place_leftovers());
		SAME(base, used(inodes));
	}
	cr_assert_fail("%s never works", operation->name);
	return 0;
}

static void
need_private(void)
{
	if (!place_is_private())
		cr_skip_test("needs a mount and an IPC namespace of its own");
	place_limit_shm((uint64_t)PAGES_MOST * PAGE);
}

static void
fresh_on(enum place_backend on)
{
	need_private();
	for (unsigned i = 0; i < sizeof(fresh) / sizeof(fresh[0]); i++) {
		for (int inodes = 0; inodes < 2; inodes++) {
			struct place place = place_name(on, 0);

			(void)until_it_works(&fresh[i], &place, inodes);
			fresh[i].use(&place);
			room(PAGES_MOST, PAGES_MOST);
		}
	}
	SAME(0, place_leftovers());
}

Test(room, test_each_page_and_inode_shm)
{
	fresh_on(ON_SHM);
}

Test(room, test_each_page_and_inode_sysv_side_file)
{
	fresh_on(ON_SYSV);
}

Test(room, test_grow_each_page)
{
	const struct operation operation = {"grow", grow, use_grown};
	struct place place;

	need_private();
	place = place_name(ON_SHM, 0);
	SAME(0, create_segment(&place));
	SAME(0, shmq_seg_attach(&segment, place.attach, 0));
	MUST(until_it_works(&operation, &place, false) >= 15);
	use_grown(&place);
	SAME(0, place_leftovers());
}

Test(room, test_fd_each_inode_and_page)
{
	const struct operation operation = {"fd", get_fd, use_fd};

	need_private();
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place;

		room(PAGES_MOST, PAGES_MOST);
		place = place_queue(on, 0, &spsc);
		SAME(0, shmq_attach(&queue, place.attach, BOTH));
		MUST(until_it_works(&operation, &place, true) >= 1);
		use_fd(&place);
		SAME(0, place_leftovers());
	}
}
