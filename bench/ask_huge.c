/* SPDX-License-Identifier: MIT */
/*
 * Huge pages (2 MiB) beside the system's own: 64 Ki messages of 1024 bytes, which are more pages
 * of 4 KiB than a core remembers the places of.
 *
 *   huge/rtt           round trips, each through the next place of the rings
 *   huge/sequential    as throughput/1024/65536: page after page
 *   huge/random        a ring of numbers, and what they stand for is written and read at random in
 *                      a segment as big as that
 *
 * Where there are not enough huge pages, root takes some for each measurement and gives them back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "bench.h"
#include "loop.h"

#define LEN 1024u
#define CAPACITY 65536u
#define HUGE_BYTES ((size_t)2 << 20)
#define CAPACITY_SMOKE 2048u

/*
 * Places in the pool that may be in use at one time: fewer than there are, so none is written
 * while it is read
 */
#define RING 1024u

enum { SMALL, HUGE };

/* Pages ------------------------------------------------------------------------------------- */

static const char pages_path[] = "/proc/sys/vm/nr_hugepages";

/* What there were before we took some; -1: we have taken none. */
static long pages_before = -1;

static long
read_number(const char *path, const char *key)
{
	char line[128];
	long found = -1;
	FILE *file = fopen(path, "re");

	while (file && found < 0 && fgets(line, sizeof(line), file)) {
		size_t n = strlen(key);

		if (!strncmp(line, key, n) && sscanf(line + n, "%ld", &found) != 1)
			found = -1;
	}
	if (file)
		fclose(file);
	return found;
}

static void
write_pages(long n)
{
	FILE *file = fopen(pages_path, "we");

	if (!file)
		return;
	fprintf(file, "%ld\n", n);
	fclose(file);
}

static void
give_back(void)
{
	if (pages_before >= 0)
		write_pages(pages_before);
	pages_before = -1;
}

/* 0, or -ENOTSUP. */
static int
take(size_t bytes)
{
	long wanted = (long)(bytes / HUGE_BYTES), free;

	free = read_number("/proc/meminfo", "HugePages_Free:") -
	       read_number("/proc/meminfo", "HugePages_Rsvd:");
	if (free >= wanted)
		return 0;
	bench_at_stop(give_back);
	if (pages_before < 0) /* what there was before the first of us */
		pages_before = read_number(pages_path, "");
	if (pages_before >= 0)
		write_pages(read_number(pages_path, "") + wanted - free);
	if (read_number("/proc/meminfo", "HugePages_Free:") >= wanted)
		return 0;
	give_back();
	bench_why("no %ld huge pages of 2 MiB: vm.nr_hugepages", wanted);
	return -ENOTSUP;
}

/* Random places ----------------------------------------------------------------------------- */

struct queue {
	struct shmq *shmq;
	struct shmq_seg *seg;
	unsigned char *pool;
	uint64_t position, capacity;
	int written; /* the place, by a send that found the ring full */
};

/*
 * Every place once in each lap, in an order that no prefetcher guesses: odd factor, power of two.
 */
static inline unsigned char *
place(const struct queue *queue)
{
	return queue->pool + (queue->position * 40503u % queue->capacity) * LEN;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	int err;

	if (!queue->written)
		memcpy(place(queue), message, len);
	err = shmq_send(queue->shmq, message, sizeof(*message), 0);
	queue->written = err == -EAGAIN;
	queue->position += !err;
	return err;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	uint64_t number;
	int err = (int)shmq_recv(queue->shmq, &number, sizeof(number), 0);

	if (err < 0)
		return err;
	memcpy(message, place(queue), len);
	queue->position++;
	return message[0] == number ? err : -EBADMSG;
}

static int
open_random(struct bench_side *side, unsigned role, struct queue *queue)
{
	char address[32];
	int err = bench_attach_fd(&queue->shmq, side->fds[0], role | SHMQ_POPULATE);

	snprintf(address, sizeof(address), "fd:%d", side->fds[1]);
	if (!err)
		err = shmq_seg_attach(&queue->seg, address, SHMQ_POPULATE);
	if (err)
		return err;
	queue->pool = shmq_seg_base(queue->seg);
	queue->position = 0;
	queue->written = 0;
	queue->capacity = side->what.capacity;
	bench_ready(side);
	return 0;
}

