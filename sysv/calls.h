/* SPDX-License-Identifier: MIT */
/*
 * The four calls on the namespace of SHMQ_SYSV_DIR, by names that are nobody else's, and what only
 * the shmq command asks. Results are >= 0 or a negated errno; -ERESTART: another has the index, try
 * again. One thread, no handlers: the exported functions of libshmq-sysv add what others need (api.c).
 */
#ifndef SYSV_CALLS_H
#define SYSV_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int shmqi_ns_get(int32_t key, size_t size, int flags);
int shmqi_ns_attach(int id, uintptr_t at, int flags, void **base);
int shmqi_ns_detach(uintptr_t at);
int shmqi_ns_control(int id, int command, void *buffer);

/* What of a segment is in RAM or swapped out, and the size of its pages; -1: there is no such segment. */
int64_t shmqi_ns_resident_bytes(int id, size_t *page_bytes);

/*
 * Clear what killed processes left: marked segments without attaches, entries without a file, files
 * without an entry. `each` is told the name of each; dry_run: only told. How many there were.
 */
int shmqi_ns_gc(bool dry_run, void (*each)(const char *what, void *arg), void *arg);

#endif
