/* SPDX-License-Identifier: MIT */
/* In place of peer_boost.cc and peer_boost_crowd.cc where Boost is not installed. */
#include "bench.h"

#include <errno.h>

int
peer_boost_throughput(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}

int
peer_boost_rtt(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}

int
peer_boost_crowd(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}
