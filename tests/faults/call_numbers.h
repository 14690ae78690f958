/* SPDX-License-Identifier: MIT */
/* Calls that newer architectures do not have: there the C library makes others in their place. */
#ifndef TESTS_FAULTS_CALL_NUMBERS_H
#define TESTS_FAULTS_CALL_NUMBERS_H

#include <sys/syscall.h>

#ifndef SYS_unlink
#define SYS_unlink SYS_unlinkat
#endif
#ifndef SYS_rename
#define SYS_rename SYS_renameat2
#endif
#ifndef SYS_link
#define SYS_link SYS_linkat
#endif
#ifndef SYS_chmod
#define SYS_chmod SYS_fchmodat
#endif

#endif
