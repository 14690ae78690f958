/* SPDX-License-Identifier: MIT */
/*
 * Single steps. x86-64: where a victim stands is its rip, and orig_rax tells whether the step
 * before was a system call (it is -1 after any other instruction).
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "every.h"
#include "support/process.h"

#define MOST_INSTRUCTIONS 5000000u
#define FIRST ((uint64_t)(uintptr_t)every_first)
#define LAST ((uint64_t)(uintptr_t)every_last)
#define AT_CALL (SIGTRAP | 0x80)
#define CALL_BYTES 2u /* of the instruction `syscall` */
#define HOT_STEPS 1500u
#define HOT_CALLS 4u
#define MORE_STEPS 2000u
#define BREAKPOINT offsetof(struct user, u_debugreg[0])
#define BREAK_CONTROL offsetof(struct user, u_debugreg[7])

/* Stepping ------------------------------------------------------------------------------------ */

static void
go(enum __ptrace_request request, pid_t pid, int want)
{
	int status = 0;

	if (ptrace(request, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid)
		every_fail("the tracer has lost its victim");
	if (!WIFSTOPPED(status))
		every_fail("the victim has ended: status %x", (unsigned)status);
	if (WSTOPSIG(status) != want)
		every_fail("the victim has stopped with signal %d", WSTOPSIG(status));
}

static uint64_t
where(pid_t pid, bool *call)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) != 0)
		every_fail("no registers");
	if (call)
		*call = (int64_t)regs.orig_rax >= 0;
	return regs.rip;
}

