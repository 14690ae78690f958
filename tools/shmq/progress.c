/* SPDX-License-Identifier: MIT */
/* How far send, recv and tap have come, on standard error when that is a terminal. */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define SHOW_EVERY_NS ((int64_t)500 * 1000 * 1000)
/* Messages between two looks at the clock: well under a millisecond of work. */
#define LOOK_EVERY 256

int64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
print_state(const struct progress *p)
{
	char bytes[TEXT_MAX], rate[TEXT_MAX];
	double seconds = (double)(clock_ns() - p->started_ns) / 1e9;
	double per_second = seconds > 0 ? (double)p->bytes / seconds : 0;

	fputs("shmq: ", stderr);
	print_escaped(stderr, p->addr);
	fprintf(stderr, ": %s %" PRIu64 " messages, %s in %.1f s, %s/s", p->verb, p->messages,
		text_bytes(bytes, p->bytes), seconds, text_bytes(rate, (uint64_t)per_second));
	if (p->counts_missed)
		fprintf(stderr, ", %" PRIu64 " missed", p->missed);
}

/*
 * Two commands that share a terminal would overwrite each other's line: only the foreground one
 * shows it.
 */
static bool
in_foreground(void)
{
	return isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

/* A terminal that also carries the data, or the typing, is left alone. */
void
progress_start(struct progress *p, int data_fd, bool verbose)
{
	p->live = in_foreground() && !isatty(data_fd);
	p->summary = verbose || p->live;
	p->started_ns = clock_ns();
	p->shown_ns = p->started_ns;
}

void
progress_idle(struct progress *p)
{
	int64_t now;

	p->quiet = 0;
	if (!p->live)
		return;
	now = clock_ns();
	if (now - p->shown_ns < SHOW_EVERY_NS)
		return;
	p->shown_ns = now;
	fputs("\r\033[K", stderr);
	print_state(p);
	fflush(stderr);
}

void
progress_add(struct progress *p, uint64_t messages, uint64_t bytes)
{
	p->messages += messages;
	p->bytes += bytes;
	if (++p->quiet >= LOOK_EVERY)
		progress_idle(p);
}

void
progress_end(struct progress *p)
{
	if (p->live)
		fputs("\r\033[K", stderr);
	if (!p->summary)
		return;
	print_state(p);
	putc('\n', stderr);
}
