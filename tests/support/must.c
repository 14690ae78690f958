/* SPDX-License-Identifier: MIT */
/* What does not hold ends the test case, as Criterion's assertions do, or the child. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "support/process.h"

static pid_t test_pid;

static void
fail(const char *text)
{
	if (getpid() == test_pid)
		cr_assert_fail("%s", text);
	dprintf(STDERR_FILENO, "child %d: %s\n", (int)getpid(), text);
	_exit(PROCESS_FAILED);
}

void
process_must(bool holds, const char *what, const char *file, int line)
{
	char text[512];

	if (holds)
		return;
	snprintf(text, sizeof(text), "%s:%d: does not hold: %s", file, line, what);
	fail(text);
}

void
process_same(long long want, long long got, const char *what, const char *at)
{
	char text[512];

	if (want == got)
		return;
	snprintf(text, sizeof(text), "%s: %s is %lld, not %lld", at, what, got, want);
	fail(text);
}

void
process_begin(void)
{
	test_pid = getpid();
}
