/* SPDX-License-Identifier: MIT */
/**
 * The one place where atomics are spelled.
 *
 * Over the compilers' __atomic builtins, so that C and C++ can include it and a kernel build can
 * replace it whole. A name carries its order; a call at a shared word carries a comment that names
 * its edge (docs/ordering.md).
 *
 *   load_relaxed, store_relaxed    atomic, unordered
 *   load_acquire                   what the writer did before its release is visible after this
 *   store_release                  what was done before is visible to whoever acquires this
 *   cas_acq_rel                    compare and swap; on failure *seen becomes what is there
 *                                  (acquired)
 *   cas_relaxed, cas_release       the same; on failure *seen is not ordered
 *   fence_acquire                  what was loaded before stays before what comes after
 *   fence_release                  what was done before stays before what is stored after
 *   fence_seq_cst                  a full fence
 *   fence_compiler                 keeps the compiler, not the CPU, from reordering
 */
#ifndef SHMQ_ATOMIC_H
#define SHMQ_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/** Always inlined: a port (<shmq/inline.h>) can be kept in registers only if no function that was
 * not inlined has its address. */
#define SHMQ_INLINE static inline __attribute__((always_inline))

static inline uint32_t
shmq_load_relaxed_u32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint64_t
shmq_load_relaxed_u64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t
shmq_load_acquire_u32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline uint64_t
shmq_load_acquire_u64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void
shmq_store_relaxed_u32(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void
shmq_store_relaxed_u64(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void
shmq_store_release_u32(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline void
shmq_store_release_u64(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline uint32_t
shmq_add_release_u32(uint32_t *p, uint32_t more)
{
	return __atomic_fetch_add(p, more, __ATOMIC_RELEASE);
}

static inline uint64_t
shmq_add_release_u64(uint64_t *p, uint64_t more)
{
	return __atomic_fetch_add(p, more, __ATOMIC_RELEASE);
}

static inline uint64_t
shmq_or_relaxed_u64(uint64_t *p, uint64_t bits)
{
	return __atomic_fetch_or(p, bits, __ATOMIC_RELAXED);
}

static inline uint64_t
shmq_or_release_u64(uint64_t *p, uint64_t bits)
{
	return __atomic_fetch_or(p, bits, __ATOMIC_RELEASE);
}

static inline uint64_t
shmq_and_acquire_u64(uint64_t *p, uint64_t bits)
{
	return __atomic_fetch_and(p, bits, __ATOMIC_ACQUIRE);
}

static inline uint64_t
shmq_add_relaxed_u64(uint64_t *p, uint64_t more)
{
	return __atomic_fetch_add(p, more, __ATOMIC_RELAXED);
}

/** Raise *p to `value`, unless it is that high already. */
static inline void
shmq_max_relaxed_u64(uint64_t *p, uint64_t value)
{
	uint64_t seen = shmq_load_relaxed_u64(p);

	while (seen < value && !__atomic_compare_exchange_n(p, &seen, value, true, __ATOMIC_RELAXED,
							    __ATOMIC_RELAXED))
		;
}

static inline bool
shmq_cas_acq_rel_u64(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return __atomic_compare_exchange_n(p, seen, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

static inline bool
shmq_cas_relaxed_u64(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return __atomic_compare_exchange_n(p, seen, value, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

static inline bool
shmq_cas_release_u64(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return __atomic_compare_exchange_n(p, seen, value, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

static inline void
shmq_fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void
shmq_fence_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void
shmq_fence_seq_cst(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void
shmq_fence_compiler(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/** Tell the CPU that this is a waiting loop. */
static inline void
shmq_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
