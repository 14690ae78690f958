/* SPDX-License-Identifier: MIT */
/* A queue with one end in the kernel. */
#include "module.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(queue, .init = module_begin, .fini = module_end, .timeout = 240);

/* A poll() that nothing wakes is ended by the test's time limit, and not by a last look of its own. */
#define WAIT_MS -1

static int64_t
capacity_of(const char *addr)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_stat(addr, &st));
	return (int64_t)st.capacity;
}

static short
events_of(int fd, short wanted, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = wanted};

	MUST(poll(&pfd, 1, timeout_ms) >= 0);
	return pfd.revents;
}

Test(queue, test_queue_poll_wakes_for_each_sample)
{
	struct shmq *q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	int fd = module_open(SOURCE, O_RDONLY);
	struct sample sample;

	SAME(0, events_of(fd, POLLIN, 0));
	module_rate(SOURCE, 20);
	for (uint64_t i = 0; i < 5; i++) {
		SAME(POLLIN, events_of(fd, POLLIN, WAIT_MS));
		SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), 0));
		SAME(i, sample.sequence);
	}
	module_rate(SOURCE, 0);
	close(fd);
	SAME(0, shmq_detach(q));
}

/* The library's own waiting, which the kernel cannot wake: it looks again by itself. */
Test(queue, test_queue_blocking_recv_works_too)
{
	struct shmq *q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER | SHMQ_HANGUP);
	struct sample sample;

	module_rate(SOURCE, 50);
	for (uint64_t i = 0; i < 5; i++) {
		SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), SHMQ_FOREVER));
		SAME(i, sample.sequence);
	}
	SAME(0, shmq_detach(q));
}

/* What did not fit is counted, and is missing in the sequence, neither more nor less. */
Test(queue, test_queue_full_counts_overruns)
{
	uint64_t capacity = (uint64_t)capacity_of(SOURCE_ADDRESS), overruns;
	struct sample sample;
	struct shmq *q;

	module_rate(SOURCE, 20000);
	while (module_read(SOURCE, "overruns") < 100)
		usleep(1000);
	module_rate(SOURCE, 0);
	overruns = module_read(SOURCE, "overruns");
	SAME(capacity, module_read(SOURCE, "sent"));
	q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	for (uint64_t i = 0; i < capacity; i++) {
		SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), 0));
		SAME(i, sample.sequence);
	}
	SAME(-EAGAIN, shmq_recv(q, &sample, sizeof(sample), 0));
	module_rate(SOURCE, 100);
	SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), SHMQ_FOREVER));
	SAME(capacity + overruns, sample.sequence);
	SAME(0, shmq_detach(q));
}

static void
send(struct shmq *q, uint64_t sequence)
{
	struct sample sample = {.sequence = sequence};

	SAME(0, shmq_send(q, &sample, sizeof(sample), 0));
}

Test(queue, test_queue_kernel_drains_counts_and_checks)
{
	struct shmq *q = module_attach(SINK_ADDRESS, SHMQ_PRODUCER);
	int fd = module_open(SINK, O_RDWR);
	uint64_t sent = 0;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 1000; i++)
			send(q, sent++);
		module_drained(fd, sent);
	}
	SAME(0, module_read(SINK, "gaps"));
	SAME(0, module_read(SINK, "errors"));
	send(q, sent + 5);
	send(q, sent + 6);
	module_drained(fd, sent + 2);
	SAME(1, module_read(SINK, "gaps"));
	SAME(0, shmq_send(q, "short", 5, 0));
	SAME(0, shmq_send(q, "", 0, 0));
	module_drained(fd, sent + 4);
	SAME(2, module_read(SINK, "errors"));
	SAME(1, module_read(SINK, "gaps"));
	close(fd);
	SAME(0, shmq_detach(q));
}

Test(queue, test_queue_poll_says_when_there_is_room)
{
	struct shmq *q = module_attach(SINK_ADDRESS, SHMQ_PRODUCER);
	int fd = module_open(SINK, O_RDWR);
	uint64_t sent = 0, capacity = (uint64_t)capacity_of(SINK_ADDRESS);
	struct sample sample = {0};

	while (sent < capacity) {
		SAME(POLLOUT, events_of(fd, POLLOUT, 0));
		send(q, sent++);
	}
	SAME(-EAGAIN, shmq_send(q, &sample, sizeof(sample), 0));
	SAME(0, events_of(fd, POLLOUT, 0));
	module_kick(fd);
	SAME(POLLOUT, events_of(fd, POLLOUT, WAIT_MS));
	send(q, sent++);
	module_drained(fd, sent);
	close(fd);
	SAME(0, shmq_detach(q));
}

