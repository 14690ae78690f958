/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer of every kind: a queue in a memfd with a right header, and from then on every
 * byte the input's, which changes it between our calls, and through a second thread while they
 * are at work. Handles of ours in every role do whatever a handle can. Every call comes back,
 * with what its documentation lists; memory that it hands out lies in the queue; all descriptors
 * are closed in the end. Sanitizers and the fuzzer's time limit see the rest.
 *
 * Input: one byte picks the kind, one its geometry; then operations, each one byte and its
 * arguments, until the input ends.
 */
#include "fuzz_kinds.h"

#include <errno.h>
#include <poll.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <string.h>

#define BATCH 5
#define OPERATIONS_MAX 200

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Errors of the send and receive families. */
static const int transfer_errors[] = {EAGAIN, ETIMEDOUT, EIDRM,	 EPIPE,	  EBUSY, EBADMSG,
				      EINVAL, EINTR,	 ESTALE, ENOTSUP, 0};

/*
 * A timeout that ends: mostly 0, at times long enough to reach the futex, or to ask who is alive.
 */
static int64_t
timeout(struct scene *s)
{
	unsigned how = byte(s);

	if (how % 8)
		return 0;
	return how % 64 ? 300000 : 3000000;
}

static struct end *
some_end(struct scene *s)
{
	return &s->ends[byte(s) % HANDLES];
}

/* `result` is at least 0, or an error of the send and receive families, or `more`. */
static void
check_transfer(ssize_t result, int more)
{
	if (result >= 0 || result == more || fuzz_listed(result, transfer_errors))
		return;
	fprintf(stderr, "undocumented result %zd\n", result);
	abort();
}

/* Memory handed out for a message lies in the data. */
static void
check_inside(const struct scene *s, const struct end *end, const struct iovec *v)
{
	struct shmq_stat st = {.size = sizeof(st)};
	uintptr_t from, at = (uintptr_t)v->iov_base;

	must(shmq_qstat(end->q, &st) == 0 && st.base != NULL);
	from = (uintptr_t)st.base + s->g.data_offset;
	must(v->iov_len <= s->g.msg_max && at % 8 == 0);
	must(at >= from && at - from <= s->g.total_bytes - s->g.data_offset - v->iov_len);
}

/* The hostile peer's operations -------------------------------------------------------------- */

/* Any 64-bit word; the first of each region more often than the last. */
static volatile uint64_t *
some_word(struct scene *s)
{
	const uint64_t lanes = s->g.control_offset + sizeof(struct format_control);
	const uint64_t regions[] = {
		FORMAT_PAGE,
		2 * FORMAT_PAGE,
		s->g.control_offset,
		lanes,
		s->g.data_offset,
		s->g.control_offset + 256,
		lanes + 128,
		s->g.data_offset,
		s->g.control_offset + 512,
		s->g.data_offset + s->g.lane_bytes,
		0,
	};
	uint64_t at = regions[byte(s) % (sizeof(regions) / sizeof(regions[0]))];

	at += (uint64_t)(byte(s) & 1 ? word(s) : byte(s)) * 8;
	if (at >= s->g.total_bytes)
		at = FORMAT_PAGE + at % (s->g.total_bytes - FORMAT_PAGE);
	return (volatile uint64_t *)(void *)(s->shared + at);
}

