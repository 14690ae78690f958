/* SPDX-License-Identifier: MIT */
/* Descriptors and mappings of this process, counted before and after what should leave none behind. */
#ifndef TESTS_SUPPORT_LEAK_H
#define TESTS_SUPPORT_LEAK_H

#include <stdbool.h>

struct leak_count {
	unsigned descriptors;
	unsigned mappings; /* under a sanitizer only the shared ones: its allocator maps as it likes */
};

/*
 * What there is now. Count after one successful attach and detach: the first one makes what stays for good (the table of attaches,
 * the thread's registration with RCU).
 */
struct leak_count leak_count(void);

/* Check that there is just as much as `before`. */
void leak_none_since(struct leak_count before);

/* Whether this is a build with AddressSanitizer or ThreadSanitizer. */
bool leak_sanitizer(void);
/* Whether it is one with ThreadSanitizer. */
bool leak_thread_sanitizer(void);

#endif
