/* SPDX-License-Identifier: MIT */
/* Names with commas between them, as a program is given them. */
#ifndef TESTS_SUPPORT_LIST_H
#define TESTS_SUPPORT_LIST_H

#include <stdbool.h>
#include <string.h>

/* Whether a list has this name; no list has all. */
static inline bool
list_has(const char *list, const char *name)
{
	size_t length = strlen(name);

	if (!list)
		return true;
	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

#endif
