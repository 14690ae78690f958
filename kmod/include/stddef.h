/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The kernel's, for sources that are written for a C library. */
#ifndef KMOD_STDDEF_H
#define KMOD_STDDEF_H

#include <linux/stddef.h>
#include <linux/types.h>

#endif
