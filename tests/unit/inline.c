/* SPDX-License-Identifier: MIT */
/* The inlined calls promise what shmq_send() and shmq_recv() with timeout 0 promise, alone and mixed with them. */
#include "unit.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "port.h"

TestSuite(inlined, .init = unit_begin, .fini = place_end);

/* A queue with a handle and a port at either end. */
struct ports {
	struct place p;
	struct shmq *tx, *rx;
	struct shmq_port to, from;
};

static void
ports_open(struct ports *s, enum spot at, size_t msg_max, size_t capacity)
{
	memset(s, 0, sizeof(*s));
	s->p = spot_ring(at, msg_max, capacity);
	s->tx = unit_join(&s->p, SHMQ_PRODUCER);
	s->rx = unit_join(&s->p, SHMQ_CONSUMER);
	SAME(0, port_calls.open(&s->to, s->tx));
	SAME(0, port_calls.open(&s->from, s->rx));
}

static void
ports_close(struct ports *s)
{
	SAME(0, shmq_detach(s->tx));
	SAME(0, shmq_detach(s->rx));
	place_remove(&s->p);
}

TEST_EACH_SPOT(inlined, test_port_open_bad_arguments_refused)
{
	struct shmq_port port;
	struct shmq_hot *hot = NULL;
	struct ports s;

	ports_open(&s, *at, 8, 2);
	SAME(-EINVAL, port_calls.open(NULL, s.tx));
	SAME(-EINVAL, port_calls.open(&port, NULL));
	SAME(-EPROTONOSUPPORT, shmq_port_bind(&hot, s.tx, sizeof(*hot) + 8, SHMQ_INLINE_LAYOUT));
	SAME(-EPROTONOSUPPORT, shmq_port_bind(&hot, s.tx, sizeof(*hot), SHMQ_INLINE_LAYOUT + 1));
	MUST(hot == NULL);
	ports_close(&s);
}

TEST_EACH_SPOT(inlined, test_port_every_length_arrives)
{
	unsigned char out[300], in[301];
	struct ports s;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 5 + 1);
	ports_open(&s, *at, sizeof(out), 3);
	for (size_t len = 0; len <= sizeof(out); len++) {
		memset(in, 0, sizeof(in));
		SAME(0, port_calls.send(&s.to, len ? out : NULL, len));
		SAME(len, port_calls.recv(&s.from, in, len ? sizeof(out) : 1));
		SAME(0, memcmp(in, out, len));
		SAME(0, in[len]);
	}
	SAME(-EAGAIN, port_calls.recv(&s.from, in, sizeof(in)));
	ports_close(&s);
}

TEST_EACH_SPOT(inlined, test_port_holds_exactly_capacity)
{
	static const size_t capacities[] = {1, 2, 3, 7, 1000};
	struct ports s;
	uint64_t n, sent = 0, received = 0;

	for (size_t c = 0; c < 5; c++) {
		ports_open(&s, *at, 8, capacities[c]);
		for (int round = 0; round < 10; round++) {
			while (port_calls.send_8(&s.to, &sent) == 0)
				sent++;
			SAME(capacities[c], sent - received);
			SAME(-EAGAIN, port_calls.send(&s.to, &sent, 8));
			SAME(8, port_calls.recv_8(&s.from, &n));
			MUST(n == received++);
			SAME(0, port_calls.send_8(&s.to, &sent));
			sent++;
			SAME(-EAGAIN, port_calls.send_8(&s.to, &sent));
			while (port_calls.recv(&s.from, &n, 8) == 8)
				MUST(n == received++);
			MUST(sent == received);
			SAME(-EAGAIN, port_calls.recv_8(&s.from, &n));
		}
		ports_close(&s);
	}
}

