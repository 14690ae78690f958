/* SPDX-License-Identifier: MIT */
/* A receiver: every way to receive, by chance; and what it makes of what it gets. */
#include "stress/traffic.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "support/process.h"

#define LATE_NS INT64_C(5000000000)

struct way {
	ssize_t (*receive)(struct traffic_reader *r, int64_t timeout_ns);
};

static const struct traffic_kind *
kind_of(const struct traffic_reader *r)
{
	return r->end.ledger->run.kind;
}

static void
report(struct traffic_reader *r, enum traffic_verdict verdict, const char *what, uint64_t number)
{
	if (verdict != TRAFFIC_FINE)
		traffic_report(r->end.ledger, verdict, what, number);
}

/* What is received ---------------------------------------------------------------------------- */

static bool
read_letter(struct traffic_reader *r, struct letter *letter, const void *bytes, size_t length)
{
	const struct traffic *run = &r->end.ledger->run;

	if (letter_read(letter, bytes, length, run->kind->opts.msg_max) &&
	    letter->sender < run->senders && letter->sequence < run->kind->limit)
		return true;
	report(r, TRAFFIC_TORN, "a letter of so many bytes", length);
	return false;
}

static struct shmq_info
info_of(const struct traffic_reader *r)
{
	struct shmq_info info = {.size = sizeof(info)};

	SAME(0, shmq_info(r->end.q, &info));
	MUST(info.deliveries >= 1);
	return info;
}

/* The first letter of a stay: where we have come in. */
static void
begin_stay(struct traffic_reader *r, const struct letter *letter, uint64_t lost)
{
	uint64_t first = letter->sequence - lost;

	r->first = first;
	if (!kind_of(r)->afresh || kind_of(r)->newest)
		return;
	if (first > r->sent_after + TRAFFIC_UNCOUNTED)
		report(r, TRAFFIC_LOST, "what was sent after we came, before", first);
	if (!r->from_oldest && first < r->sent_before)
		report(r, TRAFFIC_REPEATED, "sent before we came:", first);
}

/* The same value once more, which is no fault of a queue that keeps the newest. */
static bool
is_no_news(const struct traffic_reader *r, const struct letter *letter,
	   const struct shmq_info *info)
{
	return kind_of(r)->newest && r->got > 0 && info->sequence == r->number &&
	       letter->sequence + 1 == r->next[letter->sender][0];
}

static void
check_order(struct traffic_reader *r, const struct letter *letter)
{
	struct traffic_ledger *l = r->end.ledger;
	unsigned stay = l->run.kind->lanes ? letter->stay % TRAFFIC_STAYS : 0;
	uint64_t *next = &r->next[letter->sender][stay];
	bool returned = l->run.kind->returns && l->run.churn;

	if (traffic_bit(l, r->end.index, letter->sender, letter->sequence))
		report(r, TRAFFIC_REPEATED, "letter", letter->sequence);
	else if (letter->sequence < *next && !returned)
		report(r, TRAFFIC_DISORDER, "letter", letter->sequence);
	if (letter->sequence >= *next)
		*next = letter->sequence + 1;
}

/* A letter is received; `info` when it is the last one. */
static void
account(struct traffic_reader *r, const struct letter *letter, const struct shmq_info *info)
{
	const struct traffic_kind *kind = kind_of(r);

	if (info && is_no_news(r, letter, info))
		return;
	check_order(r, letter);
	traffic_set_bit(r->end.ledger, r->end.index, letter->sender, letter->sequence);
	r->got++;
	traffic_count(&r->end, r->end.me->count + 1);
	if (!kind->numbered || !info)
		return;
	r->number = info->sequence;
	r->misnumbered = r->misnumbered || info->sequence != letter->sequence ||
			 (!kind->counts_loss && info->lost != 0);
}

/* As shmq_qstat() counts them for this handle; it takes its time. */
static uint64_t
lost_in_all(const struct traffic_reader *r)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_qstat(r->end.q, &st));
	return st.lost;
}

