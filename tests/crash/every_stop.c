/* SPDX-License-Identifier: MIT */
/*
 * The victim stands still in the middle of its operation, alive. Nobody takes it for dead; who
 * need not wait for it goes on for laps, who has to waits. Then it goes on, and what it says of
 * its operation is what the account shows.
 */
#include <errno.h>

#include "every.h"
#include "support/process.h"
#include "support/trace.h"

#define SHORT_NS 300000

/* Who waits for whom (shmq.7) ----------------------------------------------------------------- */

/*
 * Whether the others go on although a participant of this role stands still. For a producer of MPMC
 * it is the place that it has claimed, and nothing else, that they wait for.
 */
static bool
flows(const struct every_scene *s, bool claims)
{
	const struct every_kind *kind = s->kind;

	if (every_overwrites(kind) || kind->opts.slow_limit)
		return true;
	if (s->operation->role == SHMQ_PRODUCER)
		return kind->opts.kind == SHMQ_MPSC || (kind->opts.kind == SHMQ_MPMC && !claims);
	return kind->opts.kind == SHMQ_MPMC;
}

static bool
only_blocks(ssize_t result)
{
	if (result < 0 && result != -EAGAIN)
		every_fail("beside one that is stopped: %zd", result);
	return result < 0;
}

/* Send and receive once, each. Whether somebody could not. */
static bool
round_of_others(struct every_scene *s)
{
	bool blocked = false;

	for (enum every_seat i = 0; i < SEATS; i++)
		if (every_sits(s, i, SHMQ_PRODUCER))
			blocked |= only_blocks(every_send(s, i, 0));
	for (enum every_seat i = 0; i < SEATS; i++)
		for (unsigned n = 0; every_sits(s, i, SHMQ_CONSUMER) && n < EVERY_CAPACITY; n++)
			if (only_blocks(every_recv(s, i, 0)) || s->kind->opts.kind == SHMQ_LATEST)
				break;
	for (enum every_seat i = 0; i < SEATS; i++)
		if (every_sits(s, i, SHMQ_CONSUMER))
			blocked |= every_account_due(&s->account, IN_READER) > 0;
	return blocked;
}

/* Who waits, waits: it is told of no end, and of no room. */
static void
wait_in_vain(struct every_scene *s)
{
	for (enum every_seat i = 0; i < SEATS; i++) {
		ssize_t result = -ETIMEDOUT;

		if (every_sits(s, i, SHMQ_PRODUCER))
			result = every_send(s, i, SHORT_NS);
		else if (every_sits(s, i, SHMQ_CONSUMER))
			result = every_recv(s, i, SHORT_NS);
		if (result < 0 && result != -ETIMEDOUT)
			every_fail("waiting for one that is stopped: %zd", result);
	}
}

/* Nobody gets its role. */
static void
check_role_kept(struct every_scene *s)
{
	const struct every_operation *operation = s->operation;
	struct shmq *q = NULL;

	if (every_many(s->kind, operation->role) || operation->attaches || operation->detaches ||
	    operation->gives_back)
		return;
	SAME(-EBUSY, shmq_attach(&q, s->place.attach, operation->role));
}

static bool
let_others_run(struct every_scene *s)
{
	bool blocked = false, claims = every_claims(s);
	bool flow = flows(s, claims) && every_taken(s, SHMQ_PRODUCER) &&
		    every_taken(s, SHMQ_CONSUMER);

	/* Who slept takes one of the messages, and tells when it has gone on. */
	if (s->sleeper && s->kind->opts.kind == SHMQ_MPMC)
		return false;
	if (flow && s->state->corpse) {
		every_drain(s);
		every_laps(s); /* what is dead is out of the way after that */
	}
	for (unsigned i = 0; i < EVERY_LAPS * EVERY_CAPACITY; i++) {
		blocked = round_of_others(s);
		if (blocked && i > 1 && flow)
			every_fail("blocked by one that is stopped and should not be in the way");
	}
	if (claims && !blocked)
		every_fail("it has claimed a place, and nobody waits for it");
	if (blocked)
		wait_in_vain(s);
	return blocked;
}

/* It goes on ---------------------------------------------------------------------------------- */

static void
check_result(const struct every_scene *s)
{
	ssize_t result = s->results->result;

	if (result >= 0 || result == -EAGAIN || result == -ETIMEDOUT)
		return;
	if (result == -ESTALE && s->kind->opts.slow_limit)
		return;
	every_fail("continued, its operation gave %zd", result);
}

/* What it says that it has sent, is sent; no more. */
static void
settle_sent(struct every_scene *s)
{
	struct every_account *a = &s->account;
	ssize_t n = s->results->result < 0 ? 0 : s->results->result;

	if (s->operation->messages == 1)
		n = s->results->result == 0;
	for (unsigned i = 0; i < a->n; i++) {
		if (EVERY_SENDER(a->entries[i].id) != BY_VICTIM)
			continue;
		a->entries[i].maybe_sent = n == 0;
		if (n == 0 && a->entries[i].seen)
			every_fail("received what was not sent, says its sender");
		n -= n > 0;
	}
}

/* What it has received nobody else gets; what it has not, is due. */
static void
settle_received(struct every_scene *s)
{
	struct every_account *a = &s->account;

	for (unsigned i = 0; i < s->results->got; i++) {
		if (s->results->ids[i] == 0)
			every_fail("continued, it received a message that is not whole");
		if (every_stream(s->kind))
			continue;
		for (unsigned e = 0; e < a->n; e++)
			a->entries[e].again |= a->entries[e].id == s->results->ids[i];
		every_account_got(a, VICTIM_READER, s->results->ids[i], 0);
	}
	for (unsigned i = 0; i < a->n; i++)
		if (!a->entries[i].corpse)
			a->entries[i].maybe_taken = false;
}

static void
go_on(struct every_scene *s)
{
	victim_goes_on(s->victim);
	check_result(s);
	if (s->operation->role == SHMQ_PRODUCER)
		settle_sent(s);
	else
		settle_received(s);
	victim_leaves(s->victim);
	s->victim = 0;
}

bool
every_while_stopped(struct every_scene *s)
{
	bool blocked;

	every_finish_contended(s);
	check_role_kept(s);
	blocked = let_others_run(s);
	go_on(s);
	(void)every_after(s, 0);
	return blocked;
}
