/* SPDX-License-Identifier: MIT */
#include "allocate.h"

#include <errno.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

/* glibc's own, under the names that a program which has its own reaches them by. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

EXPORTED void *malloc(size_t bytes);
EXPORTED void *calloc(size_t count, size_t bytes);
EXPORTED void *realloc(void *old, size_t bytes);

static struct {
	unsigned nth, count;
	bool active, sticky;
} plan;

void
allocate_begins(unsigned nth, bool sticky)
{
	plan.nth = nth;
	plan.sticky = sticky;
	plan.count = 0;
	plan.active = true;
}

unsigned
allocate_ends(void)
{
	plan.active = false;
	return plan.count;
}

static bool
fails(void)
{
	if (!plan.active)
		return false;
	plan.count++;
	if (plan.count != plan.nth && !(plan.sticky && plan.nth && plan.count > plan.nth))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t bytes)
{
	return fails() ? NULL : __libc_malloc(bytes);
}

void *
calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __libc_calloc(count, bytes);
}

void *
realloc(void *old, size_t bytes)
{
	return fails() ? NULL : __libc_realloc(old, bytes);
}
