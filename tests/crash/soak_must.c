/* SPDX-License-Identifier: MIT */
/* What does not hold ends the process; the driver sees it. */
#include <stdio.h>
#include <unistd.h>

#include "support/process.h"

void
process_fail(const char *text)
{
	dprintf(STDERR_FILENO, "process %d: %s\n", (int)getpid(), text);
	_exit(PROCESS_FAILED);
}

void
process_begin(void)
{
}
