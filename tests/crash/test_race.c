/* SPDX-License-Identifier: MIT */
/* Processes that create, remove and attach the same address at the same time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support/place.h"
#include "support/process.h"

#define RACERS 3

TestSuite(race, .init = place_begin, .fini = place_end, .timeout = 600);

/* What the racers share. */
struct track {
	struct line_up start, finish;
	int results[RACERS];
};

struct scene {
	struct place place;
	struct track *track;
	bool queue;
	/* One racer's move in one round: its result. */
	int (*move)(const struct scene *scene, unsigned me);
	/* The first racer's look at the results, while the others wait. */
	void (*judge)(const struct scene *scene);
	/* And what it prepares before each round. */
	void (*prepare)(const struct scene *scene);
};

static unsigned racer_next;

/* Start in step, but not always at the same distance. */
static void
race(void *arg)
{
	struct scene *scene = arg;
	unsigned me = racer_next;
	uint64_t seed = me;

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		if (me == 0)
			scene->prepare(scene);
		line_up(&scene->track->start, me, RACERS, round);
		for (uint64_t i = random_below(&seed, 1 + random_below(&seed, 2000)); i > 0; i--)
			shmq_strerror((int)i);
		scene->track->results[me] = scene->move(scene, me);
		line_up(&scene->track->finish, me, RACERS, 2 * round - 1);
		if (me == 0)
			scene->judge(scene);
		line_up(&scene->track->finish, me, RACERS, 2 * round);
	}
}

static void
run(struct scene *scene)
{
	pid_t pids[RACERS];

	scene->track = process_share(sizeof(*scene->track));
	for (racer_next = 0; racer_next < RACERS; racer_next++)
		pids[racer_next] = process_start(race, scene);
	for (unsigned i = 0; i < RACERS; i++)
		process_join(pids[i]);
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	if (place_is_private()) {
		SAME(0, place_leftovers());
		SAME(0, place_used_bytes());
	}
}

static void
nothing(const struct scene *scene)
{
	(void)scene;
}

/* How many racers from `first` on had this result. */
static unsigned
how_many(const struct scene *scene, unsigned first, int result)
{
	unsigned count = 0;

	for (unsigned i = first; i < RACERS; i++)
		count += scene->track->results[i] == result;
	return count;
}

/* Creation ----------------------------------------------------------------------------------- */

static const struct shmq_opts small = {
	.size = sizeof(small), .msg_max = 16, .capacity = 2, .participants = 4};
static const struct shmq_seg_opts page = {.size = sizeof(page), .segsz = 4096};

static int
move_create(const struct scene *scene, unsigned me)
{
	(void)me;
	if (scene->queue)
		return shmq_create(scene->place.create, &small);
	return shmq_seg_create(scene->place.create, &page);
}

static void
judge_created(const struct scene *scene)
{
	SAME(1, how_many(scene, 0, 0));
	SAME(RACERS - 1, how_many(scene, 0, -EEXIST));
	SAME(0, shmq_remove(scene->place.attach));
}

static void
create(enum place_backend on, bool queue)
{
	struct scene scene = {
		.place = place_name(on, 0),
		.queue = queue,
		.move = move_create,
		.judge = judge_created,
		.prepare = nothing,
	};

	run(&scene);
}

Test(race, test_create_raced_exactly_one_wins)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		create(on, true);
		create(on, false);
	}
}

/* Opening: each creates or finds; one gets the role, and whoever opens finds a complete queue. */
static int
move_open(const struct scene *scene, unsigned me)
{
	static const unsigned roles[RACERS] = {SHMQ_PRODUCER, SHMQ_CONSUMER, SHMQ_OBSERVER};
	struct shmq *q = NULL;
	int err = shmq_open(&q, scene->place.create, &small, roles[me]);

	if (err)
		return err;
	if (roles[me] == SHMQ_PRODUCER)
		err = shmq_send(q, "sixteen bytes ..", 16, 0);
	return err ? err : shmq_detach(q);
}

static void
judge_opened(const struct scene *scene)
{
	SAME(RACERS, how_many(scene, 0, 0));
	SAME(1, place_stat(&scene->place).sent);
	SAME(0, place_stat(&scene->place).nattch);
	SAME(0, shmq_remove(scene->place.attach));
}

Test(race, test_open_raced_all_get_the_same_queue)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene scene = {
			.place = place_name(on, 0),
			.move = move_open,
			.judge = judge_opened,
			.prepare = nothing,
		};

		run(&scene);
	}
}

