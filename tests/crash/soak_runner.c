/* SPDX-License-Identifier: MIT */
/* One kind's storms, one queue after the other. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "soak.h"
#include "support/process.h"

#define MOST_ROUNDS 3 /* of a queue */

static bool
is_to_rest(const struct soak_runner *r)
{
	/* Relaxed: it carries nothing; what follows goes through pipe and gate. */
	return shmq_load_relaxed_u64(&r->board->rest);
}

void
soak_rest(struct soak_runner *r, struct soak_report *report)
{
	soak_plant(r->plant);
	report->holds = soak_holds();
	SAME(sizeof(*report), write(r->report, report, sizeof(*report)));
	report->objects = 0;
	gate_pass(r->go);
}

static void
remember(struct soak_report *report, const struct place *place)
{
	struct soak_object object = soak_object(place);

	if (object.inode)
		report->object[report->objects++ % SOAK_OBJECTS] = object;
	if (report->objects > SOAK_OBJECTS)
		report->objects = SOAK_OBJECTS;
}

/* What the library keeps in a process for good, it has after this. */
static void
warm_up(struct storm *storm, const struct soak_runner *r)
{
	for (unsigned on = 0; on < PLACES; on++) {
		storm_open(storm, r->kind, on);
		soak_resident(storm, &storm->place);
		MUST(storm_round(storm, 1, on % 2 ? BY_REMOVAL : BY_DRAIN));
		storm_close(storm);
	}
	storm->total = (struct storm_sum){0};
	storm_forget(storm);
}

/* A few rounds over one queue, which goes with its processes, or after them. */
static void
use_queue(struct storm *storm, struct soak_runner *r, struct soak_report *report)
{
	enum place_backend on = (report->queues + r->index) % PLACES;
	unsigned rounds = 1 + (unsigned)random_below(&storm->seed, MOST_ROUNDS);

	storm_open(storm, r->kind, on);
	remember(report, &storm->place);
	report->queues++;
	for (unsigned i = 0; i < rounds && storm->place.attach[0] && !is_to_rest(r); i++) {
		enum storm_end end = random_below(&storm->seed, 2) ? BY_DRAIN : BY_REMOVAL;

		soak_resident(storm, &storm->place);
		MUST(storm_round(storm, r->kills, end) && "every message is accounted for");
		report->rounds++;
		report->on[on]++;
		/* Relaxed: for the line of progress. */
		shmq_store_relaxed_u64(&r->board->kills[r->index], storm->total.kills);
		shmq_store_relaxed_u64(&r->board->rounds[r->index], report->rounds);
	}
	storm_close(storm);
	storm_forget(storm);
}

void
soak_storms(void *arg)
{
	struct soak_runner *r = arg;
	static struct storm storm;
	static struct soak_report report;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1UL);
	storm = (struct storm){.name = r->index, .seed = r->seed, .bells = true};
	storm.plant = r->plant == PLANT_LOST ? LOSES : r->plant == PLANT_TWICE ? REPEATS : SOUND;
	warm_up(&storm, r);
	for (;;) {
		report.sum = storm.total;
		if (is_to_rest(r))
			soak_rest(r, &report);
		else
			use_queue(&storm, r, &report);
	}
}
