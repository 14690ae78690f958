/* SPDX-License-Identifier: MIT */
/*
 * All trials of a cell: a dry run, then one victim for each point and each way to go on after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "every_life.h"
#include "support/process.h"
#include "support/trace.h"

#define TRIAL_SECONDS 120 /* of a loaded machine, too */
#define MOST_FAILURES 2
#define TICK_US 20000
#define COLD_STOPS 64

/* The cell at work. */
struct work {
	const struct every_cell *cell;
	const struct every_how *how;
	struct every_outcome *out;
	struct every_results *results;
	struct every_scene scene; /* out of reach of longjmp() */
	struct every_run run;
	unsigned effect, least, full; /* of the point at work; of those before; of the last one */
};

static void
begin_scene(struct work *w, bool stop)
{
	struct every_scene *s = &w->scene;

	alarm(TRIAL_SECONDS);
	memset(w->results, 0, sizeof(*w->results));
	*s = (struct every_scene){.life = w->cell->life,
				  .kind = w->cell->kind,
				  .operation = w->cell->operation,
				  .state = w->cell->state,
				  .stop = stop,
				  .place = place_name(w->cell->on, 0),
				  .results = w->results};
	if (s->life)
		every_life_set(s);
	else
		every_scene_set(s);
}

/* The victim is dead. Its effect. */
static unsigned
after(struct every_scene *s, unsigned way)
{
	return s->life ? every_life_after(s, way) : every_after(s, way);
}

static unsigned
ways(const struct every_cell *cell)
{
	if (cell->life)
		return cell->life->ways;
	return every_two_ways(cell->kind, cell->operation, cell->state) ? 2 : 1;
}

static void
note_failure(struct work *w, const char *how)
{
	struct every_outcome *out = w->out;

	if (out->failures++ == 0) {
		out->failed_at = out->at;
		out->failed_stopped = out->stopped;
		snprintf(out->text, sizeof(out->text), "at %u%s: %.300s", out->at, how,
			 every_failure);
	}
	every_scene_clear(&w->scene);
}

static void
count_points(struct work *w)
{
	w->out->instructions = w->run.instructions;
	w->out->points = w->run.n;
	w->out->distinct = 0;
	for (unsigned i = 0; i < w->run.n; i++)
		w->out->distinct += w->run.points[i].distinct;
}

/* The first one only says where it can be killed. */
static bool
dry_run(struct work *w, bool stop)
{
	w->out->at = 0;
	free(w->run.points);
	w->run.points = NULL;
	if (setjmp(every_trial)) {
		note_failure(w, " (dry run)");
		return false;
	}
	begin_scene(w, stop);
	w->scene.dry = true;
	every_freeze_sleeper(&w->scene, true);
	every_dry_run(w->scene.victim, &w->scene.place, &w->run);
	victim_kill(w->scene.victim);
	w->scene.victim = 0;
	every_freeze_sleeper(&w->scene, false);
	w->full = after(&w->scene, 0);
	count_points(w);
	return true;
}

static bool
is_wanted(const struct work *w, const struct every_point *point)
{
	return w->how->at < 0 || point->k == (unsigned)w->how->at;
}

/* Killing ------------------------------------------------------------------------------------- */

static bool
comes_by(struct work *w, const struct every_point *point, bool again)
{
	every_freeze_sleeper(&w->scene, again || !point->hot);
	return every_reach(w->scene.victim, point, again ? NULL : &w->scene.place);
}

/*
 * At first a sleeper is free to wake, and changes are counted; but a sleeper may come by at
 * another time, and a store may change nothing this time: then it stands still, and the
 * instruction alone tells the place.
 */
static void
reach(struct work *w, const struct every_point *point, bool stop)
{
	w->out->at = point->k;
	begin_scene(w, stop);
	if (!comes_by(w, point, false)) {
		every_scene_clear(&w->scene);
		begin_scene(w, stop);
		if (!comes_by(w, point, true))
			every_fail("not reproducible: it is at %llx, not %llx",
				   (unsigned long long)every_where(w->scene.victim),
				   (unsigned long long)point->pc);
	}
	every_freeze_sleeper(&w->scene, false);
}

