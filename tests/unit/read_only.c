/* SPDX-License-Identifier: MIT */
/*
 * Who only looks cannot change a byte: observers, and consumers of lossy broadcast and of latest.
 * Their mapping is read-only, which the kernel enforces; and whatever they call, over a live
 * queue or a damaged one, its bytes stay as they are.
 */
#include "kinds.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format.h"

TestSuite(read_only, .init = unit_begin, .fini = place_end, .timeout = 60);

static struct place
spot_kind(enum spot at, const struct kind *kind)
{
	return spot_queue(at, 0, &kind->opts);
}

static void *
base_of(const struct shmq *q)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_qstat(q, &st));
	return (void *)(uintptr_t)st.base;
}

/* The kernel ---------------------------------------------------------------------------------- */

/* What /proc/self/maps says of the mapping that begins there. */
static void
permissions(const void *base, char out[5])
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long start;

	MUST(f != NULL);
	out[0] = 0;
	while (!out[0] && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%*x %4s", &start, out) != 2 || start != (uintptr_t)base)
			out[0] = 0;
	fclose(f);
}

static sigjmp_buf refused;
static volatile int refused_code;

static void
on_refusal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	refused_code = info->si_code;
	siglongjmp(refused, 1);
}

/* There is memory there, and it is not for us to write. */
static void
store_faults(unsigned char *at)
{
	const struct sigaction handler = {.sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO};
	struct sigaction before;

	refused_code = 0;
	SAME(0, sigaction(SIGSEGV, &handler, &before));
	if (sigsetjmp(refused, 1) == 0)
		*(volatile unsigned char *)at = 1;
	SAME(0, sigaction(SIGSEGV, &before, NULL));
	SAME(SEGV_ACCERR, refused_code);
}

static void
every_page_refuses(struct shmq *q, size_t length)
{
	unsigned char *base = base_of(q);
	char says[5];

	permissions(base, says);
	SAME(0, strcmp("r--s", says));
	for (size_t at = 0; at < length; at += FORMAT_PAGE)
		store_faults(base + at);
	store_faults(base + length - 1);
}

TEST_EACH_SPOT(read_only, test_observer_store_faults_for_good)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct place p = spot_kind(*at, &kinds[k]);
		struct shmq *q = unit_join(&p, SHMQ_OBSERVER);
		struct object o = object_map(&p);

		every_page_refuses(q, o.length);
		/* Mapped from a description that is read-only itself. */
		SAME(-1, mprotect(base_of(q), o.length, PROT_READ | PROT_WRITE));
		every_page_refuses(q, o.length);
		object_unmap(&o);
		SAME(0, shmq_detach(q));
		place_remove(&p);
	}
}

TEST_EACH_SPOT(read_only, test_lossy_reader_store_faults_for_good)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct place p;
		struct object o;
		struct shmq *q;

		if (!kinds[k].lossy)
			continue;
		p = spot_kind(*at, &kinds[k]);
		q = unit_join(&p, SHMQ_CONSUMER);
		o = object_map(&p);
		every_page_refuses(q, o.length);
		SAME(-1, mprotect(base_of(q), o.length, PROT_READ | PROT_WRITE));
		every_page_refuses(q, o.length);
		object_unmap(&o);
		SAME(0, shmq_detach(q));
		place_remove(&p);
	}
}

/* One who may only read the queue cannot make it more. */
static void
read_as_nobody(void *arg)
{
	const struct place *p = arg;
	struct shmq *q = unit_join(p, SHMQ_CONSUMER);

	every_page_refuses(q, FORMAT_PAGE);
	SAME(-1, mprotect(base_of(q), FORMAT_PAGE, PROT_READ | PROT_WRITE));
	every_page_refuses(q, FORMAT_PAGE);
	SAME(0, shmq_detach(q));
}

TEST_EACH_SPOT(read_only, test_lossy_reader_without_permission_store_faults_for_good)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq_opts opts = kinds[k].opts;
		struct place p;

		if (!kinds[k].lossy)
			continue;
		opts.mode = 0644;
		p = spot_queue(*at, 0, &opts);
		unit_as_nobody(read_as_nobody, &p, 0);
		place_remove(&p);
	}
}

/* The bytes ----------------------------------------------------------------------------------- */

static int
ignore_stat(const struct shmq_stat *st, void *arg)
{
	(void)st;
	(void)arg;
	return 0;
}

static int
ignore_row(const struct shmq_participant *row, void *arg)
{
	(void)row;
	(void)arg;
	return 0;
}

