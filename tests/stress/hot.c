/* SPDX-License-Identifier: MIT */
#include "stress/hot.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <shmq/inline.h>

/* All bytes follow from the sequence number. */
struct load {
	uint64_t words[HOT_BYTES / 8];
};

/* How the loops below differ: nothing in common, so that each is as tight as a program's own. */
static bool
send_calls(struct shmq *q, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct load load = {{n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6}};
		int err;

		while ((err = shmq_send(q, &load, sizeof(load), 0)) == -EAGAIN)
			continue;
		if (err)
			return false;
	}
	return true;
}

static bool
send_inlined(struct shmq_port port, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct load load = {{n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6}};
		int err;

		while ((err = shmq_port_send(&port, &load, sizeof(load))) == -EAGAIN)
			continue;
		if (err)
			return false;
	}
	return true;
}

static bool
is_load(const struct load *load, ssize_t length, uint64_t n)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < HOT_BYTES / 8; i++)
		wrong |= load->words[i] ^ (n + i);
	return length == HOT_BYTES && wrong == 0;
}

static bool
receive_calls(struct shmq *q, uint64_t from, uint64_t to)
{
	struct load load;
	ssize_t length;

	for (uint64_t n = from; n < to; n++) {
		while ((length = shmq_recv(q, &load, sizeof(load), 0)) == -EAGAIN)
			continue;
		if (!is_load(&load, length, n))
			return false;
	}
	return true;
}

static bool
receive_inlined(struct shmq_port port, uint64_t from, uint64_t to)
{
	struct load load;
	ssize_t length;

	for (uint64_t n = from; n < to; n++) {
		while ((length = shmq_port_recv(&port, &load, sizeof(load))) == -EAGAIN)
			continue;
		if (!is_load(&load, length, n))
			return false;
	}
	return true;
}

static bool
run(const struct hot *hot, struct shmq *q, uint64_t from, uint64_t to)
{
	struct shmq_port port;

	if (!hot->inlined)
		return hot->role == SHMQ_PRODUCER ? send_calls(q, from, to)
						  : receive_calls(q, from, to);
	if (shmq_port_open(&port, q) != 0)
		return false;
	return hot->role == SHMQ_PRODUCER ? send_inlined(port, from, to)
					  : receive_inlined(port, from, to);
}

static long
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

long
hot_run(const struct hot *hot)
{
	unsigned role = hot->role | (hot->unlocked ? 0 : SHMQ_LOCK);
	struct shmq *q = NULL;
	long before;

	if (shmq_attach(&q, hot->address, role) != 0 || !run(hot, q, 0, hot->warm))
		return -1;
	faults();
	hot->warmed(hot->arg);
	before = faults();
	if (!run(hot, q, hot->warm, hot->warm + hot->count))
		return -1;
	return faults() - before;
}