/* A number that some word might hold, or must not. */
static uint64_t
some_value(struct scene *s, uint64_t now)
{
	static const uint64_t edges[] = {
		UINT64_MAX, UINT64_C(1) << 63, INT64_MAX, UINT64_C(1) << 32, UINT32_MAX, 0, 1,
	};
	unsigned how = byte(s), small = byte(s), shift = byte(s) % 64;

	switch (how % 8) {
	case 0:
		return edges[small % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return now + ((uint64_t)small << shift);
	case 2:
		return now - ((uint64_t)small << shift);
	case 3:
		return now ^ UINT64_C(1) << shift;
	case 4:
		return *some_word(s);
	case 5:
		return *some_word(s) + small - 128;
	case 6:
		return (uint64_t)word(s) << shift | small;
	default:
		return (how & 8 ? s->g.capacity : s->g.lane_bytes) + small - 128;
	}
}

static void
op_store(struct scene *s)
{
	volatile uint64_t *at = some_word(s);

	*at = some_value(s, *at);
}

/* The same into a run of words. */
static void
op_fill(struct scene *s)
{
	volatile uint64_t *at = some_word(s);
	uint64_t value = some_value(s, *at), step = byte(s);
	uint64_t left = (s->g.total_bytes - (uint64_t)((unsigned char *)(uintptr_t)at - s->shared));

	for (unsigned n = byte(s); n && left >= 8; n--, left -= 8, value += step)
		*at++ = value;
}

/*
 * A word such as this kind has in its slots, or before a record, of about now: likely to be
 * believed.
 */
static void
op_slot(struct scene *s)
{
	const uint64_t period = s->g.slots ? s->g.slots : s->g.lane_bytes / 8;
	const uint64_t step = s->g.slots ? s->g.slot_bytes : 8;
	uint64_t lane = s->g.kind == SHMQ_MPSC ? byte(s) % s->g.participants : 0;
	uint64_t at = s->g.data_offset + lane * s->g.lane_bytes + byte(s) % period * step;
	volatile uint64_t *word = (volatile uint64_t *)(void *)(s->shared + at);
	uint64_t near = byte(s) % 8, small = byte(s);

	near = near < 4 ? 0 : near < 6 ? near * 2 - 9 : (near * 2 - 13) * s->g.capacity;
	if (s->g.kind == SHMQ_MPMC)
		*word = ((*word >> 16) + near) << 16 | small % 7 << 12 | small / 7 % 6;
	else if (shmqi_format_read_only(&s->g) && s->g.slots)
		*word += near * 2 + small % 3;
	else
		*word = ((*word >> 32) + near) << 32 |
			(s->g.slots ? 0 : (uint64_t)(small & 1) << 31) |
			small / 2 % (s->g.msg_max + 2);
}

/* An entry of somebody who was killed, with any role, and its lane. */
static void
op_dead(struct scene *s)
{
	unsigned i = byte(s) % s->g.participants, state = byte(s);
	struct format_participant *entry = &format_participants(s->shared)[i];
	struct format_control *control = format_control(s->shared, &s->g);
	bool lanes = (const unsigned char *)&format_lanes(s->shared, &s->g)[i + 1] <=
		     s->shared + s->g.data_offset;

	entry->state = (uint64_t)byte(s) << 16 | (state & 15);
	entry->holds = byte(s);
	if (state & 16)
		control->producer.holder = UINT64_C(1) << 16 | (i + 1);
	if (state & 32)
		control->consumer.holder = UINT64_C(1) << 16 | (i + 1);
	if (lanes)
		format_lanes(s->shared, &s->g)[i].reader.state = byte(s);
}

static void
op_punch(struct scene *s)
{
	off_t at = (off_t)((1 + word(s) % (s->g.total_bytes / FORMAT_PAGE - 1)) * FORMAT_PAGE);

	(void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, FORMAT_PAGE);
}

/* Not instrumented: of races with this thread there is no end, and they are the point. */
__attribute__((no_sanitize("thread"))) static void *
storing(void *arg)
{
	struct scene *s = arg;
	volatile uint32_t *stop = &s->stop;

	for (unsigned turn = 0; !*stop; turn++)
		for (unsigned i = 0; i < s->stored; i++)
			*s->stores[i].at = s->stores[i].values[turn & 1];
	return NULL;
}

static void
op_thread(struct scene *s)
{
	if (s->stored)
		return;
	s->stored = 1 + byte(s) % STORES;
	for (unsigned i = 0; i < s->stored; i++) {
		volatile uint64_t *at = some_word(s);

		s->stores[i] = (struct store){at, {*at, some_value(s, *at)}};
	}
	must(pthread_create(&s->thread, NULL, storing, s) == 0);
}

/* Our operations ----------------------------------------------------------------------------- */

static void
op_attach(struct scene *s)
{
	static const int listed[] = {EBUSY,	      ENOSPC,  EINVAL, ENOTSUP, EIDRM,
				     EPROTONOSUPPORT, EBADMSG, ENOMEM, 0};
	struct end *end = some_end(s);
	unsigned flags = SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_OBSERVER | SHMQ_OLDEST | SHMQ_HANGUP;
	int err;

	end->role = byte(s) & (flags | SHMQ_POPULATE);
	if (end->q)
		return;
	err = shmq_attach(&end->q, s->address, end->role);
	must(err == 0 || fuzz_listed(err, listed));
}

static void
op_detach(struct scene *s)
{
	struct end *end = some_end(s);

	must(shmq_detach(end->q) == (end->q ? 0 : -EINVAL));
	*end = (struct end){0};
}

static void
op_send(struct scene *s)
{
	struct end *end = some_end(s);
	size_t len = word(s) % (s->g.msg_max + 2);

	check_transfer(shmq_send(end->q, s->message, len, timeout(s)), -EMSGSIZE);
	check_transfer(shmq_send(end->q, s->message, 0, 0), -EINVAL);
}

static void
op_recv(struct scene *s)
{
	struct end *end = some_end(s);
	size_t room = byte(s) & 1 ? s->g.msg_max : word(s) % (s->g.msg_max + 1);
	unsigned char *buf = malloc(room + 1);
	ssize_t got;

	must(buf != NULL);
	buf[room] = 0x5a;
	got = shmq_recv(end->q, buf, room, timeout(s));
	check_transfer(got, -EMSGSIZE);
	must(got <= (ssize_t)room && buf[room] == 0x5a);
	free(buf);
}

static void
op_send_batch(struct scene *s)
{
	struct end *end = some_end(s);
	struct iovec v[BATCH];
	size_t n = byte(s) % (BATCH + 1);
	ssize_t done;

	for (size_t i = 0; i < BATCH; i++)
		v[i] = (struct iovec){s->message, byte(s) % (s->g.msg_max + 2)};
	done = shmq_send_batch(end->q, v, n, timeout(s));
	check_transfer(done, -EMSGSIZE);
	must(done <= (ssize_t)n);
}

static void
op_recv_batch(struct scene *s)
{
	struct end *end = some_end(s);
	unsigned char *buf = malloc(BATCH * (s->g.msg_max + 1));
	struct iovec v[BATCH];
	size_t n = byte(s) % (BATCH + 1);
	ssize_t done;

	must(buf != NULL);
	for (size_t i = 0; i < BATCH; i++)
		v[i] = (struct iovec){buf + i * (s->g.msg_max + 1), s->g.msg_max};
	done = shmq_recv_batch(end->q, v, n, timeout(s));
	check_transfer(done, -EMSGSIZE);
	must(done <= (ssize_t)n);
	for (ssize_t i = 0; i < done; i++)
		must(v[i].iov_len <= s->g.msg_max);
	free(buf);
}

static void
op_reserve(struct scene *s)
{
	struct end *end = some_end(s);
	struct iovec v = {NULL, 0};
	int err = shmq_reserve(end->q, &v, word(s) % (s->g.msg_max + 2), timeout(s));

	check_transfer(err, -EMSGSIZE);
	if (err)
		return;
	check_inside(s, end, &v);
	memset(v.iov_base, 0x33, v.iov_len);
	end->reserved = v;
}

static void
op_commit(struct scene *s)
{
	struct end *end = some_end(s);
	unsigned how = byte(s);
	int err;

	if (how & 1) {
		err = shmq_abort(end->q, &end->reserved);
	} else {
		end->reserved.iov_len -= how / 2 % (end->reserved.iov_len + 1);
		err = shmq_commit(end->q, &end->reserved);
	}
	must(err == (end->reserved.iov_base ? 0 : -EINVAL));
	end->reserved = (struct iovec){NULL, 0};
}

static void
op_peek(struct scene *s)
{
	struct end *end = some_end(s);
	struct iovec v = {NULL, 0};
	int err = shmq_peek(end->q, &v, timeout(s));

	check_transfer(err, -EINVAL);
	if (err)
		return;
	check_inside(s, end, &v);
	must(!end->peeked.iov_base ||
	     (v.iov_base == end->peeked.iov_base && v.iov_len == end->peeked.iov_len));
	memcpy(s->message, v.iov_base, v.iov_len);
	end->peeked = v;
}

static void
op_release(struct scene *s)
{
	struct end *end = some_end(s);

	must(shmq_release(end->q, &end->peeked) == (end->peeked.iov_base ? 0 : -EINVAL));
	end->peeked = (struct iovec){NULL, 0};
}

/*
 * Who waits without limit notices the end of the queue, whatever the ring says: if not, this
 * hangs. With redelivery a message that somebody alive holds is waited for.
 */
static void
op_wait(struct scene *s)
{
	struct end *end = some_end(s);
	bool held = s->g.flags & SHMQ_REDELIVER;

	if (s->stored || !end->q)
		return;
	format_lifecycle(s->shared)->removed = 1;
	check_transfer(shmq_send(end->q, s->message, s->g.msg_max, SHMQ_FOREVER), -EINVAL);
	check_transfer(shmq_recv(end->q, s->message, s->g.msg_max, held ? 1000000 : SHMQ_FOREVER),
		       -EINVAL);
}

static void
op_fd(struct scene *s)
{
	struct end *end = some_end(s);
	int fd = shmq_fd(end->q);

	must(end->q ? fd >= 0 : fd == -EINVAL);
	must(!end->q || poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) >= 0);
}

