/* SPDX-License-Identifier: MIT */
/* What the adapters of nng have in common: its errors are its own, but for those that are the system's. */
#ifndef SHMQ_BENCH_NNG_ERROR_H
#define SHMQ_BENCH_NNG_ERROR_H

#include <errno.h>

#include <nng/nng.h>

static inline int
nng_error(int err)
{
	if (!err)
		return 0;
	return err == NNG_ENOMEM ? -ENOMEM : err == NNG_EAGAIN ? -EAGAIN : -EIO;
}

#endif
