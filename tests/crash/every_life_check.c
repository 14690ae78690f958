/* SPDX-License-Identifier: MIT */
/*
 * What the others find, and do, after somebody died in the life of a segment: an address is
 * absent or names a complete one, whoever comes next succeeds, and after shmq_gc() nothing is
 * left anywhere.
 */
#include "every_life.h"

#include <errno.h>
#include <string.h>

#include "support/process.h"

const struct shmq_opts every_life_opts = {
	.size = sizeof(every_life_opts), .msg_max = 64, .capacity = 4, .participants = 2};
const struct shmq_seg_opts every_life_seg = {.size = sizeof(every_life_seg), .segsz = LIFE_BYTES};
const struct shmq_perm every_life_perm = {
	.size = sizeof(every_life_perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = LIFE_MODE};

/* Before -------------------------------------------------------------------------------------- */

void
life_queue(struct every_scene *s)
{
	s->place = place_queue(s->place.on, 0, &every_life_opts);
}

void
life_held_queue(struct every_scene *s)
{
	life_queue(s);
	SAME(0, shmq_attach(&s->seat[IN], s->place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	SAME(0, shmq_send(s->seat[IN], "held", 4, 0));
}

void
life_locked_queue(struct every_scene *s)
{
	life_queue(s);
	SAME(0, shmq_lock(s->place.attach));
}

void
life_segment(struct every_scene *s)
{
	struct shmq_seg *seg = NULL;

	s->place = place_segment(s->place.on, 0, &every_life_seg);
	SAME(0, shmq_seg_attach(&seg, s->place.attach, 0));
	memset(shmq_seg_base(seg), 0x42, LIFE_BYTES);
	SAME(0, shmq_seg_detach(seg));
}

/* What is left -------------------------------------------------------------------------------- */

static void
remove_and_check(struct every_scene *s)
{
	place_remove(&s->place);
	place_clear_up();
	place_expect_nothing();
}

/* Creation ------------------------------------------------------------------------------------ */

/* In turn: gc comes first, a creator comes first, one who opens comes first. */
bool
life_after_create(struct every_scene *s, unsigned way)
{
	unsigned parts = s->place.on == ON_SYSV ? 2 : 1; /* the side file */
	bool there = place_serves(&s->place);
	struct shmq *q = NULL;

	if (way == 0) {
		place_clear_up();
		SAME(there, place_serves(&s->place));
		place_expect_leftovers(there ? parts : 0);
	} else if (way == 1) {
		SAME(there ? -EEXIST : 0, shmq_create(s->place.create, &every_life_opts));
		MUST(place_serves(&s->place));
	}
	SAME(0, shmq_open(&q, s->place.create, &every_life_opts, SHMQ_PRODUCER | SHMQ_CONSUMER));
	place_use(q);
	SAME(1, place_stat(&s->place).nattch);
	SAME(0, shmq_detach(q));
	remove_and_check(s);
	return there;
}

bool
life_after_create_segment(struct every_scene *s, unsigned way)
{
	struct shmq_seg *seg = NULL;
	int err = shmq_seg_attach(&seg, s->place.attach, 0);

	(void)way;
	MUST(err == 0 || err == -ENOENT);
	if (err == 0) {
		SAME(LIFE_BYTES, shmq_seg_size(seg));
		memset(shmq_seg_base(seg), 1, LIFE_BYTES);
		SAME(0, shmq_seg_detach(seg));
		SAME(0, shmq_remove(s->place.attach));
	}
	place_clear_up();
	place_expect_nothing();
	return err == 0;
}

/* Attach and detach --------------------------------------------------------------------------- */

bool
life_after_role(struct every_scene *s, unsigned way)
{
	struct shmq_stat st = place_stat(&s->place);

	(void)way;
	SAME(0, st.nattch);
	SAME(0, st.producers + st.consumers);
	SAME(0, st.depth);
	MUST(place_serves(&s->place));
	SAME(0, place_stat(&s->place).nattch);
	remove_and_check(s);
	return false;
}

bool
life_after_attach_segment(struct every_scene *s, unsigned way)
{
	(void)way;
	SAME(0, place_stat(&s->place).nattch);
	remove_and_check(s);
	return false;
}

/* Removal ------------------------------------------------------------------------------------- */

/* What the victim has not done, a creator, gc or another remover does. */
static bool
removed(struct every_scene *s, unsigned way)
{
	struct shmq *q = NULL;
	int err = shmq_attach(&q, s->place.attach, SHMQ_OBSERVER);
	bool there = err == 0;

	MUST(there || err == -ENOENT);
	if (there)
		SAME(0, shmq_detach(q));
	if (way == 1)
		SAME(there ? -EEXIST : 0, shmq_create(s->place.create, &every_life_opts));
	if (there || way == 1) {
		SAME(0, shmq_remove(s->place.attach));
	} else if (s->place.on == ON_FILE) { /* gc does not know where these lie */
		err = shmq_remove(s->place.attach);
		MUST(err == 0 || err == -ENOENT);
	}
	place_clear_up();
	return !there;
}

bool
life_after_remove(struct every_scene *s, unsigned way)
{
	bool gone = removed(s, way);

	place_expect_nothing();
	return gone;
}

/* The one attached goes on to the end of what is there, and the memory goes with it. */
bool
life_after_remove_held(struct every_scene *s, unsigned way)
{
	struct shmq_stat st = {.size = sizeof(st)};
	bool gone = removed(s, way);
	char bytes[64];

	SAME(0, shmq_qstat(s->seat[IN], &st));
	MUST(st.mode & SHMQ_DEST);
	SAME(1, st.nattch);
	SAME(4, shmq_recv(s->seat[IN], bytes, sizeof(bytes), 0));
	SAME(0, memcmp(bytes, "held", 4));
	SAME(-EIDRM, shmq_recv(s->seat[IN], bytes, sizeof(bytes), SHMQ_FOREVER));
	SAME(0, shmq_detach(s->seat[IN]));
	s->seat[IN] = NULL;
	place_clear_up();
	place_expect_nothing();
	return gone;
}

/* Lock, set, resize --------------------------------------------------------------------------- */

static bool
is_locked(const struct every_scene *s)
{
	return place_stat(&s->place).mode & SHMQ_LOCKED;
}

/* Locked or not; and either can be had. */
bool
life_after_lock(struct every_scene *s, unsigned way)
{
	bool locked = is_locked(s);

	(void)way;
	SAME(0, shmq_lock(s->place.attach));
	MUST(is_locked(s));
	MUST(place_serves(&s->place));
	SAME(0, shmq_unlock(s->place.attach));
	MUST(!is_locked(s));
	MUST(place_serves(&s->place));
	SAME(0, place_stat(&s->place).nattch);
	remove_and_check(s);
	return locked;
}

bool
life_after_unlock(struct every_scene *s, unsigned way)
{
	return !life_after_lock(s, way);
}

bool
life_after_set(struct every_scene *s, unsigned way)
{
	unsigned mode = place_stat(&s->place).mode & 0777;

	(void)way;
	MUST(mode == 0600 || mode == LIFE_MODE);
	SAME(0, shmq_set(s->place.attach, &every_life_perm));
	SAME(LIFE_MODE, place_stat(&s->place).mode & 0777);
	MUST(place_serves(&s->place));
	remove_and_check(s);
	return mode == LIFE_MODE;
}

/* The old length or the new one, and what was there is there. */
bool
life_after_resize(struct every_scene *s, unsigned way)
{
	struct shmq_seg *seg = NULL;
	const unsigned char *base;
	size_t size;

	(void)way;
	SAME(0, place_stat(&s->place).nattch);
	SAME(0, shmq_seg_attach(&seg, s->place.attach, 0));
	size = shmq_seg_size(seg);
	MUST(size == LIFE_BYTES || size == LIFE_MORE_BYTES);
	base = shmq_seg_base(seg);
	for (size_t i = 0; i < size; i++)
		MUST(base[i] == (i < LIFE_BYTES ? 0x42 : 0));
	SAME(0, shmq_seg_resize(seg, LIFE_MORE_BYTES));
	SAME(LIFE_MORE_BYTES, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
	remove_and_check(s);
	return size == LIFE_MORE_BYTES;
}
