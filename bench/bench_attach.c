/* SPDX-License-Identifier: MIT */
/*
 * Attach and detach of what exists, in one process: a queue, alone and among many other segments in the system (half of them shm:,
 * half sysv:), which should cost the same; and raw segments, beside what the kernel alone takes for the same.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "ticks.h"

#define SEGMENT_BYTES 65536u
#define OTHERS_MAX 2000
#define WARM_TIMES 20

enum { QUEUE_ALONE, QUEUE_AMONG, SEG_SYSV, BARE_SYSV, SEG_SHM, BARE_SHM };

/* What is named in the system because of us: the one that is attached, then the others. */
static char names[1 + OTHERS_MAX][48];
static int names_n;

void
bench_attach_clean(void)
{
	while (names_n > 0)
		shmq_remove(names[--names_n]);
}

/* Create a segment (or queue, when `queue`), and remember its name. 0 or a negated errno. */
static int
add(const char *backend, int queue)
{
	struct shmq_seg_opts seg = {
		.size = sizeof(seg), .segsz = queue ? 0 : SEGMENT_BYTES, .flags = SHMQ_SPARSE};
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 56, .capacity = 1024};
	char *name = names[names_n];
	int err;

	if (backend[1] == 'y') {
		err = shmq_seg_create("sysv:private", &seg);
		snprintf(name, sizeof(names[0]), "sysv:id/%d", err);
	} else {
		snprintf(name, sizeof(names[0]), "shm:/shmq-bench-%d-%d", (int)getpid(), names_n);
		err = queue ? shmq_create(name, &opts) : shmq_seg_create(name, &seg);
	}
	if (err < 0)
		return err;
	names_n++;
	return 0;
}

static int
add_others(int how_many)
{
	int err = 0;

	for (int i = 0; i < how_many && i < OTHERS_MAX && !err; i++)
		err = add(i % 2 ? "sysv" : "shm", 0);
	return err;
}

/* What is timed: one attach and detach. ------------------------------------------------------- */

static int
once_queue(void)
{
	struct shmq *queue;
	int err = shmq_attach(&queue, names[0], SHMQ_PRODUCER);

	return err ? err : shmq_detach(queue);
}

static int
once_seg(void)
{
	struct shmq_seg *seg;
	int err = shmq_seg_attach(&seg, names[0], 0);

	return err ? err : shmq_seg_detach(seg);
}

static int
once_bare_sysv(void)
{
	void *memory = shmat(atoi(names[0] + sizeof("sysv:id/") - 1), NULL, 0);

	if (memory == (void *)-1)
		return -errno;
	return shmdt(memory) ? -errno : 0;
}

static int
once_bare_shm(void)
{
	int fd = shm_open(names[0] + sizeof("shm:") - 1, O_RDWR, 0);
	void *memory;

	if (fd < 0)
		return -errno;
	memory = mmap(NULL, SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return -errno;
	return munmap(memory, SEGMENT_BYTES) ? -errno : 0;
}

static int
body(struct bench_side *side)
{
	static int (*const once[])(void) = {
		[QUEUE_ALONE] = once_queue, [QUEUE_AMONG] = once_queue,
		[SEG_SYSV] = once_seg,	    [BARE_SYSV] = once_bare_sysv,
		[SEG_SHM] = once_seg,	    [BARE_SHM] = once_bare_shm,
	};
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);

	bench_ready(side);
	for (int i = 0; i < 2 * WARM_TIMES || bench_now_ns() < end; i++) {
		uint64_t begin = bench_ticks();
		int err = once[side->what.variant]();

		if (err)
			return err;
		if (i >= WARM_TIMES)
			bench_count(side->shared->bins, bench_ticks() - begin);
	}
	return 0;
}

static int
set_up(int variant)
{
	static const char *const backends[] = {
		[QUEUE_ALONE] = "shm", [QUEUE_AMONG] = "shm", [SEG_SYSV] = "sysv",
		[BARE_SYSV] = "sysv",  [SEG_SHM] = "shm",     [BARE_SHM] = "shm",
	};
	int err = add(backends[variant], variant == QUEUE_ALONE || variant == QUEUE_AMONG);

	if (!err && variant == QUEUE_AMONG)
		err = add_others(bench_plan.others);
	return err;
}

static int
run(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	bench_at_stop(bench_attach_clean);
	if (!err)
		err = set_up(what->variant);
	if (!err)
		err = bench_solo(&side, body);
	if (!err)
		bench_sample_latency(&side, out);
	bench_attach_clean();
	bench_side_free(&side);
	return err;
}

static const struct bench_member queue[] = {
	{"alone", "alone", run, QUEUE_ALONE},
	{"among_others", NULL, run, QUEUE_AMONG},
};

static const struct bench_member sysv[] = {
	{"shmat_shmdt", "kernel", run, BARE_SYSV},
	{"segment", NULL, run, SEG_SYSV},
};

static const struct bench_member shm[] = {
	{"open_mmap_munmap", "kernel", run, BARE_SHM},
	{"segment", NULL, run, SEG_SHM},
};

const struct bench_group bench_attach[3] = {
	{"attach/queue",
	 {.len = 56, .capacity = 1024},
	 0,
	 0.5,
	 queue,
	 sizeof(queue) / sizeof(*queue)},
	{"attach/sysv", {.len = 56, .capacity = 1024}, 0, 0.3, sysv, sizeof(sysv) / sizeof(*sysv)},
	{"attach/shm", {.len = 56, .capacity = 1024}, 0, 0.3, shm, sizeof(shm) / sizeof(*shm)},
};
