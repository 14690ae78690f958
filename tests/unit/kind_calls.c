/* SPDX-License-Identifier: MIT */
/*
 * Every kind times every call on a queue handle: it works, which is asserted by what it does, or it
 * is the error that shmq.h documents. The run is written down as a table (docs/kinds.md).
 */
#include "kinds.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmq/inline.h>

TestSuite(kind_calls, .init = unit_begin, .fini = place_end);

/* Each call, in a queue of its own: 0 when it works, else what it said. */
struct call {
	const char *name;
	int (*test)(struct pair *pair);
};

static int
nothing_more(struct pair *pair)
{
	char buf[KIND_MSG_MAX];

	if (!pair->kind->newest)
		SAME(-EAGAIN, shmq_recv(pair->rx, buf, sizeof(buf), 0));
	return 0;
}

static int
test_send(struct pair *pair)
{
	SAME(0, shmq_send(pair->tx, "s", 1, SHMQ_FOREVER));
	SAME(1, place_stat(&pair->p).sent);
	pair_recv(pair, 's');
	return nothing_more(pair);
}

static int
test_recv(struct pair *pair)
{
	char buf[2] = "";

	pair_send(pair, 'a');
	SAME(1, shmq_recv(pair->rx, buf, sizeof(buf), SHMQ_FOREVER));
	SAME('a', buf[0]);
	pair_send(pair, 'b');
	pair_recv(pair, 'b');
	return nothing_more(pair);
}

static int
test_send_batch(struct pair *pair)
{
	struct iovec v[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
	ssize_t sent = shmq_send_batch(pair->tx, v, 3, 0);

	if (sent < 0) {
		SAME(0, place_stat(&pair->p).sent);
		return (int)sent;
	}
	SAME(3, sent);
	for (char c = 'a'; c <= 'c'; c++)
		pair_recv(pair, c);
	return nothing_more(pair);
}

static int
test_recv_batch(struct pair *pair)
{
	char buf[4][8];
	struct iovec v[4];
	ssize_t got;

	for (int i = 0; i < 4; i++)
		v[i] = (struct iovec){buf[i], sizeof(buf[i])};
	for (char c = 'a'; c <= 'c'; c++)
		pair_send(pair, c);
	got = shmq_recv_batch(pair->rx, v, 4, 0);
	if (got < 0) {
		pair_recv(pair, 'c');
		return (int)got;
	}
	SAME(3, got);
	for (int i = 0; i < 3; i++)
		MUST(v[i].iov_len == 1 && buf[i][0] == "abc"[i]);
	return nothing_more(pair);
}

static int
test_reserve(struct pair *pair)
{
	struct iovec slot;
	int err = shmq_reserve(pair->tx, &slot, KIND_MSG_MAX, 0);

	if (err)
		return err;
	SAME(KIND_MSG_MAX, slot.iov_len);
	SAME(0, (uintptr_t)slot.iov_base & 7);
	memset(slot.iov_base, 'x', slot.iov_len);
	SAME(0, place_stat(&pair->p).depth);
	return nothing_more(pair); /* detach aborts it */
}

static int
test_commit(struct pair *pair)
{
	struct iovec slot;

	SAME(0, shmq_reserve(pair->tx, &slot, KIND_MSG_MAX, 0));
	memcpy(slot.iov_base, "c", 1);
	slot.iov_len = 1;
	SAME(0, shmq_commit(pair->tx, &slot));
	pair_recv(pair, 'c');
	pair_send(pair, 'd');
	pair_recv(pair, 'd');
	return nothing_more(pair);
}

static int
test_abort(struct pair *pair)
{
	struct iovec slot;

	SAME(0, shmq_reserve(pair->tx, &slot, KIND_MSG_MAX, 0));
	memset(slot.iov_base, 'x', slot.iov_len);
	SAME(0, shmq_abort(pair->tx, &slot));
	SAME(-EAGAIN, shmq_recv(pair->rx, (char[1]){0}, 1, 0));
	pair_send(pair, 'a');
	pair_recv(pair, 'a');
	SAME(1, place_stat(&pair->p).sent);
	return nothing_more(pair);
}

static int
test_peek(struct pair *pair)
{
	struct iovec msg = {NULL, 0}, again;
	int err;

	pair_send(pair, 'p');
	err = shmq_peek(pair->rx, &msg, 0);
	if (err) {
		MUST(msg.iov_base == NULL);
		pair_recv(pair, 'p');
		return err;
	}
	MUST(msg.iov_len == 1 && *(const char *)msg.iov_base == 'p');
	SAME(0, shmq_peek(pair->rx, &again, 0));
	MUST(again.iov_base == msg.iov_base);
	SAME(1, place_stat(&pair->p).depth);
	return 0; /* detach returns it */
}

static int
test_release(struct pair *pair)
{
	struct iovec msg = {pair, 0};

	pair_send(pair, 'p');
	pair_send(pair, 'q');
	(void)shmq_peek(pair->rx, &msg, 0);
	if (msg.iov_base == pair)
		return shmq_release(pair->rx, &msg);
	SAME(0, shmq_release(pair->rx, &msg));
	pair_recv(pair, 'q');
	return nothing_more(pair);
}

static int
test_info(struct pair *pair)
{
	struct shmq_info info = {.size = sizeof(info)};

	SAME(-EAGAIN, shmq_info(pair->rx, &info));
	for (unsigned i = 0; i < 3; i++) {
		pair_send(pair, 'i');
		pair_recv(pair, 'i');
		SAME(0, shmq_info(pair->rx, &info));
		SAME(i, info.sequence);
		SAME(0, info.lost);
		SAME(1, info.deliveries);
		MUST(info.sender >= 0);
	}
	return 0;
}

static int
readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms);
}

