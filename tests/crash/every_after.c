/* SPDX-License-Identifier: MIT */
/*
 * The victim is dead. Somebody takes its place, the others go on for some laps, the ring has all
 * its room, the numbers add up, and when all have left nothing is left.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "every.h"
#include "support/process.h"

#define BOTH_ROLES(role) for (unsigned role = SHMQ_PRODUCER; role <= SHMQ_CONSUMER; role <<= 1)
#define ALL_SEATS(s, i, role)                       \
	for (enum every_seat i = 0; i < SEATS; i++) \
		if (every_sits(s, i, role))

bool
every_taken(const struct every_scene *s, unsigned role)
{
	ALL_SEATS(s, i, role) return true;
	return false;
}

static void
sit_down(struct every_scene *s, enum every_seat seat, unsigned role)
{
	s->seat[seat] = every_attach(s, role);
	if (role == SHMQ_CONSUMER)
		every_account_joins(&s->account, seat == IN ? IN_READER : NEW_READER, s->account.n);
}

/* Who comes next gets the dead one's role, and its entry: there is no other. */
static void
take_its_place(struct every_scene *s)
{
	sit_down(s, NEWCOMER, s->operation->role);
}

static void
take_vacant_seats(struct every_scene *s)
{
	BOTH_ROLES(role)
	if (!every_taken(s, role) && !(s->sleeper && role != s->operation->role)) /* its seat */
		sit_down(s, role == SHMQ_PRODUCER ? OUT : IN, role);
}

/* Nothing that is due to a reader is missing, and nothing comes that is not. */
static void
receive_due(struct every_scene *s, enum every_seat seat)
{
	enum every_reader reader = seat == IN ? IN_READER : NEW_READER;

	while (every_account_due(&s->account, reader)) {
		ssize_t length = every_recv(s, seat, EVERY_LONG_NS);

		if (length < 0 && every_account_due(&s->account, reader))
			every_fail("%u messages are due, recv: %zd",
				   every_account_due(&s->account, reader), length);
	}
}

void
every_drain(struct every_scene *s)
{
	ALL_SEATS(s, i, SHMQ_CONSUMER)
	{
		ssize_t length = 0;

		if (s->kind->opts.kind != SHMQ_LATEST)
			while ((length = every_recv(s, i, 0)) >= 0)
				continue;
		receive_due(s, i);
		if (length != -EAGAIN && length < 0)
			every_fail("drained, and then: %zd", length);
	}
}

static void
send_and_receive(struct every_scene *s, enum every_seat out)
{
	int err = every_send(s, out, EVERY_LONG_NS);

	if (err)
		every_fail("seat %d: send: %d", (int)out, err);
	ALL_SEATS(s, in, SHMQ_CONSUMER)
	receive_due(s, in);
}

/* The newcomer first: what it believes of the ring comes from the ring alone. */
static void
lap(struct every_scene *s)
{
	static const enum every_seat order[] = {NEWCOMER, OUT};

	for (unsigned i = 0; i < 2; i++)
		if (every_sits(s, order[i], SHMQ_PRODUCER))
			send_and_receive(s, order[i]);
}

void
every_laps(struct every_scene *s)
{
	for (unsigned i = 0; i < EVERY_LAPS * EVERY_CAPACITY; i++)
		lap(s);
}

/* Bytes of records: what the next one takes is more than what is left. */
static bool
is_full(const struct every_scene *s, enum every_seat seat, unsigned from)
{
	const struct every_account *a = &s->account;
	enum every_sender by = seat == OUT ? BY_OUT : BY_NEWCOMER;
	size_t used = 0, next = every_length(s->kind, EVERY_ID(by, a->next[by]));

	if (!every_records(s->kind))
		return a->n - from == EVERY_CAPACITY;
	for (unsigned i = from; i < a->n; i++)
		used += (8 + every_length(s->kind, a->entries[i].id) + 7) & ~(size_t)7;
	return used + ((8 + next + 7) & ~(size_t)7) > s->kind->opts.capacity;
}

/* Capacity is what it was: no place is lost, none is there twice. */
static void
check_capacity(struct every_scene *s)
{
	if (every_overwrites(s->kind) || s->kind->opts.slow_limit)
		return;
	ALL_SEATS(s, out, SHMQ_PRODUCER)
	{
		unsigned from = s->account.n;
		int err;

		while ((err = every_send(s, out, 0)) == 0)
			continue;
		SAME(-EAGAIN, err);
		if (!is_full(s, out, from))
			every_fail("seat %d: full with %u messages", (int)out, s->account.n - from);
		every_drain(s);
	}
}

