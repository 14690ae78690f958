/* SPDX-License-Identifier: MIT */
/*
 * Between two system calls of one process another does its own: what the first has found out is
 * no longer so. All of them were met by the soak.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "between.h"
#include "format.h"

#define PAGE 4096

TestSuite(between, .init = place_begin, .fini = place_end, .timeout = 60);

static int
key_id(const struct scene *scene)
{
	struct shmq_stat st = place_stat(&scene->place);

	MUST(st.id >= 0);
	return (int)st.id;
}

/* The one segment there is. */
static int
only_id(void)
{
	struct shmid_ds ds;
	int id = -1, top = shmctl(0, SHM_INFO, &ds);

	for (int i = 0; i <= top && id < 0; i++)
		id = shmctl(i, SHM_STAT, &ds);
	MUST(id >= 0);
	return id;
}

/* Segments ----------------------------------------------------------------------------------- */

static void
attach_segment(void *arg)
{
	const struct scene *scene = arg;
	struct shmq_seg *seg = NULL;

	victim_begins();
	*scene->result = shmq_seg_attach(&seg, scene->place.attach, 0);
	if (seg && shmq_seg_size(seg) != 3 * PAGE)
		*scene->result = 2;
	victim_ends();
}

Test(between, test_attach_meets_growth_has_it_all)
{
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = PAGE};
	struct scene scene = scene_new(ON_SHM);
	struct shmq_seg *seg = NULL;
	pid_t victim;

	place_segment(ON_SHM, 0, &opts);
	SAME(0, shmq_seg_attach(&seg, scene.place.attach, 0));
	victim = victim_start(attach_segment, &scene);
	MUST(victim_reaches(victim, SYS_pread64));
	SAME(0, shmq_seg_resize(seg, (size_t)3 * PAGE));
	SAME(0, finish(&scene, victim));
	SAME(0, shmq_seg_detach(seg));
}

static void
create_segment(void *arg)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = PAGE, .flags = SHMQ_POPULATE};
	const struct scene *scene = arg;

	victim_begins();
	*scene->result = shmq_seg_create(scene->place.create, &opts);
	victim_ends();
}

Test(between, test_create_meets_removal_has_created)
{
	struct scene scene = scene_new(ON_SYSV);
	pid_t victim = victim_start(create_segment, &scene);

	MUST(victim_reaches(victim, SYS_shmat));
	SAME(0, shmq_remove(scene.place.attach));
	SAME(0, finish(&scene, victim));
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* The key is gone ---------------------------------------------------------------------------- */

static void
lock_segment(void *arg)
{
	const struct scene *scene = arg;

	victim_begins();
	*scene->result = shmq_lock(scene->place.attach);
	victim_ends();
}

static void
set_segment(void *arg)
{
	const struct shmq_perm perm = {
		.size = sizeof(perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0640};
	const struct scene *scene = arg;

	victim_begins();
	*scene->result = shmq_set(scene->place.attach, &perm);
	victim_ends();
}

static void
lose_the_key(void (*body)(void *arg))
{
	struct scene scene = scene_new(ON_SYSV);
	pid_t victim;

	place_segment(ON_SYSV, 0, NULL);
	victim = victim_start(body, &scene);
	MUST(victim_reaches(victim, SYS_shmctl));
	SAME(0, shmctl(key_id(&scene), IPC_RMID, NULL));
	SAME(-ENOENT, finish(&scene, victim));
}

Test(between, test_lock_meets_removal_is_absent)
{
	lose_the_key(lock_segment);
}

Test(between, test_set_meets_removal_is_absent)
{
	lose_the_key(set_segment);
}

/* A queue half made -------------------------------------------------------------------------- */

static void
create_queue(void *arg)
{
	const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 64, .capacity = 8};
	const struct scene *scene = arg;

	victim_begins();
	*scene->result = shmq_create(scene->place.create, &opts);
	victim_ends();
}

/* Its creator is killed when it has the segment, and nothing in it. */
static void
half_make(struct scene *scene)
{
	pid_t victim = victim_start(create_queue, scene);

	MUST(victim_reaches(victim, SYS_shmat));
	victim_kill(victim);
}

Test(between, test_gc_meets_a_look_leaves_what_tells)
{
	struct scene scene = scene_new(ON_SYSV);
	void *look;

	if (!place_is_private())
		cr_skip_test("needs SysV segments of its own");
	half_make(&scene);
	look = shmat(only_id(), NULL, SHM_RDONLY);
	MUST(look != (void *)-1);
	SAME(0, shmq_gc(0, NULL, NULL));
	SAME(0, shmdt(look));
	SAME(1, shmq_gc(0, NULL, NULL));
	SAME(0, place_leftovers());
}

/* The announcement of a dead creator, the only one there is. */
static void
announcement(char path[128])
{
	glob_t found;

	SAME(0, glob("/dev/shm/.shmq-new-*", GLOB_PERIOD, NULL, &found));
	SAME(1, found.gl_pathc);
	snprintf(path, 128, "%s", found.gl_pathv[0]);
	globfree(&found);
}

/* A segment that is still there, which nobody has touched. */
static void
check_left_alone(int id)
{
	struct shmid_ds ds;

	SAME(0, shmctl(id, IPC_STAT, &ds));
	SAME(0, ds.shm_perm.mode & SHM_DEST);
	SAME(0, shmctl(id, IPC_RMID, NULL));
	SAME(0, place_leftovers());
}

/* Anybody can say of a segment without a header that it was to be a queue: that is for its creator. */
Test(between, test_segment_announced_by_a_stranger_is_left_alone)
{
	struct scene scene = scene_new(ON_SYSV);
	struct shmq *q = NULL;
	char path[128];
	int id;

	if (!place_is_private() || geteuid() != 0)
		cr_skip_test("needs SysV segments of its own, and root, to give a file away");
	half_make(&scene);
	id = only_id();
	announcement(path);
	SAME(0, chown(path, 65534, 65534));
	SAME(-EEXIST, shmq_create(scene.place.create, NULL));
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, scene.place.attach, SHMQ_PRODUCER));
	SAME(1, shmq_gc(0, NULL, NULL)); /* the file of one that is dead */
	check_left_alone(id);
}

