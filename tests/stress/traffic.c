/* SPDX-License-Identifier: MIT */
#include "stress/traffic.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "support/process.h"

#define MEMBERS (2 * TRAFFIC_CROWD)
#define TICK_MS 2

const struct traffic_kind *const traffic_kinds[TRAFFIC_KINDS] = {
	&traffic_spsc,
	&traffic_spsc_records,
	&traffic_mpsc,
	&traffic_mpsc_records,
	&traffic_mpmc,
	&traffic_mpmc_redeliver,
	&traffic_broadcast,
	&traffic_broadcast_records,
	&traffic_broadcast_limit,
	&traffic_lossy,
	&traffic_lossy_records,
	&traffic_latest,
};

static const char *const names[] = {"fine", "lost",    "repeated",    "out of order",
				    "torn", "starved", "misnumbered", "broken"};

/* The ledger ---------------------------------------------------------------------------------- */

/* Relaxed, here and below: counts and flags, each alone; what counts is read after the processes
 * have ended. */
bool
traffic_over(const struct traffic_ledger *ledger)
{
	return shmq_load_relaxed_u64(&ledger->verdict) != TRAFFIC_FINE;
}

void
traffic_report(struct traffic_ledger *ledger, enum traffic_verdict verdict, const char *what,
	       uint64_t number)
{
	const struct traffic *run = &ledger->run;
	uint64_t none = TRAFFIC_FINE;

	if (verdict == TRAFFIC_FINE || !shmq_cas_relaxed_u64(&ledger->verdict, &none, verdict) ||
	    verdict == run->plant)
		return;
	dprintf(STDERR_FILENO, "%s, %u x %u, place %d, seed %llu%s%s: %s: %s %llu\n",
		run->kind->name, run->senders, run->receivers, (int)run->on,
		(unsigned long long)run->seed, run->churn ? ", churn" : "",
		run->remove ? ", remove" : "", names[verdict], what, (unsigned long long)number);
}

void
traffic_count(struct traffic_end *end, uint64_t count)
{
	shmq_store_relaxed_u64(&end->me->count, count);
	if (!end->satisfied && count >= end->ledger->run.quota) {
		end->satisfied = true;
		shmq_add_relaxed_u64(&end->ledger->satisfied, 1);
	}
}

static unsigned char *
byte_of(const struct traffic_ledger *ledger, unsigned pair, uint64_t sequence)
{
	return ledger->bits + pair * (ledger->run.kind->limit / 8) + sequence / 8;
}

bool
traffic_bit(const struct traffic_ledger *ledger, unsigned receiver, unsigned sender,
	    uint64_t sequence)
{
	return *byte_of(ledger, receiver * TRAFFIC_CROWD + sender, sequence) >> sequence % 8 & 1;
}

void
traffic_set_bit(const struct traffic_ledger *ledger, unsigned receiver, unsigned sender,
		uint64_t sequence)
{
	*byte_of(ledger, receiver * TRAFFIC_CROWD + sender, sequence) |=
		(unsigned char)(1u << sequence % 8);
}

void
traffic_clear_bits(const struct traffic_ledger *ledger, unsigned receiver, uint64_t end)
{
	memset(byte_of(ledger, receiver * TRAFFIC_CROWD, 0), 0, end / 8 + 1);
}

uint64_t
traffic_owed(const struct traffic_ledger *ledger, unsigned sender)
{
	const struct traffic_member *m = &ledger->senders[sender];

	return shmq_load_relaxed_u64(ledger->run.remove ? &m->safe : &m->count);
}

/* Verdicts that kinds have in common ---------------------------------------------------------- */

static unsigned
receivers_of(const struct traffic_ledger *ledger, unsigned sender, uint64_t sequence)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ledger->run.receivers; i++)
		count += traffic_bit(ledger, i, sender, sequence);
	return count;
}

enum traffic_verdict
traffic_each_to_one(const struct traffic_ledger *ledger)
{
	for (unsigned s = 0; s < ledger->run.senders; s++) {
		for (uint64_t n = 0; n < ledger->senders[s].count; n++) {
			unsigned count = receivers_of(ledger, s, n);

			if (count > 1)
				return TRAFFIC_REPEATED;
			if (count == 0 && n < traffic_owed(ledger, s))
				return TRAFFIC_LOST;
		}
	}
	return TRAFFIC_FINE;
}

enum traffic_verdict
traffic_stay_is_whole(const struct traffic_reader *reader, bool drained)
{
	const struct traffic_ledger *l = reader->end.ledger;
	uint64_t owed = traffic_owed(l, 0), next = reader->next[0][0];

	if (reader->got == 0)
		return drained && owed > reader->sent_after + TRAFFIC_UNCOUNTED ? TRAFFIC_LOST
										: TRAFFIC_FINE;
	if (next - reader->first != reader->got + reader->lost)
		return TRAFFIC_LOST;
	if (drained && next < owed)
		return TRAFFIC_LOST;
	if (reader->end.me->stays == 0 && !l->run.kind->newest && reader->first != 0)
		return TRAFFIC_LOST;
	return TRAFFIC_FINE;
}

/* Members ------------------------------------------------------------------------------------- */

bool
traffic_join(struct traffic_end *end)
{
	int err = shmq_attach(&end->q, end->ledger->address, end->role);

	if (end->ledger->run.remove && (err == -ENOENT || err == -EIDRM))
		return false;
	SAME(0, err);
	return true;
}

void
traffic_leave(struct traffic_end *end)
{
	SAME(0, shmq_detach(end->q));
	end->q = NULL;
}