TEST_EACH_SPOT(inlined, test_port_constant_lengths)
{
	char out[56] = "fifty-six bytes", in[56] = "";
	struct ports s;

	ports_open(&s, *at, 56, 2);
	SAME(0, port_calls.send_56(&s.to, out));
	SAME(0, port_calls.send_8(&s.to, "eight by"));
	SAME(56, port_calls.recv_56(&s.from, in));
	SAME(0, memcmp(in, out, 56));
	SAME(8, port_calls.recv_56(&s.from, in)); /* room for more than there is */
	SAME(0, memcmp(in, "eight by", 8));
	SAME(0, port_calls.send_56(&s.to, out));
	SAME(-EMSGSIZE, port_calls.recv_8(&s.from, in));
	SAME(56, port_calls.recv_56(&s.from, in));
	ports_close(&s);
}

TEST_EACH_SPOT(inlined, test_port_ports_as_local_variables)
{
	struct ports s;

	for (size_t capacity = 1; capacity < 70; capacity = capacity * 2 + 1) {
		ports_open(&s, *at, 8, capacity);
		SAME(0, port_calls.pass(s.tx, s.rx, 5000));
		SAME(5000, place_stat(&s.p).received);
		ports_close(&s);
	}
}

TEST_EACH_SPOT(inlined, test_port_bad_length_or_buffer_refused)
{
	char buf[65] = "";
	struct ports s;

	ports_open(&s, *at, 64, 2);
	SAME(-EMSGSIZE, port_calls.send(&s.to, buf, 65));
	SAME(-EMSGSIZE, port_calls.send(&s.to, buf, SIZE_MAX));
	SAME(-EINVAL, port_calls.send(&s.to, NULL, 1));
	SAME(-EINVAL, port_calls.recv(&s.from, NULL, 1));
	SAME(-EAGAIN, port_calls.recv(&s.from, NULL, 0));
	SAME(0, place_stat(&s.p).sent);
	SAME(0, port_calls.send(&s.to, "hello", 5));
	SAME(-EMSGSIZE, port_calls.recv(&s.from, buf, 4));
	SAME(-EMSGSIZE, port_calls.recv(&s.from, NULL, 0));
	SAME(-EINVAL, port_calls.recv(&s.from, NULL, 5));
	SAME(0, buf[0]);
	SAME(5, port_calls.recv(&s.from, buf, 5));
	SAME(0, port_calls.send(&s.to, NULL, 0));
	SAME(0, port_calls.recv(&s.from, NULL, 0));
	ports_close(&s);
}

/* Through a port, too, a receive that finds nothing arms the descriptor again. */
TEST_EACH_SPOT(inlined, test_port_of_a_polled_handle_arms)
{
	struct pollfd ready = {.events = POLLIN};
	struct ports s;
	char got = 0;

	ports_open(&s, *at, 8, 2);
	ready.fd = shmq_fd(s.rx);
	MUST(ready.fd >= 0);
	for (char letter = 'a'; letter <= 'z'; letter++) {
		do /* it is readable now and then, but not for good */
			SAME(-EAGAIN, port_calls.recv(&s.from, &got, 1));
		while (poll(&ready, 1, 0) != 0);
		SAME(0, port_calls.send(&s.to, &letter, 1));
		SAME(1, poll(&ready, 1, -1));
		SAME(1, port_calls.recv(&s.from, &got, 1));
		SAME(letter, got);
	}
	SAME(0, place_stat(&s.p).depth);
	ports_close(&s);
}

TEST_EACH_SPOT(inlined, test_port_of_other_role_einval)
{
	struct ports s;
	char c = 'x';

	ports_open(&s, *at, 8, 2);
	SAME(-EINVAL, port_calls.send(&s.from, &c, 1));
	SAME(-EINVAL, port_calls.recv(&s.to, &c, 1));
	SAME(0, place_stat(&s.p).sent);
	ports_close(&s);
}

/* Mixed -------------------------------------------------------------------------------------- */

/* One message by one of the ways there are, two ports of one handle among them. */
static int
send_any(struct ports *s, struct shmq_port *other, uint64_t n, unsigned way)
{
	struct iovec v = {&n, sizeof(n)};

	switch (way) {
	case 0:
		return port_calls.send_8(&s->to, &n);
	case 1:
		return port_calls.send(other, &n, sizeof(n));
	case 2:
		return shmq_send(s->tx, &n, sizeof(n), 0);
	case 3:
		return (int)shmq_send_batch(s->tx, &v, 1, 0) == 1 ? 0 : -EAGAIN;
	default:
		if (shmq_reserve(s->tx, &v, sizeof(n), 0) != 0)
			return -EAGAIN;
		memcpy(v.iov_base, &n, sizeof(n));
		return shmq_commit(s->tx, &v);
	}
}