/* Whether a batch may be received in part. */
static bool
may_be_in_part(const struct every_cell *cell)
{
	return cell->life || cell->operation->role == SHMQ_PRODUCER ||
	       cell->kind->opts.kind == SHMQ_MPMC;
}

/* The farther it came, the more has come to be; all of a batch at once, where that is promised. */
static void
judge_effect(struct work *w, const struct every_point *point)
{
	w->out->none += w->effect == 0;
	w->out->whole += w->effect && w->effect == w->full;
	w->out->part += w->effect && w->effect < w->full;
	if (!w->cell->life && w->cell->operation->gives_back)
		return;
	if (point->k == 0 && w->effect)
		every_fail("had an effect before its first instruction");
	if (w->effect && w->effect < w->full && !may_be_in_part(w->cell))
		every_fail("received %u messages of %u", w->effect, w->full);
	if (w->effect > w->full)
		every_fail("had an effect of %u, and at its end %u", w->effect, w->full);
	if (w->effect < w->least)
		every_fail("had an effect of %u, and at an instruction before %u", w->effect,
			   w->least);
	w->least = w->effect;
}

static void
kill_at(struct work *w, const struct every_point *point, unsigned way)
{
	char how[16];

	snprintf(how, sizeof(how), " (way %u)", way);
	if (setjmp(every_trial)) {
		note_failure(w, how);
		return;
	}
	reach(w, point, false);
	every_note_uncounted(&w->scene);
	victim_kill(w->scene.victim);
	w->scene.victim = 0;
	w->out->kills++;
	w->effect = after(&w->scene, way);
	judge_effect(w, point);
}

static bool
is_killed_at(const struct work *w, const struct every_point *point)
{
	return point->distinct || (w->how->every && point->hot) || w->how->at >= 0;
}

static void
kill_all(struct work *w)
{
	for (unsigned i = 0; i < w->run.n && w->out->failures < MOST_FAILURES; i++) {
		const struct every_point *point = &w->run.points[i];

		if (!is_wanted(w, point) || !is_killed_at(w, point))
			continue;
		for (unsigned way = 0; way < ways(w->cell); way++)
			kill_at(w, point, way);
	}
}

/* Stopping ------------------------------------------------------------------------------------ */

static void
stop_at(struct work *w, const struct every_point *point)
{
	w->out->stopped = true;
	if (setjmp(every_trial)) {
		note_failure(w, " --stop");
		return;
	}
	reach(w, point, true);
	w->out->stops++;
	if (w->cell->life)
		w->out->blocked += every_life_stopped(&w->scene);
	else
		w->out->blocked += every_while_stopped(&w->scene);
}

/* Cold operations are long: as often as anything changes, and here and there. */
static unsigned
stride_of(const struct work *w)
{
	unsigned least = w->run.n / COLD_STOPS + 1;

	if (w->run.instructions == 0 || w->run.points[0].hot)
		return w->how->stop_stride;
	return w->how->stop_stride > least ? w->how->stop_stride : least;
}

static void
stop_all(struct work *w)
{
	unsigned stride = stride_of(w);

	for (unsigned i = 0; i < w->run.n && w->out->failures < MOST_FAILURES; i++) {
		const struct every_point *point = &w->run.points[i];

		if (is_wanted(w, point) && (point->distinct || i % stride == 0 || w->how->at >= 0))
			stop_at(w, point);
	}
}

/* The cell ------------------------------------------------------------------------------------ */

static void
warm_up(void)
{
	every_warm_up();
	(void)leak_count();
	usleep(TICK_US); /* processes that are told apart by when they began */
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
every_cell_run(const struct every_cell *cell, const struct every_how *how,
	       struct every_outcome *out)
{
	static struct work work;
	double begin = seconds();

	work = (struct work){.cell = cell, .how = how, .out = out};
	if (setjmp(every_trial)) {
		note_failure(&work, " (warm-up)");
		return;
	}
	place_begin();
	work.results = process_share(sizeof(*work.results));
	warm_up();
	/* Each its own: there is an entry more where nobody dies. */
	if (how->kill && dry_run(&work, false))
		kill_all(&work);
	if (how->stop && (!cell->life || cell->life->meanwhile) && dry_run(&work, true))
		stop_all(&work);
	place_end();
	free(work.run.points);
	out->seconds = seconds() - begin;
}
