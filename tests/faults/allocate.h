/* SPDX-License-Identifier: MIT */
/* The allocator of this program, which fails when it is told to. */
#ifndef TESTS_FAULTS_ALLOCATE_H
#define TESTS_FAULTS_ALLOCATE_H

#include <stdbool.h>

/* From now on, count; the n-th allocation fails, 0: none; `sticky`: and all later ones. */
void allocate_begins(unsigned nth, bool sticky);
/* No more: how many there were. */
unsigned allocate_ends(void);

#endif