/* A creator died before it had a segment; another process made one like that, which is no queue. */
Test(between, test_segment_like_one_announced_is_left_alone)
{
	struct scene scene = scene_new(ON_SYSV);
	uint64_t record[2] = {0};
	char path[128];
	pid_t victim;
	int fd, id;

	if (!place_is_private())
		cr_skip_test("needs SysV segments of its own");
	victim = victim_start(create_queue, &scene);
	MUST(victim_reaches(victim, SYS_shmget));
	victim_kill(victim);
	announcement(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	SAME(sizeof(record), read(fd, record, sizeof(record)));
	close(fd);
	id = shmget((key_t)strtoul(strchr(scene.place.create, ':') + 1, NULL, 0), record[1],
		    IPC_CREAT | IPC_EXCL | 0600);
	MUST(id >= 0);
	SAME(-EEXIST, shmq_create(scene.place.create, NULL));
	SAME(1, shmq_gc(0, NULL, NULL));
	check_left_alone(id);
}

static void
attach_queue(void *arg)
{
	const struct scene *scene = arg;
	struct shmq *q = NULL;

	victim_begins();
	*scene->result = shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER);
	victim_ends();
}

/* As who takes a dead creator's place does, once it has looked. */
static void
take_away(void)
{
	glob_t found;

	SAME(0, shmctl(only_id(), IPC_RMID, NULL));
	SAME(0, glob("/dev/shm/.shmq-new-*", GLOB_PERIOD, NULL, &found));
	SAME(1, found.gl_pathc);
	SAME(0, unlink(found.gl_pathv[0]));
	globfree(&found);
}

Test(between, test_attach_meets_takeover_is_absent)
{
	struct scene scene = scene_new(ON_SYSV);
	pid_t victim;

	if (!place_is_private())
		cr_skip_test("needs SysV segments of its own");
	half_make(&scene);
	victim = victim_start(attach_queue, &scene);
	MUST(victim_reaches(victim, SYS_shmat));
	MUST(victim_calls(victim, 1));
	take_away();
	SAME(-ENOENT, finish(&scene, victim));
}

/* A remover, with others at it ---------------------------------------------------------------- */

static void
remove_queue(void *arg)
{
	const struct scene *scene = arg;

	victim_begins();
	*scene->result = shmq_remove(scene->place.attach);
	victim_ends();
}

static const enum place_backend named[] = {ON_SHM, ON_FILE};

/* A queue, marked, whose remover stands before it takes the name away. */
static pid_t
remover_stands(struct scene *scene)
{
	pid_t victim;

	place_queue(scene->place.on, 0, NULL);
	victim = victim_start(remove_queue, scene);
	MUST(victim_reaches(victim, SYS_unlink));
	return victim;
}

