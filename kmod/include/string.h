/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The kernel's, for sources that are written for a C library. */
#ifndef KMOD_STRING_H
#define KMOD_STRING_H

#include <linux/string.h>

#endif
