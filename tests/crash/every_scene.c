/* SPDX-License-Identifier: MIT */
/*
 * A trial's queue, its others, and the state that the victim meets. One process does all that the
 * others do, in an order that is the same each time.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "every.h"
#include "support/process.h"
#include "support/trace.h"

static const enum every_sender sender_of[SEATS] = {
	[OUT] = BY_OUT, [IN] = SENDERS, [NEWCOMER] = BY_NEWCOMER};
static const enum every_reader reader_of[SEATS] = {
	[OUT] = READERS, [IN] = IN_READER, [NEWCOMER] = NEW_READER};

/* The others ---------------------------------------------------------------------------------- */

struct shmq *
every_attach(struct every_scene *s, unsigned role)
{
	/* Where the victim only stands, the others ask to be told of ends; there are none. */
	bool asks = s->stop && !(role == SHMQ_PRODUCER && every_overwrites(s->kind)) &&
		    !s->operation->attaches && !s->operation->detaches &&
		    !s->operation->gives_back && !s->state->sleeper && !s->state->corpse;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, s->place.attach, role | (asks ? SHMQ_HANGUP : 0)));
	return q;
}

bool
every_sits(const struct every_scene *s, enum every_seat seat, unsigned role)
{
	unsigned of[SEATS] = {
		[OUT] = SHMQ_PRODUCER, [IN] = SHMQ_CONSUMER, [NEWCOMER] = s->operation->role};

	return s->seat[seat] && of[seat] == role;
}

static void
stand_up(struct every_scene *s, enum every_seat seat)
{
	SAME(0, shmq_detach(s->seat[seat]));
	s->seat[seat] = NULL;
	if (seat == IN)
		s->account.reads[IN_READER] = false;
}

int
every_send(struct every_scene *s, enum every_seat seat, int64_t timeout_ns)
{
	enum every_sender sender = sender_of[seat];
	uint64_t id = EVERY_ID(sender, s->account.next[sender]);
	unsigned char bytes[EVERY_MSG_MAX];
	size_t length = every_fill(s->kind, id, bytes);
	int err = shmq_send(s->seat[seat], bytes, length, timeout_ns);

	if (err)
		return err;
	s->account.next[sender]++;
	every_account_sent(&s->account, id);
	return 0;
}

/* It was too slow, and has been put out: that is documented, and so is that it may come again. */
static ssize_t
come_again(struct every_scene *s, enum every_seat seat)
{
	stand_up(s, seat);
	s->seat[seat] = every_attach(s, SHMQ_CONSUMER);
	for (unsigned i = 0; i < s->account.n; i++) /* before that, or after: who knows */
		s->account.entries[i].floats |= s->account.entries[i].maybe_sent;
	every_account_joins(&s->account, reader_of[seat], s->account.n);
	return -EAGAIN;
}

ssize_t
every_recv(struct every_scene *s, enum every_seat seat, int64_t timeout_ns)
{
	struct shmq_info info = {.size = sizeof(info)};
	unsigned char bytes[EVERY_MSG_MAX];
	ssize_t length = shmq_recv(s->seat[seat], bytes, sizeof(bytes), timeout_ns);

	if (length == -ESTALE && s->kind->opts.slow_limit)
		return come_again(s, seat);
	if (length < 0)
		return length;
	SAME(0, shmq_info(s->seat[seat], &info));
	every_account_got(&s->account, reader_of[seat], every_read(s->kind, bytes, (size_t)length),
			  info.lost);
	return length;
}

/* The state ----------------------------------------------------------------------------------- */

static void
pass_along(struct every_scene *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		SAME(0, every_send(s, OUT, 0));
		MUST(every_recv(s, IN, 0) >= 0);
	}
}

/* What the victim gets comes when it is there; elsewhere it finds what is there. */
static bool
victim_receives(const struct every_scene *s)
{
	return s->operation->role == SHMQ_CONSUMER && !s->operation->attaches &&
	       !s->operation->detaches;
}

/* How many messages wait; -1: as many as fit. */
static int
how_many(const struct every_scene *s)
{
	if (s->state->sleeper)
		return s->operation->role == SHMQ_CONSUMER ? -1 : 0;
	if (s->state->fill >= 0)
		return s->state->fill;
	if (s->kind->opts.slow_limit)
		return (int)s->kind->opts.slow_limit;
	return every_overwrites(s->kind) ? EVERY_CAPACITY : -1;
}

static void
fill(struct every_scene *s)
{
	/* Of a lossless stream the victim, or the corpse, shall be the one behind. */
	bool keep_up = s->seat[IN] && every_stream(s->kind) && !every_overwrites(s->kind) &&
		       victim_receives(s);
	int n = how_many(s);

	for (int i = 0; n < 0 || i < n; i++) {
		int err = every_send(s, OUT, 0);

		if (n < 0 && err == -EAGAIN && i > 0)
			break;
		SAME(0, err);
		if (keep_up)
			MUST(every_recv(s, IN, 0) >= 0);
	}
}

