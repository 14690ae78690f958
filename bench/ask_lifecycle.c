/* SPDX-License-Identifier: MIT */
/*
 * What the calls of a queue's life cost: create, attach, stat, detach, remove, in one process, a
 * small queue each time, alone and among many other segments of the same backend, which should
 * make no difference.
 *
 *   lifecycle/OP/BACKEND/SEGMENTS
 *
 * Beside it what the kernel alone takes for the same: to make, allocate and map the same bytes and
 * touch the first page (create); to open and map (attach); to ask (stat); to unmap (detach); to
 * take the name away (remove). memfd: has no names, so no stat and remove by them.
 *
 * The others are made once for all groups that want as many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "ticks.h"

#define OTHERS_MAX 10000
#define SMOKE_MAX 100
#define WARM_TIMES 5
#define ADDRESS_BYTES 64

static const struct shmq_opts queue_opts = {
	.size = sizeof(queue_opts), .msg_max = 56, .capacity = 64, .participants = 2};

enum op { CREATE, ATTACH, STAT, DETACH, REMOVE, OPS };
enum backend { SHM, SYSV, MEMFD, BACKENDS };

static const char *const op_names[OPS] = {"create", "attach", "stat", "detach", "remove"};
static const char *const backend_names[BACKENDS] = {"shm", "sysv", "memfd"};

/* bench_what.variant: which call of which backend, and whether it is the kernel's own. */
#define VARIANT(op, backend, bare) (((int)(op)*BACKENDS + (int)(backend)) * 2 + (bare))

/* shared->words: the child, as long as it makes segments: they are removed if it is killed */
enum { CHILD };

/*
 * One life, step by step: in a struct, as each step finds what the ones before have made
 * -----------
 */

struct life {
	struct bench_side *side;
	char address[ADDRESS_BYTES];
	const char *path; /* the bare kernel's name: of shm: */
	int fd;		  /* of memfd; of SysV the shmid */
	struct shmq *shmq;
	void *memory;
	size_t bytes;
};

typedef int step_fn(struct life *life);

static int
shmq_create_step(struct life *life)
{
	static const char *const makes[] = {NULL, "sysv:private", "memfd:shmq-bench"};
	int backend = life->side->what.variant / 2 % BACKENDS;
	int made = shmq_create(makes[backend] ? makes[backend] : life->address, &queue_opts);

	if (made < 0)
		return made;
	life->fd = made;
	return 0;
}

static int
shmq_attach_step(struct life *life)
{
	return shmq_attach(&life->shmq, life->address, SHMQ_PRODUCER);
}

static int
shmq_stat_step(struct life *life)
{
	struct shmq_stat st = {.size = sizeof(st)};

	return shmq_stat(life->address, &st);
}

static int
shmq_detach_step(struct life *life)
{
	return shmq_detach(life->shmq);
}

static int
shmq_remove_step(struct life *life)
{
	return shmq_remove(life->address);
}

static int
nothing(struct life *life)
{
	(void)life;
	return 0;
}

static int
close_step(struct life *life)
{
	return close(life->fd) ? -errno : 0;
}

/* The kernel alone. */

