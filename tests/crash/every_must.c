/* SPDX-License-Identifier: MIT */
/* What does not hold ends the trial, not the program; a child in which it does not hold ends. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "every.h"
#include "support/process.h"

#define TICK_NS INT64_C(50000)
#define FAKE_SECONDS 1000000000

static pid_t trial_pid;
jmp_buf every_trial;
char every_failure[EVERY_TEXT];

void
every_fail(const char *format, ...)
{
	char text[EVERY_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (getpid() != trial_pid) {
		dprintf(STDERR_FILENO, "child %d: %s\n", (int)getpid(), text);
		_exit(PROCESS_FAILED);
	}
	snprintf(every_failure, sizeof(every_failure), "%s", text);
	longjmp(every_trial, 1);
}

void
process_fail(const char *text)
{
	every_fail("%s", text);
}

void
process_begin(void)
{
	trial_pid = getpid();
}

/*
 * The library's clock, and so how long it spins and when it asks the kernel: in a victim it must
 * be the same in each run. It moves with each look.
 */
static int64_t fake_ns;

void
every_fake_clock(void)
{
	fake_ns = INT64_C(1000000000000);
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	if (!fake_ns)
		return (int)syscall(SYS_clock_gettime, id, now);
	fake_ns += TICK_NS;
	now->tv_sec = fake_ns / 1000000000;
	now->tv_nsec = fake_ns % 1000000000;
	return 0;
}

/*
 * Seconds: others than those of who set the scene, so that each store of them is seen as a
 * change.
 */
time_t
time(time_t *out)
{
	struct timespec now;

	if (!fake_ns)
		clock_gettime(CLOCK_REALTIME, &now);
	else
		now.tv_sec = FAKE_SECONDS;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
