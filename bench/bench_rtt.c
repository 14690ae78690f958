/* SPDX-License-Identifier: MIT */
/*
 * Round trips. The floor is what two cores can do at all: each side has one line that only it writes; it writes the message and then the
 * sequence word into it, and spins on the other side's. How one spins matters more than anything else (one PAUSE between two looks saves a
 * fifth on current x86), so there are three floors and the best is the one that counts.
 */
#include "bench.h"

#include <string.h>

#include <shmq/atomic.h>
#include <shmq/inline.h>
#include <shmq/shmq.h>

#include "loop.h"

#define CAPACITY 1024

/* Floor ------------------------------------------------------------------------------------- */

struct line {
	uint64_t sequence;
	uint64_t words[BENCH_WORDS_MAX];
};

/* One side's view: the line it writes, the line it reads. */
struct lines {
	struct line *out;
	const struct line *in;
	uint64_t sent, received;
	int pauses;
};

static inline int
line_send(void *queue, const uint64_t *message, size_t len)
{
	struct lines *lines = (struct lines *)queue;

	memcpy(lines->out->words, message, len);
	shmq_store_release_u64(&lines->out->sequence, ++lines->sent);
	return 0;
}

static inline int
line_recv(void *queue, uint64_t *message, size_t len)
{
	struct lines *lines = (struct lines *)queue;

	while (shmq_load_acquire_u64(&lines->in->sequence) == lines->received) {
		for (int i = 0; i < lines->pauses; i++)
			shmq_pause();
	}
	lines->received++;
	memcpy(message, lines->in->words, len);
	return 0;
}

static void
line_view(struct bench_side *side, struct lines *lines, int mine)
{
	struct line *both[2] = {(struct line *)(void *)side->memory,
				(struct line *)(void *)(side->memory + side->memory_bytes / 2)};

	*lines = (struct lines){.out = both[mine], .in = both[!mine], .pauses = side->what.variant};
	bench_ready(side);
}

static LOOP_APART int
floor_ping_8(struct bench_side *side, struct lines *lines)
{
	return loop_ping(side, line_send, line_recv, (void *const[2]){lines, lines}, 8);
}

static LOOP_APART int
floor_pong_8(struct lines *lines)
{
	return loop_pong(line_send, line_recv, (void *const[2]){lines, lines}, 8);
}

static LOOP_APART int
floor_ping_56(struct bench_side *side, struct lines *lines)
{
	return loop_ping(side, line_send, line_recv, (void *const[2]){lines, lines}, 56);
}

static LOOP_APART int
floor_pong_56(struct lines *lines)
{
	return loop_pong(line_send, line_recv, (void *const[2]){lines, lines}, 56);
}

static LOOP_APART int
floor_ping_1024(struct bench_side *side, struct lines *lines)
{
	return loop_ping(side, line_send, line_recv, (void *const[2]){lines, lines}, 1024);
}

static LOOP_APART int
floor_pong_1024(struct lines *lines)
{
	return loop_pong(line_send, line_recv, (void *const[2]){lines, lines}, 1024);
}

/* The length is a constant, as it is in a program that does nothing else. */
static int
floor_ping(struct bench_side *side)
{
	struct lines lines;

	line_view(side, &lines, 0);
	switch (side->what.len) {
	case 8:
		return floor_ping_8(side, &lines);
	case 56:
		return floor_ping_56(side, &lines);
	default:
		return floor_ping_1024(side, &lines);
	}
}

static int
floor_pong(struct bench_side *side)
{
	struct lines lines;

	line_view(side, &lines, 1);
	switch (side->what.len) {
	case 8:
		return floor_pong_8(&lines);
	case 56:
		return floor_pong_56(&lines);
	default:
		return floor_pong_1024(&lines);
	}
}

static int
run_floor(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 2 * 4096);

	if (!err)
		err = bench_pair(&side, floor_ping, floor_pong);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}

/* shmq -------------------------------------------------------------------------------------- */

static int
try_send(void *queue, const uint64_t *message, size_t len)
{
	return shmq_send((struct shmq *)queue, message, len, 0);
}

static int
try_recv(void *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv((struct shmq *)queue, message, len, 0);
}

static int
wait_send(void *queue, const uint64_t *message, size_t len)
{
	return shmq_send((struct shmq *)queue, message, len, SHMQ_FOREVER);
}

static int
wait_recv(void *queue, uint64_t *message, size_t len)
{
	return (int)shmq_recv((struct shmq *)queue, message, len, SHMQ_FOREVER);
}

static inline int
port_send(void *port, const uint64_t *message, size_t len)
{
	return shmq_port_send((struct shmq_port *)port, message, len);
}