static int
map(struct life *life, int fd)
{
	life->memory = mmap(NULL, life->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return life->memory == MAP_FAILED ? -errno : 0;
}

static int
unmap(struct life *life)
{
	return munmap(life->memory, life->bytes) ? -errno : 0;
}

/* Allocate, map, touch, unmap. */
static int
fill(struct life *life, int fd)
{
	int err = posix_fallocate(fd, 0, (off_t)life->bytes);

	err = err ? -err : map(life, fd);
	if (err)
		return err;
	*(volatile char *)life->memory = 1;
	return unmap(life);
}

static int
bare_shm_create(struct life *life)
{
	int fd = shm_open(life->path, O_RDWR | O_CREAT | O_EXCL, 0600);
	int err = fd < 0 ? -errno : fill(life, fd);

	if (fd >= 0)
		close(fd);
	return err;
}

static int
bare_shm_attach(struct life *life)
{
	int fd = shm_open(life->path, O_RDWR, 0);
	int err = fd < 0 ? -errno : map(life, fd);

	if (fd >= 0)
		close(fd);
	return err;
}

static int
bare_shm_stat(struct life *life)
{
	struct stat st;
	int fd = shm_open(life->path, O_RDONLY, 0);
	int err = fd < 0 || fstat(fd, &st) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int
bare_shm_remove(struct life *life)
{
	return shm_unlink(life->path) ? -errno : 0;
}

static int
bare_sysv_attach(struct life *life)
{
	life->memory = shmat(life->fd, NULL, 0);
	return life->memory == (void *)-1 ? -errno : 0;
}

static int
bare_sysv_detach(struct life *life)
{
	return shmdt(life->memory) ? -errno : 0;
}

static int
bare_sysv_create(struct life *life)
{
	int err;

	life->fd = shmget(IPC_PRIVATE, life->bytes, IPC_CREAT | 0600);
	if (life->fd < 0)
		return -errno;
	err = bare_sysv_attach(life);
	if (err)
		return err;
	for (size_t at = 0; at < life->bytes; at += 4096)
		((volatile char *)life->memory)[at] = 1;
	return bare_sysv_detach(life);
}

static int
bare_sysv_stat(struct life *life)
{
	struct shmid_ds ds;

	return shmctl(life->fd, IPC_STAT, &ds) ? -errno : 0;
}

static int
bare_sysv_remove(struct life *life)
{
	return shmctl(life->fd, IPC_RMID, NULL) ? -errno : 0;
}

static int
bare_memfd_create(struct life *life)
{
	int err;

	life->fd = memfd_create("shmq-bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (life->fd < 0)
		return -errno;
	err = fill(life, life->fd);
	if (!err && fcntl(life->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		err = -errno;
	return err;
}

static int
bare_memfd_attach(struct life *life)
{
	return map(life, life->fd);
}

static step_fn *const steps[BACKENDS][2][OPS] = {
	[SHM] = {{shmq_create_step, shmq_attach_step, shmq_stat_step, shmq_detach_step,
		  shmq_remove_step},
		 {bare_shm_create, bare_shm_attach, bare_shm_stat, unmap, bare_shm_remove}},
	[SYSV] = {{shmq_create_step, shmq_attach_step, shmq_stat_step, shmq_detach_step,
		   shmq_remove_step},
		  {bare_sysv_create, bare_sysv_attach, bare_sysv_stat, bare_sysv_detach,
		   bare_sysv_remove}},
	[MEMFD] = {{shmq_create_step, shmq_attach_step, nothing, shmq_detach_step, close_step},
		   {bare_memfd_create, bare_memfd_attach, nothing, unmap, close_step}},
};

/* After its creation a thing has another address. */
static void
name(struct life *life, int backend)
{
	if (backend == SYSV)
		snprintf(life->address, sizeof(life->address), "sysv:id/%d", life->fd);
	else if (backend == MEMFD)
		snprintf(life->address, sizeof(life->address), "fd:%d", life->fd);
}

/* Live once; time the one step. */
static int
live_once(struct life *life, int counts)
{
	int variant = life->side->what.variant, backend = variant / 2 % BACKENDS;
	int timed = variant / 2 / BACKENDS;

	snprintf(life->address, sizeof(life->address), "shm:/%s", life->side->name);
	for (int op = 0; op < OPS; op++) {
		uint64_t begin = bench_ticks(), end;
		int err = steps[backend][variant % 2][op](life);

		end = bench_ticks();
		if (err)
			return err;
		if (op == CREATE)
			name(life, backend);
		if (op == timed && counts)
			bench_count(&life->side->shared->latency, end - begin);
	}
	return 0;
}

static int
body(struct bench_side *side)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	struct life life = {.side = side, .bytes = (size_t)shmq_footprint(&queue_opts)};
	char path[ADDRESS_BYTES];
	int err = 0;

	snprintf(path, sizeof(path), "/%s", side->name);
	life.path = path;
	side->shared->words[CHILD] = (uint64_t)getpid();
	bench_ready(side);
	for (int i = 0; !err && (i < 2 * WARM_TIMES || bench_now_ns() < end); i++)
		err = live_once(&life, i >= WARM_TIMES);
	side->shared->words[CHILD] = err ? side->shared->words[CHILD] : 0;
	return err;
}

/* Others in the system ---------------------------------------------------------------------- */

static char others[OTHERS_MAX][ADDRESS_BYTES];
static int others_n, others_backend;

static void
remove_others(void)
{
	while (others_n > 0)
		shmq_remove(others[--others_n]);
}

static int
add_other(int backend)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = 4096, .flags = SHMQ_SPARSE};
	char *address = others[others_n];
	int err;

	snprintf(address, ADDRESS_BYTES, "shm:/shmq-bench-%d-other-%d", (int)getpid(), others_n);
	err = shmq_seg_create(backend == SYSV ? "sysv:private" : address, &opts);
	if (err < 0)
		return err;
	if (backend == SYSV)
		snprintf(address, ADDRESS_BYTES, "sysv:id/%d", err);
	others_n++;
	return 0;
}

/* As many as wanted, besides the one that is measured. */
static int
have_others(int backend, unsigned segments)
{
	int wanted = (int)segments - 1, err = 0;

	if (bench_plan.smoke && wanted > SMOKE_MAX)
		wanted = SMOKE_MAX;
	bench_at_stop(remove_others);
	if (backend != others_backend || wanted < others_n)
		remove_others();
	others_backend = backend;
	while (others_n < wanted && !err)
		err = add_other(backend);
	if (err)
		bench_why("%d segments is all there can be: %s", others_n, shmq_strerror(err));
	return err ? -ENOTSUP : 0;
}

/* Groups ------------------------------------------------------------------------------------ */

/* What is being measured: a child that is killed leaves its own. */
static const struct bench_side *current;

/* A SysV segment that was not finished has no other mark than who made it. */
static void
remove_sysv_of(pid_t pid)
{
	char address[ADDRESS_BYTES];
	struct shmid_ds ds;
	struct shm_info info;
	int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);

	for (int i = 0; i <= highest; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id < 0 || ds.shm_cpid != pid)
			continue;
		snprintf(address, sizeof(address), "sysv:id/%d", id);
		if (shmq_remove(address))
			shmctl(id, IPC_RMID, NULL);
	}
}

