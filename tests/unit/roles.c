/* SPDX-License-Identifier: MIT */
/* Who may do what: roles, observers, participants, fork; and shmq_open(), shmq_info(), shmq_strerror(). */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include <shmq/inline.h>

TestSuite(roles, .init = unit_begin, .fini = place_end);

static void
send_one(struct shmq *q, char c)
{
	SAME(0, shmq_send(q, &c, 1, 0));
}

static void
recv_one(struct shmq *q, char want)
{
	char c = 0;

	SAME(1, shmq_recv(q, &c, 1, 0));
	SAME(want, c);
}

/* Exclusive roles ---------------------------------------------------------------------------- */

TEST_EACH_SPOT(roles, test_role_held_ebusy)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *both = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER), *none = NULL;
	struct leak_count before = leak_count();

	SAME(-EBUSY, shmq_attach(&none, p.attach, SHMQ_PRODUCER));
	SAME(-EBUSY, shmq_attach(&none, p.attach, SHMQ_CONSUMER | SHMQ_HANGUP));
	SAME(-EBUSY, shmq_attach(&none, p.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	MUST(none == NULL);
	SAME(1, place_stat(&p).nattch);
	leak_none_since(before);
	send_one(both, 'a');
	recv_one(both, 'a');
	SAME(0, shmq_detach(both));
	place_remove(&p);
}

/* One of two is free: neither is taken. */
TEST_EACH_SPOT(roles, test_role_half_held_ebusy_takes_nothing)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *held = unit_join(&p, SHMQ_CONSUMER), *none = NULL, *tx;

	SAME(-EBUSY, shmq_attach(&none, p.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	MUST(none == NULL);
	SAME(0, place_stat(&p).producers);
	tx = unit_join(&p, SHMQ_PRODUCER);
	SAME(0, shmq_detach(held));
	SAME(-EBUSY, shmq_attach(&none, p.attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	SAME(0, place_stat(&p).consumers);
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_role_taken_over_after_detach_nothing_lost)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx, *rx;
	char next_in = 0, next_out = 0;

	for (int round = 0; round < 20; round++) {
		tx = unit_join(&p, SHMQ_PRODUCER);
		for (int i = 0; i < 3; i++)
			send_one(tx, next_in++);
		SAME(0, shmq_detach(tx));
		rx = unit_join(&p, SHMQ_CONSUMER);
		for (int i = round % 2; i < 3 + round % 2; i++)
			if (next_out < next_in)
				recv_one(rx, next_out++);
		SAME(0, shmq_detach(rx));
	}
	SAME(next_in - next_out, place_stat(&p).depth);
	place_remove(&p);
}

static void
die_holding_both(void *arg)
{
	struct shmq *q = unit_join(arg, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct iovec v;

	send_one(q, 'a');
	send_one(q, 'b');
	SAME(0, shmq_peek(q, &v, 0));
	SAME(0, shmq_reserve(q, &v, 1, 0));
}

/* The process ended without detach: its roles are free, what it had not released comes again. */
TEST_EACH_SPOT(roles, test_role_taken_over_after_exit)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q;
	char c;

	process_join(process_start(die_holding_both, &p));
	SAME(0, place_stat(&p).producers + place_stat(&p).consumers);
	SAME(0, place_stat(&p).nattch);
	q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	recv_one(q, 'a');
	recv_one(q, 'b');
	SAME(-EAGAIN, shmq_recv(q, &c, 1, 0));
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_calls_of_the_other_role_einval)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *rx = unit_join(&p, SHMQ_CONSUMER);
	char buf[64] = "";
	struct iovec v = {buf, sizeof(buf)};

	SAME(-EINVAL, shmq_recv(tx, buf, 64, 0));
	SAME(-EINVAL, shmq_recv(tx, buf, 64, SHMQ_FOREVER));
	SAME(-EINVAL, shmq_recv_batch(tx, &v, 1, 0));
	SAME(-EINVAL, shmq_peek(tx, &v, 0));
	SAME(-EINVAL, shmq_release(tx, &v));
	SAME(-EINVAL, shmq_send(rx, buf, 1, 0));
	SAME(-EINVAL, shmq_send(rx, buf, 1, SHMQ_FOREVER));
	SAME(-EINVAL, shmq_send_batch(rx, &v, 1, 0));
	SAME(-EINVAL, shmq_reserve(rx, &v, 1, 0));
	SAME(-EINVAL, shmq_commit(rx, &v));
	SAME(0, place_stat(&p).sent);
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_observer_looks_only)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER), *eye = unit_join(&p, SHMQ_OBSERVER);
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_info info = {.size = sizeof(info)};
	struct shmq_port port = {0};
	char buf[64] = "";
	struct iovec v = {buf, sizeof(buf)};

	send_one(q, 'x');
	SAME(-EINVAL, shmq_send(eye, buf, 1, 0));
	SAME(-EINVAL, shmq_send_batch(eye, &v, 1, 0));
	SAME(-EINVAL, shmq_reserve(eye, &v, 1, 0));
	SAME(-ENOTSUP, shmq_peek(eye, &v, 0));
	SAME(-EINVAL, shmq_commit(eye, &v));
	SAME(-EINVAL, shmq_abort(eye, &v));
	SAME(-EINVAL, shmq_release(eye, &v));
	SAME(-EAGAIN, shmq_info(eye, &info));
	SAME(-ENOTSUP, shmq_port_open(&port, eye));
	SAME(1, shmq_recv(eye, buf, 64, 0));
	SAME('x', buf[0]);
	SAME(-EAGAIN, shmq_recv(eye, buf, 64, 0));
	SAME(0, shmq_info(eye, &info));
	SAME(0, info.sequence);
	SAME(0, shmq_qstat(eye, &st));
	SAME(1, st.depth);
	SAME(1, st.producers);
	SAME(0, st.consumers);
	SAME(2, st.nattch);
	SAME(0, shmq_detach(eye));
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

/* Participants ------------------------------------------------------------------------------- */

TEST_EACH_SPOT(roles, test_participants_exhausted_enospc)
{
	struct shmq_opts opts = {
		.size = sizeof(opts), .msg_max = 8, .capacity = 2, .participants = 1};
	struct place p = spot_queue(*at, 0, &opts);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *rx = NULL, *eyes[3];
	struct leak_count before = leak_count();

	SAME(-ENOSPC, shmq_attach(&rx, p.attach, SHMQ_CONSUMER));
	MUST(rx == NULL);
	leak_none_since(before);
	for (int i = 0; i < 3; i++)
		eyes[i] = unit_join(&p, SHMQ_OBSERVER);
	SAME(4, place_stat(&p).nattch);
	SAME(0, shmq_detach(tx));
	rx = unit_join(&p, SHMQ_CONSUMER);
	SAME(0, shmq_detach(rx));
	for (int i = 0; i < 3; i++)
		SAME(0, shmq_detach(eyes[i]));
	place_remove(&p);
}

/* Fork --------------------------------------------------------------------------------------- */

static void
inherited_handle(void *arg)
{
	struct shmq *q = arg;
	struct shmq_info info = {.size = sizeof(info)};
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_port port = {0};
	char buf[64] = "";
	struct iovec v = {buf, sizeof(buf)};

	SAME(-EBADF, shmq_send(q, buf, 1, 0));
	SAME(-EBADF, shmq_send(q, buf, 1, SHMQ_FOREVER));
	SAME(-EBADF, shmq_recv(q, buf, 64, 0));
	SAME(-EBADF, shmq_recv(q, buf, 64, SHMQ_FOREVER));
	SAME(-EBADF, shmq_send_batch(q, &v, 1, 0));
	SAME(-EBADF, shmq_recv_batch(q, &v, 1, 0));
	SAME(-EBADF, shmq_reserve(q, &v, 1, 0));
	SAME(-EBADF, shmq_commit(q, &v));
	SAME(-EBADF, shmq_abort(q, &v));
	SAME(-EBADF, shmq_peek(q, &v, 0));
	SAME(-EBADF, shmq_release(q, &v));
	SAME(-EBADF, shmq_info(q, &info));
	SAME(-EBADF, shmq_qstat(q, &st));
	SAME(-EBADF, shmq_port_open(&port, q));
	SAME(-EBADF, shmq_detach(q));
}

/* Nothing of it is left in the child, which could not give it back. */
static void
check_no_more(void *arg)
{
	const struct leak_count *before = arg;

	SAME(before->descriptors, leak_count().descriptors);
}

TEST_EACH_SPOT(roles, test_descriptors_after_fork_none_in_child)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);

	MUST(leak_count().descriptors > before.descriptors);
	process_join(process_start(check_no_more, &before));
	send_one(q, 'a');
	recv_one(q, 'a');
	SAME(0, shmq_detach(q));
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_handle_after_fork_ebadf_in_child)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	struct iovec slot, msg;

	send_one(q, 'a');
	process_join(process_start(inherited_handle, q));
	SAME(0, shmq_peek(q, &msg, 0));
	SAME(0, shmq_reserve(q, &slot, 1, 0));
	process_join(process_start(inherited_handle, q));
	SAME(0, shmq_abort(q, &slot));
	SAME(0, shmq_release(q, &msg));
	send_one(q, 'b');
	recv_one(q, 'b');
	SAME(1, place_stat(&p).nattch);
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

