/* SPDX-License-Identifier: MIT */
/* What does not hold ends the test case, as Criterion's assertions do, or the child. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "support/process.h"

static pid_t test_pid;

void
process_fail(const char *text)
{
	/* A thread that is to be cancelled says why it fails before that. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (getpid() == test_pid)
		cr_assert_fail("%s", text);
	dprintf(STDERR_FILENO, "child %d: %s\n", (int)getpid(), text);
	_exit(PROCESS_FAILED);
}

void
process_begin(void)
{
	test_pid = getpid();
}