static void
start_victim(struct every_scene *s)
{
	s->victim = victim_start(every_be_victim, s);
	if (s->operation->role == SHMQ_CONSUMER && every_stream(s->kind) &&
	    !s->operation->attaches) {
		every_account_joins(&s->account, VICTIM_READER, s->account.n);
		s->account.reads[VICTIM_READER] = false; /* unless it lives */
	}
}

/* It lives, for now, so that nobody takes its entry. */
static void
start_corpse(struct every_scene *s)
{
	int status = 0;

	if (s->state->corpse == DIED_CLAIMING && every_single(s->kind, SHMQ_PRODUCER))
		stand_up(s, OUT);
	if (s->state->corpse == DIED_HOLDING && every_single(s->kind, SHMQ_CONSUMER))
		stand_up(s, IN);
	s->corpse = process_start(every_be_corpse, s);
	SAME(s->corpse, waitpid(s->corpse, &status, WUNTRACED));
	MUST(WIFSTOPPED(status));
}

/*
 * What the corpse held: MPMC gives it to another, or drops it; elsewhere it comes again in its
 * place.
 */
static void
note_held(struct every_scene *s)
{
	struct every_account *a = &s->account;

	if (s->state->corpse != DIED_HOLDING || s->kind->opts.kind != SHMQ_MPMC)
		return;
	for (unsigned i = 0; i < a->n; i++) {
		if (a->entries[i].seen)
			continue;
		a->entries[i].again = every_redelivers(s->kind);
		a->entries[i].maybe_taken = !every_redelivers(s->kind);
		a->entries[i].corpse = true;
		return;
	}
}

static void
contend(struct every_scene *s)
{
	if (s->seat[IN] && every_peeks(s->kind) && every_account_due(&s->account, IN_READER)) {
		SAME(0, shmq_peek(s->seat[IN], &s->held, 0));
		if (s->kind->opts.kind == SHMQ_MPMC) {
			uint64_t id = every_read(s->kind, s->held.iov_base, s->held.iov_len);

			every_account_got(&s->account, IN_READER, id, 0);
		}
	}
	if (s->seat[OUT]) {
		SAME(0, shmq_reserve(s->seat[OUT], &s->claimed, s->kind->opts.msg_max, 0));
		memset(s->claimed.iov_base, 0x77, s->claimed.iov_len);
	}
}

/* What is in the hands of the others is done now. */
void
every_finish_contended(struct every_scene *s)
{
	if (s->claimed.iov_base) {
		uint64_t id = EVERY_ID(BY_OUT, s->account.next[BY_OUT]++);

		s->claimed.iov_len = every_fill(s->kind, id, s->claimed.iov_base);
		SAME(0, shmq_commit(s->seat[OUT], &s->claimed));
		every_account_sent(&s->account, id)->floats = s->kind->opts.kind == SHMQ_MPMC;
		s->claimed.iov_base = NULL;
	}
	if (s->held.iov_base) {
		uint64_t id = every_read(s->kind, s->held.iov_base, s->held.iov_len);

		SAME(0, shmq_release(s->seat[IN], &s->held));
		if (s->kind->opts.kind != SHMQ_MPMC)
			every_account_got(&s->account, IN_READER, id, 0);
		s->held.iov_base = NULL;
	}
}

static void
start_sleeper(struct every_scene *s)
{
	unsigned role = s->operation->role ^ (SHMQ_PRODUCER | SHMQ_CONSUMER);
	enum every_seat seat = role == SHMQ_PRODUCER ? OUT : IN;

	if (every_single(s->kind, role))
		stand_up(s, seat);
	else if (role == SHMQ_CONSUMER && every_stream(s->kind))
		every_account_joins(&s->account, SLEEPER_READER, s->account.n);
	s->sleeper = process_start(every_be_sleeper, s);
	process_await_call(s->sleeper, SYS_futex);
	if (role == SHMQ_CONSUMER)
		return;
	/* MPSC: it has filled its own lane before. The last one it has not sent yet. */
	while (s->account.next[BY_SLEEPER] <= s->results->slept_early) {
		uint64_t id = EVERY_ID(BY_SLEEPER, s->account.next[BY_SLEEPER]++);

		s->slept_for = every_account_sent(&s->account, id);
		s->slept_for->floats = true;
	}
	s->slept_for->maybe_sent = true;
}

/*
 * A sleeper wakes once a slice and looks, which changes words: not while changes are counted.
 * Stopped, it is in its futex again when it goes on, unless there was news.
 */
