/* SPDX-License-Identifier: MIT */
/* What is done to whole segments; what the others make of it: every_life_check.c. */
#include "every_life.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/process.h"
#include "support/trace.h"

/* In the victim ------------------------------------------------------------------------------- */

static struct shmq_seg *segment;

static void
do_create(struct every_act *a)
{
	a->result = shmq_create(a->scene->place.create, &every_life_opts);
}

static void
do_create_segment(struct every_act *a)
{
	a->result = shmq_seg_create(a->scene->place.create, &every_life_seg);
}

static void
do_open(struct every_act *a)
{
	a->result = shmq_open(&a->q, a->scene->place.create, &every_life_opts,
			      SHMQ_PRODUCER | SHMQ_CONSUMER);
}

static void
do_attach(struct every_act *a)
{
	a->result = shmq_attach(&a->q, a->scene->place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER);
}

static void
be_attached(struct every_act *a)
{
	do_attach(a);
	SAME(0, a->result);
}

static void
do_detach(struct every_act *a)
{
	a->result = shmq_detach(a->q);
	a->q = NULL;
}

static void
leave_queue(struct every_act *a)
{
	if (a->q)
		SAME(0, shmq_detach(a->q));
}

static void
do_attach_segment(struct every_act *a)
{
	a->result = shmq_seg_attach(&segment, a->scene->place.attach, 0);
}

static void
be_attached_to_segment(struct every_act *a)
{
	do_attach_segment(a);
	SAME(0, a->result);
}

static void
do_detach_segment(struct every_act *a)
{
	a->result = shmq_seg_detach(segment);
	segment = NULL;
}

static void
leave_segment(struct every_act *a)
{
	(void)a;
	if (segment)
		SAME(0, shmq_seg_detach(segment));
}

static void
do_resize(struct every_act *a)
{
	a->result = shmq_seg_resize(segment, LIFE_MORE_BYTES);
}

static void
do_remove(struct every_act *a)
{
	a->result = shmq_remove(a->scene->place.attach);
}

static void
do_lock(struct every_act *a)
{
	a->result = shmq_lock(a->scene->place.attach);
}

static void
do_unlock(struct every_act *a)
{
	a->result = shmq_unlock(a->scene->place.attach);
}

static void
do_set(struct every_act *a)
{
	a->result = shmq_set(a->scene->place.attach, &every_life_perm);
}

/* The others, while it stands ----------------------------------------------------------------- */

/* Whoever comes first has the name; what is being made is not cleared away. */
static void
create_too(struct every_scene *s)
{
	int err = shmq_create(s->place.create, &every_life_opts);

	MUST(err == 0 || err == -EEXIST);
	s->effect = err == 0;
	MUST(shmq_gc(0, NULL, NULL) >= 0);
}

static bool
one_has_created(const struct every_scene *s, ssize_t result)
{
	return result == (s->effect ? -EEXIST : 0);
}

/* It is removed under who attaches; if that one is in, it is told with its next call. */
static void
remove_it(struct every_scene *s)
{
	SAME(0, shmq_remove(s->place.attach));
}

static bool
in_or_gone(const struct every_scene *s, ssize_t result)
{
	(void)s;
	return result == 0 || result == -ENOENT || result == -EIDRM;
}

static void
look_at_it(struct every_scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	int err = shmq_stat(s->place.attach, &st);

	MUST(err == 0 || err == -ENOENT || err == -EIDRM);
	MUST(shmq_gc(0, NULL, NULL) >= 0);
}

/* Removed by others and created anew, unless they find that somebody is at it. */
static void
replace_it(struct every_scene *s)
{
	int err = shmq_remove(s->place.attach);

	MUST(err == 0 || err == -ENOENT || err == -EBUSY);
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	if (err == -EBUSY)
		return;
	SAME(0, shmq_create(s->place.create, &every_life_opts));
	SAME(0, shmq_attach(&s->seat[IN], s->place.attach, SHMQ_OBSERVER));
}

static bool
removed_by_somebody(const struct every_scene *s, ssize_t result)
{
	(void)s;
	return result == 0 || result == -ENOENT;
}

static bool
done(const struct every_scene *s, ssize_t result)
{
	(void)s;
	return result == 0;
}

/* The table ----------------------------------------------------------------------------------- */

#define QUEUE(NAME, STATE) .what = "queue", .name = NAME, .state = STATE
#define SEGMENT(NAME, STATE) .what = "segment", .name = NAME, .state = STATE

