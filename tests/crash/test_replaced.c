/* SPDX-License-Identifier: MIT */
/* An attach that has opened one queue, and finds another of that name when it looks again. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "between.h"
#include "support/leak.h"

TestSuite(replaced, .init = place_begin, .fini = place_end, .timeout = 60);

static void
attach_and_send(void *arg)
{
	const struct scene *scene = arg;
	struct place warm = place_queue(ON_MEMFD, 1, NULL);
	struct leak_count before, after;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, warm.attach, SHMQ_PRODUCER));
	SAME(0, shmq_detach(q));
	before = leak_count();
	victim_begins();
	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_send(q, "m", 1, 0));
	SAME(0, shmq_detach(q));
	after = leak_count();
	*scene->result = before.descriptors == after.descriptors ? 0 : 2;
	victim_ends();
}

static void
remove_and_forget(const struct scene *scene)
{
	SAME(0, shmq_remove(scene->place.attach));
}

static void
unlink_behind(const struct scene *scene)
{
	char path[128];

	snprintf(path, sizeof(path), "/dev/shm/%s", strchr(scene->place.create, '/') + 1);
	SAME(0, unlink(path));
}

/* It has opened the first, and not yet again: it comes into the one that others find, with nothing left of the first. */
static void
attach_meets(void (*take_away_name)(const struct scene *scene))
{
	struct scene scene = scene_new(ON_SHM);
	pid_t victim;

	place_queue(ON_SHM, 0, NULL);
	victim = victim_start(attach_and_send, &scene);
	MUST(victim_reaches(victim, SYS_openat));
	MUST(victim_reaches(victim, SYS_openat));
	take_away_name(&scene);
	SAME(0, shmq_create(scene.place.create, NULL));
	SAME(0, finish(&scene, victim));
	SAME(1, place_stat(&scene.place).sent);
	SAME(0, shmq_remove(scene.place.attach));
}

Test(replaced, test_attach_meets_removal_and_creation_is_in_the_new_one)
{
	attach_meets(remove_and_forget);
}

Test(replaced, test_attach_meets_unlink_and_creation_is_in_the_new_one)
{
	attach_meets(unlink_behind);
}
