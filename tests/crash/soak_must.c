/* SPDX-License-Identifier: MIT */
/* What does not hold ends the process; the driver sees it. */
#include <stdio.h>
#include <unistd.h>

#include "support/process.h"

void
process_must(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "process %d: %s:%d: does not hold: %s\n", (int)getpid(), file, line,
		what);
	_exit(PROCESS_FAILED);
}

void
process_same(long long want, long long got, const char *what, const char *at)
{
	if (want == got)
		return;
	dprintf(STDERR_FILENO, "process %d: %s: %s is %lld, not %lld\n", (int)getpid(), at, what,
		got, want);
	_exit(PROCESS_FAILED);
}

void
process_begin(void)
{
}