int64_t
traffic_timeout(struct traffic_end *end)
{
	uint64_t chance = random_below(&end->seed, 3);

	if (chance == 0)
		return 0;
	return chance == 1 ? SHMQ_FOREVER : (int64_t)random_below(&end->seed, 300000);
}

static void
start(struct traffic_ledger *l, bool receiver, unsigned i)
{
	struct traffic_end end = {.ledger = l, .index = i};

	end.me = receiver ? &l->receivers[i] : &l->senders[i];
	end.seed = l->run.seed * 100 + i + (receiver ? TRAFFIC_CROWD : 0);
	for (unsigned k = 0; k < TRAFFIC_BATCH; k++) {
		end.room[k] = malloc(l->run.kind->opts.msg_max + 1);
		MUST(end.room[k] != NULL);
	}
	end.me->pid = process_start(receiver ? traffic_receive : traffic_send, &end);
	for (unsigned k = 0; k < TRAFFIC_BATCH; k++)
		free(end.room[k]);
	gate_pass(l->arrived);
}

/* The watch ----------------------------------------------------------------------------------- */

struct watch {
	struct traffic_ledger *ledger;
	unsigned running;
	uint64_t seen[MEMBERS + 1];
	int64_t since[MEMBERS + 1]; /* the last: all of them together */
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct traffic_member *
member(struct traffic_ledger *l, unsigned i)
{
	return i < TRAFFIC_CROWD ? &l->senders[i] : &l->receivers[i - TRAFFIC_CROWD];
}

/* Whether it has not moved for so long that it must be starved. */
static bool
stands_still(struct watch *w, unsigned i, uint64_t count)
{
	unsigned patience = w->ledger->run.patience_ms ? w->ledger->run.patience_ms : 60000;

	if (w->seen[i] != count || w->since[i] == 0) {
		w->seen[i] = count;
		w->since[i] = now_ms();
	}
	return now_ms() - w->since[i] > (int64_t)patience;
}

static void
look_for_starved(struct watch *w)
{
	uint64_t all = w->running;

	for (unsigned i = 0; i < MEMBERS; i++) {
		const struct traffic_member *m = member(w->ledger, i);
		uint64_t count = shmq_load_relaxed_u64(&m->count);

		all += count;
		if (m->pid && count < w->ledger->run.quota && stands_still(w, i, count))
			traffic_report(w->ledger, TRAFFIC_STARVED, "member", i);
	}
	if (stands_still(w, MEMBERS, all))
		traffic_report(w->ledger, TRAFFIC_STARVED, "all; still there:", w->running);
}

static void
bury(struct watch *w)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct traffic_member *m = member(w->ledger, i);
		int status;

		if (m->pid == 0 || waitpid(m->pid, &status, WNOHANG) != m->pid)
			continue;
		m->pid = 0;
		w->running--;
		if (status)
			traffic_report(w->ledger, TRAFFIC_BROKEN, "member", i);
	}
}

static void
end_all(struct watch *w)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct traffic_member *m = member(w->ledger, i);

		if (m->pid)
			kill(m->pid, SIGKILL);
		while (m->pid && waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		m->pid = 0;
	}
}

/* In the middle of the traffic; whoever sees the flag down has sent long before the removal. */
static void
remove_in_the_middle(struct traffic_ledger *l)
{
	if (l->removing || shmq_load_relaxed_u64(&l->satisfied) < l->run.senders)
		return;
	shmq_store_relaxed_u32(&l->removing, 1);
	poll(NULL, 0, TICK_MS);
	SAME(0, shmq_remove(l->address));
}

static void
watch_all(struct traffic_ledger *l)
{
	struct watch w = {.ledger = l, .running = l->run.senders + l->run.receivers};

	while (w.running && !traffic_over(l)) {
		if (l->run.remove)
			remove_in_the_middle(l);
		poll(NULL, 0, TICK_MS);
		bury(&w);
		look_for_starved(&w);
	}
	end_all(&w);
}

/* A run --------------------------------------------------------------------------------------- */

static struct traffic_ledger *
open_ledger(const struct traffic *run)
{
	struct traffic_ledger *l = process_share(sizeof(*l));

	l->run = *run;
	l->arrived = gate_new();
	l->go = gate_new();
	l->bits = process_share(TRAFFIC_CROWD * TRAFFIC_CROWD * run->kind->limit / 8);
	return l;
}

static void
close_ledger(struct traffic_ledger *l)
{
	close(l->arrived);
	close(l->go);
	munmap(l->bits, TRAFFIC_CROWD * TRAFFIC_CROWD * l->run.kind->limit / 8);
	munmap(l, sizeof(*l));
}

static void
close_place(struct place *place, bool removed)
{
	if (!removed)
		place_remove(place);
	else if (place->fd >= 0)
		close(place->fd);
}

enum traffic_verdict
traffic_run(const struct traffic *run)
{
	struct place place = place_queue(run->on, 0, &run->kind->opts);
	struct traffic_ledger *l = open_ledger(run);
	enum traffic_verdict verdict;

	memcpy(l->address, place.attach, sizeof(l->address));
	for (unsigned i = 0; i < run->receivers; i++)
		start(l, true, i);
	for (unsigned i = 0; i < run->senders; i++)
		start(l, false, i);
	for (unsigned i = 0; i < run->senders + run->receivers; i++)
		gate_open(l->go);
	watch_all(l);
	if (!traffic_over(l) && run->kind->settle)
		traffic_report(l, run->kind->settle(l), "when all was over", 0);
	verdict = (enum traffic_verdict)l->verdict;
	close_place(&place, l->removing);
	close_ledger(l);
	return verdict;
}
