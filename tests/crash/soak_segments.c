/* SPDX-License-Identifier: MIT */
/*
 * Processes that create, attach, resize, lock and remove the same few segments and queues, and are
 * killed at it. Each call does its work, or says with a documented error that another was first.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "soak.h"
#include "support/process.h"

#define WORKERS 4
#define LINGER_US 3000
#define PAGE 4096
#define MOST_PAGES 4
#define QUEUE_MSG 64

/* Names behind those of the kinds: segments, and queues; on what has names. */
#define NAMED 3
static const enum place_backend named[NAMED] = {ON_SHM, ON_SYSV, ON_FILE};

struct scene {
	struct place segments[NAMED], queues[NAMED];
	uint64_t seed;
	unsigned worker;
};

/* What others may have done first. Only the creator's death explains that it takes so long. */
static bool
was_first(int err)
{
	return err == -ENOENT || err == -EEXIST || err == -EIDRM || err == -EAGAIN;
}

static void
must_be_known(const char *call, const struct place *place, int err)
{
	if (err >= 0 || was_first(err))
		return;
	fprintf(stderr, "segments: %s of %s: %s\n", call, place->create, shmq_strerror(err));
	MUST(err >= 0 || was_first(err));
}

/* Segments ----------------------------------------------------------------------------------- */

static void
create(const struct place *p, uint64_t *seed)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts),
				     .segsz = PAGE * (1 + random_below(seed, MOST_PAGES)),
				     .flags = random_below(seed, 4) ? 0 : SHMQ_LOCK};

	must_be_known("create", p, shmq_seg_create(p->create, &opts));
}

/* A page holds zero, or its number: whoever wrote it, and in whatever life of the segment. */
static void
use_pages(struct shmq_seg *seg)
{
	unsigned char *base = shmq_seg_base(seg);

	for (uint64_t i = 0; i < shmq_seg_size(seg) / PAGE; i++) {
		uint64_t *word = (uint64_t *)(void *)(base + i * PAGE);
		/* Relaxed, both: it is a mark, and carries nothing. */
		uint64_t was = shmq_load_relaxed_u64(word);

		MUST(was == 0 || was == i + 1);
		shmq_store_relaxed_u64(word, i + 1);
	}
}

static void
attach(const struct place *p, uint64_t *seed)
{
	size_t size = PAGE * (1 + random_below(seed, MOST_PAGES));
	struct shmq_seg *seg = NULL;
	int err = shmq_seg_attach(&seg, p->attach, random_below(seed, 4) ? 0 : SHMQ_LOCK);

	must_be_known("attach", p, err);
	if (err)
		return;
	use_pages(seg);
	if (random_below(seed, 4) == 0 && p->on != ON_SYSV) {
		SAME(0, shmq_seg_resize(seg, size));
		SAME(size, shmq_seg_size(seg));
		use_pages(seg);
	}
	usleep((useconds_t)random_below(seed, 300));
	SAME(0, shmq_seg_detach(seg));
}

static void
change(const struct place *p, uint64_t *seed)
{
	const struct shmq_perm perm = {.size = sizeof(perm),
				       .uid = (uid_t)-1,
				       .gid = (gid_t)-1,
				       .mode = random_below(seed, 2) ? 0600 : 0640};
	struct shmq_stat st = {.size = sizeof(st)};

	switch (random_below(seed, 4)) {
	case 0:
		must_be_known("lock", p, shmq_lock(p->attach));
		return;
	case 1:
		must_be_known("unlock", p, shmq_unlock(p->attach));
		return;
	case 2:
		must_be_known("set", p, shmq_set(p->attach, &perm));
		return;
	default:
		must_be_known("stat", p, shmq_stat(p->attach, &st));
	}
}

/* Queues ------------------------------------------------------------------------------------- */