/* Removal ------------------------------------------------------------------------------------ */

/* What the first racer holds from before the race to its end. */
static struct shmq *held;
static struct shmq_seg *held_memory;

static void
prepare_held(const struct scene *scene)
{
	if (scene->queue) {
		SAME(0, shmq_create(scene->place.create, &small));
		SAME(0, shmq_attach(&held, scene->place.attach, SHMQ_CONSUMER));
	} else {
		SAME(0, shmq_seg_create(scene->place.create, &page));
		SAME(0, shmq_seg_attach(&held_memory, scene->place.attach, 0));
		memset(shmq_seg_base(held_memory), 'h', 4096);
	}
}

/* Attach while others remove: it works or is not there; what was got works to the end. */
static int
attach_queue(const struct scene *scene)
{
	struct shmq *q = NULL;
	int err = shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER);

	if (err)
		return err;
	err = shmq_send(q, "sixteen bytes ..", 16, 0);
	MUST(err == 0 || err == -EIDRM);
	return shmq_detach(q);
}

static int
attach_memory(const struct scene *scene)
{
	struct shmq_seg *seg = NULL;
	int err = shmq_seg_attach(&seg, scene->place.attach, 0);
	const char *bytes;

	if (err)
		return err;
	bytes = shmq_seg_base(seg);
	MUST(bytes[0] == 'h' && bytes[4095] == 'h');
	return shmq_seg_detach(seg);
}

/* The first two remove, the third attaches. */
static int
move_remove(const struct scene *scene, unsigned me)
{
	if (me < RACERS - 1)
		return shmq_remove(scene->place.attach);
	return scene->queue ? attach_queue(scene) : attach_memory(scene);
}

/* The one that was attached before goes on with whatever came. */
static void
check_held_queue(void)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char bytes[16];
	ssize_t length;

	SAME(0, shmq_qstat(held, &st));
	MUST(st.mode & SHMQ_DEST);
	SAME(1, st.nattch);
	while ((length = shmq_recv(held, bytes, sizeof(bytes), SHMQ_FOREVER)) >= 0) {
		SAME(16, length);
		SAME(0, memcmp(bytes, "sixteen bytes ..", 16));
	}
	SAME(-EIDRM, length);
	SAME(0, shmq_detach(held));
}

static void
check_held_memory(void)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char *bytes = shmq_seg_base(held_memory);

	SAME(0, shmq_seg_stat(held_memory, &st));
	MUST(st.mode & SHMQ_DEST);
	SAME(1, st.nattch);
	MUST(bytes[0] == 'h' && bytes[4095] == 'h');
	memset(bytes, 'g', 4096);
	SAME(0, shmq_seg_detach(held_memory));
}

/*
 * Marking a marked segment by its id succeeds in the kernel (row K18), so on sysv both removers may
 * have been in time.
 */
static void
judge_removed(const struct scene *scene)
{
	const int *results = scene->track->results;
	int third = results[RACERS - 1];

	if (scene->place.on == ON_SYSV)
		MUST(results[0] == 0 || results[1] == 0);
	else
		SAME(1, (results[0] == 0) + (results[1] == 0));
	for (int i = 0; i < 2; i++)
		SAME(results[i] == 0 ? 0 : -ENOENT, results[i]);
	SAME(third == 0 || third == -EIDRM ? third : -ENOENT, third);
	if (scene->queue)
		check_held_queue();
	else
		check_held_memory();
	SAME(-ENOENT, shmq_remove(scene->place.attach));
	if (place_is_private())
		SAME(0, place_used_bytes());
}

static void
remove_raced(enum place_backend on, bool queue)
{
	struct scene scene = {
		.place = place_name(on, 0),
		.queue = queue,
		.move = move_remove,
		.judge = judge_removed,
		.prepare = prepare_held,
	};

	run(&scene);
}

Test(race, test_remove_raced_shm_one_wins_attached_go_on)
{
	remove_raced(ON_SHM, true);
	remove_raced(ON_SHM, false);
}

Test(race, test_remove_raced_sysv_attached_go_on)
{
	remove_raced(ON_SYSV, true);
	remove_raced(ON_SYSV, false);
}

Test(race, test_remove_raced_file_one_wins_attached_go_on)
{
	remove_raced(ON_FILE, true);
	remove_raced(ON_FILE, false);
}
