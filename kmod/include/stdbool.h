/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The kernel's, for sources that are written for a C library. */
#ifndef KMOD_STDBOOL_H
#define KMOD_STDBOOL_H

#include <linux/types.h>

#endif
