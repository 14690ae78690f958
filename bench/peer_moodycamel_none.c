/* SPDX-License-Identifier: MIT */
/* In place of peer_moodycamel.cc where moodycamel::ConcurrentQueue is not installed. */
#include "bench.h"

#include <errno.h>

int
peer_moodycamel_crowd(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}
