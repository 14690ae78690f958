/* SPDX-License-Identifier: MIT */
/* Between two system calls of one process, the victim, others do theirs. */
#ifndef TESTS_CRASH_BETWEEN_H
#define TESTS_CRASH_BETWEEN_H

#include "support/place.h"
#include "support/process.h"
#include "support/trace.h"

struct scene {
	struct place place;
	int *result; /* shared */
};

static inline struct scene
scene_new(enum place_backend on)
{
	struct scene scene = {.place = place_name(on, 0), .result = process_share(sizeof(int))};

	*scene.result = 1;
	return scene;
}

/* Let the victim go to its end; what its call said. */
static inline int
finish(const struct scene *scene, pid_t victim)
{
	while (victim_calls(victim, 1))
		continue;
	victim_kill(victim);
	return *scene->result;
}

#endif