/* A step, or a run to a breakpoint; false: it has come to its end, and stopped itself. */
static bool
advance(enum __ptrace_request request, pid_t pid)
{
	int status = 0;

	if (ptrace(request, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid)
		every_fail("the tracer has lost its victim");
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

uint64_t
every_where(pid_t victim)
{
	return where(victim, NULL);
}

/* What comes before the operation does not count. */
static void
go_to_first(pid_t pid)
{
	do
		go(PTRACE_SINGLESTEP, pid, SIGTRAP);
	while (where(pid, NULL) != FIRST);
}

/* The dry run --------------------------------------------------------------------------------- */

static struct every_point *
add(struct every_run *run)
{
	if ((run->n & (run->n - 1)) == 0) {
		run->points = realloc(run->points, 2 * (run->n + 1) * sizeof(*run->points));
		MUST(run->points != NULL);
	}
	return &run->points[run->n++];
}

/* A system call was executed: one can die before it, having entered it, too. */
static void
add_entry(struct every_run *run)
{
	struct every_point at = run->points[run->n - 1];

	at.at_call = true;
	at.distinct = true;
	at.changes = 0;
	*add(run) = at;
}

static void
take_step(pid_t victim, struct every_watch *watch, struct every_run *run, struct every_point *at)
{
	bool call;

	go(PTRACE_SINGLESTEP, victim, SIGTRAP);
	at->pc = where(victim, &call);
	at->k++;
	at->steps++;
	if (call) {
		add_entry(run);
		at->calls++;
		at->steps = run->seen = 0;
	}
	at->changes = every_watch_changed(watch) && !call ? ++run->seen : 0;
	at->distinct = at->changes || call || at->pc == LAST;
	*add(run) = *at;
}

static bool
was_before(const struct every_run *run, unsigned i)
{
	for (unsigned j = i; j-- > 0 && run->points[j].calls == run->points[i].calls;)
		if (run->points[j].pc == run->points[i].pc)
			return true;
	return false;
}

/* For hot operations: where a breakpoint brings it nearest, and how many steps it is from there. */
static void
find_landmarks(struct every_run *run)
{
	for (unsigned i = 1; i < run->n; i++) {
		struct every_point *at = &run->points[i];

		if (at->at_call || at->steps == 0)
			continue;
		at->landmark = at[-1].landmark;
		at->beyond = at[-1].beyond + 1;
		if (!was_before(run, i)) {
			at->landmark = at->pc;
			at->beyond = 0;
		}
	}
}

void
every_dry_run(pid_t victim, const struct place *place, struct every_run *run)
{
	struct every_point at = {.distinct = true};
	struct every_watch watch = {0};

	*run = (struct every_run){0};
	go_to_first(victim);
	at.pc = where(victim, NULL);
	*add(run) = at;
	every_watch_open(&watch, place);
	while (at.pc != LAST && at.k < MOST_INSTRUCTIONS) {
		take_step(victim, &watch, run, &at);
		if (at.steps == 0 && !watch.memory)
			every_watch_open(&watch, place); /* a system call has made it */
	}
	every_watch_close(&watch);
	for (unsigned i = 0; i < run->n; i++)
		run->points[i].hot = at.k < HOT_STEPS && at.calls < HOT_CALLS;
	run->instructions = at.k;
	run->calls = at.calls;
	if (run->points[0].hot)
		find_landmarks(run);
	if (at.pc != LAST)
		every_fail("no end after %u instructions", at.k);
}

/* To a point ---------------------------------------------------------------------------------- */

/*
 * Cold operations do not take exactly so many steps each time: what they look for lies elsewhere
 * in a table, or a number has a digit more. There a change is found by its number since the
 * system call before.
 */
static void
step_to_change(pid_t victim, const struct every_point *point, const struct place *place)
{
	unsigned most = point->steps + point->steps / 2 + MORE_STEPS;
	struct every_watch watch = {0};

	every_watch_open(&watch, place);
	for (unsigned n = 0; n < point->changes && most && where(victim, NULL) != LAST; most--) {
		go(PTRACE_SINGLESTEP, victim, SIGTRAP);
		n += every_watch_changed(&watch);
	}
	every_watch_close(&watch);
}

/* To where a store once changed something: about as many steps, and there. */
static void
step_to(pid_t victim, const struct every_point *point)
{
	for (unsigned i = 0; i < point->steps - point->steps / 8; i++)
		if (!advance(PTRACE_SINGLESTEP, victim))
			return;
	for (unsigned i = 0; i < point->steps / 4 + MORE_STEPS; i++) {
		uint64_t pc = where(victim, NULL);

		if (pc == point->pc || pc == LAST)
			return;
		go(PTRACE_SINGLESTEP, victim, SIGTRAP);
	}
}

static void
poke(pid_t victim, size_t where, uint64_t value)
{
	if (ptrace(PTRACE_POKEUSER, victim, where, value) != 0)
		every_fail("no breakpoint");
}

/* Hot: at full speed to an instruction that it comes to for the first time, and on from there. */
static void
run_to(pid_t victim, const struct every_point *point)
{
	if (point->landmark) {
		poke(victim, BREAKPOINT, point->landmark);
		poke(victim, BREAK_CONTROL, 1);
		if (!advance(PTRACE_CONT, victim))
			return;
		poke(victim, BREAK_CONTROL, 0);
	}
	for (unsigned i = 0; i < point->beyond; i++)
		if (!advance(PTRACE_SINGLESTEP, victim))
			return;
}

/* Somewhere in a cold operation, where nothing happens. */
static void
step_about(pid_t victim, const struct every_point *point)
{
	for (unsigned i = 0; i < point->steps && where(victim, NULL) != LAST; i++)
		go(PTRACE_SINGLESTEP, victim, SIGTRAP);
}

bool
every_reach(pid_t victim, const struct every_point *point, const struct place *place)
{
	go_to_first(victim);
	for (unsigned i = 0; i < point->calls; i++) {
		go(PTRACE_SYSCALL, victim, AT_CALL);
		go(PTRACE_SYSCALL, victim, AT_CALL);
	}
	if (point->at_call) {
		go(PTRACE_SYSCALL, victim, AT_CALL);
		return where(victim, NULL) == point->pc + CALL_BYTES;
	}
	if (!point->hot && !point->distinct) {
		step_about(victim, point);
		return true;
	}
	if (point->hot)
		run_to(victim, point);
	else if (point->changes && place)
		step_to_change(victim, point, place);
	else
		step_to(victim, point);
	return where(victim, NULL) == point->pc;
}