struct family {
	unsigned descriptors; /* without the queue */
	struct shmq *in, *out;
	int fd;
};

static void
have_no_descriptor(void *arg)
{
	struct family *f = arg;

	SAME(f->descriptors, leak_count().descriptors);
	SAME(-1, fcntl(f->fd, F_GETFD));
	SAME(-EBADF, shmq_fd(f->in));
}

/* Not the bell of a consumer, nor what its producer rings it by; the parent's stay as they are. */
TEST_EACH_SPOT(roles, test_child_has_no_descriptor_of_a_queue)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct family f = {.descriptors = leak_count().descriptors};
	struct pollfd bell = {.events = POLLIN};
	char byte;

	f.in = unit_join(&p, SHMQ_CONSUMER);
	f.out = unit_join(&p, SHMQ_PRODUCER);
	f.fd = bell.fd = shmq_fd(f.in);
	SAME(-EAGAIN, shmq_recv(f.in, &byte, 1, 0));
	send_one(f.out, 'a');
	process_join(process_start(have_no_descriptor, &f));
	SAME(1, poll(&bell, 1, 0));
	recv_one(f.in, 'a');
	SAME(-EAGAIN, shmq_recv(f.in, &byte, 1, 0));
	send_one(f.out, 'b');
	SAME(1, poll(&bell, 1, 10000));
	SAME(0, shmq_detach(f.in));
	SAME(0, shmq_detach(f.out));
	SAME(f.descriptors, leak_count().descriptors);
	place_remove(&p);
}

