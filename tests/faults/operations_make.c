/* SPDX-License-Identifier: MIT */
/* To create, attach, detach, and resize. */
#include "operations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/process.h"

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)
#define SEGMENT_BYTES 20000

const struct shmq_opts operation_spsc = {
	.size = sizeof(operation_spsc), .msg_max = 64, .capacity = OPERATION_CAPACITY};
const struct shmq_opts operation_mpmc = {.size = sizeof(operation_mpmc),
					 .kind = SHMQ_MPMC,
					 .msg_max = 64,
					 .capacity = OPERATION_CAPACITY};
const struct shmq_opts operation_mpsc = {.size = sizeof(operation_mpsc),
					 .kind = SHMQ_MPSC,
					 .msg_max = 64,
					 .capacity = OPERATION_CAPACITY};
const struct shmq_opts operation_broadcast = {.size = sizeof(operation_broadcast),
					      .kind = SHMQ_BROADCAST,
					      .msg_max = 64,
					      .capacity = OPERATION_CAPACITY};
static const struct shmq_opts locked = {
	.size = sizeof(locked), .msg_max = 64, .capacity = OPERATION_CAPACITY, .flags = SHMQ_LOCK};
const struct shmq_seg_opts operation_raw = {.size = sizeof(operation_raw), .segsz = SEGMENT_BYTES};
static const struct shmq_seg_opts sparse = {
	.size = sizeof(sparse), .segsz = SEGMENT_BYTES, .flags = SHMQ_SPARSE};

static const struct shmq_seg_opts locked_raw = {
	.size = sizeof(locked_raw), .segsz = SEGMENT_BYTES, .flags = SHMQ_LOCK};

/* Creation ----------------------------------------------------------------------------------- */

/* memfd: the result is the address. */
static int
created(struct trial *t, int result)
{
	if (result < 0 || t->place.on != ON_MEMFD)
		return result;
	t->place.fd = result;
	snprintf(t->place.attach, sizeof(t->place.attach), "fd:%d", result);
	return 0;
}

static int
create_spsc(struct trial *t)
{
	return created(t, shmq_create(t->place.create, &operation_spsc));
}

static int
create_mpmc(struct trial *t)
{
	return created(t, shmq_create(t->place.create, &operation_mpmc));
}

static int
create_locked(struct trial *t)
{
	return created(t, shmq_create(t->place.create, &locked));
}

static int
create_raw(struct trial *t)
{
	return created(t, shmq_seg_create(t->place.create, &operation_raw));
}

static int
create_sparse(struct trial *t)
{
	return created(t, shmq_seg_create(t->place.create, &sparse));
}

static int
create_locked_raw(struct trial *t)
{
	return created(t, shmq_seg_create(t->place.create, &locked_raw));
}

static void
use(struct shmq *in, struct shmq *out)
{
	char byte = 0;

	SAME(0, shmq_send(out, "x", 1, 0));
	SAME(1, shmq_recv(in, &byte, 1, 0));
	SAME('x', byte);
}

void
operation_use(struct trial *t)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, t->place.attach, BOTH));
	use(q, q);
	SAME(0, shmq_detach(q));
}

void
operation_fill(struct trial *t)
{
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, t->place.attach, 0));
	MUST(shmq_seg_size(seg) >= SEGMENT_BYTES); /* what has grown stays so */
	memset(shmq_seg_base(seg), 7, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
}

static void
remove_it(struct trial *t)
{
	place_remove(&t->place);
	t->place = place_name(t->place.on, 0);
}

/* Attach ------------------------------------------------------------------------------------- */

static int
attach_as(struct trial *t, unsigned role)
{
	return shmq_attach(&t->q, t->place.attach, role);
}

static int
attach_both(struct trial *t)
{
	return attach_as(t, BOTH);
}

static int
attach_hangup_locked(struct trial *t)
{
	return attach_as(t, BOTH | SHMQ_HANGUP | SHMQ_LOCK);
}

static int
attach_observer(struct trial *t)
{
	return attach_as(t, SHMQ_OBSERVER);
}

static int
open_it(struct trial *t)
{
	return shmq_open(&t->q, t->place.create, &operation_spsc, BOTH);
}

void
operation_use_attached(struct trial *t)
{
	use(t->q, t->q);
}

static void
see_nothing(struct trial *t)
{
	char byte;

	SAME(-EAGAIN, shmq_recv(t->q, &byte, 1, 0));
}

void
operation_detach(struct trial *t)
{
	SAME(0, shmq_detach(t->q));
	t->q = NULL;
}

static void
detach_and_remove(struct trial *t)
{
	operation_detach(t);
	remove_it(t);
}

void
operation_attach(struct trial *t)
{
	SAME(0, attach_both(t));
}

static int
detach_it(struct trial *t)
{
	int err = shmq_detach(t->q);

	t->q = err ? t->q : NULL;
	return err;
}

static int
attach_segment(struct trial *t)
{
	return shmq_seg_attach(&t->seg, t->place.attach, 0);
}