/* Who is stopped before it takes the name away takes none but that of what it removes. */
Test(between, test_remove_meets_removers_has_removed_and_nothing_else)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene = scene_new(named[i]);
		pid_t victim = remover_stands(&scene);
		struct shmq *q = NULL;

		SAME(-EBUSY, shmq_remove(scene.place.attach));
		SAME(-EBUSY, shmq_create(scene.place.create, NULL));
		SAME(-EBUSY, shmq_open(&q, scene.place.attach, NULL, SHMQ_PRODUCER));
		MUST(shmq_gc(0, NULL, NULL) >= 0);
		SAME(0, finish(&scene, victim));
		SAME(0, shmq_create(scene.place.create, NULL));
		SAME(0, shmq_remove(scene.place.attach));
	}
}

/* Who has opened what is there, and is stopped before it has the removal byte: that is gone by then. */
static void
meets_another_queue(struct scene *scene, void (*body)(void *arg), int want)
{
	pid_t victim = victim_start(body, scene);

	MUST(victim_reaches(victim, SYS_fcntl));
	(void)shmq_remove(scene->place.attach);
	SAME(0, shmq_create(scene->place.create, NULL));
	SAME(want, finish(scene, victim));
	MUST(place_serves(&scene->place));
	SAME(0, shmq_remove(scene->place.attach));
}

Test(between, test_remove_meets_removal_and_creation_leaves_the_new_one)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene = scene_new(named[i]);

		place_queue(named[i], 0, NULL);
		meets_another_queue(&scene, remove_queue, -ENOENT);
	}
}

/* It would take the name of one that was marked. */
Test(between, test_create_meets_creation_leaves_the_new_one)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene = scene_new(named[i]);

		victim_kill(remover_stands(&scene));
		meets_another_queue(&scene, create_queue, -EEXIST);
	}
}

Test(between, test_remover_killed_next_one_ends_it)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene = scene_new(named[i]);

		victim_kill(remover_stands(&scene));
		SAME(0, shmq_create(scene.place.create, NULL));
		SAME(0, shmq_remove(scene.place.attach));
	}
}

/* Who can but read has no say. */
Test(between, test_remove_meets_read_lock_has_removed)
{
	struct place place = place_queue(ON_SHM, 0, NULL);
	struct flock lock = {.l_type = F_RDLCK,
			     .l_whence = SEEK_SET,
			     .l_start = FORMAT_LOCK_REMOVAL,
			     .l_len = 1};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", strchr(place.create, '/') + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	SAME(0, fcntl(fd, F_OFD_SETLK, &lock));
	SAME(0, shmq_remove(place.attach));
	SAME(-ENOENT, shmq_remove(place.attach));
	close(fd);
}

/* Removal behind our back -------------------------------------------------------------------- */

static void
remove_behind(const struct scene *scene)
{
	if (scene->place.on == ON_SYSV)
		SAME(0, shmctl(key_id(scene), IPC_RMID, NULL));
	else
		SAME(0, unlink(strchr(scene->place.create, ':') + 1));
}

/* Senders do not ask the kernel; once a receiver knows, they do. */
static void
know_of_removal(enum place_backend on)
{
	struct scene scene = scene_new(on);
	struct shmq *producer = NULL, *consumer = NULL;
	char byte;

	scene.place = place_queue(on, 0, NULL);
	SAME(0, shmq_attach(&producer, scene.place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_attach(&consumer, scene.place.attach, SHMQ_CONSUMER));
	SAME(0, shmq_send(producer, "a", 1, 0));
	remove_behind(&scene);
	SAME(0, shmq_send(producer, "b", 1, 0));
	SAME(1, shmq_recv(consumer, &byte, 1, SHMQ_FOREVER));
	SAME(1, shmq_recv(consumer, &byte, 1, SHMQ_FOREVER));
	SAME(-EIDRM, shmq_recv(consumer, &byte, 1, SHMQ_FOREVER));
	SAME(-EIDRM, shmq_send(producer, "c", 1, 0));
	SAME(0, shmq_detach(producer));
	SAME(0, shmq_detach(consumer));
}

Test(between, test_receiver_knows_of_removal_senders_are_told_sysv)
{
	know_of_removal(ON_SYSV);
}

Test(between, test_receiver_knows_of_removal_senders_are_told_file)
{
	know_of_removal(ON_FILE);
}
