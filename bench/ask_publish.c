/* SPDX-License-Identifier: MIT */
/*
 * What sending costs the sender when nobody sleeps, and receiving the receiver when all is there: no system call, no fence, no line
 * that another core has. One process, one core: a burst of BURST sends is timed, then the receiving of them.
 *
 *   publish/LEN    one send
 *   take/LEN       one receive
 *
 * The floor is the store, and the load, nobody can do without: the message and its sequence word in a ring of slots as ours.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmq/atomic.h>
#include <shmq/inline.h>
#include <shmq/shmq.h>

#include "bench.h"
#include "loop.h"

#define BURST 512u
#define CAPACITY 1024

/* Variants: the way; bits. */
enum { STORE, SPSC, PORT, SPSC_RECORDS, MPSC, MPMC, BROADCAST, LOSSY, LATEST };
enum { TAKE = 16 };

struct cell {
	uint64_t sequence;
	uint64_t words[];
};

struct queue {
	struct shmq *in, *out;
	struct shmq_port port_in, port_out;
	unsigned char *cells;
	uint64_t sent, received;
};

static int
way_of(const struct bench_what *what)
{
	return what->variant % TAKE;
}

/* Ways -------------------------------------------------------------------------------------- */

LOOP_INLINE struct cell *
cell_at(const struct queue *queue, uint64_t number, size_t len)
{
	return (struct cell *)(void *)(queue->cells +
				       number % CAPACITY * (sizeof(struct cell) + len));
}

LOOP_INLINE int
store_send(struct queue *queue, const uint64_t *message, size_t len)
{
	struct cell *cell = cell_at(queue, queue->sent, len);

	memcpy(cell->words, message, len);
	/* WRITTEN: who sees the number sees the message. */
	shmq_store_release_u64(&cell->sequence, ++queue->sent);
	return 0;
}

LOOP_INLINE int
store_recv(struct queue *queue, uint64_t *message, size_t len)
{
	struct cell *cell = cell_at(queue, queue->received, len);

	/* WRITTEN: the message is there. */
	if (shmq_load_acquire_u64(&cell->sequence) != ++queue->received)
		return -EAGAIN;
	memcpy(message, cell->words, len);
	return 0;
}

LOOP_INLINE int
try_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_send(queue->out, message, len, 0);
}

LOOP_INLINE int
try_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv(queue->in, message, len, 0);
}

LOOP_INLINE int
port_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return shmq_port_send(&queue->port_out, message, len);
}

LOOP_INLINE int
port_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return (int)shmq_port_recv(&queue->port_in, message, len);
}

/* Loops ------------------------------------------------------------------------------------- */

/* Of latest there is only the newest: it comes each time. */
LOOP_INLINE int
receive_burst(loop_recv_fn *recv, struct queue *queue, size_t len, int latest)
{
	int err = 0;

	for (uint64_t i = 0; i < BURST && !err; i++) {
		err = loop_recv(recv, queue, loop_in, len);
		if (!err)
			err = loop_check(loop_in, latest ? BURST - 1 : i, len);
	}
	return err;
}

/* Bursts for side->what.seconds; the histograms hold ticks of whole bursts. */
LOOP_INLINE int
bursts(struct bench_side *side, loop_send_fn *send, loop_recv_fn *recv, struct queue *queue,
       size_t len)
{
	uint64_t end = bench_now_ns() + (uint64_t)(side->what.seconds * 1e9);
	int err = 0, latest = way_of(&side->what) == LATEST;

	do {
		uint64_t begin = bench_ticks(), between;

		for (uint64_t i = 0; i < BURST && !err; i++) {
			loop_stamp(loop_out, i, len);
			err = loop_send(send, queue, loop_out, len);
		}
		between = bench_ticks();
		bench_count(&side->shared->latency, between - begin);
		if (!err)
			err = receive_burst(recv, queue, len, latest);
		bench_count(&side->shared->other, bench_ticks() - between);
	} while (!err && bench_now_ns() < end);
	return err;
}

LOOP_INLINE int
bursts_of(struct bench_side *side, loop_send_fn *send, loop_recv_fn *recv,
	  const struct queue *opened)
{
	struct queue queue = *opened;

	return side->what.len == 8 ? bursts(side, send, recv, &queue, 8)
				   : bursts(side, send, recv, &queue, 56);
}

static LOOP_APART int
store_bursts(struct bench_side *side, const struct queue *queue)
{
	return bursts_of(side, store_send, store_recv, queue);
}

