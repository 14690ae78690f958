/* SPDX-License-Identifier: MIT */
/* Messages that kill whoever looks at them: delivered max_deliveries times, then dead letters; and
 * the rest goes on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "support/place.h"
#include "support/process.h"

#define MESSAGES 40
#define POISON_EVERY 8
#define POISONS (MESSAGES / POISON_EVERY)
#define WORKERS 3

TestSuite(poison, .init = place_begin, .fini = place_end, .timeout = 120);

struct seen {
	uint32_t deliveries; /* bit d: as delivery d */
	uint32_t released;
};

struct scene {
	struct place place;
	unsigned limit;
	struct seen *seen; /* shared */
};

static bool
poisonous(uint64_t number)
{
	return number % POISON_EVERY == POISON_EVERY / 2;
}

/* Relaxed, all of it: a message is in one pair of hands at a time. */
static void
note(struct seen *seen, unsigned delivery)
{
	uint32_t before = shmq_load_relaxed_u32(&seen->deliveries);

	MUST(!(before & 1u << delivery));
	shmq_store_relaxed_u32(&seen->deliveries, before | 1u << delivery);
}

static void
work(void *arg)
{
	const struct scene *scene = arg;
	struct shmq_info info = {.size = sizeof(info)};
	struct shmq *q = NULL;
	struct iovec v;
	uint64_t number;
	int err;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER));
	while ((err = shmq_peek(q, &v, 100000000)) == 0) {
		SAME(sizeof(number), v.iov_len);
		memcpy(&number, v.iov_base, sizeof(number));
		MUST(number < MESSAGES);
		SAME(0, shmq_info(q, &info));
		note(&scene->seen[number], info.deliveries);
		if (poisonous(number))
			raise(SIGKILL);
		scene->seen[number].released++;
		SAME(0, shmq_release(q, &v));
	}
	SAME(-ETIMEDOUT, err);
	SAME(0, shmq_detach(q));
}

static struct scene
set_out(unsigned limit)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = SHMQ_MPMC,
				 .msg_max = sizeof(uint64_t),
				 .capacity = MESSAGES,
				 .flags = SHMQ_REDELIVER,
				 .max_deliveries = limit};
	struct scene scene = {.limit = limit ? limit : 16};
	struct shmq *q = NULL;

	scene.place = place_queue(ON_SHM, 0, &opts);
	scene.seen = process_share(MESSAGES * sizeof(*scene.seen));
	SAME(0, shmq_attach(&q, scene.place.attach, SHMQ_PRODUCER));
	for (uint64_t number = 0; number < MESSAGES; number++)
		SAME(0, shmq_send(q, &number, sizeof(number), 0));
	SAME(0, shmq_detach(q));
	return scene;
}

/* Workers come until all of those who are there at the end have ended by themselves: the deaths. */
static unsigned
work_till_done(struct scene *scene)
{
	unsigned living = 0, deaths = 0, well = 0;

	while (well < WORKERS) {
		int status;

		for (; living + well < WORKERS; living++)
			process_start(work, scene);
		MUST(wait(&status) > 0);
		living--;
		MUST(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		well = WIFSIGNALED(status) ? 0 : well + 1;
		deaths += WIFSIGNALED(status) != 0;
	}
	return deaths;
}

static void
check_messages(const struct scene *scene)
{
	for (uint64_t number = 0; number < MESSAGES; number++) {
		const struct seen *seen = &scene->seen[number];
		uint32_t all = (uint32_t)((UINT64_C(2) << scene->limit) - 2);

		SAME(poisonous(number) ? all : 2, seen->deliveries);
		SAME(!poisonous(number), seen->released);
	}
}

static void
poison(unsigned limit)
{
	struct scene scene = set_out(limit);
	unsigned deaths = work_till_done(&scene);
	struct shmq_stat st = place_stat(&scene.place);

	SAME(POISONS * scene.limit, deaths);
	check_messages(&scene);
	SAME(POISONS, st.dead);
	SAME(POISONS * (scene.limit - 1), st.redelivered);
	SAME(0, st.lost);
	SAME(0, st.depth);
	SAME(MESSAGES, st.sent);
	SAME(MESSAGES - POISONS, st.received);
	place_remove(&scene.place);
}

Test(poison, test_poison_first_death_is_enough)
{
	poison(1);
}

Test(poison, test_poison_few_deaths_then_dead_letter)
{
	poison(3);
}

Test(poison, test_poison_default_limit_then_dead_letter)
{
	poison(0);
}

/* Without redelivery the first death drops it, and says so. */
Test(poison, test_poison_without_redelivery_is_dropped_and_counted)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = SHMQ_MPMC,
				 .msg_max = sizeof(uint64_t),
				 .capacity = MESSAGES};
	struct scene scene = {.limit = 1, .place = place_queue(ON_SHM, 0, &opts)};
	struct shmq *q = NULL;

	scene.seen = process_share(MESSAGES * sizeof(*scene.seen));
	SAME(0, shmq_attach(&q, scene.place.attach, SHMQ_PRODUCER));
	for (uint64_t number = 0; number < MESSAGES; number++)
		SAME(0, shmq_send(q, &number, sizeof(number), 0));
	SAME(0, shmq_detach(q));
	SAME(POISONS, work_till_done(&scene));
	check_messages(&scene);
	SAME(POISONS, place_stat(&scene.place).lost);
	SAME(0, place_stat(&scene.place).dead);
	SAME(0, place_stat(&scene.place).depth);
	place_remove(&scene.place);
}
