/* SPDX-License-Identifier: MIT */
#include "hold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/process.h"

#define CAPACITY 4
#define SHORT_NS 2000000

/* What they do ------------------------------------------------------------------------------- */

static void
send_letter(struct shmq *q, char letter)
{
	SAME(0, shmq_send(q, &letter, 1, SHMQ_FOREVER));
}

static void
receive_letter(struct shmq *q, char want)
{
	char got = 0;

	SAME(1, shmq_recv(q, &got, 1, SHMQ_FOREVER));
	SAME(want, got);
}

static void
receive_nothing(struct shmq *q)
{
	char byte;

	SAME(-EAGAIN, shmq_recv(q, &byte, 1, 0));
	SAME(-ETIMEDOUT, shmq_recv(q, &byte, 1, SHORT_NS));
}

static void
role_is_taken(struct scene *s)
{
	struct shmq *q = NULL;

	SAME(-EBUSY, shmq_attach(&q, s->place.attach, s->hold->victim));
}

/* A newcomer in the victim's role. */
static struct shmq *
newcomer(struct scene *s)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, s->place.attach, s->hold->victim));
	return q;
}

static void
reserve_and_scribble(struct shmq *q)
{
	struct iovec slot;

	SAME(0, shmq_reserve(q, &slot, 8, 0));
	memset(slot.iov_base, 'z', 8);
}

static void
peek_a(struct shmq *q)
{
	struct iovec message;

	SAME(0, shmq_peek(q, &message, 0));
	SAME('a', *(const char *)message.iov_base);
}

static void
be_there(struct shmq *q)
{
	MUST(q != NULL);
}

static void
send_a(struct scene *s)
{
	send_letter(s->out, 'a');
}

static void
send_b(struct scene *s)
{
	send_letter(s->out, 'b');
}

/* One producer ------------------------------------------------------------------------------- */

static void
producer_alive(struct scene *s)
{
	role_is_taken(s);
	receive_nothing(s->in);
}

static void
producer_dead(struct scene *s)
{
	struct shmq *q = newcomer(s);

	send_letter(q, 'b');
	receive_letter(s->in, 'b');
	receive_nothing(s->in);
	SAME(0, shmq_detach(q));
}

/* Latest: a new value, which is there for good. */
static void
writer_alive(struct scene *s)
{
	char byte;

	role_is_taken(s);
	SAME(-ETIMEDOUT, shmq_recv(s->in, &byte, 1, SHORT_NS));
}

static void
writer_dead(struct scene *s)
{
	struct shmq *q = newcomer(s);

	send_letter(q, 'b');
	receive_letter(s->in, 'b');
	SAME(0, shmq_detach(q));
}

/* One consumer ------------------------------------------------------------------------------- */

static void
consumer_dead(struct scene *s)
{
	struct shmq *q = newcomer(s);

	receive_letter(q, 'a');
	receive_nothing(q);
	SAME(0, shmq_detach(q));
}

/* Many --------------------------------------------------------------------------------------- */

static void
others_pass(struct scene *s)
{
	for (int i = 0; i < 3 * CAPACITY; i++) {
		send_letter(s->out, 'c');
		receive_letter(s->in, 'c');
	}
	receive_nothing(s->in);
	SAME(0, place_stat(&s->place).lost + place_stat(&s->place).redelivered);
}

static void
claim_alive(struct scene *s)
{
	receive_nothing(s->in);
}

static void
claim_dead(struct scene *s)
{
	receive_letter(s->in, 'b');
	others_pass(s);
}

static void
held_dead(struct scene *s)
{
	SAME(0, shmq_detach(newcomer(s))); /* finds what the dead one had */
	SAME(1, place_stat(&s->place).lost);
	send_letter(s->out, 'c');
	receive_letter(s->in, 'c');
	receive_nothing(s->in);
}

static void
redelivered_dead(struct scene *s)
{
	struct shmq_info info = {.size = sizeof(info)};

	receive_letter(s->in, 'a');
	SAME(0, shmq_info(s->in, &info));
	SAME(2, info.deliveries);
	SAME(1, place_stat(&s->place).redelivered);
	receive_nothing(s->in);
}

/* Broadcast ---------------------------------------------------------------------------------- */

static void
fill(struct scene *s)
{
	for (int i = 0; i < CAPACITY; i++)
		send_letter(s->out, 'a');
}

static void
reader_alive(struct scene *s)
{
	SAME(-EAGAIN, shmq_send(s->out, "b", 1, 0));
	SAME(-ETIMEDOUT, shmq_send(s->out, "b", 1, SHORT_NS));
}

static void
reader_dead(struct scene *s)
{
	for (int i = 0; i < 3 * CAPACITY; i++)
		send_letter(s->out, 'b');
}

/* The table ---------------------------------------------------------------------------------- */

#define OPTS(k, c, f)                                                                          \
	{                                                                                      \
		.size = sizeof(struct shmq_opts), .kind = (k), .msg_max = 64, .capacity = (c), \
		.flags = (f)                                                                   \
	}
#define IN SHMQ_CONSUMER
#define OUT SHMQ_PRODUCER