static int
body_produce(struct bench_side *side)
{
	struct queue queue;
	int err = open_random(side, SHMQ_PRODUCER, &queue);

	return err ? err : loop_produce(side, queue_send, &queue, LEN);
}

static int
body_consume(struct bench_side *side)
{
	struct queue queue;
	int err = open_random(side, SHMQ_CONSUMER, &queue);

	return err ? err : loop_consume(side, queue_recv, &queue, LEN);
}

static int
make_pool(struct bench_side *side, size_t page_size)
{
	const struct shmq_seg_opts opts = {
		.size = sizeof(opts), .segsz = side->what.capacity * LEN, .page_size = page_size};
	const struct shmq_opts ring = {
		.size = sizeof(ring), .msg_max = 8, .capacity = RING, .participants = 2};
	int err = bench_side_queue(side, 0, &ring), fd;

	if (err)
		return err;
	fd = shmq_seg_create("memfd:shmq-bench", &opts);
	if (fd < 0)
		return fd;
	side->fds[1] = dup(fd); /* which clears close-on-exec */
	close(fd);
	return side->fds[1] < 0 ? -EMFILE : 0;
}

/* Members ----------------------------------------------------------------------------------- */

static int
make_rings(struct bench_side *side, int queues, size_t page_size)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .msg_max = LEN,
				       .capacity = side->what.capacity,
				       .participants = 2,
				       .page_size = page_size};
	int err = 0;

	for (int i = 0; i < queues && !err; i++)
		err = bench_side_queue(side, i, &opts);
	return err;
}

/* What a measurement needs, and a page more for each end of it. */
static int
begin(struct bench_side *side, const struct bench_what *what, int queues)
{
	int err = bench_side_init(side, what, 0);

	side->queues = (unsigned)queues;
	if (!err && what->variant == HUGE)
		err = take((size_t)queues * (what->capacity * LEN / 16 * 17 + 2 * HUGE_BYTES));
	return err;
}

static int
end(struct bench_side *side, int err)
{
	bench_side_free(side);
	give_back();
	return err;
}

static size_t
page_size(const struct bench_what *what)
{
	return what->variant == HUGE ? HUGE_BYTES : 0;
}

static int
run_rtt(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	bench_body *const *bodies = member->adapter->bodies;
	struct bench_side side;
	int err = begin(&side, what, 2);

	if (!err)
		err = make_rings(&side, 2, page_size(what));
	if (!err)
		err = bench_pair(&side, bodies[BENCH_PING], bodies[BENCH_PONG]);
	if (!err)
		err = bench_sample_latency(&side, out);
	return end(&side, err);
}

static int
run_sequential(const struct bench_what *what, const struct bench_member *member,
	       struct bench_sample *out)
{
	bench_body *const *bodies = member->adapter->bodies;
	struct bench_side side;
	int err = begin(&side, what, 1);

	if (!err)
		err = make_rings(&side, 1, page_size(what));
	if (!err)
		err = bench_pair(&side, bodies[BENCH_PRODUCE], bodies[BENCH_CONSUME]);
	if (!err)
		err = bench_sample_rate(&side, out);
	return end(&side, err);
}

static int
run_random(const struct bench_what *what, const struct bench_member *member,
	   struct bench_sample *out)
{
	struct bench_side side;
	int err = begin(&side, what, 1);

	(void)member;
	if (!err)
		err = make_pool(&side, page_size(what));
	if (!err)
		err = bench_pair(&side, body_produce, body_consume);
	if (!err)
		err = bench_sample_rate(&side, out);
	return end(&side, err);
}

static void
ask(const char *name, enum bench_unit unit,
    int (*run)(const struct bench_what *, const struct bench_member *, struct bench_sample *))
{
	const struct bench_what what = {.len = LEN,
					.capacity = bench_plan.smoke ? CAPACITY_SMOKE : CAPACITY};
	const struct bench_adapter *calls = bench_adapter_named("send_recv");
	struct bench_group *group = bench_add(name, &what, unit, BENCH_QUICK, 1);

	bench_join(group, &(struct bench_member){"huge_pages", NULL, run, calls, HUGE});
	bench_join(group, &(struct bench_member){"small_pages", "small_pages", run, calls, SMALL});
}

void
ask_huge(void)
{
	ask("huge/rtt", BENCH_LATENCY, run_rtt);
	ask("huge/sequential", BENCH_RATE, run_sequential);
	ask("huge/random", BENCH_RATE, run_random);
}
