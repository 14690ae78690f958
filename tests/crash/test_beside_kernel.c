/* SPDX-License-Identifier: MIT */
/*
 * One life, lived step by step by a segment of ours and by one of the kernel's at the same time:
 * attach by three processes, one forks, one execs, one is killed, removal, last detach. What the
 * kernel says of its own, we say of ours.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "support/place.h"
#include "support/process.h"

#define SEGMENT_BYTES 8192

TestSuite(beside_kernel, .init = place_begin, .fini = place_end, .timeout = 60);

struct scene {
	struct place place;
	int shmid;    /* the kernel's own */
	int done, go; /* gates */
};

/* Both segments, in this process ------------------------------------------------------------- */

struct both {
	struct shmq_seg *ours;
	unsigned char *memory, *kernels;
};

static struct both
attach(const struct scene *scene)
{
	struct both both = {NULL, NULL, NULL};

	SAME(0, shmq_seg_attach(&both.ours, scene->place.attach, 0));
	both.memory = shmq_seg_base(both.ours);
	both.kernels = shmat(scene->shmid, NULL, 0);
	MUST(both.kernels != (void *)-1);
	return both;
}

static void
detach(struct both *both)
{
	SAME(0, shmq_seg_detach(both->ours));
	SAME(0, shmdt(both->kernels));
}

/*
 * What both say of themselves is the same: by address while there is one, then through an attach.
 */
static void
check(const struct scene *scene, const struct both *both, int64_t nattch)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmid_ds ds;

	SAME(0, shmctl(scene->shmid, IPC_STAT, &ds));
	if (both)
		SAME(0, shmq_seg_stat(both->ours, &st));
	else
		st = place_stat(&scene->place);
	SAME(nattch, ds.shm_nattch);
	SAME(nattch, st.nattch);
	SAME(ds.shm_perm.mode & SHMQ_DEST, st.mode & SHMQ_DEST);
	SAME(ds.shm_perm.mode & 0777, st.mode & 0777);
	SAME(ds.shm_segsz, st.segsz);
	SAME(ds.shm_cpid, st.cpid);
	SAME(ds.shm_perm.__key == IPC_PRIVATE, st.key == 0);
}

/* The processes ------------------------------------------------------------------------------ */

/* Attaches; stays until it is killed. */
static void
stay(void *arg)
{
	struct scene *scene = arg;

	attach(scene);
	gate_open(scene->done);
	pause();
}

/* Attaches, forks; then the child detaches, and both end. */
static void
fork_later(void *arg)
{
	struct scene *scene = arg;
	struct both both = attach(scene);
	pid_t child;

	gate_open(scene->done);
	gate_pass(scene->go);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		both.memory[1] = both.kernels[1] = 'f';
		gate_open(scene->done);
		gate_pass(scene->go);
		detach(&both);
		gate_open(scene->done);
		_exit(0);
	}
	process_join(child);
	gate_pass(scene->go);
}

/* Attaches twice, then execs a program that opens the gate. */
static void
exec_later(void *arg)
{
	struct scene *scene = arg;

	attach(scene);
	attach(scene);
	gate_open(scene->done);
	gate_pass(scene->go);
	if (dup2(scene->done, 9) != 9 || fcntl(9, F_SETFD, 0) != 0)
		_exit(1);
	execl("/bin/sh", "sh", "-c", "printf '\\1\\0\\0\\0\\0\\0\\0\\0' >&9; exec sleep 1000",
	      (char *)NULL);
	_exit(1);
}

static pid_t
start(struct scene *scene, void (*body)(void *arg))
{
	pid_t pid = process_start(body, scene);

	gate_pass(scene->done);
	return pid;
}

static void
next(const struct scene *scene)
{
	gate_open(scene->go);
	gate_pass(scene->done);
}

/* The life ----------------------------------------------------------------------------------- */

/* Each process we start has our attach, too. */
static void
first_half(struct scene *scene, const struct both *ours)
{
	pid_t forker, execer, stayer;

	check(scene, NULL, 1);
	forker = start(scene, fork_later);
	check(scene, NULL, 3);
	next(scene);
	check(scene, NULL, 5);
	SAME('f', ours->memory[1]);
	SAME('f', ours->kernels[1]);
	next(scene);
	gate_open(scene->go);
	process_join(forker);
	check(scene, NULL, 1);
	execer = start(scene, exec_later);
	check(scene, NULL, 4);
	stayer = start(scene, stay);
	check(scene, NULL, 6);
	next(scene);
	check(scene, NULL, 3);
	process_kill(stayer);
	check(scene, NULL, 1);
	process_kill(execer);
	check(scene, NULL, 1);
}

/* By address nothing is there any more, and the address is free for another. */
static void
check_gone(const struct scene *scene, key_t key)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;

	SAME(-ENOENT, shmq_stat(scene->place.attach, &st));
	SAME(-ENOENT, shmq_seg_attach(&seg, scene->place.attach, 0));
	MUST(shmget(key, 0, 0) < 0 && errno == ENOENT);
}

static void
second_half(struct scene *scene, struct both *ours, key_t key)
{
	pid_t stayer = start(scene, stay), other = start(scene, stay);
	struct shmid_ds ds;

	check(scene, NULL, 5);
	SAME(0, shmq_remove(scene->place.attach));
	SAME(0, shmctl(scene->shmid, IPC_RMID, NULL));
	check(scene, ours, 5);
	check_gone(scene, key);
	process_kill(stayer);
	check(scene, ours, 3);
	SAME('f', ours->memory[1]);
	SAME(0, shmq_seg_create(scene->place.create,
				&(struct shmq_seg_opts){.size = sizeof(struct shmq_seg_opts),
							.segsz = 1}));
	check(scene, ours, 3);
	SAME(0, shmq_remove(scene->place.attach));
	process_kill(other);
	check(scene, ours, 1);
	detach(ours);
	check_gone(scene, key);
	MUST(shmctl(scene->shmid, IPC_STAT, &ds) < 0);
	SAME(EINVAL, errno);
}

static void
live(enum place_backend on)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = SEGMENT_BYTES, .mode = 0640};
	struct scene scene = {
		.place = place_segment(on, 0, &opts), .done = gate_new(), .go = gate_new()};
	key_t key = 0;
	struct both ours;

	SAME(1, sscanf(place_name(ON_SYSV, 1).create, "sysv:%x", (unsigned *)&key));
	scene.shmid = shmget(key, SEGMENT_BYTES, IPC_CREAT | IPC_EXCL | 0640);
	MUST(scene.shmid >= 0);
	check(&scene, NULL, 0);
	ours = attach(&scene);
	first_half(&scene, &ours);
	second_half(&scene, &ours, key);
	if (place_is_private()) {
		SAME(0, place_leftovers());
		SAME(0, place_used_bytes());
	}
}

Test(beside_kernel, test_life_shm_same_as_kernel)
{
	live(ON_SHM);
}

Test(beside_kernel, test_life_sysv_same_as_kernel)
{
	live(ON_SYSV);
}

Test(beside_kernel, test_life_file_same_as_kernel)
{
	live(ON_FILE);
}