static void
op_port(struct scene *s)
{
	struct end *end = some_end(s);
	struct shmq_port port;
	ssize_t got;

	if (!end->q || shmq_port_open(&port, end->q) != 0)
		return;
	check_transfer(shmq_port_send(&port, s->message, s->g.msg_max), -EINVAL);
	got = shmq_port_recv(&port, s->message, s->g.msg_max);
	check_transfer(got, -EINVAL);
	must(got <= (ssize_t)s->g.msg_max);
}

static void
op_info(struct scene *s)
{
	struct shmq_info info = {.size = sizeof(info)};
	struct end *end = some_end(s);
	int err = shmq_info(end->q, &info);

	must(end->q ? err == 0 || err == -EAGAIN : err == -EINVAL);
	must(err ||
	     (info.sender >= -1 && info.sender < (int)s->g.participants && info.deliveries >= 1));
}

static void
op_qstat(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct end *end = some_end(s);

	must(shmq_qstat(end->q, &st) == (end->q ? 0 : -EINVAL));
	must(!end->q || (memchr(st.address, 0, sizeof(st.address)) && st.kind == s->g.kind));
	must(!end->q || st.producers <= s->g.participants);
}

static int
check_row(const struct shmq_participant *row, void *arg)
{
	struct scene *s = arg;

	must(row->index < s->g.participants && row->size == sizeof(*row));
	must(row->roles && !(row->roles & ~(SHMQ_PRODUCER | SHMQ_CONSUMER)));
	return 0;
}

