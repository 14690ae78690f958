/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer: a real queue in a memfd, three handles of ours on it, and a second mapping through which the input overwrites any
 * byte of it between our calls. Every call returns what its documentation lists, memory that it hands out lies in the queue, and the
 * descriptors are all closed in the end. Sanitizers see the rest.
 *
 * Input: one byte picks the shape of the queue; then operations, each one byte and its arguments, until the input ends.
 */
#include "format.h"

#include <errno.h>
#include <fcntl.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HANDLES 3
#define BATCH 5
#define OPERATIONS_MAX 400

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
	const unsigned char *at;
	size_t left;
};

/* One of ours: a handle, and what is open on it. */
struct end {
	struct shmq *q;
	struct shmq_port port;
	struct iovec reserved, peeked;
};

struct scene {
	struct input in;
	char address[32];
	int fd;
	size_t bytes;
	struct shmq_opts opts;
	struct shmqi_geometry g; /* as created */
	unsigned char *shared;	 /* the hostile mapping */
	unsigned char *message;	 /* msg_max bytes, exactly */
	struct end ends[HANDLES];
};

static void
must(int condition)
{
	if (!condition)
		abort();
}

static unsigned
byte(struct scene *s)
{
	if (s->in.left == 0)
		return 0;
	s->in.left--;
	return *s->in.at++;
}

static unsigned
word(struct scene *s)
{
	unsigned low = byte(s);

	return low | byte(s) << 8;
}

/* A timeout that ends: mostly 0, at times long enough to reach the futex. */
static int64_t
timeout(struct scene *s)
{
	return byte(s) % 8 ? 0 : 300000;
}

static struct end *
some_end(struct scene *s)
{
	return &s->ends[byte(s) % HANDLES];
}

/* Whether `err` is one of `listed`, which ends with 0. */
static bool
is_listed(int err, const int *listed)
{
	while (*listed && err != -*listed)
		listed++;
	return *listed != 0;
}

/* `result` is at least 0, or one of the errors that every call of the send and receive families may return, or `more`. */
static void
check_transfer(ssize_t result, int more)
{
	static const int listed[] = {EAGAIN,  ETIMEDOUT, EIDRM, EPIPE, EBUSY,
				     EBADMSG, EINVAL,	 EINTR, 0};

	if (result >= 0 || result == more || is_listed((int)result, listed))
		return;
	fprintf(stderr, "undocumented result %zd\n", result);
	abort();
}

/* Memory handed out for a message of at most msg_max bytes. */
static void
check_inside(const struct scene *s, const struct end *end, const struct iovec *v)
{
	struct shmq_stat st = {.size = sizeof(st)};
	uintptr_t from, at = (uintptr_t)v->iov_base;

	must(shmq_qstat(end->q, &st) == 0 && st.base != NULL);
	from = (uintptr_t)st.base + s->g.data_offset;
	must(v->iov_len <= s->opts.msg_max && at % 8 == 0);
	must(at >= from && at - from <= s->g.slots * s->g.slot_bytes - v->iov_len);
}

/* The hostile peer's operations. --------------------------------------------------------------------------------------- */

static size_t
region(const struct scene *s, unsigned which)
{
	const size_t starts[] = {0,
				 FORMAT_PAGE,
				 2 * FORMAT_PAGE,
				 s->g.control_offset,
				 s->g.control_offset + 256,
				 s->g.control_offset + 384,
				 s->g.data_offset};

	return starts[which % (sizeof(starts) / sizeof(starts[0]))];
}

static void
op_write(struct scene *s)
{
	size_t at = region(s, byte(s)) + word(s) % 1024;
	unsigned n = byte(s) % 32;

	for (unsigned i = 0; i < n; i++)
		s->shared[(at + i) % s->bytes] = (unsigned char)byte(s);
}

/* Change a 64-bit word of the control block or of a slot by a small difference: likely to be believed. */
static void
op_nudge(struct scene *s)
{
	unsigned which = byte(s), slot = byte(s);
	size_t at = which & 1 ? s->g.data_offset + slot % s->g.slots * s->g.slot_bytes
			      : s->g.control_offset + slot % 80 * 8;
	uint64_t value;

	memcpy(&value, s->shared + at, sizeof(value));
	if (which & 2)
		value += (uint64_t)byte(s) << (which & 4 ? 32 : 0);
	else
		value -= (uint64_t)byte(s) << (which & 4 ? 32 : 0);
	memcpy(s->shared + at, &value, sizeof(value));
}