static void
use_queue(const struct place *p, uint64_t *seed)
{
	static const struct shmq_opts opts = {.size = sizeof(opts),
					      .kind = SHMQ_MPMC,
					      .msg_max = QUEUE_MSG,
					      .capacity = 8,
					      .participants = 2 * WORKERS};
	unsigned char bytes[QUEUE_MSG] = "";
	struct shmq *q = NULL;
	int err = shmq_open(&q, p->create, &opts, SHMQ_PRODUCER | SHMQ_CONSUMER);

	must_be_known("open", p, err);
	if (err)
		return;
	for (unsigned i = 0; i < 8 && err >= 0; i++) {
		err = shmq_send(q, bytes, random_below(seed, QUEUE_MSG + 1), 0);
		must_be_known("send", p, err);
		err = (int)shmq_recv(q, bytes, sizeof(bytes), (int64_t)random_below(seed, 10000));
		if (err != -ETIMEDOUT)
			must_be_known("recv", p, err);
	}
	SAME(0, shmq_detach(q));
}

/* Who does it -------------------------------------------------------------------------------- */

static void
live(void *arg)
{
	const struct scene *scene = arg;
	uint64_t seed = scene->seed;

	for (;;) {
		const struct place *segment = &scene->segments[random_below(&seed, NAMED)];
		const struct place *queue = &scene->queues[random_below(&seed, NAMED)];

		switch (random_below(&seed, 8)) {
		case 0:
			create(segment, &seed);
			break;
		case 1:
			must_be_known("remove", segment, shmq_remove(segment->attach));
			break;
		case 2:
			must_be_known("remove", queue, shmq_remove(queue->attach));
			break;
		case 3:
			change(random_below(&seed, 2) ? segment : queue, &seed);
			break;
		case 4:
			MUST(random_below(&seed, 8) || shmq_gc(0, NULL, NULL) >= 0);
			break;
		case 5:
			attach(segment, &seed);
			break;
		default:
			use_queue(queue, &seed);
		}
	}
}

static void
run_round(struct soak_runner *r, struct scene *scene, struct soak_report *report)
{
	pid_t pids[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		scene->seed = random_next(&r->seed);
		pids[i] = process_start(live, scene);
	}
	for (unsigned n = 0; n < r->kills; n++) {
		unsigned i = (unsigned)random_below(&r->seed, WORKERS);

		usleep((useconds_t)random_below(&r->seed, LINGER_US));
		process_kill(pids[i]);
		scene->seed = random_next(&r->seed);
		pids[i] = process_start(live, scene);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		process_kill(pids[i]);
	report->sum.kills += r->kills + WORKERS;
	report->rounds++;
	/* Relaxed: for the line of progress. */
	shmq_store_relaxed_u64(&r->board->kills[r->index], report->sum.kills);
	shmq_store_relaxed_u64(&r->board->rounds[r->index], report->rounds);
}

/* What is left can be used and removed; then there is nothing. */
static void
clear(const struct place *p)
{
	struct shmq_seg *seg = NULL;
	int err = shmq_seg_attach(&seg, p->attach, 0);

	must_be_known("attach", p, err);
	if (err == 0)
		SAME(0, shmq_seg_detach(seg));
	must_be_known("remove", p, shmq_remove(p->attach));
	SAME(-ENOENT, shmq_seg_attach(&seg, p->attach, 0));
}

/* What the library keeps in a process for good, it has after this. */
static void
warm_up(const struct scene *scene)
{
	uint64_t seed = scene->seed;

	for (unsigned i = 0; i < NAMED; i++) {
		create(&scene->segments[i], &seed);
		use_queue(&scene->queues[i], &seed);
	}
	MUST(shmq_gc(0, NULL, NULL) >= 0);
}

void
soak_segments(void *arg)
{
	struct soak_runner *r = arg;
	static struct soak_report report;
	static struct scene scene;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (unsigned i = 0; i < NAMED; i++) {
		scene.segments[i] = place_name(named[i], r->index);
		scene.queues[i] = place_name(named[i], r->index + 1);
	}
	warm_up(&scene);
	for (;;) {
		for (unsigned i = 0; i < NAMED; i++) {
			clear(&scene.segments[i]);
			clear(&scene.queues[i]);
		}
		/* Relaxed: as in soak_runner.c. */
		if (shmq_load_relaxed_u64(&r->board->rest))
			soak_rest(r, &report);
		else
			run_round(r, &scene, &report);
	}
}