const struct hold holds[HOLDS] = {
	{"spsc reservation", OPTS(SHMQ_SPSC, CAPACITY, 0), IN, 0, OUT, NULL, reserve_and_scribble,
	 NULL, producer_alive, producer_dead},
	{"spsc records reservation", OPTS(SHMQ_SPSC, 512, SHMQ_RECORDS), IN, 0, OUT, NULL,
	 reserve_and_scribble, NULL, producer_alive, producer_dead},
	{"spsc peek", OPTS(SHMQ_SPSC, CAPACITY, 0), 0, OUT, IN, send_a, peek_a, NULL, role_is_taken,
	 consumer_dead},
	{"mpsc reservation", OPTS(SHMQ_MPSC, CAPACITY, 0), IN, OUT, OUT, NULL, reserve_and_scribble,
	 NULL, others_pass, others_pass},
	{"mpsc records peek", OPTS(SHMQ_MPSC, 512, SHMQ_RECORDS), 0, OUT, IN, send_a, peek_a, NULL,
	 role_is_taken, consumer_dead},
	{"mpmc reservation", OPTS(SHMQ_MPMC, CAPACITY, 0), IN, OUT, OUT, NULL, reserve_and_scribble,
	 send_b, claim_alive, claim_dead},
	{"mpmc peek", OPTS(SHMQ_MPMC, CAPACITY, 0), IN, OUT, IN, send_a, peek_a, NULL, others_pass,
	 held_dead},
	{"mpmc redeliver peek", OPTS(SHMQ_MPMC, CAPACITY, SHMQ_REDELIVER), IN, OUT, IN, send_a,
	 peek_a, NULL, others_pass, redelivered_dead},
	{"broadcast reader", OPTS(SHMQ_BROADCAST, CAPACITY, 0), 0, OUT, IN, NULL, be_there, fill,
	 reader_alive, reader_dead},
	{"lossy reservation", OPTS(SHMQ_BROADCAST, CAPACITY, SHMQ_LOSSY), IN, 0, OUT, NULL,
	 reserve_and_scribble, NULL, producer_alive, producer_dead},
	{"latest reservation", OPTS(SHMQ_LATEST, CAPACITY, 0), IN, 0, OUT, NULL,
	 reserve_and_scribble, NULL, writer_alive, writer_dead},
};

/* The scene ---------------------------------------------------------------------------------- */

static struct shmq *
attached(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	if (role)
		SAME(0, shmq_attach(&q, place->attach, role));
	return q;
}

struct scene
scene_plan(const struct hold *hold, enum place_backend on)
{
	return (struct scene){.hold = hold,
			      .place = place_name(on, 0),
			      .taken = gate_new(),
			      .go = gate_new(),
			      .number = process_share(sizeof(int))};
}

void
scene_open(struct scene *s)
{
	s->place = place_queue(s->place.on, 0, &s->hold->opts);
	s->in = attached(&s->place, s->hold->in);
	s->out = attached(&s->place, s->hold->out);
	if (s->hold->before)
		s->hold->before(s);
}

struct scene
scene_begin(const struct hold *hold, enum place_backend on)
{
	struct scene s = scene_plan(hold, on);

	scene_open(&s);
	return s;
}

void
scene_victim(void *arg)
{
	struct scene *s = arg;

	s->theirs = attached(&s->place, s->hold->victim);
	s->hold->take(s->theirs);
	gate_open(s->taken);
	if (s->then)
		s->then(s);
	for (;;)
		pause();
}

void
scene_taken(struct scene *s)
{
	gate_pass(s->taken);
	if (s->hold->behind)
		s->hold->behind(s);
}

void
scene_start(struct scene *s, void (*then)(struct scene *s))
{
	s->then = then;
	s->pid = process_start(scene_victim, s);
	scene_taken(s);
}

static int
count_alive(const struct shmq_participant *row, void *arg)
{
	*(int *)arg += row->alive;
	return 0;
}

/* Participants that the kernel says are alive, as shmq_participants() tells. */
int
scene_alive_rows(const struct scene *s)
{
	int count = 0;

	SAME(0, shmq_participants(s->place.attach, count_alive, &count));
	return count;
}

/* Those that only read have no entry. */
int
scene_own_rows(const struct scene *s)
{
	bool reads = s->hold->opts.kind == SHMQ_LATEST || (s->hold->opts.flags & SHMQ_LOSSY);

	return (s->in && !reads) + (s->out != NULL);
}

void
scene_alive(struct scene *s)
{
	SAME(scene_own_rows(s) + 1, scene_alive_rows(s));
	s->hold->alive(s);
	SAME(scene_own_rows(s) + 1, scene_alive_rows(s));
}

void
scene_dead(struct scene *s)
{
	SAME(scene_own_rows(s), scene_alive_rows(s));
	s->hold->dead(s);
	SAME(scene_own_rows(s), scene_alive_rows(s));
	if (s->in)
		SAME(0, shmq_detach(s->in));
	if (s->out)
		SAME(0, shmq_detach(s->out));
	SAME(0, place_stat(&s->place).nattch);
	place_remove(&s->place);
	close(s->taken);
	close(s->go);
	if (place_is_private())
		SAME(0, place_leftovers());
}
