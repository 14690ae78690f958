/* SPDX-License-Identifier: MIT */
/* In place of peer_ck.c and peer_ck_crowd.c where Concurrency Kit is not installed. */
#include "bench.h"

#include <errno.h>

int
peer_ck_throughput(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}

int
peer_ck_rtt(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}

int
peer_ck_crowd(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}
