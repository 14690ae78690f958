/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "soak_driver.h"

#define LINES_OF_A_HEAD 40

static double
minutes(const struct soak *soak)
{
	return (double)(clock_now_ns() - soak->began_ns) / 60e9;
}

static void
add(struct storm_sum *to, const struct storm_sum *from)
{
	uint64_t *total = (uint64_t *)to;
	const uint64_t *sum = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*total); i++)
		total[i] += sum[i];
}

/* All runners together. */
static struct soak_report
all_of(const struct soak *soak)
{
	struct soak_report all = {.holds = soak->holds};

	for (unsigned i = 0; i < soak->count; i++) {
		const struct soak_report *last = &soak->runners[i].last;

		add(&all.sum, &last->sum);
		all.rounds += last->rounds;
		all.queues += last->queues;
		for (unsigned on = 0; on < PLACES; on++)
			all.on[on] += last->on[on];
		all.holds.descriptors += last->holds.descriptors;
		all.holds.mappings += last->holds.mappings;
		all.holds.mapped_bytes += last->holds.mapped_bytes;
		all.holds.heap_bytes += last->holds.heap_bytes;
		all.holds.resident_bytes += last->holds.resident_bytes;
	}
	return all;
}

static void
clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

void
soak_wrong(struct soak *soak, const char *who, const char *what, uint64_t is, uint64_t was)
{
	clear_progress();
	fprintf(stderr, "soak: %s: %s %" PRIu64 ", were %" PRIu64 "\n", who, what, is, was);
	soak->failures++;
}

void
soak_print_head(void)
{
	printf("%7s %7s %8s %7s %7s %7s %8s %11s %11s %6s | %5s %5s %8s %8s %7s | %5s %5s %6s %5s %7s | %s\n",
	       "minutes", "rounds", "kills", "stops", "leaves", "queues", "removals", "sent",
	       "received", "unexpl", "fds", "maps", "map KiB", "heap KiB", "rss MiB", "names",
	       "segs", "bytes", "locks", "cleared", "failures");
}

void
soak_print_line(const struct soak *soak)
{
	struct soak_report all = all_of(soak);
	const struct storm_sum *sum = &all.sum;

	clear_progress();
	if (soak->checks % LINES_OF_A_HEAD == 0)
		soak_print_head();
	printf("%7.1f %7" PRIu64 " %8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8" PRIu64
	       " %11" PRIu64 " %11" PRIu64 " %6" PRIu64 " | %5" PRIu64 " %5" PRIu64 " %8" PRIu64
	       " %8.1f %7.1f | %5" PRIu64 " %5" PRIu64 " %6" PRIu64 " %5" PRIu64 " %7" PRIu64
	       " | %u\n",
	       minutes(soak), all.rounds, sum->kills, sum->stops, sum->leaves, all.queues,
	       sum->removals, sum->sent, sum->received, sum->unexplained, all.holds.descriptors,
	       all.holds.mappings, all.holds.mapped_bytes / 1024,
	       (double)all.holds.heap_bytes / 1024, (double)all.holds.resident_bytes / (1 << 20),
	       soak->left.names, soak->left.segments, soak->left.bytes, soak->left.locks,
	       soak->cleared, soak->failures);
	fflush(stdout);
}

void
soak_print_progress(const struct soak *soak)
{
	uint64_t kills = 0, rounds = 0;

	if (!isatty(STDERR_FILENO))
		return;
	for (unsigned i = 0; i < SOAK_RUNNERS; i++) {
		/* Relaxed: counts. */
		kills += shmq_load_relaxed_u64(&soak->board->kills[i]);
		rounds += shmq_load_relaxed_u64(&soak->board->rounds[i]);
	}
	fprintf(stderr, "\r\033[K%.1f of %.1f minutes, %" PRIu64 " rounds, %" PRIu64 " kills",
		minutes(soak), (double)(soak->end_ns - soak->began_ns) / 60e9, rounds, kills);
}

static void
print_row(const char *name, const struct soak_report *report)
{
	const struct storm_sum *sum = &report->sum;

	printf("%-20s %6" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " %6" PRIu64
	       " %8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %6" PRIu64 " %10" PRIu64 " %10" PRIu64,
	       name, report->rounds, report->on[ON_SHM], report->on[ON_SYSV], report->on[ON_FILE],
	       report->on[ON_MEMFD], report->queues, sum->removals, sum->kills, sum->stops,
	       sum->leaves, sum->sent, sum->received);
	printf(" %7" PRIu64 " %8" PRIu64 " %5" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64
	       " %6" PRIu64 " %5" PRIu64 " %5" PRIu64 " %6" PRIu64 "\n",
	       sum->redelivered, sum->lost, sum->dead, sum->doubt_sent, sum->doubt_unsent,
	       sum->repeated, sum->unnoted, sum->unreleased, sum->left, sum->unexplained);
}

void
soak_print_summary(const struct soak *soak)
{
	struct soak_report all = all_of(soak);

	clear_progress();
	printf("\n%-20s %6s %5s %5s %5s %5s %6s %8s %7s %7s %6s %10s %10s %7s %8s %5s %6s %6s %6s "
	       "%6s %5s %5s %6s\n",
	       "kind", "rounds", "shm", "sysv", "file", "memfd", "queues", "removals", "kills",
	       "stops", "leaves", "sent", "received", "redeliv", "dropped", "dead", "d.sent",
	       "d.not", "repeat", "unnote", "unrel", "left", "unexpl");
	for (unsigned i = 0; i < soak->count; i++)
		print_row(soak->runners[i].name, &soak->runners[i].last);
	print_row("all", &all);
	printf("\n%.1f minutes, %u checks, %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
	       " left by the dead and cleared; %" PRIu64 " messages sent, %" PRIu64
	       " differences unexplained; %u failures\n",
	       minutes(soak), soak->checks, all.sum.kills, all.sum.stops, soak->cleared,
	       all.sum.sent, all.sum.unexplained, soak->failures);
	fflush(stdout);
}
