/* SPDX-License-Identifier: MIT */
/* A dead participant is counted out once, whoever does it, and whoever is stopped in the middle of that. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "between.h"
#include "format.h"

TestSuite(counted, .init = place_begin, .fini = place_end, .timeout = 120);

/* The first participant, as others see it. */
static struct format_participant *
first_entry(const struct scene *scene)
{
	char path[128];
	void *object;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", strchr(scene->place.create, '/') + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	object = mmap(NULL, 3 * (size_t)FORMAT_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	MUST(object != MAP_FAILED);
	close(fd);
	return format_participants(object);
}

static void
die_attached(void *arg)
{
	const struct scene *scene = arg;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER));
	victim_begins(); /* it is killed there */
}

static void
attach_consumer(void *arg)
{
	const struct scene *scene = arg;
	struct shmq *q = NULL;

	victim_begins();
	*scene->result = shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER);
	victim_ends();
}

static int
hung_up(const struct scene *scene, int64_t timeout_ns)
{
	struct shmq *q = NULL;
	char byte;
	int result;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER | SHMQ_HANGUP));
	result = (int)shmq_recv(q, &byte, 1, timeout_ns);
	SAME(0, shmq_detach(q));
	return result;
}

/* The entry shows no role any more, and its producer has not been counted out: others do that meanwhile, once. */
Test(counted, test_counting_out_meets_another_that_does)
{
	static const struct shmq_opts opts = {.size = sizeof(opts),
					      .kind = SHMQ_MPMC,
					      .msg_max = 8,
					      .capacity = 8,
					      .participants = 3};
	struct scene scene = scene_new(ON_SHM);
	struct format_participant *dead;
	pid_t victim;

	place_queue(ON_SHM, 0, &opts);
	dead = first_entry(&scene);
	victim = victim_start(die_attached, &scene);
	victim_kill(victim);
	MUST(dead->state & SHMQ_PRODUCER);
	victim = victim_start(attach_consumer, &scene);
	while (shmq_load_relaxed_u64(&dead->state) & SHMQ_PRODUCER)
		MUST(victim_step(victim, 1));
	SAME(-EPIPE, hung_up(&scene, SHMQ_FOREVER));
	SAME(-ETIMEDOUT, hung_up(&scene, 20000000)); /* the end has been told */
	SAME(0, finish(&scene, victim));
	SAME(-ETIMEDOUT, hung_up(&scene, 20000000));
	SAME(0, place_stat(&scene.place).producers);
	SAME(0, shmq_remove(scene.place.attach));
}
