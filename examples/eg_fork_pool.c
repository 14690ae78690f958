/* SPDX-License-Identifier: MIT */
/*
 * A parent, and children that it forks. A queue handle does not cross fork(): what a child inherits
 * is the descriptor of a queue without a name, memfd:, and with it the child attaches itself. When
 * all have exited the queues are gone; there is nothing to remove.
 */
#include "eg.h"

enum { CHILDREN = 4, RANGES = 100, LENGTH = 10000, PRIMES = 78498 /* below a million */ };

static struct shmq *ranges, *counts; /* the parent's handles */
static char ranges_fd[16], counts_fd[16];

/* Create a queue of ints without a name. Its address is text, here and in every child. */
static void
create(char text[16], int kind)
{
	struct shmq_opts opts = {.size = sizeof opts, .kind = kind, .msg_max = sizeof(int)};

	snprintf(text, 16, "fd:%d", (int)must("create", shmq_create("memfd:eg-fork-pool", &opts)));
}

static int
primes(int first, int end)
{
	int count = 0;

	for (int n = first < 2 ? 2 : first; n < end; n++) {
		int d = 2;

		while (d * d <= n && n % d != 0)
			d++;
		count += d * d > n;
	}
	return count;
}

static int
work(int number)
{
	struct shmq *in, *out;
	int first, count;

	if (shmq_send(ranges, &number, sizeof number, 0) != -EBADF)
		return 1; /* the parent's handle is the parent's alone */
	must("attach", shmq_attach(&in, ranges_fd, SHMQ_CONSUMER | SHMQ_HANGUP));
	must("attach", shmq_attach(&out, counts_fd, SHMQ_PRODUCER));
	while (must("receive", shmq_recv(in, &first, sizeof first, SHMQ_FOREVER)) > 0) {
		count = primes(first, first + LENGTH);
		must("send", shmq_send(out, &count, sizeof count, SHMQ_FOREVER));
	}
	return shmq_detach(in) | shmq_detach(out); /* an empty message: stop */
}

int
main(void)
{
	int count, sum = 0, failed;

	create(ranges_fd, SHMQ_MPMC);
	create(counts_fd, SHMQ_MPSC);
	must("attach", shmq_attach(&ranges, ranges_fd, SHMQ_PRODUCER));
	must("attach", shmq_attach(&counts, counts_fd, SHMQ_CONSUMER));
	for (int i = 0; i < CHILDREN; i++)
		start(work, i);
	for (int first = 0; first < RANGES * LENGTH; first += LENGTH)
		must("send", shmq_send(ranges, &first, sizeof first, SHMQ_FOREVER));
	for (int i = 0; i < CHILDREN; i++)
		must("send stop", shmq_send(ranges, NULL, 0, SHMQ_FOREVER));
	for (int i = 0; i < RANGES; i++, sum += count)
		must("receive", shmq_recv(counts, &count, sizeof count, PATIENCE_NS));
	failed = failed_children();
	printf("%d primes below %d, counted by %d children\n", sum, RANGES * LENGTH, CHILDREN);
	return must("detach", shmq_detach(ranges) | shmq_detach(counts)) || failed || sum != PRIMES;
}
