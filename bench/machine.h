/* SPDX-License-Identifier: MIT */
/*
 * The state of the machine, which figures mean nothing without.
 */
#ifndef SHMQ_BENCH_MACHINE_H
#define SHMQ_BENCH_MACHINE_H

#ifdef __cplusplus
extern "C" {
#endif

/** Call `add` for each thing that can be said: CPU, class, governor, SMT, huge pages, mitigations, kernel, steal time. */
void machine_describe(void (*add)(const char *name, const char *value));

/** Seconds on a monotonic clock. */
double machine_seconds(void);

#ifdef __cplusplus
}
#endif

#endif