/* By address: the header may be damaged meanwhile. */
static void
check_by_address(int err)
{
	static const int listed[] = {EIDRM, ENOSPC, EBADMSG, EPROTONOSUPPORT, EINVAL, ENOMEM, 0};

	if (err == 0 || fuzz_listed(err, listed))
		return;
	fprintf(stderr, "undocumented result %d\n", err);
	abort();
}

static void
op_look(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};

	check_by_address(shmq_stat(s->address, &st));
	check_by_address(shmq_participants(s->address, check_row, s));
}

static void
op_remove(struct scene *s)
{
	check_by_address(shmq_remove(s->address));
}

/* More than one entry: more often. */
static void (*const operations[])(struct scene *s) = {
	op_store,  op_store,	  op_store,   op_fill,	  op_dead,   op_punch,	    op_thread,
	op_attach, op_attach,	  op_detach,  op_send,	  op_send,   op_recv,	    op_recv,
	op_recv,   op_peek,	  op_release, op_reserve, op_commit, op_send_batch, op_fd,
	op_port,   op_recv_batch, op_info,    op_qstat,	  op_look,   op_remove,	    op_wait,
	op_wait,   op_slot,	  op_slot,
};

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct scene s = {.in = {data, size}};
	int fd = fuzz_next_descriptor();

	scene_begin(&s);
	for (int i = 0; i < OPERATIONS_MAX && s.in.left; i++) {
		fuzz_deadline();
		operations[byte(&s) % (sizeof(operations) / sizeof(operations[0]))](&s);
	}
	scene_end(&s);
	must(fuzz_next_descriptor() == fd);
	return 0;
}
