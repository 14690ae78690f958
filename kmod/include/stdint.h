/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The kernel's, for sources that are written for a C library. 64-bit kernels only. */
#ifndef KMOD_STDINT_H
#define KMOD_STDINT_H

#include <linux/limits.h>
#include <linux/types.h>

#define INT64_C(n) n##LL
#define UINT64_C(n) n##ULL
#define UINT32_C(n) n##U
#define INT64_MAX S64_MAX
#define UINT64_MAX U64_MAX
#define UINT32_MAX U32_MAX
#define PTRDIFF_MAX S64_MAX

_Static_assert(sizeof(long) == 8, "a 64-bit kernel: what is shared has 64-bit words");

#endif
