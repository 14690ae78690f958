/* SPDX-License-Identifier: MIT */
/*
 * The cheapest clock there is: the CPU's time stamp counter where it has one that all cores share, else CLOCK_MONOTONIC. C and C++.
 */
#ifndef SHMQ_BENCH_TICKS_H
#define SHMQ_BENCH_TICKS_H

#include <stdint.h>
#include <time.h>

/** Nanoseconds on CLOCK_MONOTONIC. */
static inline uint64_t
bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** Ticks, of which bench_ticks_per_ns() make a nanosecond. */
static inline uint64_t
bench_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
	return ticks;
#else
	return bench_now_ns();
#endif
}

#endif
