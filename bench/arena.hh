// SPDX-License-Identifier: MIT
// What a rival that links its parts by pointer takes its memory from: shared memory, at the
// same address in each process. Such a queue is made by the parent, and takes nothing more
// later.
#ifndef SHMQ_BENCH_ARENA_HH
#define SHMQ_BENCH_ARENA_HH

#include <cstddef>

namespace bench
{

struct arena {
	static inline unsigned char *next, *end;

	// On a line of its own, the neighbour's prefetch included; nullptr: there is no more.
	static void *take(size_t bytes)
	{
		unsigned char *memory = next;

		bytes = (bytes + 127) / 128 * 128;
		if (bytes > static_cast<size_t>(end - next))
			return nullptr;
		next += bytes;
		return memory;
	}
};

} // namespace bench

#endif