static LOOP_APART int
call_bursts(struct bench_side *side, const struct queue *queue)
{
	return bursts_of(side, try_send, try_recv, queue);
}

static LOOP_APART int
port_bursts(struct bench_side *side, const struct queue *queue)
{
	return bursts_of(side, port_send, port_recv, queue);
}

/* A consumer first: what is sent to nobody is cheaper. */
static int
queue_open(struct bench_side *side, struct queue *queue)
{
	int err;

	*queue = (struct queue){.cells = side->memory};
	if (way_of(&side->what) == STORE)
		return 0;
	err = bench_attach_fd(&queue->in, side->fds[0], SHMQ_CONSUMER | SHMQ_POPULATE);
	if (!err)
		err = bench_attach_fd(&queue->out, side->fds[0], SHMQ_PRODUCER | SHMQ_POPULATE);
	if (err || way_of(&side->what) != PORT)
		return err;
	err = shmq_port_open(&queue->port_in, queue->in);
	return err ? err : shmq_port_open(&queue->port_out, queue->out);
}

static int
body(struct bench_side *side)
{
	struct queue queue;
	int err = queue_open(side, &queue);

	if (err)
		return err;
	bench_ready(side);
	if (way_of(&side->what) == STORE)
		return store_bursts(side, &queue);
	return way_of(&side->what) == PORT ? port_bursts(side, &queue) : call_bursts(side, &queue);
}

/* In the parent ----------------------------------------------------------------------------- */

static struct shmq_opts
options(const struct bench_what *what)
{
	static const int kinds[] = {
		[SPSC] = SHMQ_SPSC,	  [PORT] = SHMQ_SPSC,	  [SPSC_RECORDS] = SHMQ_SPSC,
		[MPSC] = SHMQ_MPSC,	  [MPMC] = SHMQ_MPMC,	  [BROADCAST] = SHMQ_BROADCAST,
		[LOSSY] = SHMQ_BROADCAST, [LATEST] = SHMQ_LATEST,
	};
	int way = way_of(what);
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = kinds[way],
				 .msg_max = what->len,
				 .capacity = way == LATEST ? 0 : CAPACITY,
				 .participants = 4};

	if (way == LOSSY)
		opts.flags = SHMQ_LOSSY;
	if (way == SPSC_RECORDS) {
		opts.flags = SHMQ_RECORDS;
		opts.capacity *= 8 + what->len; /* as many messages */
	}
	return opts;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = options(what);
	int store = way_of(what) == STORE;
	struct bench_side side;
	int err = bench_side_init(&side, what,
				  store ? CAPACITY * (sizeof(struct cell) + what->len) : 0);

	(void)member;
	if (!err && !store)
		err = bench_side_queue(&side, 0, &opts);
	if (!err)
		err = bench_solo(&side, body);
	if (!err) {
		const struct bench_shared *shared = side.shared;
		const struct bench_histogram *of = &shared->latency;

		if (what->variant & TAKE)
			of = &shared->other;
		*out = (struct bench_sample){.preempted = (double)shared->preempted};
		out->count = (double)bench_histogram_count(of) * BURST;
		out->ns = bench_histogram_at(of, 0.5) / bench_ticks_per_ns() / BURST;
	}
	bench_side_free(&side);
	return err;
}

static void
ask(const char *question, size_t len, int take, enum bench_level level)
{
	const struct bench_member members[] = {
		{"bare_store", "floor", run, NULL, STORE | take},
		{"inline", NULL, run, NULL, PORT | take},
		{"spsc", NULL, run, NULL, SPSC | take},
		{"spsc_records", NULL, run, NULL, SPSC_RECORDS | take},
		{"mpsc", NULL, run, NULL, MPSC | take},
		{"mpmc", NULL, run, NULL, MPMC | take},
		{"broadcast", NULL, run, NULL, BROADCAST | take},
		{"lossy", NULL, run, NULL, LOSSY | take},
		{"latest", NULL, run, NULL, LATEST | take},
	};
	const struct bench_what what = {.len = len, .capacity = CAPACITY};
	struct bench_group *group;
	char name[32];

	snprintf(name, sizeof(name), "%s/%zu", question, len);
	group = bench_add(name, &what, BENCH_COST, level, 0.3);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		bench_join(group, &members[i]);
}

void
ask_publish(void)
{
	ask("publish", 8, 0, BENCH_QUICK);
	ask("publish", 56, 0, BENCH_FULL);
	ask("take", 8, TAKE, BENCH_QUICK);
	ask("take", 56, TAKE, BENCH_FULL);
}