/* Put a word into a slot that the consumer takes for the message at `head` + a few. */
static void
op_forge(struct scene *s)
{
	uint64_t head, value;
	uint32_t length = word(s);

	memcpy(&head, s->shared + s->g.control_offset + offsetof(struct format_control, progress),
	       sizeof(head));
	head += byte(s) % 4;
	value = (head + 1) << 32 | (length & 0x8000 ? length << 16 : length);
	memcpy(s->shared + s->g.data_offset + head % s->g.slots * s->g.slot_bytes, &value,
	       sizeof(value));
}

static void
op_sign(struct scene *s)
{
	shmqi_format_publish((struct format_header *)(void *)s->shared);
}

static void
op_punch(struct scene *s)
{
	off_t page = (off_t)(word(s) % (s->bytes / FORMAT_PAGE)) * FORMAT_PAGE;

	(void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, FORMAT_PAGE);
}

/* Our operations. ------------------------------------------------------------------------------------------------------ */

static void
op_attach(struct scene *s)
{
	static const int listed[] = {EBUSY,	      ENOSPC,  EINVAL, ENOTSUP, EIDRM,
				     EPROTONOSUPPORT, EBADMSG, ENOMEM, 0};
	struct end *end = some_end(s);
	unsigned role = byte(s) & (SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_OBSERVER | SHMQ_HANGUP |
				   SHMQ_POPULATE);
	int err;

	if (end->q)
		return;
	err = shmq_attach(&end->q, s->address, role);
	if (is_listed(err, listed))
		return;
	must(err == 0);
	must(shmq_port_open(&end->port, end->q) == (role & SHMQ_OBSERVER ? -ENOTSUP : 0));
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
	size_t len = word(s) % (s->opts.msg_max + 2);
	int64_t ns = timeout(s);

	check_transfer(shmq_send(end->q, s->message, len <= s->opts.msg_max ? len : s->opts.msg_max,
				 ns),
		       -EINVAL);
	check_transfer(shmq_send(end->q, s->message, len, 0), -EMSGSIZE);
}

