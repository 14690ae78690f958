/* SPDX-License-Identifier: MIT */
/*
 * Signals that end send and recv in order: they detach first.
 *
 * A signal between the last look at the flag and a blocking read or write would be noticed only
 * when that returns. So the handler asks for a SIGALRM each second, which interrupts such a call.
 */
#include <signal.h>
#include <unistd.h>

#include "tool.h"

static volatile sig_atomic_t caught;

static void
on_signal(int sig)
{
	if (sig != SIGALRM)
		caught = sig;
	alarm(1);
}

void
interrupt_arm(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction old;

		/* What the parent had ignored (nohup) stays ignored. */
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN || signals[i] == SIGALRM)
			sigaction(signals[i], &action, NULL);
	}
}

int
interrupted(void)
{
	return caught;
}