/* A message makes it readable; to receive all there is makes it unreadable, for a while. */
static int
test_fd(struct pair *pair)
{
	int fd = shmq_fd(pair->rx);
	bool rested = false;

	if (fd < 0)
		return fd;
	SAME(fd, shmq_fd(pair->rx));
	pair_send(pair, 'f');
	SAME(1, readable(fd, 10000));
	pair_recv(pair, 'f');
	for (int i = 0; i < 10000 && !rested && !pair->kind->newest; i++) {
		SAME(-EAGAIN, shmq_recv(pair->rx, (char[1]){0}, 1, 0));
		rested = readable(fd, 0) == 0;
	}
	MUST(rested || pair->kind->newest);
	return 0;
}

static int
test_qstat(struct pair *pair)
{
	struct shmq_stat st = {.size = sizeof(st)};

	pair_send(pair, 'q');
	SAME(0, shmq_qstat(pair->tx, &st));
	SAME(pair->kind->opts.kind, st.kind);
	SAME(KIND_MSG_MAX, st.msg_max);
	SAME(1, st.sent);
	SAME(1, st.depth);
	SAME(1, st.producers);
	SAME(1, st.consumers);
	SAME(0, st.lost + st.dead + st.redelivered);
	SAME(0, shmq_qstat(pair->rx, &st));
	SAME(1, st.depth);
	pair_recv(pair, 'q');
	SAME(0, shmq_qstat(pair->rx, &st));
	SAME(pair->kind->lossy, st.depth); /* lossy: it is still there */
	return 0;
}

static int
test_port_open(struct pair *pair)
{
	struct shmq_port tx = {0}, rx = {0};
	int err = shmq_port_open(&tx, pair->tx);
	char c = 0;

	SAME(err, shmq_port_open(&rx, pair->rx));
	if (err)
		return err;
	SAME(0, shmq_port_send(&tx, "o", 1));
	SAME(1, shmq_port_recv(&rx, &c, 1));
	SAME('o', c);
	return nothing_more(pair);
}

struct rows {
	unsigned producers, consumers;
};

static int
count_row(const struct shmq_participant *row, void *arg)
{
	struct rows *rows = arg;

	SAME(sizeof(*row), row->size);
	SAME(1, row->alive);
	rows->producers += row->roles == SHMQ_PRODUCER;
	rows->consumers += row->roles == SHMQ_CONSUMER;
	MUST(row->messages == 1 || row->roles == SHMQ_CONSUMER);
	return 0;
}

static int
test_participants(struct pair *pair)
{
	struct rows rows = {0, 0};

	pair_send(pair, 'p');
	SAME(0, shmq_participants(pair->p.attach, count_row, &rows));
	SAME(1, rows.producers);
	SAME(pair->kind->lossy ? 0 : 1, rows.consumers); /* who only reads has no entry */
	return 0;
}

static int
test_observer_recv(struct pair *pair)
{
	struct shmq *eye = unit_join(&pair->p, SHMQ_OBSERVER);
	char buf[KIND_MSG_MAX] = "";
	struct iovec v = {buf, sizeof(buf)};

	SAME(-EAGAIN, shmq_recv(eye, buf, sizeof(buf), 0));
	pair_send(pair, 'o');
	SAME(1, shmq_recv(eye, buf, sizeof(buf), SHMQ_FOREVER));
	SAME('o', buf[0]);
	SAME(1, place_stat(&pair->p).depth);
	pair_recv(pair, 'o');
	SAME(-EINVAL, shmq_send(eye, "x", 1, 0));
	SAME(-ENOTSUP, shmq_peek(eye, &v, 0));
	SAME(0, shmq_detach(eye));
	return nothing_more(pair);
}

/* Another handle with this role and flag; its error. */
static int
join_with(struct pair *pair, struct shmq **mine, unsigned role)
{
	SAME(0, shmq_detach(*mine));
	*mine = NULL;
	return shmq_attach(mine, pair->p.attach, role);
}

