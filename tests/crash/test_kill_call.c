/* SPDX-License-Identifier: MIT */
/*
 * Creation, removal, attach and detach killed at every system call: an address is absent or names a
 * complete queue, whoever comes next succeeds, and after shmq_gc() nothing is left anywhere.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "support/place.h"
#include "support/process.h"
#include "support/trace.h"

TestSuite(kill_call, .init = place_begin, .fini = place_end, .timeout = 300);

struct scene {
	struct place place;
	struct shmq_opts opts;
	struct shmq *holder; /* our own attach, or NULL */
	unsigned long k;     /* the stop at which the victim dies */
	bool finished;	     /* it came to its end before */
};

struct operation {
	void (*prepare)(struct scene *scene);
	void (*act)(void *scene);
	void (*check)(struct scene *scene);
};

static void
kill_at_every_call(struct scene *scene, const struct operation *operation)
{
	for (scene->k = 1, scene->finished = false; !scene->finished; scene->k++) {
		pid_t victim;

		operation->prepare(scene);
		victim = victim_start(operation->act, scene);
		scene->finished = !victim_calls(victim, scene->k);
		victim_kill(victim);
		operation->check(scene);
	}
	MUST(scene->k > 3);
}

/* Creation ----------------------------------------------------------------------------------- */

static void
nothing(struct scene *scene)
{
	(void)scene;
}

static void
act_create(void *arg)
{
	struct scene *scene = arg;

	victim_begins();
	SAME(0, shmq_create(scene->place.create, &scene->opts));
	victim_ends();
}

/* A complete sysv: queue is a segment and a side file. */
static unsigned
parts(const struct scene *scene)
{
	return scene->place.on == ON_SYSV ? 2 : 1;
}

/* In turn: gc comes first, a creator comes first, one who opens comes first. */
static void
check_created(struct scene *scene)
{
	bool there = place_serves(&scene->place);
	struct shmq *q = NULL;

	MUST(there || !scene->finished);
	if (scene->k % 3 == 0) {
		place_clear_up();
		SAME(there, place_serves(&scene->place));
		place_expect_leftovers(there ? parts(scene) : 0);
	} else if (scene->k % 3 == 1) {
		SAME(there ? -EEXIST : 0, shmq_create(scene->place.create, &scene->opts));
		MUST(place_serves(&scene->place));
	}
	SAME(0, shmq_open(&q, scene->place.create, &scene->opts, SHMQ_PRODUCER | SHMQ_CONSUMER));
	place_use(q);
	SAME(1, place_stat(&scene->place).nattch);
	SAME(0, shmq_detach(q));
	SAME(0, shmq_remove(scene->place.attach));
	place_clear_up();
	place_expect_nothing();
}

static void
create_killed(enum place_backend on, unsigned flags)
{
	struct scene scene = {
		.place = place_name(on, 0),
		.opts = {.size = sizeof(scene.opts), .msg_max = 64, .capacity = 4, .flags = flags},
	};

	kill_at_every_call(&scene, &(struct operation){nothing, act_create, check_created});
}

Test(kill_call, test_create_shm_killed_is_absent_or_complete)
{
	create_killed(ON_SHM, 0);
	create_killed(ON_SHM, SHMQ_LOCK);
}

Test(kill_call, test_create_sysv_killed_is_absent_or_complete)
{
	create_killed(ON_SYSV, 0);
	create_killed(ON_SYSV, SHMQ_LOCK);
}

Test(kill_call, test_create_file_killed_is_absent_or_complete)
{
	create_killed(ON_FILE, 0);
	create_killed(ON_FILE, SHMQ_LOCK);
}

struct apart {
	struct scene scene;
	bool *finished;
};

static void
be_killed_in_pid_namespace(void *arg)
{
	struct apart *a = arg;
	pid_t victim;

	SAME(0, unshare(CLONE_NEWPID));
	victim = victim_start(act_create, &a->scene);
	*a->finished = !victim_calls(victim, a->scene.k);
	victim_kill(victim);
}

