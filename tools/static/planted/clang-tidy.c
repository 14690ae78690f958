/* SPDX-License-Identifier: MIT */
/* For clang-tidy to find: room for a text without its last letter and its end. */
#include <stdlib.h>
#include <string.h>

char *planted(const char *text);

char *
planted(const char *text)
{
	char *copy = malloc(strlen(text + 1));

	return copy ? strcpy(copy, text) : NULL;
}
