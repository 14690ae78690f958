/* SPDX-License-Identifier: MIT */
/* Without membarrier(): a kernel that has none, or a sandbox that forbids it, on either side or both. No wake-up is lost. */
#include "unit.h"

#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "queue.h"

#define ROUNDS 3000

TestSuite(fallback, .init = unit_begin, .fini = place_end);

/* The commands that are ours; liburcu keeps its own, having asked for them at start. */
static const struct sock_filter no_barrier[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 4),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void
forbid_membarrier(void)
{
	struct sock_fprog program = {
		.len = sizeof(no_barrier) / sizeof(no_barrier[0]),
		.filter = (struct sock_filter *)(uintptr_t)no_barrier,
	};

	SAME(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SAME(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	SAME(-1, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
	SAME(ENOSYS, errno);
}

struct match {
	struct place there, back;
	bool server_without, client_without;
	bool never_spin; /* so that every wait sleeps */
};

static struct shmq *
join_match(const struct match *m, const struct place *p, unsigned role, bool without)
{
	struct shmq *q = unit_join(p, role);

	SAME(without, q->fenced);
	if (m->never_spin)
		q->wait.spin_ns = 0;
	return q;
}

static void
serve(void *arg)
{
	const struct match *m = arg;
	struct shmq *rx, *tx;
	uint64_t n;

	if (m->server_without)
		forbid_membarrier();
	rx = join_match(m, &m->there, SHMQ_CONSUMER, m->server_without);
	tx = join_match(m, &m->back, SHMQ_PRODUCER, m->server_without);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		SAME(sizeof(n), shmq_recv(rx, &n, sizeof(n), SHMQ_FOREVER));
		SAME(i, n);
		SAME(0, shmq_send(tx, &n, sizeof(n), SHMQ_FOREVER));
	}
	SAME(0, shmq_detach(rx));
	SAME(0, shmq_detach(tx));
}

static void
ask(void *arg)
{
	const struct match *m = arg;
	struct shmq *tx, *rx;
	uint64_t n;

	if (m->client_without)
		forbid_membarrier();
	tx = join_match(m, &m->there, SHMQ_PRODUCER, m->client_without);
	rx = join_match(m, &m->back, SHMQ_CONSUMER, m->client_without);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		SAME(0, shmq_send(tx, &i, sizeof(i), SHMQ_FOREVER));
		SAME(sizeof(n), shmq_recv(rx, &n, sizeof(n), SHMQ_FOREVER));
		SAME(i, n);
	}
	SAME(0, shmq_detach(tx));
	SAME(0, shmq_detach(rx));
}

/* Both ends block all the time: the queues hold one message. */
static void
play(bool server_without, bool client_without, bool never_spin)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 8, .capacity = 1};
	struct match m = {
		.there = spot_queue(SPOT_SHM, 0, &opts),
		.back = spot_queue(SPOT_SHM, 1, &opts),
		.server_without = server_without,
		.client_without = client_without,
		.never_spin = never_spin,
	};
	pid_t server = process_start(serve, &m), client = process_start(ask, &m);

	process_join(server);
	process_join(client);
	SAME(0, place_stat(&m.there).depth);
	SAME(ROUNDS, place_stat(&m.there).received);
	SAME(ROUNDS, place_stat(&m.back).received);
	place_remove(&m.there);
	place_remove(&m.back);
}

Test(fallback, test_ping_pong_both_with_membarrier)
{
	play(false, false, true);
	play(false, false, false);
}

Test(fallback, test_ping_pong_both_without_membarrier)
{
	play(true, true, true);
	play(true, true, false);
}

Test(fallback, test_ping_pong_one_side_without_membarrier)
{
	play(true, false, true);
	play(false, true, true);
	play(true, false, false);
}

static void
port_without(void *arg)
{
	const struct place *p = arg;
	struct shmq_port port = {0};
	struct shmq *q;
	char c = 'x';

	forbid_membarrier();
	q = unit_join(p, SHMQ_PRODUCER | SHMQ_CONSUMER);
	SAME(0, shmq_port_open(&port, q));
	for (int i = 0; i < 8; i++)
		SAME(0, shmq_port_send(&port, &c, 1));
	SAME(-EAGAIN, shmq_port_send(&port, &c, 1));
	for (int i = 0; i < 8; i++)
		SAME(1, shmq_port_recv(&port, &c, 1));
	SAME(-EAGAIN, shmq_port_recv(&port, &c, 1));
	SAME(0, shmq_detach(q));
}

Test(fallback, test_port_without_membarrier_same_semantics)
{
	struct place p = spot_queue(SPOT_SHM, 0, NULL);

	process_join(process_start(port_without, &p));
	place_remove(&p);
}