/* Whether it was killed before it could say which segment is its own: nobody here knows. */
static bool
untold(const struct scene *scene)
{
	glob_t found = {0};
	int64_t shmid = 0;
	bool is;
	int fd, id = shmget((key_t)strtoul(scene->place.create + 5, NULL, 16), 0, 0);

	if (id < 0 || glob("/dev/shm/.shmq-new-*", GLOB_PERIOD, NULL, &found) != 0)
		return false;
	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	SAME(sizeof(shmid), pread(fd, &shmid, sizeof(shmid), 48));
	close(fd);
	is = found.gl_pathc == 1 && shmid == -1;
	globfree(&found);
	if (is) { /* both stay, until somebody removes the segment */
		SAME(0, shmq_gc(0, NULL, NULL));
		place_expect_leftovers(2);
		SAME(-EEXIST, shmq_create(scene->place.create, &scene->opts));
		SAME(0, shmctl(id, IPC_RMID, NULL));
	}
	return is;
}

/* Its pid there means nothing here. */
Test(kill_call, test_create_sysv_killed_in_pid_namespace_is_absent_or_complete)
{
	struct apart a = {
		.scene = {.place = place_name(ON_SYSV, 0),
			  .opts = {.size = sizeof(a.scene.opts), .msg_max = 64, .capacity = 4}},
		.finished = process_share(sizeof(bool))};
	unsigned unknown = 0;

	if (geteuid() != 0 || !place_is_private())
		cr_skip_test("needs CAP_SYS_ADMIN");
	for (a.scene.k = 1; !a.scene.finished; a.scene.k++) {
		process_join(process_start(be_killed_in_pid_namespace, &a));
		a.scene.finished = *a.finished;
		unknown += untold(&a.scene);
		check_created(&a.scene);
	}
	MUST(unknown <= 2); /* stops: between two system calls */
}

Test(kill_call, test_create_killed_gc_spares_living_queues)
{
	struct place place = place_queue(ON_SYSV, 1, NULL);
	struct scene scene = {.place = place_name(ON_SYSV, 0)};
	struct place other;

	if (!place_is_private())
		cr_skip_test("needs a mount and an IPC namespace of its own");
	scene.opts = (struct shmq_opts){.size = sizeof(scene.opts), .msg_max = 64, .capacity = 4};
	SAME(0, shmq_attach(&scene.holder, place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	for (scene.k = 1; !scene.finished; scene.k++) {
		pid_t victim = victim_start(act_create, &scene);

		scene.finished = !victim_calls(victim, scene.k);
		other = place_queue(ON_SHM, 2, NULL);
		victim_kill(victim);
		place_clear_up();
		place_use(scene.holder);
		place_remove(&other);
		if (place_serves(&scene.place))
			SAME(0, shmq_remove(scene.place.attach));
		place_expect_leftovers(2);
	}
	SAME(0, shmq_detach(scene.holder));
	place_remove(&place);
	place_expect_nothing();
}

static void
act_create_segment(void *arg)
{
	struct scene *scene = arg;
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 10000};

	victim_begins();
	SAME(0, shmq_seg_create(scene->place.create, &opts));
	victim_ends();
}

static void
check_created_segment(struct scene *scene)
{
	struct shmq_seg *seg = NULL;
	int err = shmq_seg_attach(&seg, scene->place.attach, 0);

	MUST(err == 0 || (err == -ENOENT && !scene->finished));
	if (err == 0) {
		SAME(10000, shmq_seg_size(seg));
		memset(shmq_seg_base(seg), 1, 10000);
		SAME(0, shmq_seg_detach(seg));
		SAME(0, shmq_remove(scene->place.attach));
	}
	place_clear_up();
	place_expect_nothing();
}

Test(kill_call, test_seg_create_killed_is_absent_or_complete)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene scene = {.place = place_name(on, 0)};

		kill_at_every_call(&scene, &(struct operation){nothing, act_create_segment,
							       check_created_segment});
	}
}

/* Removal ------------------------------------------------------------------------------------ */

static void
prepare_queue(struct scene *scene)
{
	scene->place = place_queue(scene->place.on, 0, NULL);
}

