/* SPDX-License-Identifier: MIT */
/* Handles that are polled (shmq_fd()): what is in the way of a message, and a program that closes what is not its own. */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(pollable, .init = unit_begin, .fini = place_end, .timeout = 120);

static const struct shmq_opts crowd = {
	.size = sizeof(crowd), .kind = SHMQ_MPMC, .msg_max = 64, .capacity = 1024};

static void
die_with_a_reservation(void *arg)
{
	struct shmq *q = unit_join(arg, SHMQ_PRODUCER);
	struct iovec slot;

	SAME(0, shmq_reserve(q, &slot, 1, 0));
	kill(getpid(), SIGKILL);
}

/* As an event loop does it. */
static void
poll_and_receive(struct shmq *q, char want)
{
	struct pollfd ready = {.fd = shmq_fd(q), .events = POLLIN};
	char got = 0;

	while (shmq_recv(q, &got, 1, 0) == -EAGAIN)
		SAME(1, poll(&ready, 1, -1));
	SAME(want, got);
}

/* The descriptor is readable now and then, and the call behind that asks the kernel. */
Test(pollable, test_dead_producer_in_the_way_is_passed)
{
	struct place p = place_queue(ON_SHM, 0, &crowd);
	struct shmq *in = unit_join(&p, SHMQ_CONSUMER), *out = unit_join(&p, SHMQ_PRODUCER);
	pid_t pid;

	MUST(shmq_fd(in) >= 0);
	pid = process_start(die_with_a_reservation, &p);
	SAME(SIGKILL, process_end(pid));
	SAME(0, shmq_send(out, "x", 1, 0));
	poll_and_receive(in, 'x');
	SAME(0, place_stat(&p).depth);
	SAME(0, shmq_detach(in));
	SAME(0, shmq_detach(out));
	place_remove(&p);
}

/* A producer that is told when nobody is left to read. */
Test(pollable, test_producer_consumer_gone_is_told)
{
	const struct shmq_opts one = {.size = sizeof(one), .msg_max = 8, .capacity = 1};
	struct place p = place_queue(ON_SHM, 0, &one);
	struct shmq *in = unit_join(&p, SHMQ_CONSUMER);
	struct shmq *out = unit_join(&p, SHMQ_PRODUCER | SHMQ_HANGUP);
	struct pollfd ready = {.fd = shmq_fd(out), .events = POLLIN};
	int err;

	SAME(0, shmq_send(out, "x", 1, 0));
	SAME(-EAGAIN, shmq_send(out, "x", 1, 0));
	SAME(0, shmq_detach(in));
	while ((err = shmq_send(out, "x", 1, 0)) == -EAGAIN)
		SAME(1, poll(&ready, 1, -1));
	SAME(-EPIPE, err);
	SAME(0, shmq_detach(out));
	place_remove(&p);
}

/* The longest time there is. */
static void
send_late(void *arg)
{
	struct shmq *out = unit_join(arg, SHMQ_PRODUCER);

	process_await_call(getppid(), PROCESS_FUTEX);
	SAME(0, shmq_send(out, "x", 1, 0));
	SAME(0, shmq_detach(out));
}

Test(pollable, test_longest_timeout_is_no_overflow)
{
	struct place p = place_queue(ON_SHM, 0, NULL);
	struct shmq *in = unit_join(&p, SHMQ_CONSUMER);
	char got = 0;
	pid_t pid = process_start(send_late, &p);

	SAME(1, shmq_recv(in, &got, 1, INT64_MAX));
	SAME('x', got);
	process_join(pid);
	SAME(0, shmq_detach(in));
	place_remove(&p);
}

/* The descriptor of this process that is open on the one bell there is. */
static int
bell_of_queue(void)
{
	DIR *dir = opendir("/proc/self/fd");
	char path[64], target[256];
	struct dirent *entry;
	int found = -1;

	while ((entry = readdir(dir))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%.20s", entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		if (strncmp(target, "/dev/shm/.shmq-bell-", 20) == 0)
			found = atoi(entry->d_name);
	}
	closedir(dir);
	return found;
}

/* What has the number now is left alone. */
Test(pollable, test_program_closed_the_bell_calls_go_on)
{
	struct place p = place_queue(ON_SHM, 0, NULL);
	struct shmq *in = unit_join(&p, SHMQ_CONSUMER), *out = unit_join(&p, SHMQ_PRODUCER);
	char got = 0;
	int bell, other[2];

	MUST(shmq_fd(in) >= 0);
	bell = bell_of_queue();
	MUST(bell >= 0);
	SAME(0, pipe2(other, O_CLOEXEC | O_NONBLOCK));
	SAME(bell, dup3(other[0], bell, O_CLOEXEC));
	SAME(1, write(other[1], "y", 1));
	SAME(-EAGAIN, shmq_recv(in, &got, 1, 0));
	SAME(0, shmq_send(out, "x", 1, 0));
	SAME(1, shmq_recv(in, &got, 1, 0));
	SAME(-EAGAIN, shmq_recv(in, &got, 1, 0));
	SAME(0, shmq_detach(in));
	SAME(1, read(bell, &got, 1));
	SAME('y', got);
	SAME(-1, read(bell, &got, 1));
	SAME(EAGAIN, errno);
	close(bell);
	close(other[0]);
	close(other[1]);
	SAME(0, shmq_detach(out));
	place_remove(&p);
}

/* Looking on ------------------------------------------------------------------------------- */

/* Positions that never held a message: a look passes so many of them, and is bounded. */
Test(pollable, test_observer_many_void_positions_in_several_looks)
{
	struct place p = place_queue(ON_SHM, 0, &crowd);
	struct shmq *out = unit_join(&p, SHMQ_PRODUCER), *eye = unit_join(&p, SHMQ_OBSERVER);
	struct shmq_info info = {.size = sizeof(info)};
	struct iovec slot;
	unsigned looks = 1;
	char got = 0;

	for (unsigned i = 0; i < 500; i++) {
		SAME(0, shmq_reserve(out, &slot, 1, 0));
		SAME(0, shmq_abort(out, &slot));
	}
	SAME(0, shmq_send(out, "x", 1, 0));
	while (shmq_recv(eye, &got, 1, 0) == -EAGAIN)
		looks++;
	SAME('x', got);
	MUST(looks > 1);
	SAME(0, shmq_info(eye, &info));
	SAME(0, info.lost);
	SAME(0, shmq_detach(eye));
	SAME(0, shmq_detach(out));
	place_remove(&p);
}
