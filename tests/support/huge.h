/* SPDX-License-Identifier: MIT */
/* Huge pages of 2 MiB for a test, on a machine that can spare some, and a hugetlbfs that nobody else sees. */
#ifndef TESTS_SUPPORT_HUGE_H
#define TESTS_SUPPORT_HUGE_H

#include <stdbool.h>
#include <stddef.h>

#define HUGE ((size_t)2 << 20)
#define HUGE_PAGES 16 /* how many there are for a test */
#define HUGE_PLACE "/mnt"

/*
 * Criterion's init and fini: that many more than there were, until the end of the test, whatever becomes of it. One test
 * at a time: others wait.
 */
void huge_begin(void);
void huge_end(void);
/* Whether there are. */
bool huge_ready(void);

/* Neither used nor reserved. */
long huge_free(void);

/* From here on in a mount namespace of our own, with a hugetlbfs of the mode on HUGE_PLACE. False: not to be had. */
bool huge_mount(const char *mode);

#endif
