/* SPDX-License-Identifier: MIT */
/* Any bytes in the memory of both queues, while the kernel works on them. */
#include "module.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Small rings: what is aimed at is met often. */
#define HOSTILE_BYTES (20 * 1024)

static void
begin(void)
{
	module_begin_with("number=3 roles=source,sink,raw size=20480");
}

TestSuite(hostile, .init = begin, .fini = module_end, .timeout = 300);

static unsigned char *
map(int device)
{
	int fd = module_open(device, O_RDWR);
	unsigned char *base = mmap(NULL, HOSTILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	MUST(base != MAP_FAILED);
	close(fd);
	return base;
}

/* Where things are in the region of a queue: what the header said before anybody wrote there. */
struct target {
	unsigned char *base;
	uint64_t data, slot_bytes, slots, control;
};

static struct target
aim(int device)
{
	struct target t = {.base = map(device)};

	memcpy(&t.data, t.base + 64, 8);
	memcpy(&t.slots, t.base + 96, 8);
	memcpy(&t.slot_bytes, t.base + 104, 8);
	memcpy(&t.control, t.base + 112, 8);
	MUST(t.data + t.slots * t.slot_bytes <= HOSTILE_BYTES);
	return t;
}

/*
 * One act: any bytes anywhere; any head, near or far; a slot's word with a turn that is, or may be, the
 * one waited for, and any length.
 */
static void
harm(const struct target *t, uint64_t *seed, uint64_t near)
{
	volatile uint64_t *head = (volatile uint64_t *)(t->base + t->control + 256);
	uint64_t at = random_below(seed, t->slots), word = random_next(seed);
	volatile uint64_t *slot = (volatile uint64_t *)(t->base + t->data + at * t->slot_bytes);

	switch (random_below(seed, 32)) {
	case 0:
		memset(t->base + random_below(seed, HOSTILE_BYTES - 4096), (int)word, 4096);
		break;
	case 1:
	case 2:
	case 3:
		*(volatile uint64_t *)(t->base + random_below(seed, HOSTILE_BYTES / 8) * 8) = word;
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		*head = random_below(seed, 2) ? word : near + word % 64 - 32;
		break;
	default:
		*slot = (near / t->slots * t->slots + at + 1) << 32 | (uint32_t)word >> word % 32;
	}
}

static int64_t
hostile_seconds(void)
{
	const char *text = getenv("SHMQ_HOSTILE_SECONDS");

	return text ? atoll(text) : 5;
}

static int64_t
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Aimed at before anybody does harm; the child inherits the mappings. */
struct targets {
	struct target source, sink;
	int64_t until;
};

/* Both queues are at work all the time: the one by its timer, the other by its clock and by kicks. */
static uint64_t
be_hostile(const struct targets *at, uint64_t seed)
{
	int fds[] = {module_open(SOURCE, O_RDWR), module_open(SINK, O_RDWR)};
	struct pollfd polls[] = {{.fd = fds[0], .events = POLLIN},
				 {.fd = fds[1], .events = POLLOUT}};
	uint64_t acts = 0;

	while (seconds() < at->until) {
		uint64_t sent = module_read(SOURCE, "sent"),
			 received = module_read(SINK, "received");

		for (int i = 0; i < 100; i++, acts += 2) {
			harm(&at->source, &seed, sent);
			harm(&at->sink, &seed, received + (uint64_t)i % 128);
		}
		module_kick(fds[1]);
		MUST(poll(polls, 2, 0) >= 0);
	}
	close(fds[0]);
	close(fds[1]);
	return acts;
}

static void
hostile_child(void *arg)
{
	(void)be_hostile(arg, 2);
}

/* A queue that the kernel serves as before, once it is laid out anew. */
static void
both_serve(void)
{
	struct sample sample = {0};
	struct shmq *q;
	int fd;

	SAME(0, module_write(SOURCE, "reset", "1"));
	SAME(0, module_write(SINK, "reset", "1"));
	q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	SAME(sizeof(sample), shmq_recv(q, &sample, sizeof(sample), SHMQ_FOREVER));
	SAME(0, sample.sequence);
	SAME(0, shmq_detach(q));
	q = module_attach(SINK_ADDRESS, SHMQ_PRODUCER);
	fd = module_open(SINK, O_RDWR);
	SAME(0, shmq_send(q, &(struct sample){0}, sizeof(sample), 0));
	module_drained(fd, 1);
	SAME(0, module_read(SINK, "gaps"));
	close(fd);
	SAME(0, shmq_detach(q));
}

Test(hostile, test_hostile_bytes_are_counted_and_harm_nobody)
{
	struct targets at = {aim(SOURCE), aim(SINK), seconds() + hostile_seconds()};
	uint64_t acts;
	pid_t pid;

	module_rate(SOURCE, 20000);
	module_rate(SINK, 1000);
	pid = process_start(hostile_child, &at);
	acts = be_hostile(&at, 1);
	process_join(pid);
	munmap(at.source.base, HOSTILE_BYTES);
	munmap(at.sink.base, HOSTILE_BYTES);
	printf("# hostile for %lld s: %llu acts here; errors: source %llu, sink %llu; drained %llu\n",
	       (long long)hostile_seconds(), (unsigned long long)acts,
	       (unsigned long long)module_read(SOURCE, "errors"),
	       (unsigned long long)module_read(SINK, "errors"),
	       (unsigned long long)module_read(SINK, "received"));
	MUST(module_read(SOURCE, "errors") > 0);
	MUST(module_read(SINK, "errors") > 0);
	MUST(module_log_clean());
	both_serve();
}