const struct every_life every_lives[] = {
	{QUEUE("create", "absent"), .on = LIFE_NAMED, .ways = 3, .act = do_create,
	 .after = life_after_create, .meanwhile = create_too, .possible = one_has_created},
	{QUEUE("open", "absent"), .on = LIFE_NAMED, .ways = 3, .act = do_open, .leave = leave_queue,
	 .after = life_after_create},
	{QUEUE("attach", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_queue,
	 .act = do_attach, .leave = leave_queue, .after = life_after_role, .meanwhile = remove_it,
	 .possible = in_or_gone},
	{QUEUE("detach", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_queue,
	 .ready = be_attached, .act = do_detach, .leave = leave_queue, .after = life_after_role,
	 .meanwhile = look_at_it, .possible = done},
	{QUEUE("remove", "there"), .on = LIFE_NAMED, .ways = 2, .prepare = life_queue,
	 .act = do_remove, .after = life_after_remove, .meanwhile = replace_it,
	 .possible = removed_by_somebody},
	{QUEUE("remove", "held"), .on = LIFE_NAMED, .ways = 2, .prepare = life_held_queue,
	 .act = do_remove, .after = life_after_remove_held, .meanwhile = look_at_it,
	 .possible = removed_by_somebody},
	{QUEUE("lock", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_queue,
	 .act = do_lock, .after = life_after_lock, .meanwhile = look_at_it, .possible = done},
	{QUEUE("unlock", "locked"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_locked_queue,
	 .act = do_unlock, .after = life_after_unlock, .meanwhile = look_at_it, .possible = done},
	{QUEUE("set", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_queue,
	 .act = do_set, .after = life_after_set, .meanwhile = look_at_it, .possible = done},
	{SEGMENT("create", "absent"), .on = LIFE_NAMED, .ways = 1, .act = do_create_segment,
	 .after = life_after_create_segment},
	{SEGMENT("attach", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_segment,
	 .act = do_attach_segment, .leave = leave_segment, .after = life_after_attach_segment,
	 .meanwhile = look_at_it, .possible = done},
	{SEGMENT("detach", "there"), .on = LIFE_EVERYWHERE, .ways = 1, .prepare = life_segment,
	 .ready = be_attached_to_segment, .act = do_detach_segment, .leave = leave_segment,
	 .after = life_after_attach_segment, .meanwhile = look_at_it, .possible = done},
	{SEGMENT("resize", "there"), .on = LIFE_GROWS, .ways = 1, .prepare = life_segment,
	 .ready = be_attached_to_segment, .act = do_resize, .leave = leave_segment,
	 .after = life_after_resize, .meanwhile = look_at_it, .possible = done},
};
const unsigned every_life_count = sizeof(every_lives) / sizeof(*every_lives);

/* A trial ------------------------------------------------------------------------------------- */

static void
be_victim(void *arg)
{
	struct every_scene *s = arg;
	static struct every_act a;

	every_fake_clock();
	a.scene = s;
	every_warm_up();
	if (s->life->ready)
		s->life->ready(&a);
	victim_begins();
	every_first();
	s->life->act(&a);
	every_last();
	s->results->result = a.result;
	victim_ends();
	if (s->life->leave)
		s->life->leave(&a);
}

void
every_life_set(struct every_scene *s)
{
	s->before = leak_count();
	if (s->life->prepare)
		s->life->prepare(s);
	s->victim = victim_start(be_victim, s);
}

unsigned
every_life_after(struct every_scene *s, unsigned way)
{
	bool was_done = s->life->after(s, way);
	struct leak_count now;

	if (s->place.fd >= 0)
		close(s->place.fd);
	s->place.fd = -1;
	if (s->dry)
		return was_done;
	now = leak_count();
	SAME(s->before.descriptors, now.descriptors);
	SAME(s->before.mappings, now.mappings);
	return was_done;
}

/* Removed while somebody came: nothing is left when that one has gone. */
static void
gone(struct every_scene *s)
{
	if (s->place.on != ON_MEMFD)
		SAME(-ENOENT, shmq_remove(s->place.attach));
	if (place_is_private())
		SAME(0, place_leftovers());
	if (s->place.fd >= 0)
		close(s->place.fd);
	s->place.fd = -1;
}

/* The new one is there, or was removed as a whole: not its name alone. */
static void
replaced(struct every_scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};

	if (s->seat[IN]) {
		SAME(0, shmq_qstat(s->seat[IN], &st));
		SAME(0, shmq_detach(s->seat[IN]));
		s->seat[IN] = NULL;
		if (!(st.mode & SHMQ_DEST)) {
			MUST(place_serves(&s->place));
			SAME(0, shmq_remove(s->place.attach));
		}
	}
	gone(s);
}

bool
every_life_stopped(struct every_scene *s)
{
	s->life->meanwhile(s);
	victim_goes_on(s->victim);
	if (!s->life->possible(s, s->results->result))
		every_fail("continued, its operation gave %zd", s->results->result);
	victim_leaves(s->victim);
	s->victim = 0;
	if (s->life->meanwhile == replace_it)
		replaced(s);
	else if (s->life->meanwhile == remove_it)
		gone(s);
	else
		(void)every_life_after(s, 0);
	return false;
}
