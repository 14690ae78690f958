/* SPDX-License-Identifier: MIT */
/*
 * A victim: a child under ptrace that is stopped, and killed, at a chosen instruction or system
 * call.
 *
 * The body prepares what it needs, calls victim_begins(), does the one operation, and calls
 * victim_ends(). Steps and system calls are counted between the two (those of the two calls
 * themselves among them, which does no harm).
 */
#ifndef TESTS_SUPPORT_TRACE_H
#define TESTS_SUPPORT_TRACE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the victim. */
void victim_begins(void);
void victim_ends(void);

/* Start a victim, and let it run to victim_begins(). */
pid_t victim_start(void (*body)(void *arg), void *arg);
/*
 * Go `count` instructions, or system call stops (two for each call), ahead; false: it came to its
 * end before.
 */
bool victim_step(pid_t pid, unsigned long count);
bool victim_calls(pid_t pid, unsigned long count);
/*
 * Go ahead to the entry of system call `number`; false: it came to its end, or to victim_begins()
 * again, before.
 */
bool victim_reaches(pid_t pid, long number);
/* Let it run to its next victim_begins() or victim_ends(). */
void victim_goes_on(pid_t pid);
/* Let it run to its end, which must be exit(0). */
void victim_leaves(pid_t pid);
/* SIGKILL, and wait for the end. */
void victim_kill(pid_t pid);

#endif