void
every_freeze_sleeper(struct every_scene *s, bool freeze)
{
	int status = 0;

	if (!s->sleeper || s->frozen == freeze)
		return;
	s->frozen = freeze;
	SAME(0, kill(s->sleeper, freeze ? SIGSTOP : SIGCONT));
	if (freeze)
		SAME(s->sleeper, waitpid(s->sleeper, &status, WUNTRACED));
}

/* What may be missing, and come to be, by the victim's hand. */
static void
expect(struct every_scene *s)
{
	const struct every_operation *operation = s->operation;
	struct every_account *a = &s->account;
	unsigned left = operation->messages;

	if (operation->role == SHMQ_PRODUCER) {
		for (unsigned i = 0; i < left; i++) {
			struct every_entry *e = every_account_sent(a, EVERY_ID(BY_VICTIM, i));

			e->maybe_sent = true;
			e->floats = every_many(s->kind, SHMQ_PRODUCER);
		}
		return;
	}
	for (unsigned i = 0; i < a->n && left && !every_stream(s->kind); i++) {
		if (a->entries[i].seen || a->entries[i].corpse)
			continue;
		a->entries[i].maybe_taken = true;
		a->entries[i].again = every_redelivers(s->kind) || operation->gives_back;
		left--;
	}
}

/*
 * How many have an entry at most: exactly so many there are, so that who comes later gets one of
 * the dead.
 */
static unsigned
entries_of(const struct every_scene *s, unsigned role)
{
	enum every_corpse corpse = role == SHMQ_PRODUCER ? DIED_CLAIMING : DIED_HOLDING;
	unsigned n = 1;

	if (role == SHMQ_CONSUMER && every_overwrites(s->kind))
		return 0;
	if (every_single(s->kind, role))
		return 1;
	n += s->operation->role == role;
	n += s->state->sleeper && s->operation->role != role;
	n += s->state->corpse == corpse && !s->operation->attaches;
	return n;
}

static void
make_queue(struct every_scene *s)
{
	struct shmq_opts opts = s->kind->opts;

	/*
	 * Where the victim is not dead, somebody will try to get its role, and needs an entry for
	 * that.
	 */
	opts.participants = entries_of(s, SHMQ_PRODUCER) + entries_of(s, SHMQ_CONSUMER) + s->stop;
	s->place = place_queue(s->place.on, 0, &opts);
	s->seat[OUT] = every_attach(s, SHMQ_PRODUCER);
	s->seat[IN] = every_attach(s, SHMQ_CONSUMER);
	every_account_joins(&s->account, IN_READER, 0);
	if (s->state->wraps)
		pass_along(s, EVERY_CAPACITY - 1);
}

/* A reader that holds a stream up has been there before the messages. */
static void
fill_and_hold(struct every_scene *s)
{
	fill(s);
	if (s->state->corpse && !s->corpse)
		start_corpse(s);
}

static void
let_it_die(struct every_scene *s)
{
	if (!s->corpse)
		return;
	note_held(s);
	if (s->state->corpse == DIED_CLAIMING && s->seat[OUT])
		SAME(0, every_send(s, OUT, 0)); /* behind the claim */
	process_kill(s->corpse);
	s->corpse = 0;
}

void
every_scene_set(struct every_scene *s)
{
	enum every_seat same = s->operation->role == SHMQ_PRODUCER ? OUT : IN;

	every_account_begin(&s->account, s->kind);
	s->before = leak_count();
	make_queue(s);
	if (s->state->corpse == DIED_HOLDING && every_stream(s->kind))
		start_corpse(s);
	if (!victim_receives(s))
		fill_and_hold(s);
	if (every_single(s->kind, s->operation->role) && s->seat[same])
		stand_up(s, same);
	start_victim(s);
	if (victim_receives(s))
		fill_and_hold(s);
	let_it_die(s);
	if (s->state->contended)
		contend(s);
	if (s->state->sleeper)
		start_sleeper(s);
	expect(s);
	if (s->kind->opts.kind == SHMQ_MPMC)
		every_words_look(&s->words, &s->place);
}

static void
end(pid_t *pid)
{
	if (*pid > 0 && kill(*pid, SIGKILL) == 0)
		(void)waitpid(*pid, NULL, __WALL);
	*pid = 0;
}

void
every_scene_clear(struct every_scene *s)
{
	end(&s->victim);
	end(&s->sleeper);
	end(&s->corpse);
	for (enum every_seat seat = 0; seat < SEATS; seat++) {
		if (s->seat[seat])
			(void)shmq_detach(s->seat[seat]);
		s->seat[seat] = NULL;
	}
	if (!s->place.create[0])
		return;
	(void)shmq_remove(s->place.attach);
	if (s->place.fd >= 0)
		close(s->place.fd);
	(void)shmq_gc(0, NULL, NULL);
}