static void
op_recv(struct scene *s)
{
	struct end *end = some_end(s);
	size_t room = word(s) % (s->opts.msg_max + 1);
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
op_port(struct scene *s)
{
	struct end *end = some_end(s);
	unsigned char *buf = malloc(s->opts.msg_max + 1);
	ssize_t got;

	must(buf != NULL);
	if (end->port.q && byte(s) & 1)
		check_transfer(shmq_port_send(&end->port, s->message, s->opts.msg_max), -EINVAL);
	if (end->port.q) {
		got = shmq_port_recv(&end->port, buf, s->opts.msg_max);
		check_transfer(got, -EINVAL);
		must(got <= (ssize_t)s->opts.msg_max);
	}
	free(buf);
}

static void
op_batch(struct scene *s)
{
	struct end *end = some_end(s);
	struct iovec v[BATCH];
	unsigned char *buf = malloc(BATCH * (s->opts.msg_max + 1));
	size_t n = byte(s) % (BATCH + 1);
	ssize_t done;

	must(buf != NULL);
	for (size_t i = 0; i < BATCH; i++)
		v[i] = (struct iovec){s->message, s->opts.msg_max};
	done = shmq_send_batch(end->q, v, n, timeout(s));
	check_transfer(done, -EINVAL);
	must(done <= (ssize_t)n);
	for (size_t i = 0; i < BATCH; i++)
		v[i] = (struct iovec){buf + i * (s->opts.msg_max + 1), s->opts.msg_max};
	done = shmq_recv_batch(end->q, v, n, timeout(s));
	check_transfer(done, -EINVAL);
	must(done <= (ssize_t)n);
	for (ssize_t i = 0; i < done; i++)
		must(v[i].iov_len <= s->opts.msg_max);
	free(buf);
}

static void
op_reserve(struct scene *s)
{
	struct end *end = some_end(s);
	struct iovec v = {NULL, 0};
	int err = shmq_reserve(end->q, &v, word(s) % (s->opts.msg_max + 2), timeout(s));

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

	check_transfer(err, -ENOTSUP);
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

static void
op_info(struct scene *s)
{
	struct end *end = some_end(s);
	struct shmq_info info = {.size = sizeof(info)};
	int err = shmq_info(end->q, &info);

	must(err == (end->q ? 0 : -EINVAL) || (end->q && err == -EAGAIN));
	must(err ||
	     (info.sender >= -1 && info.sender < (int)s->g.participants && info.deliveries == 1));
}

static void
check_figures(const struct scene *s, const struct shmq_stat *st)
{
	must(memchr(st->address, 0, sizeof(st->address)) != NULL);
	must(st->sent - st->received == st->depth);
	must(st->kind == SHMQ_SEGMENT || st->depth <= st->capacity);
	must(st->resident_bytes <= (int64_t)s->bytes && st->producers <= 1 && st->consumers <= 1);
}

static void
op_stat(struct scene *s)
{
	static const int listed[] = {EPROTONOSUPPORT, EBADMSG, EIDRM, EINVAL, 0};
	struct shmq_stat st = {.size = sizeof(st)};
	struct end *end = some_end(s);
	int err = shmq_qstat(end->q, &st);

	must(err == (end->q ? 0 : -EINVAL));
	if (err == 0)
		check_figures(s, &st);
	err = shmq_stat(s->address, &st);
	if (is_listed(err, listed))
		return;
	must(err == 0);
	check_figures(s, &st);
}

static void
op_lifecycle(struct scene *s)
{
	static const int listed[] = {EPROTONOSUPPORT, EBADMSG, EIDRM, EINVAL, ENOTSUP, ENOMEM, 0};
	struct shmq_perm perm = {
		.size = sizeof(perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0600};
	unsigned which = byte(s) % 8;
	int err = -EINVAL;

	if (which < 2)
		err = shmq_set(s->address, &perm);
	else if (which < 4)
		err = shmq_lock(s->address);
	else if (which < 7)
		err = shmq_unlock(s->address);
	else
		err = shmq_remove(s->address);
	if (is_listed(err, listed))
		return;
	must(err == 0);
}

/* More than one entry: more often. */
static void (*const operations[])(struct scene *s) = {
	op_write,  op_write,  op_nudge,	  op_nudge,  op_forge,	op_forge,     op_sign,
	op_punch,  op_attach, op_attach,  op_attach, op_detach, op_send,      op_send,
	op_recv,   op_recv,   op_port,	  op_port,   op_batch,	op_batch,     op_reserve,
	op_commit, op_peek,   op_release, op_info,   op_stat,	op_lifecycle,
};

static void
begin(struct scene *s)
{
	static const size_t msg_max[] = {0, 1, 8, 40, 100, 3000};
	static const size_t capacity[] = {1, 2, 3, 8};
	unsigned shape = byte(s);

	s->opts = (struct shmq_opts){
		.size = sizeof(s->opts),
		.msg_max = msg_max[shape % 6],
		.capacity = capacity[shape / 6 % 4],
		.participants = 1 + shape / 24 % 4,
	};
	s->bytes = (size_t)shmq_footprint(&s->opts) - 4096; /* less the page of a handle */
	s->fd = shmq_create("memfd:fuzz", &s->opts);
	must(s->fd >= 0);
	snprintf(s->address, sizeof(s->address), "fd:%d", s->fd);
	s->shared = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	must(s->shared != MAP_FAILED);
	/* One byte more than a message: op_send() offers one that is too long. */
	s->message = calloc(1, s->opts.msg_max + 1);
	must(s->message != NULL);
	s->g = (struct shmqi_geometry){
		.kind = SHMQ_SPSC,
		.participants = s->opts.participants,
		.page_size = FORMAT_PAGE,
		.msg_max = s->opts.msg_max,
		.capacity = s->opts.capacity,
	};
	must(shmqi_format_plan_queue(&s->g) == 0 && s->g.total_bytes == s->bytes);
}

static void
end(struct scene *s)
{
	for (size_t i = 0; i < HANDLES; i++)
		must(!s->ends[i].q || shmq_detach(s->ends[i].q) == 0);
	munmap(s->shared, s->bytes);
	close(s->fd);
	free(s->message);
}

/* The number that the next descriptor would have. */
static int
next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
	return fd;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct scene s = {.in = {data, size}};
	int fd = next_descriptor();

	begin(&s);
	for (int i = 0; i < OPERATIONS_MAX && s.in.left; i++)
		operations[byte(&s) % (sizeof(operations) / sizeof(operations[0]))](&s);
	end(&s);
	must(next_descriptor() == fd);
	return 0;
}
