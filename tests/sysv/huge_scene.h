/* SPDX-License-Identifier: MIT */
/* A namespace of a test's own, and huge pages for it. */
#ifndef SYSV_HUGE_SCENE_H
#define SYSV_HUGE_SCENE_H

#include "space.h"
#include "support/huge.h"

/* Criterion's init and fini. */
void huge_scene_begin(void);
void huge_scene_end(void);
/* Skip the test: then nobody calls fini. */
void huge_scene_skip(const char *why);
/* Skip the test unless there are some; from here on there is a hugetlbfs that everybody may write, on HUGE_PLACE. */
void huge_scene_need(void);

#endif
