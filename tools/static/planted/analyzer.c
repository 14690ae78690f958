/* SPDX-License-Identifier: MIT */
/* For gcc -fanalyzer to find: what an error path has freed is freed again. */
#include <stdlib.h>

int planted(int fail);

int
planted(int fail)
{
	char *room = malloc(16);

	if (!room)
		return -1;
	room[0] = 1;
	if (fail)
		free(room);
	free(room);
	return 0;
}