/* Whatever one who looks can call; a damaged queue refuses some of it. */
static void
look(struct shmq *q, const char *address)
{
	char buf[4][KIND_MSG_MAX];
	struct iovec v[4] = {
		{buf[0], KIND_MSG_MAX}, {buf[1], KIND_MSG_MAX}, {buf[2], KIND_MSG_MAX}};
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_info info = {.size = sizeof(info)};

	(void)shmq_recv(q, buf[0], 0, 0);
	(void)shmq_recv(q, buf[0], KIND_MSG_MAX, 0);
	(void)shmq_recv_batch(q, v, 3, 0);
	(void)shmq_recv(q, buf[0], KIND_MSG_MAX, 2000000);
	(void)shmq_peek(q, &v[3], 0);
	(void)shmq_send(q, "x", 1, 0);
	(void)shmq_info(q, &info);
	(void)shmq_fd(q);
	SAME(0, shmq_qstat(q, &st));
	(void)shmq_stat(address, &st);
	(void)shmq_participants(address, ignore_row, NULL);
}

/* One of each that may look comes, looks, and goes. */
static void
come_and_look(const struct place *p, const struct kind *kind)
{
	static const unsigned roles[] = {SHMQ_OBSERVER, SHMQ_OBSERVER | SHMQ_OLDEST, SHMQ_CONSUMER};
	struct shmq *q;

	for (unsigned i = 0; i < (kind->lossy ? 3u : 2u); i++) {
		if (shmq_attach(&q, p->attach, roles[i]) != 0)
			continue;
		look(q, p->attach);
		SAME(0, shmq_detach(q));
	}
	SAME(0, shmq_list(ignore_stat, NULL));
	if (place_is_private())
		MUST(shmq_gc(0, NULL, NULL) >= 0);
}

/* The object's bytes, and the same again after somebody has looked. */
static void
looking_changes_nothing(const struct place *p, const struct kind *kind)
{
	struct object o = object_map(p);
	unsigned char *before = malloc(o.length);

	MUST(before != NULL);
	memcpy(before, o.bytes, o.length);
	come_and_look(p, kind);
	SAME(0, memcmp(before, o.bytes, o.length));
	free(before);
	object_unmap(&o);
}

TEST_EACH_SPOT(read_only, test_looking_at_live_queue_no_byte_changes)
{
	for (unsigned k = 0; k < KINDS; k++) {
		struct place p = spot_kind(*at, &kinds[k]);
		struct shmq *rx = unit_join(&p, SHMQ_CONSUMER), *tx = unit_join(&p, SHMQ_PRODUCER);
		char c;

		looking_changes_nothing(&p, &kinds[k]);
		for (int i = 0; i < KIND_CAPACITY - 1; i++) {
			SAME(0, shmq_send(tx, "x", 1, 0));
			looking_changes_nothing(&p, &kinds[k]);
		}
		SAME(1, shmq_recv(rx, &c, 1, 0));
		looking_changes_nothing(&p, &kinds[k]);
		SAME(0, shmq_detach(tx));
		SAME(0, shmq_detach(rx));
		looking_changes_nothing(&p, &kinds[k]);
		place_remove(&p);
	}
}

/* Words behind the header; not `removed`, after which no name leads to the queue, nor `lock`. */
static void
damage(const struct place *p, uint64_t *seed)
{
	struct object o = object_map(p);
	uint64_t from = (FORMAT_PAGE + 128) / 8, words = o.length / 8 - from;
	uint64_t *all = (uint64_t *)(void *)o.bytes + from;

	for (uint64_t n = random_below(seed, 64); n; n--) {
		uint64_t *word = all + random_below(seed, words);

		shmq_store_relaxed_u64(word, random_below(seed, 4) ? random_next(seed)
								   : random_below(seed, 16));
	}
	object_unmap(&o);
}

TEST_EACH_SPOT(read_only, test_looking_at_damaged_queue_no_byte_changes)
{
	uint64_t seed = 11 + (uint64_t)*at;

	for (unsigned k = 0; k < KINDS; k++) {
		struct place p = spot_kind(*at, &kinds[k]);
		struct shmq *tx = unit_join(&p, SHMQ_PRODUCER);

		for (int round = 0; round < 10; round++) {
			damage(&p, &seed);
			looking_changes_nothing(&p, &kinds[k]);
			(void)shmq_send(tx, "x", 1, 0);
		}
		SAME(0, shmq_detach(tx));
		place_remove(&p);
	}
}
