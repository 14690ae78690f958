/* SPDX-License-Identifier: MIT */
/*
 * What the victim does. It attaches, stops until the state is as it should be, then comes the one
 * operation, between every_first() and every_last(); what it had to prepare is prepared before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "every.h"
#include "support/process.h"
#include "support/trace.h"

__attribute__((noinline)) void
every_first(void)
{
	__asm__ volatile("# the first" : : : "memory");
}

__attribute__((noinline)) void
every_last(void)
{
	__asm__ volatile("# the last" : : : "memory");
}

/* Sending ------------------------------------------------------------------------------------- */

static void
write_messages(struct every_act *a)
{
	for (unsigned i = 0; i < EVERY_BATCH; i++) {
		uint64_t id = EVERY_ID(BY_VICTIM, i);

		a->v[i].iov_base = a->bytes[i];
		a->v[i].iov_len = every_fill(a->scene->kind, id, a->bytes[i]);
	}
}

static void
do_send(struct every_act *a)
{
	a->result = shmq_send(a->q, a->bytes[0], a->v[0].iov_len, a->scene->operation->timeout_ns);
}

static void
do_send_batch(struct every_act *a)
{
	a->result = shmq_send_batch(a->q, a->v, EVERY_BATCH, 0);
}

static void
do_commit(struct every_act *a)
{
	struct iovec slot;

	a->result = shmq_reserve(a->q, &slot, a->scene->kind->opts.msg_max, 0);
	if (a->result)
		return;
	memcpy(slot.iov_base, a->bytes[0], a->v[0].iov_len);
	slot.iov_len = a->v[0].iov_len;
	a->result = shmq_commit(a->q, &slot);
}

static void
do_abort(struct every_act *a)
{
	struct iovec slot;

	a->result = shmq_reserve(a->q, &slot, a->scene->kind->opts.msg_max, 0);
	if (a->result)
		return;
	memset(slot.iov_base, 0x5a, slot.iov_len);
	a->result = shmq_abort(a->q, &slot);
}

/* Receiving ----------------------------------------------------------------------------------- */

static void
make_room(struct every_act *a)
{
	for (unsigned i = 0; i < EVERY_BATCH; i++)
		a->v[i] = (struct iovec){a->bytes[i], EVERY_MSG_MAX};
}

static void
do_recv(struct every_act *a)
{
	a->result = shmq_recv(a->q, a->bytes[0], EVERY_MSG_MAX, a->scene->operation->timeout_ns);
}

static void
do_recv_batch(struct every_act *a)
{
	a->result = shmq_recv_batch(a->q, a->v, EVERY_BATCH, 0);
}

static void
do_release(struct every_act *a)
{
	struct iovec message;

	a->result = shmq_peek(a->q, &message, 0);
	if (a->result)
		return;
	memcpy(a->bytes[0], message.iov_base, message.iov_len);
	a->result = shmq_release(a->q, &message);
	if (a->result == 0)
		a->result = (ssize_t)message.iov_len;
}

/* It comes again, to somebody else. */
static void
do_return(struct every_act *a)
{
	struct iovec message;

	a->result = shmq_peek(a->q, &message, 0);
	MUST(shmq_detach(a->q) == 0);
	a->q = NULL;
}

/* Tell what was received. */
static void
judge_one(struct every_act *a)
{
	struct every_results *r = a->scene->results;

	if (a->result >= 0)
		r->ids[r->got++] = every_read(a->scene->kind, a->bytes[0], (size_t)a->result);
}

static void
judge_batch(struct every_act *a)
{
	struct every_results *r = a->scene->results;

	for (ssize_t i = 0; i < a->result; i++)
		r->ids[r->got++] = every_read(a->scene->kind, a->bytes[i], a->v[i].iov_len);
}

/* Coming and going ---------------------------------------------------------------------------- */

static void
do_attach(struct every_act *a)
{
	a->result = shmq_attach(&a->q, a->scene->place.attach, a->scene->operation->role);
}

static void
do_detach(struct every_act *a)
{
	a->result = shmq_detach(a->q);
	a->q = NULL;
}

/* The table ----------------------------------------------------------------------------------- */

static bool
any(const struct every_kind *kind)
{
	return kind;
}

static bool
has_batches(const struct every_kind *kind)
{
	return kind->opts.kind != SHMQ_LATEST;
}

#define WAIT_NS 400000 /* the victim's clock makes some looks of it */

#define SEND(NAME, ACT, ...)                                                                \
	{                                                                                   \
		.name = NAME, .role = SHMQ_PRODUCER, .prepare = write_messages, .act = ACT, \
		__VA_ARGS__                                                                 \
	}
#define RECEIVE(NAME, ACT, ...)                                                                    \
	{                                                                                          \
		.name = NAME, .role = SHMQ_CONSUMER, .prepare = make_room, .act = ACT, __VA_ARGS__ \
	}