static ssize_t
recv_any(struct ports *s, struct shmq_port *other, uint64_t *n, unsigned way)
{
	struct iovec v = {n, sizeof(*n)};

	switch (way) {
	case 0:
		return port_calls.recv_8(&s->from, n);
	case 1:
		return port_calls.recv(other, n, sizeof(*n));
	case 2:
		return shmq_recv(s->rx, n, sizeof(*n), 0);
	case 3:
		return shmq_recv_batch(s->rx, &v, 1, 0) == 1 ? (ssize_t)v.iov_len : -EAGAIN;
	default:
		if (shmq_peek(s->rx, &v, 0) != 0)
			return -EAGAIN;
		memcpy(n, v.iov_base, sizeof(*n));
		return shmq_release(s->rx, &v) == 0 ? (ssize_t)sizeof(*n) : -1;
	}
}

TEST_EACH_SPOT(inlined, test_port_and_handle_mixed_at_random)
{
	struct shmq_port to2 = {0}, from2 = {0};
	uint64_t sent = 0, received = 0, n, seed = 17;
	struct ports s;

	ports_open(&s, *at, 8, 5);
	SAME(0, port_calls.open(&to2, s.tx));
	SAME(0, port_calls.open(&from2, s.rx));
	while (received < 30000) {
		unsigned way = (unsigned)random_below(&seed, 5);

		if (random_below(&seed, 2)) {
			SAME(sent - received < 5 ? 0 : -EAGAIN, send_any(&s, &to2, sent, way));
			sent += sent - received < 5;
		} else if (sent == received) {
			SAME(-EAGAIN, recv_any(&s, &from2, &n, way));
		} else {
			SAME(8, recv_any(&s, &from2, &n, way));
			MUST(n == received++);
		}
	}
	ports_close(&s);
}

TEST_EACH_SPOT(inlined, test_port_while_reserved_or_peeked_ebusy)
{
	struct iovec slot, msg;
	struct ports s;
	char buf[8];

	ports_open(&s, *at, 8, 2);
	SAME(0, port_calls.send(&s.to, "1", 1));
	SAME(0, shmq_reserve(s.tx, &slot, 1, 0));
	SAME(0, shmq_peek(s.rx, &msg, 0));
	SAME(-EBUSY, port_calls.send(&s.to, "2", 1));
	SAME(-EBUSY, port_calls.recv(&s.from, buf, 8));
	*(char *)slot.iov_base = '2';
	SAME(0, shmq_commit(s.tx, &slot));
	SAME(0, shmq_release(s.rx, &msg));
	SAME(1, port_calls.recv(&s.from, buf, 8));
	SAME('2', buf[0]);
	SAME(0, port_calls.send(&s.to, "3", 1));
	SAME(1, port_calls.recv(&s.from, buf, 8));
	SAME('3', buf[0]);
	ports_close(&s);
}

/* Ends --------------------------------------------------------------------------------------- */

TEST_EACH_SPOT(inlined, test_port_removed_eidrm_receiver_drains_first)
{
	struct ports s;
	char buf[8];

	ports_open(&s, *at, 8, 2);
	SAME(0, port_calls.send(&s.to, "1", 1));
	SAME(0, shmq_remove(s.p.attach));
	SAME(-EIDRM, port_calls.send(&s.to, "2", 1));
	SAME(1, port_calls.recv(&s.from, buf, 8));
	SAME(-EIDRM, port_calls.recv(&s.from, buf, 8));
	SAME(-EIDRM, port_calls.recv_8(&s.from, buf));
	SAME(0, shmq_detach(s.tx));
	SAME(0, shmq_detach(s.rx));
	if (s.p.fd >= 0)
		close(s.p.fd);
}