static void
attach_in_child(void *arg)
{
	struct shmq *q = unit_join(arg, SHMQ_CONSUMER);

	recv_one(q, 'a');
	SAME(0, shmq_detach(q));
}

TEST_EACH_SPOT(roles, test_child_attaches_itself)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q = unit_join(&p, SHMQ_PRODUCER);

	send_one(q, 'a');
	process_join(process_start(attach_in_child, &p));
	SAME(0, place_stat(&p).depth);
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

struct inherited {
	struct place p;
	struct shmq_seg *seg;
	int forked;
};

static void
inherited_segment(void *arg)
{
	struct inherited *i = arg;
	struct shmq_stat st = {.size = sizeof(st)};

	gate_pass(i->forked); /* until then the parent holds the child's attach, too */
	SAME(2, place_stat(&i->p).nattch);
	SAME(0, shmq_seg_find(shmq_seg_base(i->seg), &st));
	strcpy(shmq_seg_base(i->seg), "from the child");
	SAME(0, shmq_seg_detach(i->seg));
	SAME(1, place_stat(&i->p).nattch);
}

TEST_EACH_SPOT(roles, test_segment_after_fork_is_inherited)
{
	struct inherited i = {.p = spot_segment(*at, 0, NULL), .forked = gate_new()};
	pid_t child;

	i.seg = unit_attach(&i.p, 0);
	child = process_start(inherited_segment, &i);
	gate_open(i.forked);
	process_join(child);
	cr_assert_str_eq(shmq_seg_base(i.seg), "from the child");
	SAME(1, place_stat(&i.p).nattch);
	SAME(0, shmq_seg_detach(i.seg));
	SAME(0, place_stat(&i.p).nattch);
	place_remove(&i.p);
}

