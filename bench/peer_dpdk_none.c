/* SPDX-License-Identifier: MIT */
/* In place of peer_dpdk.c where DPDK is not installed. */
#include "bench.h"

#include <errno.h>

int
peer_dpdk_crowd(const struct bench_what *what, struct bench_sample *out)
{
	(void)what;
	(void)out;
	return -ENOTSUP;
}
