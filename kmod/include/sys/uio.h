/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* For sources that are written for a C library; nothing here is called that takes one. */
#ifndef KMOD_SYS_UIO_H
#define KMOD_SYS_UIO_H

struct iovec;

#endif