/* Open --------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(roles, test_open_creates_then_finds)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 32, .capacity = 5};
	struct place p = spot_name(*at, 0);
	struct shmq *tx = NULL, *rx = NULL;

	if (*at == SPOT_MEMFD || *at == SPOT_SYSV_ID)
		return; /* they always create: -EINVAL */
	SAME(0, shmq_open(&tx, p.create, &opts, SHMQ_PRODUCER));
	SAME(5, place_stat(&p).capacity);
	opts.capacity = 0; /* any */
	SAME(0, shmq_open(&rx, p.create, &opts, SHMQ_CONSUMER));
	send_one(tx, 'a');
	recv_one(rx, 'a');
	SAME(0, shmq_detach(rx));
	SAME(0, shmq_open(&rx, p.create, NULL, SHMQ_CONSUMER));
	SAME(0, shmq_detach(rx));
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_open_other_geometry_einval)
{
	struct place p = spot_ring(*at, 32, 5);
	struct shmq_opts capacity = {.size = sizeof(capacity), .msg_max = 32, .capacity = 6};
	struct shmq_opts length = {.size = sizeof(length), .msg_max = 33, .capacity = 5};
	struct leak_count before = leak_count();
	struct shmq *q = NULL;

	SAME(-EINVAL, shmq_open(&q, p.attach, &capacity, SHMQ_PRODUCER));
	SAME(-EINVAL, shmq_open(&q, p.attach, &length, SHMQ_PRODUCER));
	MUST(q == NULL);
	SAME(0, place_stat(&p).nattch);
	SAME(0, place_stat(&p).producers);
	leak_none_since(before);
	place_remove(&p);
}

TEST_EACH_SPOT(roles, test_open_raw_segment_refused)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq *q = NULL;

	SAME(spot_is_sysv(*at) ? -EPROTONOSUPPORT : -EINVAL,
	     shmq_open(&q, p.attach, NULL, SHMQ_PRODUCER));
	MUST(q == NULL);
	place_remove(&p);
}

/* Info --------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(roles, test_info_of_last_message)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER), *rx = unit_join(&p, SHMQ_CONSUMER);
	struct shmq_info info = {.size = sizeof(info), .sequence = 99};
	struct iovec msg;

	SAME(-EAGAIN, shmq_info(rx, &info));
	SAME(-EAGAIN, shmq_info(tx, &info));
	SAME(99, info.sequence);
	for (int i = 0; i < 20; i++) {
		send_one(tx, 'x');
		if (i % 2) {
			SAME(0, shmq_peek(rx, &msg, 0));
			SAME(0, shmq_info(rx, &info));
			SAME(i, info.sequence);
			SAME(0, shmq_release(rx, &msg));
		} else {
			recv_one(rx, 'x');
		}
		SAME(0, shmq_info(rx, &info));
		SAME(i, info.sequence);
		SAME(0, info.lost);
		SAME(1, info.deliveries);
		MUST(info.sender >= 0);
	}
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_info(rx, &info));
	SAME(-1, info.sender);
	SAME(0, shmq_detach(rx));
	rx = unit_join(&p, SHMQ_CONSUMER);
	SAME(-EAGAIN, shmq_info(rx, &info));
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}

/* Texts -------------------------------------------------------------------------------------- */

Test(roles, test_strerror_every_code_has_a_text)
{
	static const int codes[] = {
		0,	EAGAIN,	 ETIMEDOUT,	  EINTR,   EMSGSIZE, EIDRM,  EPIPE,  EBUSY,  ESTALE,
		EBADF,	EBADMSG, EPROTONOSUPPORT, ENOTSUP, ENOMEM,   EPERM,  EEXIST, ENOENT, EACCES,
		EINVAL, ENOSPC,	 EXDEV,		  EFAULT,  EMFILE,   ENFILE, EIO,
	};
	const char *unknown = shmq_strerror(123456);

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *text = shmq_strerror(-codes[i]);

		MUST(text != NULL && text[0] && text != unknown);
		MUST(strcmp(text, shmq_strerror(codes[i])) == 0);
		for (size_t k = 0; k < i; k++)
			MUST(strcmp(text, shmq_strerror(codes[k])) != 0);
	}
	MUST(unknown != NULL && unknown[0]);
	MUST(shmq_strerror(INT32_MIN) && shmq_strerror(INT32_MAX) && shmq_strerror(-4096));
}

Test(roles, test_version_is_the_headers)
{
	char text[32];

	cr_assert_str_eq(shmq_version(), SHMQ_VERSION);
	snprintf(text, sizeof(text), "%d.%d.%d", SHMQ_VERSION_MAJOR, SHMQ_VERSION_MINOR,
		 SHMQ_VERSION_PATCH);
	cr_assert_str_eq(text, SHMQ_VERSION);
}
