/* SPDX-License-Identifier: MIT */
/*
 * Calls to be counted, not timed: shmq_count_calls KIND CALL makes CALL 1,024 times on a queue of that kind
 * with one producer and one consumer, 56 bytes a message, nobody asleep, 32 in a row. What is counted happens in
 * counted(); messages are brought, or taken away, outside. instructions.py runs it under callgrind.
 */
#include <stdio.h>
#include <string.h>

#include <shmq/shmq.h>

#define LEN 56
#define LAP 32
#define CALLS 1024
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct kind {
	const char *name;
	int kind;
	unsigned flags;
} kinds[] = {
	{"spsc", SHMQ_SPSC, 0},
	{"spsc_records", SHMQ_SPSC, SHMQ_RECORDS},
	{"mpsc", SHMQ_MPSC, 0},
	{"mpsc_records", SHMQ_MPSC, SHMQ_RECORDS},
	{"mpmc", SHMQ_MPMC, 0},
	{"mpmc_redeliver", SHMQ_MPMC, SHMQ_REDELIVER},
	{"broadcast", SHMQ_BROADCAST, 0},
	{"broadcast_records", SHMQ_BROADCAST, SHMQ_RECORDS},
	{"lossy", SHMQ_BROADCAST, SHMQ_LOSSY},
	{"lossy_records", SHMQ_BROADCAST, SHMQ_LOSSY | SHMQ_RECORDS},
	{"latest", SHMQ_LATEST, 0},
};

static struct shmq *tx, *rx;
static unsigned char message[LEN];

static int
send_one(void)
{
	return shmq_send(tx, message, LEN, 0);
}

static int
recv_one(void)
{
	return shmq_recv(rx, message, LEN, 0) == LEN ? 0 : -1;
}

static int
commit_one(void)
{
	struct iovec slot;

	if (shmq_reserve(tx, &slot, LEN, 0))
		return -1;
	slot.iov_len = LEN;
	return shmq_commit(tx, &slot);
}

static int
release_one(void)
{
	struct iovec taken;

	return shmq_peek(rx, &taken, 0) ? -1 : shmq_release(rx, &taken);
}

static int
find_none(void)
{
	return shmq_recv(rx, message, LEN, 0) < 0 ? 0 : -1;
}

static int
nothing(void)
{
	return 0;
}

static const struct call {
	const char *name;
	int (*before)(void); /* for each, uncounted */
	int (*counted)(void);
	int (*after)(void);
} calls[] = {
	{"nothing", nothing, nothing, nothing},	     {"send", nothing, send_one, recv_one},
	{"recv", send_one, recv_one, nothing},	     {"commit", nothing, commit_one, recv_one},
	{"release", send_one, release_one, nothing}, {"empty", nothing, find_none, nothing},
};

static int
repeat(int (*one)(void), int n)
{
	int err = 0;

	while (n-- > 0 && !err)
		err = one();
	return err;
}

/* By its name callgrind finds it. */
__attribute__((noinline)) int counted(int (*one)(void), int n);

__attribute__((noinline)) int
counted(int (*one)(void), int n)
{
	return repeat(one, n);
}

/* Of a LATEST queue nothing is left but the last message: one at a time. */
static int
run(const struct kind *kind, const struct call *call)
{
	int lap = kind->kind == SHMQ_LATEST ? 1 : LAP, err = 0;

	for (int i = 0; i < CALLS && !err; i += lap)
		err = repeat(call->before, lap) || counted(call->counted, lap) ||
		      repeat(call->after, lap);
	return err;
}

static int
open_queue(const struct kind *kind)
{
	const struct shmq_opts opts = {.size = sizeof(opts),
				       .kind = kind->kind,
				       .flags = kind->flags,
				       .msg_max = LEN,
				       .capacity = kind->flags & SHMQ_RECORDS ? 64 * LEN : 0,
				       .participants = 2};
	int fd = shmq_create("memfd:shmq-count", &opts), err = fd;
	char address[32];

	if (fd < 0)
		return err;
	snprintf(address, sizeof(address), "fd:%d", fd);
	err = shmq_attach(&tx, address, SHMQ_PRODUCER);
	return err ? err : shmq_attach(&rx, address, SHMQ_CONSUMER);
}

static const struct kind *
kind_named(const char *name)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}

static const struct call *
call_named(const char *name)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct kind *kind = argc == 3 ? kind_named(argv[1]) : NULL;
	const struct call *call = argc == 3 ? call_named(argv[2]) : NULL;
	int err;

	if (!kind || !call) {
		fputs("usage: shmq_count_calls KIND CALL (see instructions.py)\n", stderr);
		return 2;
	}
	err = open_queue(kind);
	if (err) {
		fprintf(stderr, "shmq_count_calls: %s: %s\n", kind->name, shmq_strerror(err));
		return 1;
	}
	return run(kind, call) ? 3 : 0; /* 3: this kind does not have this call */
}