/* Whether a child has come to its end within so long. */
static bool
ends_within(pid_t pid, int ms)
{
	for (; ms > 0; ms -= 1) {
		siginfo_t info = {0};

		SAME(0, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
		if (info.si_pid == pid)
			return true;
		(void)poll(NULL, 0, 1);
	}
	return false;
}

/* Who slept when the victim began: it has its message, or its room, by now, or gets it soon. */
void
every_join_sleeper(struct every_scene *s)
{
	bool receives = s->operation->role == SHMQ_PRODUCER;

	if (!s->sleeper)
		return;
	if (!ends_within(s->sleeper, 5000))
		every_fail("who slept does not go on");
	process_join(s->sleeper);
	s->sleeper = 0;
	if (receives && s->results->slept >= 0) /* else it was too slow */
		every_account_got(&s->account, SLEEPER_READER, s->results->slept_id,
				  s->results->slept_lost);
	if (!receives)
		s->slept_for->maybe_sent = false;
	s->account.reads[SLEEPER_READER] = false;
}

static void
wake_sleeper(struct every_scene *s)
{
	bool receives = s->operation->role == SHMQ_PRODUCER;

	if (!s->sleeper)
		return;
	ALL_SEATS(s, out, SHMQ_PRODUCER)
	if (receives) {
		int err = every_send(s, out, 0);

		MUST(err == 0 || err == -EAGAIN); /* full: there is something for it */
		break;
	}
	if (!receives)
		every_drain(s);
	every_join_sleeper(s);
}

static void
check_stat(struct every_scene *s)
{
	struct shmq_stat st = place_stat(&s->place);
	unsigned producers = 0, consumers = 0;

	ALL_SEATS(s, i, SHMQ_PRODUCER) producers++;
	ALL_SEATS(s, i, SHMQ_CONSUMER) consumers++;
	SAME(producers, st.producers);
	SAME(producers + consumers, st.nattch);
	SAME(consumers, st.consumers);
	SAME(0, st.mode & SHMQ_DEST);
	SAME(0, st.dead);
	MUST(s->kind->opts.kind == SHMQ_MPMC || st.lost + st.redelivered == 0);
	MUST(st.lost <= s->operation->messages + (s->state->corpse != NOBODY_DIED));
	if (every_overwrites(s->kind))
		return;
	SAME(0, st.depth);
	SAME(st.sent, st.received + st.lost);
}

static bool
may_miss(const struct every_kind *kind)
{
	return kind->opts.slow_limit || kind->opts.kind == SHMQ_LATEST;
}

static void
check_sent(struct every_scene *s)
{
	struct shmq_stat st = place_stat(&s->place);
	const struct every_account *a = &s->account;
	unsigned sent = 0, maybe = 0;

	for (unsigned i = 0; i < a->n; i++) {
		sent += !a->entries[i].maybe_sent;
		maybe += a->entries[i].maybe_sent;
		s->effect += a->entries[i].maybe_sent && a->entries[i].seen;
	}
	/* Who was too slow, or came later, has not seen the victim's: the count tells. */
	if (may_miss(s->kind) && st.sent - sent <= maybe)
		s->effect = (unsigned)(st.sent - sent);
	sent += s->effect;
	/* Killed between giving a place up and counting that, it leaves it counted as sent. */
	SAME(sent + s->uncounted, st.sent);
}

void
every_leave(struct every_scene *s)
{
	struct leak_count now;

	check_stat(s);
	check_sent(s);
	every_account_end(&s->account);
	for (enum every_seat i = 0; i < SEATS; i++) {
		if (s->seat[i])
			SAME(0, shmq_detach(s->seat[i]));
		s->seat[i] = NULL;
	}
	SAME(0, place_stat(&s->place).nattch);
	place_remove(&s->place);
	if (place_is_private())
		SAME(0, place_leftovers());
	if (s->dry)
		return; /* the tracer has notes of it */
	now = leak_count();
	SAME(s->before.descriptors, now.descriptors);
	SAME(s->before.mappings, now.mappings);
}

/* Where the victim's role is one of many, others may come by before anybody takes its place. */
bool
every_two_ways(const struct every_kind *kind, const struct every_operation *operation,
	       const struct every_state *state)
{
	return every_many(kind, operation->role) && !state->sleeper && !state->corpse;
}

unsigned
every_after(struct every_scene *s, unsigned way)
{
	unsigned effect;
	bool peers = every_two_ways(s->kind, s->operation, s->state) &&
		     every_taken(s, SHMQ_PRODUCER) && every_taken(s, SHMQ_CONSUMER);

	every_finish_contended(s);
	if (way == 1 && peers) {
		every_drain(s);
		every_laps(s);
	}
	take_its_place(s);
	take_vacant_seats(s);
	wake_sleeper(s);
	take_vacant_seats(s);
	every_drain(s);
	every_laps(s);
	check_capacity(s);
	every_drain(s);
	every_leave(s);
	effect = every_account_effect(&s->account, s->operation->role == SHMQ_PRODUCER);
	return may_miss(s->kind) ? s->effect : effect;
}
