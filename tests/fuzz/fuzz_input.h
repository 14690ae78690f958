/* SPDX-License-Identifier: MIT */
/*
 * What the targets with operations share: an input that is read byte by byte, and 0 when it has
 * ended.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* Of CPU time, for one call: no loop over what a peer writes lasts longer, or it has no bound. */
#define FUZZ_CALL_SECONDS 10

struct fuzz_input {
	const unsigned char *at;
	size_t left;
};

static inline void
must(bool condition)
{
	if (!condition)
		abort();
}

static inline void
fuzz_too_long(int signal)
{
	static const char why[] = "one call took more CPU time than any may\n";

	(void)signal;
	(void)!write(STDERR_FILENO, why, sizeof(why) - 1);
	abort();
}

/*
 * From here on, as long as a call may take. Asleep it takes nothing: that is the fuzzer's own
 * time limit's business.
 */
static inline void
fuzz_deadline(void)
{
	const struct itimerval limit = {.it_value = {.tv_sec = FUZZ_CALL_SECONDS}};
	static bool ready;

	if (!ready)
		must(signal(SIGPROF, fuzz_too_long) != SIG_ERR);
	ready = true;
	must(setitimer(ITIMER_PROF, &limit, NULL) == 0);
}

static inline unsigned
fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline unsigned
fuzz_word(struct fuzz_input *in)
{
	unsigned low = fuzz_byte(in);

	return low | fuzz_byte(in) << 8;
}

/* Whether `err` is, negated, one of `listed`, which ends with 0. */
static inline bool
fuzz_listed(long err, const int *listed)
{
	while (*listed && err != -*listed)
		listed++;
	return *listed != 0;
}

/* The number that the next descriptor would have. */
static inline int
fuzz_next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
	return fd;
}

#endif
