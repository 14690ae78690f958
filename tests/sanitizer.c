/* SPDX-License-Identifier: MIT */
/*
 * Linked into every test under a sanitizer; each function takes the place of one that the sanitizer
 * has replaced or cannot work with.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/*
 * Criterion maps an arena at a random fixed address of its own choosing, 2^45 + rand_r() * 2^24,
 * and gives up after three tries. ThreadSanitizer keeps most of that range for itself. These
 * numbers put the arena where the sanitizers let programs map: 0x5600'0000'0000 to
 * 0x567f'ffff'ffff.
 */
EXPORTED int
rand_r(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(0x360000u + ((*seed >> 16) & 0x7fffu));
}

/* The sanitizers let mlock() and munlock() do nothing and say that all is well. */
EXPORTED int
mlock(const void *base, size_t bytes)
{
	return (int)syscall(SYS_mlock, base, bytes);
}

EXPORTED int
munlock(const void *base, size_t bytes)
{
	return (int)syscall(SYS_munlock, base, bytes);
}
