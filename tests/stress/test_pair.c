/* SPDX-License-Identifier: MIT */
/*
 * Two processes, every size, capacity, backend and way: nothing is lost, repeated, out of order or
 * torn.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "stress/transfer.h"
#include "support/place.h"
#include "support/process.h"

TestSuite(pair, .init = place_begin, .fini = place_end, .timeout = 3600);

static void
produce(void *arg)
{
	transfer_produce(arg);
}

static void
consume(void *arg)
{
	transfer_consume(arg);
}

/* The same in a program of its own, which shares nothing with us but the address. */
static void
exec_peer(const char *what, const struct transfer *t)
{
	char msg_max[32], count[32], seed[32];

	snprintf(msg_max, sizeof(msg_max), "%zu", t->msg_max);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)t->count);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)t->seed);
	execl(STRESS_PEER, "peer", what, t->address, msg_max, count, t->blocking ? "1" : "0", seed,
	      (char *)NULL);
	_exit(127);
}

static void
exec_produce(void *arg)
{
	exec_peer("produce", arg);
}

static void
exec_consume(void *arg)
{
	exec_peer("consume", arg);
}

struct pair {
	void (*producer)(void *arg);
	void (*consumer)(void *arg);
};

static void
run(enum place_backend on, const struct shmq_opts *opts, const struct transfer *what,
    const struct pair *pair)
{
	struct place place = place_queue(on, 0, opts);
	struct transfer transfer = *what;
	struct shmq_stat st;
	pid_t producer, consumer;

	if (place.fd >= 0)
		SAME(0, fcntl(place.fd, F_SETFD, 0));
	transfer.address = place.attach;
	producer = process_start(pair->producer, &transfer);
	consumer = process_start(pair->consumer, &transfer);
	process_join(producer);
	process_join(consumer);
	st = place_stat(&place);
	SAME(transfer.count, st.sent);
	SAME(transfer.count, st.received);
	SAME(0, st.depth);
	SAME(0, st.nattch);
	SAME(opts->capacity, st.capacity);
	SAME(opts->msg_max, st.msg_max);
	place_remove(&place);
}

/* As many messages as take about the same time. */
static uint64_t
count_of(size_t msg_max, size_t capacity)
{
	uint64_t count = msg_max <= 100 ? 4000 : msg_max <= 4096 ? 2000 : 40;

	return SCALE * (capacity == 1 && msg_max <= 4096 ? count / 2 : count);
}

static const size_t sizes[] = {0, 1, 8, 56, 100, 4096, (size_t)1 << 20};
static const size_t capacities[] = {1, 2, 7, 1024};

/* 1 MiB times 1024 is only for the full run. */
static bool
too_large(size_t msg_max, size_t capacity)
{
	return SCALE == 1 && msg_max * capacity > (size_t)64 << 20;
}

static void
every_geometry(enum place_backend on, bool blocking)
{
	const struct pair forked = {produce, consume};
	uint64_t seed = 1;

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
			struct shmq_opts opts = {.size = sizeof(opts),
						 .msg_max = sizes[s],
						 .capacity = capacities[c]};
			struct transfer transfer = {
				.msg_max = sizes[s], .blocking = blocking, .seed = seed += 1000};

			transfer.count = count_of(sizes[s], capacities[c]);
			if (!too_large(sizes[s], capacities[c]))
				run(on, &opts, &transfer, &forked);
		}
	}
}

Test(pair, test_pair_shm_polling_stream_is_exact)
{
	every_geometry(ON_SHM, false);
}

Test(pair, test_pair_shm_blocking_stream_is_exact)
{
	every_geometry(ON_SHM, true);
}

Test(pair, test_pair_sysv_polling_stream_is_exact)
{
	every_geometry(ON_SYSV, false);
}

Test(pair, test_pair_sysv_blocking_stream_is_exact)
{
	every_geometry(ON_SYSV, true);
}

Test(pair, test_pair_file_polling_stream_is_exact)
{
	every_geometry(ON_FILE, false);
}

Test(pair, test_pair_file_blocking_stream_is_exact)
{
	every_geometry(ON_FILE, true);
}

Test(pair, test_pair_memfd_polling_stream_is_exact)
{
	every_geometry(ON_MEMFD, false);
}

Test(pair, test_pair_memfd_blocking_stream_is_exact)
{
	every_geometry(ON_MEMFD, true);
}

Test(pair, test_pair_executed_stream_is_exact)
{
	static const struct pair pairs[] = {
		{exec_produce, consume}, {produce, exec_consume}, {exec_produce, exec_consume}};
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 300, .capacity = 16};
	struct transfer transfer = {.msg_max = 300, .count = 3000 * SCALE};

	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		for (unsigned i = 0; i < 6; i++) {
			transfer.blocking = i % 2;
			transfer.seed = i;
			run(on, &opts, &transfer, &pairs[i / 2]);
		}
	}
}