const struct every_operation every_operations[] = {
	SEND("send", do_send, .messages = 1, .fits = any),
	SEND("send_waits", do_send, .messages = 1, .timeout_ns = WAIT_NS, .fits = any),
	SEND("send_batch", do_send_batch, .messages = EVERY_BATCH, .fits = has_batches),
	SEND("commit", do_commit, .messages = 1, .fits = any),
	SEND("abort", do_abort, .messages = 0, .fits = any),
	RECEIVE("recv", do_recv, .messages = 1, .fits = any, .judge = judge_one),
	RECEIVE("recv_waits", do_recv, .messages = 1, .timeout_ns = WAIT_NS, .fits = any,
		.judge = judge_one),
	RECEIVE("recv_batch", do_recv_batch, .messages = EVERY_BATCH, .fits = has_batches,
		.judge = judge_batch),
	RECEIVE("release", do_release, .messages = 1, .fits = every_peeks, .judge = judge_one),
	RECEIVE("return", do_return, .messages = 1, .gives_back = true, .fits = every_peeks),
	SEND("attach_producer", do_attach, .attaches = true, .fits = any),
	RECEIVE("attach_consumer", do_attach, .attaches = true, .fits = any),
	SEND("detach_producer", do_detach, .detaches = true, .fits = any),
	RECEIVE("detach_consumer", do_detach, .detaches = true, .fits = any),
};
const unsigned every_operation_count = sizeof(every_operations) / sizeof(*every_operations);

/* Nothing of it is left but what the first attach of a process makes. */
void
every_warm_up(void)
{
	static const struct shmq_opts small = {.size = sizeof(small), .msg_max = 8, .capacity = 2};
	struct shmq *q = NULL;
	char address[32];
	int fd = shmq_create("memfd:warm", &small);

	MUST(fd >= 3);
	snprintf(address, sizeof(address), "fd:%d", fd);
	SAME(0, shmq_attach(&q, address, SHMQ_PRODUCER));
	SAME(0, shmq_detach(q));
	close(fd);
}

/* Lives --------------------------------------------------------------------------------------- */

void
every_be_victim(void *arg)
{
	struct every_scene *s = arg;
	const struct every_operation *operation = s->operation;
	static struct every_act a;

	every_fake_clock();
	a.scene = s;
	if (operation->attaches)
		every_warm_up();
	else
		SAME(0, shmq_attach(&a.q, s->place.attach, operation->role));
	if (operation->prepare)
		operation->prepare(&a);
	victim_begins();
	every_first();
	operation->act(&a);
	every_last();
	if (operation->judge)
		operation->judge(&a);
	s->results->result = a.result;
	victim_ends();
	if (a.q)
		SAME(0, shmq_detach(a.q));
}

/* Asleep in recv, or in send, when the victim begins. */
void
every_be_sleeper(void *arg)
{
	struct every_scene *s = arg;
	bool receives = s->operation->role == SHMQ_PRODUCER;
	struct shmq_info info = {.size = sizeof(info)};
	unsigned char bytes[EVERY_MSG_MAX];
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, s->place.attach, receives ? SHMQ_CONSUMER : SHMQ_PRODUCER));
	if (receives) {
		s->results->slept = shmq_recv(q, bytes, sizeof(bytes), SHMQ_FOREVER);
		if (s->results->slept == -ESTALE && s->kind->opts.slow_limit)
			_exit(0);
		MUST(s->results->slept >= 0);
		s->results->slept_id = every_read(s->kind, bytes, (size_t)s->results->slept);
		SAME(0, shmq_info(q, &info));
		s->results->slept_lost = info.lost;
	} else {
		uint32_t n = 0;

		size_t length = every_fill(s->kind, EVERY_ID(BY_SLEEPER, 0), bytes);

		while (shmq_send(q, bytes, length, 0) == 0) {
			s->results->slept_early = ++n;
			length = every_fill(s->kind, EVERY_ID(BY_SLEEPER, n), bytes);
		}
		SAME(0, shmq_send(q, bytes, length, SHMQ_FOREVER));
	}
	SAME(0, shmq_detach(q));
}

/* In the middle of its work when it is killed. */
void
every_be_corpse(void *arg)
{
	struct every_scene *s = arg;
	bool claims = s->state->corpse == DIED_CLAIMING;
	struct shmq *q = NULL;
	struct iovec v;

	SAME(0, shmq_attach(&q, s->place.attach, claims ? SHMQ_PRODUCER : SHMQ_CONSUMER));
	if (claims) {
		SAME(0, shmq_reserve(q, &v, s->kind->opts.msg_max, 0));
		memset(v.iov_base, 0x33, v.iov_len);
	} else if (!every_stream(s->kind)) {
		SAME(0, shmq_peek(q, &v, 0));
	}
	victim_begins(); /* SIGSTOP: it is killed there */
}
