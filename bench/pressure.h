/* SPDX-License-Identifier: MIT */
/*
 * Memory pressure: stress-ng takes and gives back most of the free memory on the second core, and what it leaves is filled with
 * pages of a file.
 */
#ifndef SHMQ_BENCH_PRESSURE_H
#define SHMQ_BENCH_PRESSURE_H

/** Begin, or go on; wait until it is felt. 0, or -ENOTSUP and why. */
int pressure_begin(void);

/** End it, and leave everything as it was. */
void pressure_end(void);

/** Bytes that are taken and given back. */
double pressure_bytes(void);

/** Pages that the kernel has taken from somebody so far: whether there is pressure indeed. */
double pressure_reclaimed(void);

#endif