/* One letter, received alone. */
static ssize_t
received(struct traffic_reader *r, const struct letter *letter)
{
	struct shmq_info info = info_of(r);
	bool news = !is_no_news(r, letter, &info);

	if (r->got == 0)
		begin_stay(r, letter, kind_of(r)->newest ? 0 : info.lost);
	if (news && !(kind_of(r)->newest && r->got == 0))
		r->lost += info.lost;
	account(r, letter, &info);
	return 1;
}

/* Ways ---------------------------------------------------------------------------------------- */

static ssize_t
by_recv(struct traffic_reader *r, int64_t timeout_ns)
{
	size_t room = kind_of(r)->opts.msg_max;
	ssize_t length = shmq_recv(r->end.q, r->end.room[0], room, timeout_ns);
	struct letter letter;

	if (length < 0)
		return length;
	if (!read_letter(r, &letter, r->end.room[0], (size_t)length))
		return 0;
	return received(r, &letter);
}

static ssize_t
by_batch(struct traffic_reader *r, int64_t timeout_ns)
{
	size_t n = 1 + random_below(&r->end.seed, TRAFFIC_BATCH);
	struct letter letters[TRAFFIC_BATCH];
	struct iovec v[TRAFFIC_BATCH];
	struct shmq_info info;
	ssize_t got;

	if (kind_of(r)->no_batch || (kind_of(r)->counts_loss && random_below(&r->end.seed, 16)))
		return by_recv(r, timeout_ns);
	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){r->end.room[i], kind_of(r)->opts.msg_max};
	got = shmq_recv_batch(r->end.q, v, n, timeout_ns);
	if (got <= 0)
		return got;
	for (unsigned i = 0; i < (unsigned)got; i++)
		if (!read_letter(r, &letters[i], v[i].iov_base, v[i].iov_len))
			return 0;
	info = info_of(r);
	if (kind_of(r)->counts_loss)
		r->lost = lost_in_all(r);
	/* What was lost within the first batch of all may lie before or behind its first letter. */
	if (r->got == 0)
		begin_stay(r, &letters[got - 1], r->lost + (uint64_t)got - 1);
	for (unsigned i = 0; i < (unsigned)got; i++)
		account(r, &letters[i], i + 1 == (unsigned)got ? &info : NULL);
	return got;
}

static ssize_t
by_release(struct traffic_reader *r, int64_t timeout_ns)
{
	struct iovec message;
	struct letter letter;
	bool whole;
	int err;

	if (kind_of(r)->no_peek)
		return by_recv(r, timeout_ns);
	err = shmq_peek(r->end.q, &message, timeout_ns);
	if (err)
		return err;
	MUST(((uintptr_t)message.iov_base & 7) == 0);
	whole = read_letter(r, &letter, message.iov_base, message.iov_len);
	SAME(-EBUSY, shmq_recv(r->end.q, r->end.room[0], 0, 0));
	SAME(0, shmq_release(r->end.q, &message));
	return whole ? received(r, &letter) : 0;
}

/* No room for any letter: it stays. */
static ssize_t
too_short(struct traffic_reader *r, int64_t timeout_ns)
{
	ssize_t got = shmq_recv(r->end.q, r->end.room[0], sizeof(struct letter) - 1, timeout_ns);

	return got == -EMSGSIZE ? 0 : got < 0 ? got : -EBADMSG;
}

static const struct way ways[] = {{by_recv}, {by_batch}, {by_release}, {too_short}};

/* Stays --------------------------------------------------------------------------------------- */