static int
test_oldest(struct pair *pair)
{
	int err;

	pair_send(pair, 'o');
	err = join_with(pair, &pair->rx, SHMQ_CONSUMER | SHMQ_OLDEST);
	if (err)
		return err;
	pair_recv(pair, 'o');
	return nothing_more(pair);
}

static int
test_hangup_consumer(struct pair *pair)
{
	int err = join_with(pair, &pair->rx, SHMQ_CONSUMER | SHMQ_HANGUP);

	if (err)
		return err;
	pair_send(pair, 'h');
	SAME(0, shmq_detach(pair->tx));
	pair->tx = NULL;
	pair_recv(pair, 'h');
	SAME(-EPIPE, shmq_recv(pair->rx, (char[1]){0}, 1, 0));
	return 0;
}

static int
test_hangup_producer(struct pair *pair)
{
	int err = join_with(pair, &pair->tx, SHMQ_PRODUCER | SHMQ_HANGUP);

	if (err)
		return err;
	pair_send(pair, 'h');
	SAME(0, shmq_detach(pair->rx));
	pair->rx = NULL;
	SAME(-EPIPE, shmq_send(pair->tx, "x", 1, 0));
	return 0;
}

static const struct call calls[] = {
	{"send", test_send},
	{"recv", test_recv},
	{"send_batch", test_send_batch},
	{"recv_batch", test_recv_batch},
	{"reserve", test_reserve},
	{"commit", test_commit},
	{"abort", test_abort},
	{"peek", test_peek},
	{"release", test_release},
	{"info", test_info},
	{"fd", test_fd},
	{"qstat", test_qstat},
	{"port_open", test_port_open},
	{"participants", test_participants},
	{"observer's recv", test_observer_recv},
	{"OLDEST", test_oldest},
	{"HANGUP, consumer", test_hangup_consumer},
	{"HANGUP, producer", test_hangup_producer},
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* What shmq.h says of this cell. */
static int
documented(const struct kind *kind, const char *call)
{
	if (strstr(call, "_batch") && !kind->batch)
		return -ENOTSUP;
	if (strcmp(call, "peek") == 0 && !kind->peek)
		return -ENOTSUP;
	if (strcmp(call, "release") == 0 && !kind->peek)
		return -EINVAL; /* nothing is ever peeked */
	if (strcmp(call, "port_open") == 0 && (kind->opts.kind != SHMQ_SPSC || kind->opts.flags))
		return -ENOTSUP;
	if (strcmp(call, "OLDEST") == 0 && kind->opts.kind != SHMQ_BROADCAST)
		return -ENOTSUP;
	if (strcmp(call, "HANGUP, producer") == 0 && kind->lossy)
		return -ENOTSUP;
	return 0;
}

/* The table ----------------------------------------------------------------------------------- */

static FILE *
open_table(unsigned row)
{
	const char *dir = getenv("SHMQ_KINDS_TABLE_DIR");
	char path[4096];
	FILE *table;

	if (!dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/%02u", dir, row);
	table = fopen(path, "w");
	MUST(table != NULL);
	return table;
}

static void
test_row(unsigned row)
{
	FILE *table = open_table(row);

	if (table)
		fprintf(table, "%s", kinds[row].name);
	for (size_t i = 0; i < CALLS; i++) {
		struct pair pair = pair_open(&kinds[row], ON_SHM);
		int err = calls[i].test(&pair);

		if (err != documented(&kinds[row], calls[i].name))
			cr_assert_fail("%s, %s: %d", kinds[row].name, calls[i].name, err);
		if (table)
			fprintf(table, "\t%s\t%s", calls[i].name,
				err == 0	 ? "works"
				: err == -EINVAL ? "-EINVAL"
						 : "-ENOTSUP");
		pair_close(&pair);
	}
	if (table)
		SAME(0, fputc('\n', table) == EOF || fclose(table) != 0);
}

ParameterizedTestParameters(kind_calls, test_kind_each_call_works_or_enotsup)
{
	static unsigned rows[KINDS];

	for (unsigned i = 0; i < KINDS; i++)
		rows[i] = i;
	return cr_make_param_array(unsigned, rows, KINDS);
}

ParameterizedTest(const unsigned *row, kind_calls, test_kind_each_call_works_or_enotsup)
{
	test_row(*row);
}

/* The same calls on the other backends, where nothing of the table may differ. */
Test(kind_calls, test_kind_each_call_other_backends_the_same)
{
	for (enum place_backend on = ON_SYSV; on < PLACES; on++)
		for (unsigned row = 0; row < KINDS; row++)
			for (size_t i = 0; i < CALLS; i++) {
				struct pair pair = pair_open(&kinds[row], on);

				SAME(documented(&kinds[row], calls[i].name), calls[i].test(&pair));
				pair_close(&pair);
			}
}