static inline int
port_recv(void *port, uint64_t *message, size_t len)
{
	return (int)shmq_port_recv((struct shmq_port *)port, message, len);
}

enum { TRY, WAIT, PORT };

/* The queue to send on and the one to receive from. */
struct ends {
	struct shmq *out, *in;
};

static int
open_ends(struct bench_side *side, struct ends *ends, int mine)
{
	int err = bench_attach_fd(&ends->out, side->fds[mine], SHMQ_PRODUCER | SHMQ_POPULATE);

	if (!err)
		err = bench_attach_fd(&ends->in, side->fds[!mine], SHMQ_CONSUMER | SHMQ_POPULATE);
	if (!err)
		bench_ready(side);
	return err;
}

/* Ports are local to the loop, so that they can live in registers. */
static LOOP_APART int
ping_8(struct bench_side *side, const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_ping(side, port_send, port_recv, (void *const[2]){&out, &in}, 8);
}

static LOOP_APART int
pong_8(const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_pong(port_send, port_recv, (void *const[2]){&in, &out}, 8);
}

static LOOP_APART int
ping_56(struct bench_side *side, const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_ping(side, port_send, port_recv, (void *const[2]){&out, &in}, 56);
}

static LOOP_APART int
pong_56(const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_pong(port_send, port_recv, (void *const[2]){&in, &out}, 56);
}

static LOOP_APART int
ping_1024(struct bench_side *side, const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_ping(side, port_send, port_recv, (void *const[2]){&out, &in}, 1024);
}

static LOOP_APART int
pong_1024(const struct ends *ends)
{
	struct shmq_port out, in;
	int err = shmq_port_open(&out, ends->out);

	if (!err)
		err = shmq_port_open(&in, ends->in);
	return err ? err : loop_pong(port_send, port_recv, (void *const[2]){&in, &out}, 1024);
}

static int
port_ping(struct bench_side *side, const struct ends *ends)
{
	switch (side->what.len) {
	case 8:
		return ping_8(side, ends);
	case 56:
		return ping_56(side, ends);
	default:
		return ping_1024(side, ends);
	}
}

static int
port_pong(struct bench_side *side, const struct ends *ends)
{
	switch (side->what.len) {
	case 8:
		return pong_8(ends);
	case 56:
		return pong_56(ends);
	default:
		return pong_1024(ends);
	}
}

static int
ping(struct bench_side *side)
{
	struct ends ends;
	int err = open_ends(side, &ends, 0);

	if (err)
		return err;
	if (side->what.variant == PORT)
		return port_ping(side, &ends);
	if (side->what.variant == WAIT)
		return loop_ping(side, wait_send, wait_recv, (void *const[2]){ends.out, ends.in},
				 side->what.len);
	return loop_ping(side, try_send, try_recv, (void *const[2]){ends.out, ends.in},
			 side->what.len);
}

static int
pong(struct bench_side *side)
{
	struct ends ends;
	int err = open_ends(side, &ends, 1);

	if (err)
		return err;
	if (side->what.variant == PORT)
		return port_pong(side, &ends);
	if (side->what.variant == WAIT)
		return loop_pong(wait_send, wait_recv, (void *const[2]){ends.in, ends.out},
				 side->what.len);
	return loop_pong(try_send, try_recv, (void *const[2]){ends.in, ends.out}, side->what.len);
}

static int
run_shmq(const struct bench_what *what, struct bench_sample *out)
{
	struct bench_side side;
	int err = bench_side_init(&side, what, 0);

	if (!err)
		err = bench_side_queues(&side);
	if (!err)
		err = bench_pair(&side, ping, pong);
	if (!err)
		bench_sample_latency(&side, out);
	bench_side_free(&side);
	return err;
}

static const struct bench_member members[] = {
	{"floor_spin", "floor", run_floor, 0},
	{"floor_pause", "floor", run_floor, 1},
	{"floor_pause4", "floor", run_floor, 4},
	{"send_recv", NULL, run_shmq, TRY},
	{"send_recv_wait", NULL, run_shmq, WAIT},
	{"inline", NULL, run_shmq, PORT},
	{"boost_spsc_queue", "boost", peer_boost_rtt, 0},
	{"ck_ring", "ck", peer_ck_rtt, 0},
};

#define MEMBERS members, sizeof(members) / sizeof(*members)

const struct bench_group bench_rtt[3] = {
	{"rtt/8", {.len = 8, .capacity = CAPACITY}, 0, 0.5, MEMBERS},
	{"rtt/56", {.len = 56, .capacity = CAPACITY}, 0, 0.5, MEMBERS},
	{"rtt/1024", {.len = 1024, .capacity = CAPACITY}, 0, 0.5, MEMBERS},
};
