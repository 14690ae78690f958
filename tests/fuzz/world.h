/* SPDX-License-Identifier: MIT */
/* A world of the fuzz target's own: /dev/shm and SysV segments that no other process has. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>

/* More than this no segment in it may be: the input says how long they are. */
#define FUZZ_WORLD_BYTES (8 << 20)

/* Enter it, at the first call. false: not permitted, and the target has to keep to memfd:. */
bool fuzz_world(void);

/* Take away all segments, side files and FIFOs in it. */
void fuzz_world_clear(void);

#endif