TEST_EACH_SPOT(inlined, test_port_hangup_epipe)
{
	struct place p = spot_ring(*at, 8, 2);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER | SHMQ_HANGUP), *tx;
	struct shmq_port from = {0}, to = {0};
	char buf[8];

	SAME(0, port_calls.open(&from, rx));
	SAME(-EAGAIN, port_calls.recv(&from, buf, 8));
	tx = unit_join(&p, SHMQ_PRODUCER);
	SAME(0, port_calls.open(&to, tx));
	SAME(0, port_calls.send(&to, "1", 1));
	SAME(0, shmq_detach(tx));
	SAME(1, port_calls.recv(&from, buf, 8));
	SAME(-EPIPE, port_calls.recv(&from, buf, 8));
	tx = unit_join(&p, SHMQ_PRODUCER | SHMQ_HANGUP);
	SAME(0, port_calls.open(&to, tx));
	SAME(0, shmq_detach(rx));
	SAME(-EPIPE, port_calls.send(&to, "1", 1));
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

static void
inherited_ports(void *arg)
{
	struct ports *s = arg;
	char buf[8] = "";

	for (int i = 0; i < 3; i++) {
		SAME(-EBADF, port_calls.send(&s->to, "x", 1));
		SAME(-EBADF, port_calls.send_8(&s->to, "eight by"));
		SAME(-EBADF, port_calls.recv(&s->from, buf, 8));
		SAME(-EBADF, port_calls.recv_8(&s->from, buf));
		SAME(-EBADF, port_calls.recv(&s->from, NULL, 0));
	}
}

TEST_EACH_SPOT(inlined, test_port_after_fork_ebadf_in_child)
{
	struct ports s;
	char buf[8];

	ports_open(&s, *at, 8, 2);
	process_join(
		process_start(inherited_ports, &s)); /* at position 0, as a wiped handle says */
	SAME(0, port_calls.send(&s.to, "1", 1));
	SAME(1, port_calls.recv(&s.from, buf, 8));
	SAME(0, port_calls.send(&s.to, "2", 1));
	process_join(process_start(inherited_ports, &s));
	SAME(1, port_calls.recv(&s.from, buf, 8));
	SAME('2', buf[0]);
	SAME(2, place_stat(&s.p).sent);
	ports_close(&s);
}

static void
sleep_for_one(void *arg)
{
	struct shmq *rx = unit_join(arg, SHMQ_CONSUMER);
	char buf[8];

	SAME(1, shmq_recv(rx, buf, sizeof(buf), SHMQ_FOREVER));
	SAME(0, shmq_detach(rx));
}

TEST_EACH_SPOT(inlined, test_port_send_wakes_sleeper)
{
	struct place p = spot_ring(*at, 8, 2);
	struct shmq *tx = unit_join(&p, SHMQ_PRODUCER);
	struct shmq_port to = {0};
	pid_t pid = process_start(sleep_for_one, &p);

	SAME(0, port_calls.open(&to, tx));
	process_await_call(pid, PROCESS_FUTEX);
	SAME(0, port_calls.send(&to, "w", 1));
	process_join(pid);
	SAME(0, shmq_detach(tx));
	place_remove(&p);
}

static void
sleep_for_room(void *arg)
{
	struct shmq *tx = unit_join(arg, SHMQ_PRODUCER);

	SAME(0, shmq_send(tx, "1", 1, 0));
	SAME(0, shmq_send(tx, "2", 1, SHMQ_FOREVER));
	SAME(0, shmq_detach(tx));
}

TEST_EACH_SPOT(inlined, test_port_recv_wakes_sleeper)
{
	struct place p = spot_ring(*at, 8, 1);
	struct shmq *rx = unit_join(&p, SHMQ_CONSUMER);
	struct shmq_port from = {0};
	pid_t pid = process_start(sleep_for_room, &p);
	char buf[8];

	SAME(0, port_calls.open(&from, rx));
	process_await_call(pid, PROCESS_FUTEX);
	SAME(1, port_calls.recv(&from, buf, 8));
	process_join(pid);
	SAME(1, port_calls.recv(&from, buf, 8));
	SAME('2', buf[0]);
	SAME(0, shmq_detach(rx));
	place_remove(&p);
}
