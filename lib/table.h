/* SPDX-License-Identifier: MIT */
/*
 * The process-wide table of attached segments: lock-free look-up by any address inside, while
 * others attach and detach (urcu-bp, rculfhash). A segment of up to 2^k bytes touches at most two
 * blocks of 2^k bytes, so it has at most two nodes, under the keys (k, block); a look-up tries each
 * k in use.
 */
#ifndef SHMQ_TABLE_H
#define SHMQ_TABLE_H

#include "seg.h"

/* Add [base, base + bytes) with what shmq_seg_find() is to tell. */
int shmqi_table_add(struct shmqi_entry **out, struct shmq_seg *seg, const void *base, size_t bytes,
		    const struct shmq_stat *st);

/* Take it out: a look-up that begins from now on does not find it. */
void shmqi_table_remove(struct shmqi_entry *entry);

/* Free it once no look-up can still see it. Blocks for a grace period; not within a look-up. */
void shmqi_table_free(struct shmqi_entry *entry);

/* Copy what was added with the entry that holds `inside`; -ENOENT. Wait-free. */
int shmqi_table_find(const void *inside, struct shmq_stat *st);

/* The attach whose entry begins at `base`, or NULL; under shmqi_seg_lock(), so it stays. */
struct shmq_seg *shmqi_table_at(const void *base);

/* Around fork(), so that the child can go on. */
void shmqi_table_before_fork(void);
void shmqi_table_after_fork_parent(void);
void shmqi_table_after_fork_child(void);

#endif
