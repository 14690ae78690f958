/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's <shmq/atomic.h>: the same names over the kernel's own primitives, in place of the
 * library's, so that a ring is one source on both sides. What the SPSC ring and the format use; there
 * is no read-modify-write among it.
 */
#ifndef KMOD_SHMQ_ATOMIC_H
#define KMOD_SHMQ_ATOMIC_H

#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <vdso/processor.h>

#define SHMQ_INLINE static __always_inline

static inline uint32_t
shmq_load_relaxed_u32(const uint32_t *p)
{
	return READ_ONCE(*p);
}

static inline uint64_t
shmq_load_relaxed_u64(const uint64_t *p)
{
	return READ_ONCE(*p);
}

static inline uint32_t
shmq_load_acquire_u32(const uint32_t *p)
{
	return smp_load_acquire(p);
}

static inline uint64_t
shmq_load_acquire_u64(const uint64_t *p)
{
	return smp_load_acquire(p);
}

static inline void
shmq_store_relaxed_u32(uint32_t *p, uint32_t value)
{
	WRITE_ONCE(*p, value);
}

static inline void
shmq_store_relaxed_u64(uint64_t *p, uint64_t value)
{
	WRITE_ONCE(*p, value);
}

static inline void
shmq_store_release_u32(uint32_t *p, uint32_t value)
{
	smp_store_release(p, value);
}

static inline void
shmq_store_release_u64(uint64_t *p, uint64_t value)
{
	smp_store_release(p, value);
}

static inline void
shmq_fence_seq_cst(void)
{
	smp_mb();
}

/* The ring pauses before its caller asks again. Ours ask when the timer or a kick says so, and a
 * timer's interrupt is no place to wait in. */
static inline void
shmq_pause(void)
{
}

#endif
