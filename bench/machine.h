/* SPDX-License-Identifier: MIT */
/*
 * The state of the machine, which figures mean nothing without.
 */
#ifndef SHMQ_BENCH_MACHINE_H
#define SHMQ_BENCH_MACHINE_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Call `add` for each thing that can be said: CPU, class, the two cores in use and their governors, SMT, huge pages, mitigations, kernel,
 * steal time.
 */
void machine_describe(const int cpus[2], void (*add)(const char *name, const char *value));

/**
 * How near to each other two CPUs are: "smt" (threads of one core), "l2", "l3" (the nearest cache that they share), "package" (no
 * cache), "packages" (two of them), "unknown".
 */
const char *machine_relation(const int cpus[2]);

/** Seconds on a monotonic clock. */
double machine_seconds(void);

#ifdef __cplusplus
}
#endif

#endif
