/* SPDX-License-Identifier: MIT */
/* A limit of the kernel: a number in a file of /proc. */
#ifndef SHMQ_BENCH_LIMIT_H
#define SHMQ_BENCH_LIMIT_H

#include <stddef.h>
#include <stdio.h>

/** The number in the file, or 0. */
static inline size_t
limit_of(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t limit = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%zu", &limit) != 1)
		limit = 0;
	fclose(file);
	return limit;
}

#endif
