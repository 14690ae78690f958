/* SPDX-License-Identifier: MIT */
/* The storm as a test of one kind. */
#include <stdio.h>
#include <sys/prctl.h>

#include "clock.h"
#include "storm.h"
#include "support/process.h"

#define ROUND_KILLS 100

static void
print_table(const struct storm *storm, uint64_t ns)
{
	const struct storm_sum *t = &storm->total;
#define N(field) ((unsigned long long)t->field)

	printf("%-20s kills %6llu (%llu+%llu), stops %llu, leaves %llu, removals %llu  sent %9llu  "
	       "received %9llu  noted %9llu  redelivered %5llu  dropped %6llu  dead %4llu | in doubt: "
	       "sent %5llu, not %5llu; repeated %5llu; unnoted %5llu; unreleased %4llu; uncounted "
	       "%llu; left %llu; unexplained %llu | %.1f s\n",
	       storm->kind->name, N(kills), N(killed_producers), N(killed_consumers), N(stops),
	       N(leaves), N(removals), N(sent), N(received), N(all), N(redelivered), N(lost),
	       N(dead), N(doubt_sent), N(doubt_unsent), N(repeated), N(unnoted), N(unreleased),
	       N(uncounted), N(left), N(unexplained), (double)ns / 1e9);
#undef N
	fflush(stdout);
}

void
storm_run(const struct storm_kind *kind, unsigned kills)
{
	static struct storm storm;
	uint64_t began = clock_now_ns();

	MUST(kind != NULL);
	prctl(PR_SET_TIMERSLACK, 1UL);
	storm = (struct storm){.seed = 4711};
	storm_open(&storm, kind, ON_SHM);
	while (storm.total.kills < kills) {
		enum storm_end end = storm.total.removals ? BY_DRAIN : BY_REMOVAL;

		MUST(storm_round(&storm, ROUND_KILLS, end));
		if (!storm.place.attach[0])
			storm_open(&storm, kind, ON_SHM);
	}
	print_table(&storm, clock_now_ns() - began);
	storm_close(&storm);
}