static void
prepare_held_queue(struct scene *scene)
{
	prepare_queue(scene);
	SAME(0, shmq_attach(&scene->holder, scene->place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	SAME(0, shmq_send(scene->holder, "held", 4, 0));
}

static void
act_remove(void *arg)
{
	struct scene *scene = arg;

	victim_begins();
	SAME(0, shmq_remove(scene->place.attach));
	victim_ends();
}

/* gc does not know where file: segments lie; there the next remover clears what is marked. */
static void
remove_again(struct scene *scene)
{
	int err = shmq_remove(scene->place.attach);

	MUST(err == 0 || err == -ENOENT);
}

/* What the victim has not done, a creator, gc or another remover does. */
static void
check_removed(struct scene *scene)
{
	struct shmq *q = NULL;
	int err = shmq_attach(&q, scene->place.attach, SHMQ_OBSERVER);
	bool there = err == 0;

	MUST(there ? !scene->finished : err == -ENOENT);
	if (there)
		SAME(0, shmq_detach(q));
	if (scene->k % 2) {
		SAME(there ? -EEXIST : 0, shmq_create(scene->place.create, NULL));
		there = true;
	}
	if (there)
		SAME(0, shmq_remove(scene->place.attach));
	else if (scene->place.on == ON_FILE)
		remove_again(scene);
	place_clear_up();
}

static void
check_removed_alone(struct scene *scene)
{
	check_removed(scene);
	place_expect_nothing();
}

/* The one attached goes on to the end of what is there, and the memory goes with it. */
static void
check_removed_held(struct scene *scene)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char bytes[64];

	check_removed(scene);
	SAME(0, shmq_qstat(scene->holder, &st));
	MUST(st.mode & SHMQ_DEST);
	SAME(1, st.nattch);
	SAME(4, shmq_recv(scene->holder, bytes, sizeof(bytes), 0));
	SAME(0, memcmp(bytes, "held", 4));
	SAME(-EIDRM, shmq_recv(scene->holder, bytes, sizeof(bytes), SHMQ_FOREVER));
	SAME(0, shmq_detach(scene->holder));
	place_clear_up();
	place_expect_nothing();
}

Test(kill_call, test_remove_killed_is_there_or_cleared)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene scene = {.place = place_name(on, 0)};

		kill_at_every_call(&scene, &(struct operation){prepare_queue, act_remove,
							       check_removed_alone});
	}
}

Test(kill_call, test_remove_killed_attached_go_on)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene scene = {.place = place_name(on, 0)};

		kill_at_every_call(&scene, &(struct operation){prepare_held_queue, act_remove,
							       check_removed_held});
	}
}

/* Attach and detach -------------------------------------------------------------------------- */

static void
act_attach(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = NULL;

	victim_begins();
	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	victim_ends();
}

static void
act_detach(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	victim_begins();
	SAME(0, shmq_detach(q));
	victim_ends();
}

static void
check_role_free(struct scene *scene)
{
	struct shmq_stat st = place_stat(&scene->place);

	SAME(0, st.nattch);
	SAME(0, st.producers + st.consumers);
	SAME(0, st.depth);
	MUST(place_serves(&scene->place));
	SAME(0, place_stat(&scene->place).nattch);
}

static void
role_killed(void (*act)(void *scene))
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = {.place = place_queue(on, 0, NULL)};

		kill_at_every_call(&scene, &(struct operation){nothing, act, check_role_free});
		place_remove(&scene.place);
	}
	place_expect_nothing();
}

Test(kill_call, test_attach_killed_leaves_role_free)
{
	role_killed(act_attach);
}

Test(kill_call, test_detach_killed_leaves_role_free)
{
	role_killed(act_detach);
}

static void
act_attach_segment(void *arg)
{
	struct scene *scene = arg;
	struct shmq_seg *seg = NULL;

	victim_begins();
	SAME(0, shmq_seg_attach(&seg, scene->place.attach, 0));
	SAME(0, shmq_seg_detach(seg));
	victim_ends();
}

static void
check_segment_alone(struct scene *scene)
{
	SAME(0, place_stat(&scene->place).nattch);
}

Test(kill_call, test_seg_attach_killed_counts_no_more)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = {.place = place_segment(on, 0, NULL)};

		kill_at_every_call(&scene, &(struct operation){nothing, act_attach_segment,
							       check_segment_alone});
		place_remove(&scene.place);
	}
	place_expect_nothing();
}
