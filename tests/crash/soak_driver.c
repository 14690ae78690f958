/* SPDX-License-Identifier: MIT */
#include "soak_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "clock.h"
#include "support/leak.h"
#include "support/process.h"

#define TICK_MS 200
#define REST_NS UINT64_C(600000000000) /* nobody takes so long to come to rest */
#define RESIDENT_SLACK (UINT64_C(4) << 20)

/* Runners ------------------------------------------------------------------------------------ */

static void
start(struct soak *soak, struct soak_runner *r)
{
	int ends[2];

	SAME(0, pipe2(ends, O_CLOEXEC));
	r->board = soak->board;
	r->report = ends[1];
	r->reports = ends[0];
	r->go = gate_new();
	fflush(NULL);
	r->pid = process_start(r->kind ? soak_storms : soak_segments, r);
	close(ends[1]);
}

/* Nobody ends by itself; who does has said why. */
static bool
has_failed(struct soak *soak, struct soak_runner *r)
{
	int status;

	if (!r->pid || waitpid(r->pid, &status, WNOHANG) == 0)
		return false;
	fprintf(stderr, "soak: %s: its runner has ended, status 0x%x, seed %llu\n", r->name, status,
		(unsigned long long)r->seed);
	r->pid = 0;
	soak->failures++;
	return true;
}

static bool
somebody_failed(struct soak *soak)
{
	bool failed = false;

	for (unsigned i = 0; i < soak->count; i++)
		failed |= has_failed(soak, &soak->runners[i]);
	return failed;
}

static void
take_report(struct soak *soak, struct soak_runner *r)
{
	struct pollfd pipe = {.fd = r->reports, .events = POLLIN};
	uint64_t limit = clock_now_ns() + REST_NS;

	while (r->pid && poll(&pipe, 1, TICK_MS) != 1) {
		(void)has_failed(soak, r);
		soak_print_progress(soak);
		if (clock_now_ns() < limit)
			continue;
		soak_wrong(soak, r->name, "seconds to come to rest", REST_NS / 1000000000, 0);
		process_kill(r->pid);
		r->pid = 0;
	}
	if (r->pid && read(r->reports, &r->last, sizeof(r->last)) != sizeof(r->last))
		while (!has_failed(soak, r))
			usleep(TICK_MS);
}

/* Rests -------------------------------------------------------------------------------------- */

static void
compare(struct soak *soak, const char *who, const struct soak_holds *is,
	const struct soak_holds *was)
{
	if (is->descriptors != was->descriptors)
		soak_wrong(soak, who, "descriptors", is->descriptors, was->descriptors);
	if (is->mappings != was->mappings)
		soak_wrong(soak, who, "mappings", is->mappings, was->mappings);
	if (is->mapped_bytes != was->mapped_bytes)
		soak_wrong(soak, who, "bytes of mappings", is->mapped_bytes, was->mapped_bytes);
	if (is->heap_bytes != was->heap_bytes)
		soak_wrong(soak, who, "bytes of heap", is->heap_bytes, was->heap_bytes);
	if (is->resident_bytes > was->resident_bytes + RESIDENT_SLACK && !leak_sanitizer())
		soak_wrong(soak, who, "bytes of memory", is->resident_bytes, was->resident_bytes);
}

static void
look(struct soak *soak)
{
	soak->left = soak_leftovers(soak->runners, soak->count);
	soak->cleared += soak->left.cleared;
	soak->holds = soak_holds();
}

static void
check(struct soak *soak)
{
	const struct soak_leftovers *left = &soak->left;

	look(soak);
	for (unsigned i = 0; i < soak->count; i++)
		if (soak->runners[i].pid)
			compare(soak, soak->runners[i].name, &soak->runners[i].last.holds,
				&soak->runners[i].first);
	compare(soak, "driver", &soak->holds, &soak->first);
	if (left->names)
		soak_wrong(soak, "the world", "names", left->names, 0);
	if (left->names)
		soak_show_names();
	if (left->segments)
		soak_wrong(soak, "the world", "SysV segments", left->segments, 0);
	if (left->bytes)
		soak_wrong(soak, "the world", "bytes of shared memory", left->bytes, 0);
	if (left->locks)
		soak_wrong(soak, "the world", "locks", left->locks, 0);
	soak->checks++;
	soak_print_line(soak);
}

static void
bring_to_rest(struct soak *soak)
{
	/* Relaxed: it carries nothing; the reports come through pipes. */
	shmq_store_relaxed_u64(&soak->board->rest, 1);
	for (unsigned i = 0; i < soak->count; i++)
		take_report(soak, &soak->runners[i]);
}

static void
go_on(struct soak *soak)
{
	shmq_store_relaxed_u64(&soak->board->rest, 0);
	for (unsigned i = 0; i < soak->count; i++)
		gate_open(soak->runners[i].go);
	if (soak->plant == PLANT_DRIVER)
		soak_plant(soak->plant);
}

/* What each has at the start; what is only had after a first look, too. */
static void
begin(struct soak *soak)
{
	shmq_store_relaxed_u64(&soak->board->rest, 1);
	for (unsigned i = 0; i < soak->count; i++)
		start(soak, &soak->runners[i]);
	bring_to_rest(soak);
	for (unsigned i = 0; i < soak->count; i++)
		soak->runners[i].first = soak->runners[i].last.holds;
	soak_print_head();
	look(soak);
	look(soak);
	soak->first = soak->holds;
	check(soak);
}

static bool
run_until(struct soak *soak, uint64_t until, const volatile int *interrupted)
{
	while (clock_now_ns() < until && !*interrupted) {
		if (somebody_failed(soak))
			return false;
		soak_print_progress(soak);
		usleep(TICK_MS * 1000);
	}
	return true;
}

void
soak_drive(struct soak *soak, const volatile int *interrupted)
{
	bool goes_on = true;

	begin(soak);
	while (goes_on && !soak->failures) {
		uint64_t now = clock_now_ns(), next = now + soak->period_ns;

		go_on(soak);
		if (next > soak->end_ns)
			next = soak->end_ns;
		goes_on = run_until(soak, next, interrupted) && clock_now_ns() < soak->end_ns &&
			  !*interrupted;
		bring_to_rest(soak);
		check(soak);
	}
	for (unsigned i = 0; i < soak->count; i++)
		if (soak->runners[i].pid)
			process_kill(soak->runners[i].pid);
}