static void
remove_rest(void)
{
	char address[ADDRESS_BYTES];
	pid_t child = current ? (pid_t)current->shared->words[CHILD] : 0;

	if (child) {
		snprintf(address, sizeof(address), "shm:/%s", current->name);
		shmq_remove(address);
		shm_unlink(address + sizeof("shm:") - 1);
		remove_sysv_of(child);
	}
	current = NULL;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	(void)member;
	bench_at_stop(remove_rest);
	if (!err)
		err = have_others(what->variant / 2 % BACKENDS, what->segments);
	current = err ? NULL : &side;
	if (!err)
		err = bench_solo(&side, body);
	if (!err)
		err = bench_sample_latency(&side, out);
	if (!err)
		bench_figure(out, "others", others_n);
	remove_rest();
	bench_side_free(&side);
	return err;
}

static void
ask(int op, int backend, unsigned segments, enum bench_level level)
{
	const struct bench_what what = {
		.len = queue_opts.msg_max, .capacity = queue_opts.capacity, .segments = segments};
	struct bench_group *group;
	char title[64];

	snprintf(title, sizeof(title), "lifecycle/%s/%s/%u", op_names[op], backend_names[backend],
		 segments);
	group = bench_add(title, &what, BENCH_LATENCY, level, 0.25);
	bench_join(group, &(struct bench_member){"shmq", NULL, run, NULL, VARIANT(op, backend, 0)});
	bench_join(group,
		   &(struct bench_member){"kernel", "floor", run, NULL, VARIANT(op, backend, 1)});
}

static void
ask_all_ops(int backend, unsigned segments, enum bench_level level)
{
	for (int op = 0; op < OPS; op++) {
		if (backend != MEMFD || (op != STAT && op != REMOVE))
			ask(op, backend, segments, level);
	}
}

void
ask_lifecycle(void)
{
	ask_all_ops(SHM, 1, BENCH_QUICK);
	ask_all_ops(SHM, 100, BENCH_FULL);
	ask_all_ops(SHM, OTHERS_MAX, BENCH_QUICK);
	ask_all_ops(SYSV, 1, BENCH_QUICK);
	ask_all_ops(SYSV, 100, BENCH_FULL);
	/* The kernel has room for 4096 of all programs. */
	ask_all_ops(SYSV, 4000, BENCH_QUICK);
	ask_all_ops(MEMFD, 1, BENCH_QUICK);
}
