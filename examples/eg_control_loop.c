/* SPDX-License-Identifier: MIT */
/*
 * A control loop at 1 kHz. A sensor sends each sample to a queue that keeps the newest one only
 * (SHMQ_LATEST); the controller wakes by the clock, not by messages, and takes what is newest then.
 * Both run under SCHED_FIFO, and the queue is locked into RAM (SHMQ_LOCK), where that is permitted.
 */
#include <sched.h>

#include "eg.h"

enum { CYCLES = 500, PERIOD_NS = 1000000 };

struct sample {
	int64_t number, taken_ns;
};

static char addr[64];
static unsigned lock = SHMQ_LOCK;

/* To an absolute time, so that a late cycle does not make the following ones late. */
static void
sleep_until(int64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	must("clock_nanosleep", -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
}

/* Send a sample each millisecond, until the queue is removed. */
static int
sense(int number)
{
	struct sample sample = {number, now_ns()};
	int64_t next = sample.taken_ns;
	struct shmq *q;
	int err;

	must("attach sensor", shmq_attach(&q, addr, SHMQ_PRODUCER | lock));
	while ((err = shmq_send(q, &sample, sizeof sample, 0)) == 0) {
		sleep_until(next += PERIOD_NS);
		sample = (struct sample){sample.number + 1, now_ns()};
	}
	return err == -EIDRM ? 0 : 1;
}

int
main(void)
{
	struct shmq_opts opts = {.size = sizeof opts, .kind = SHMQ_LATEST, .msg_max = 16};
	static int64_t late[CYCLES], age[CYCLES];
	struct shmq_info info = {.size = sizeof info};
	struct sample sample;
	int64_t next, newest = 0, wrong = 0;
	struct shmq *q;

	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){10}) != 0)
		puts("SCHED_FIFO is not permitted (ulimit -r): going on without it");
	if (shmq_memlock((size_t)shmq_footprint(&opts), NULL) != 0) {
		puts("locking memory is not permitted (ulimit -l): going on without it");
		lock = 0;
	}
	must("open", shmq_open(&q, address(addr, "control-loop"), &opts, SHMQ_CONSUMER | lock));
	start(sense, 0);
	must("first sample", shmq_recv(q, &sample, sizeof sample, SHMQ_FOREVER));
	next = now_ns();
	for (int i = 0; i < CYCLES; i++, newest = sample.number) {
		sleep_until(next += PERIOD_NS);
		late[i] = now_ns() - next;
		must("newest sample", shmq_recv(q, &sample, sizeof sample, 0));
		age[i] = now_ns() - sample.taken_ns;
		must("its number", shmq_info(q, &info));
		wrong += sample.number < newest || info.sequence != (uint64_t)sample.number;
	}
	print_times("woken late by", late, CYCLES);
	print_times("age of the sample", age, CYCLES);
	must("end", shmq_remove(addr) | shmq_detach(q));
	return failed_children() || newest == 0 || wrong > 0;
}