/* A sink with a rate looks for itself. */
Test(queue, test_queue_kernel_drains_by_the_clock)
{
	struct shmq *q = module_attach(SINK_ADDRESS, SHMQ_PRODUCER);

	module_rate(SINK, 100);
	for (uint64_t i = 0; i < 20000; i++) {
		struct sample sample = {.sequence = i};

		SAME(0, shmq_send(q, &sample, sizeof(sample), SHMQ_FOREVER));
	}
	while (module_read(SINK, "received") < 20000)
		usleep(1000);
	SAME(0, module_read(SINK, "gaps"));
	SAME(0, shmq_detach(q));
}

/* The kernel is a participant as any other, and lives. */
Test(queue, test_queue_kernel_holds_its_role)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *q = NULL, *other = NULL;

	SAME(-EBUSY, shmq_attach(&q, SOURCE_ADDRESS, SHMQ_PRODUCER));
	SAME(-EBUSY, shmq_attach(&q, SINK_ADDRESS, SHMQ_CONSUMER));
	SAME(0, shmq_stat(SOURCE_ADDRESS, &st));
	SAME(SHMQ_SPSC, st.kind);
	SAME(1, st.producers);
	SAME(0, st.consumers);
	SAME(1, st.nattch);
	SAME(sizeof(struct sample), st.msg_max);
	q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER | SHMQ_HANGUP);
	SAME(-EBUSY, shmq_attach(&other, SOURCE_ADDRESS, SHMQ_CONSUMER));
	SAME(-EAGAIN, shmq_recv(q, &(struct sample){0}, sizeof(struct sample), 0));
	SAME(-ETIMEDOUT, shmq_recv(q, &(struct sample){0}, sizeof(struct sample), 100000000));
	SAME(0, shmq_qstat(q, &st));
	SAME(1, st.consumers);
	SAME(2, st.nattch);
	SAME(0, shmq_detach(q));
}

static int
lock_bytes(int fd, int cmd, off_t start, off_t length)
{
	struct flock lock = {.l_type = F_RDLCK, .l_start = start, .l_len = length};

	return fcntl(fd, cmd, &lock) == 0 ? 0 : -errno;
}

/* Its byte is never free: who would wait for it is told so. The others are, and so is all of raw memory. */
Test(queue, test_queue_kernel_never_gives_its_byte)
{
	int fd = module_open(SOURCE, O_RDWR), raw = module_open(RAW, O_RDWR);

	SAME(-EAGAIN, lock_bytes(fd, F_OFD_SETLK, 0, 1));
	SAME(-EAGAIN, lock_bytes(fd, F_SETLK, 0, 0));
	SAME(-EDEADLK, lock_bytes(fd, F_OFD_SETLKW, 0, 1));
	SAME(-EDEADLK, lock_bytes(fd, F_SETLKW, 0, 0));
	SAME(0, lock_bytes(fd, F_OFD_SETLKW, 1, 1));
	SAME(0, lock_bytes(raw, F_OFD_SETLKW, 0, 1));
	SAME(0, close(raw));
	SAME(0, close(fd));
}

/* Takes some, and waits for its end. */
static void
take_and_stay(void *arg)
{
	struct shmq *q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	int *gates = arg;

	for (uint64_t i = 0; i < 100; i++) {
		struct sample sample;

		SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), SHMQ_FOREVER));
		SAME(i, sample.sequence);
	}
	gate_open(gates[0]);
	for (;;)
		pause();
}

Test(queue, test_queue_sigkill_of_a_mapped_process)
{
	int gates[] = {gate_new()};
	struct sample sample;
	struct shmq *q = NULL;
	pid_t pid;

	module_rate(SOURCE, 1000);
	pid = process_start(take_and_stay, gates);
	gate_pass(gates[0]);
	SAME(-EBUSY, shmq_attach(&q, SOURCE_ADDRESS, SHMQ_CONSUMER));
	SAME(-EWOULDBLOCK, module_unload());
	process_kill(pid);
	q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	for (uint64_t i = 100; i < 200; i++) {
		SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), SHMQ_FOREVER));
		SAME(i, sample.sequence);
	}
	SAME(0, shmq_detach(q));
	SAME(0, module_read(SOURCE, "mapped"));
}
