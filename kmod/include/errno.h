/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The kernel's, for sources that are written for a C library. */
#ifndef KMOD_ERRNO_H
#define KMOD_ERRNO_H

#include <linux/errno.h>

/* The kernel does not use the C library's other name. */
#define ENOTSUP EOPNOTSUPP

#endif