static bool
join(struct traffic_reader *r)
{
	const struct traffic_ledger *l = r->end.ledger;
	bool joined;

	r->from_oldest = l->run.kind->oldest && random_below(&r->end.seed, 2);
	r->end.role = SHMQ_CONSUMER | SHMQ_HANGUP | (r->from_oldest ? SHMQ_OLDEST : 0);
	r->first = r->got = r->lost = r->number = 0;
	r->misnumbered = false;
	if (l->run.kind->afresh) {
		traffic_clear_bits(l, r->end.index, r->next[0][0]);
		r->next[0][0] = 0;
	}
	/* Relaxed: what it counts was sent before. */
	r->sent_before = shmq_load_relaxed_u64(&l->senders[0].count);
	joined = traffic_join(&r->end);
	r->sent_after = shmq_load_relaxed_u64(&l->senders[0].count);
	return joined;
}

static void
leave(struct traffic_reader *r, bool drained)
{
	const struct traffic_kind *kind = kind_of(r);

	if (kind->left)
		report(r, kind->left(r, drained),
		       drained ? "drained up to" : "at the end of a stay, before", r->next[0][0]);
	if (r->misnumbered)
		report(r, TRAFFIC_MISNUMBERED, "in stay", r->end.me->stays);
	traffic_leave(&r->end);
	/* Relaxed: ours. */
	shmq_store_relaxed_u64(&r->end.me->stays, r->end.me->stays + 1);
}

/* As often as not with a message in its hand. */
static void
come_again(struct traffic_reader *r)
{
	struct iovec message;

	if (!kind_of(r)->no_peek && random_below(&r->end.seed, 2))
		(void)shmq_peek(r->end.q, &message, 0);
	leave(r, false);
	MUST(join(r));
}

/* The loop ------------------------------------------------------------------------------------ */

/*
 * One that comes after the last sender has left may find that another has been told of the end
 * already: then that there is nothing is the end. It may come before that sender is counted, too:
 * so it does not wait for ever.
 */
static bool
may_come_late(const struct traffic *run)
{
	return run->churn || run->kind->ejects;
}

static ssize_t
receive_somehow(struct traffic_reader *r, bool done)
{
	const struct traffic *run = &r->end.ledger->run;
	size_t way = random_below(&r->end.seed, sizeof(ways) / sizeof(ways[0]));
	int64_t timeout_ns = traffic_timeout(&r->end);

	if (may_come_late(run) && (done || timeout_ns == SHMQ_FOREVER))
		timeout_ns = done ? 0 : LATE_NS;
	return ways[way].receive(r, timeout_ns);
}

/* Whether this answer is the end. */
static bool
is_end(struct traffic_reader *r, ssize_t answer, bool done)
{
	const struct traffic *run = &r->end.ledger->run;

	if (answer == -EIDRM && run->remove)
		return true;
	if (answer == -EPIPE)
		return done;
	if (answer == -EAGAIN || answer == -ETIMEDOUT)
		return done && may_come_late(run);
	if (answer == -ESTALE && run->kind->ejects) {
		leave(r, false);
		return !join(r);
	}
	SAME(0, answer < 0 ? answer : 0);
	return false;
}

static bool
receive_one(struct traffic_reader *r)
{
	const struct traffic_ledger *l = r->end.ledger;
	/* Relaxed: who has left has sent before. */
	bool done = shmq_load_relaxed_u64(&l->gone) == l->run.senders;
	ssize_t got = receive_somehow(r, done);

	if (is_end(r, got, done))
		return false;
	if (got < 0)
		sched_yield();
	if (l->run.churn && !done && random_below(&r->end.seed, 100) == 0)
		come_again(r);
	return true;
}

void
traffic_receive(void *arg)
{
	static struct traffic_reader r;
	struct traffic_ledger *l;

	r.end = *(struct traffic_end *)arg;
	l = r.end.ledger;
	MUST(join(&r));
	gate_open(l->arrived);
	gate_pass(l->go);
	while (l->run.plant == TRAFFIC_STARVED && r.end.index == 0)
		pause();
	while (receive_one(&r))
		continue;
	if (r.end.q)
		leave(&r, true);
}