static int
attach_segment_locked(struct trial *t)
{
	return shmq_seg_attach(&t->seg, t->place.attach, SHMQ_LOCK);
}

static void
ready_segment(struct trial *t)
{
	SAME(0, attach_segment(t));
}

static void
fill_segment(struct trial *t)
{
	SAME(SEGMENT_BYTES, shmq_seg_size(t->seg));
	memset(shmq_seg_base(t->seg), 1, SEGMENT_BYTES);
}

static int
detach_segment_it(struct trial *t)
{
	return shmq_seg_detach(t->seg);
}

static void
detach_segment(struct trial *t)
{
	SAME(0, detach_segment_it(t));
}

/* On a segment ------------------------------------------------------------------------------- */

static int
grow(struct trial *t)
{
	return shmq_seg_resize(t->seg, SEGMENT_BYTES * 3);
}

static void
fill_grown(struct trial *t)
{
	SAME(SEGMENT_BYTES * 3, shmq_seg_size(t->seg));
	memset(shmq_seg_base(t->seg), 1, SEGMENT_BYTES * 3);
}

static int
shrink(struct trial *t)
{
	return shmq_seg_resize(t->seg, SEGMENT_BYTES / 2);
}

static void
fill_shrunk(struct trial *t)
{
	SAME(SEGMENT_BYTES / 2, shmq_seg_size(t->seg));
	memset(shmq_seg_base(t->seg), 1, SEGMENT_BYTES / 2);
}

static void
size_back(struct trial *t)
{
	SAME(0, shmq_seg_resize(t->seg, SEGMENT_BYTES));
}

static int
sync_it(struct trial *t)
{
	return shmq_seg_sync(t->seg);
}

/* The table ---------------------------------------------------------------------------------- */

const struct operation operations_make[] = {
	{"create", ON_ALL, NOTHING, 0, NULL, create_spsc, operation_use, remove_it, CREATE_ERRORS},
	{"create_mpmc", ON_ALL, NOTHING, 0, NULL, create_mpmc, operation_use, remove_it,
	 CREATE_ERRORS},
	{"create_locked", ON_ALL, NOTHING, 0, NULL, create_locked, operation_use, remove_it,
	 CREATE_ERRORS},
	{"seg_create", ON_ALL, NOTHING, 0, NULL, create_raw, operation_fill, remove_it,
	 CREATE_ERRORS},
	{"seg_create_sparse", ON_ALL, NOTHING, 0, NULL, create_sparse, operation_fill, remove_it,
	 CREATE_ERRORS},
	{"seg_create_locked", ON_ALL, NOTHING, 0, NULL, create_locked_raw, operation_fill,
	 remove_it, CREATE_ERRORS},
	{"attach", ON_ALL, QUEUE, 0, NULL, attach_both, operation_use_attached, operation_detach,
	 ATTACH_ERRORS},
	{"attach_mpmc", ON_ALL, CROWD, 0, NULL, attach_both, operation_use_attached,
	 operation_detach, ATTACH_ERRORS},
	{"attach_locked", ON_ALL, QUEUE, 0, NULL, attach_hangup_locked, operation_use_attached,
	 operation_detach, ATTACH_ERRORS},
	{"attach_mpsc_locked", ON_ALL, LANES, 0, NULL, attach_hangup_locked, operation_use_attached,
	 operation_detach, ATTACH_ERRORS},
	{"attach_broadcast_locked", ON_ALL, READERS, 0, NULL, attach_hangup_locked,
	 operation_use_attached, operation_detach, ATTACH_ERRORS},
	{"attach_observer", ON_ALL, QUEUE, 0, NULL, attach_observer, see_nothing, operation_detach,
	 ATTACH_ERRORS},
	{"seg_attach", ON_ALL, SEGMENT, 0, NULL, attach_segment, fill_segment, detach_segment,
	 LOOK_ERRORS},
	{"seg_attach_locked", ON_ALL, SEGMENT, 0, NULL, attach_segment_locked, fill_segment,
	 detach_segment, LOOK_ERRORS},
	{"open", ON_NAMED, NOTHING, 0, NULL, open_it, operation_use_attached, detach_and_remove,
	 OPEN_ERRORS},
	{"detach", ON_ALL, QUEUE, 0, operation_attach, detach_it, NULL, operation_attach,
	 NO_ERRORS},
	{"detach_mpmc", ON_ALL, CROWD, 0, operation_attach, detach_it, NULL, operation_attach,
	 NO_ERRORS},
	{"seg_detach", ON_ALL, SEGMENT, 0, ready_segment, detach_segment_it, NULL, ready_segment,
	 NO_ERRORS},
	{"grow", ON(ON_SHM) | ON(ON_FILE), SEGMENT, 0, ready_segment, grow, fill_grown, size_back,
	 GROW_ERRORS},
	{"shrink", ON_ALL, SEGMENT, 0, ready_segment, shrink, fill_shrunk, size_back, LOOK_ERRORS},
	{"sync", ON_ALL, SEGMENT, 0, ready_segment, sync_it, NULL, NULL, SYNC_ERRORS},
	{0},
};
