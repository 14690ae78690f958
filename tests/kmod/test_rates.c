/* SPDX-License-Identifier: MIT */
/* Samples of a kernel timer, received by poll(). */
#include "module.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Room for seconds: a virtual machine's CPUs are held up at times. */
static void
begin(void)
{
	module_begin_with("number=3 roles=source,sink,raw size=8388608");
}

TestSuite(rates, .init = begin, .fini = module_end, .timeout = 240);

/* The next sample, for which poll() waits. */
static struct sample
next_sample(struct shmq *q, int fd)
{
	struct sample sample = {0};
	ssize_t got;

	while ((got = shmq_recv(q, &sample, sizeof(sample), 0)) == -EAGAIN)
		SAME(1, poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1));
	SAME(sizeof(sample), got);
	return sample;
}

/* `count` samples at a rate, in order; how many were lost. Time goes forward in them. */
static uint64_t
receive(unsigned rate, uint64_t count, uint64_t *missed)
{
	struct shmq *q;
	uint64_t next = 0, lost = 0, seen = 0;
	int64_t ktime = 0;
	int fd;

	SAME(0, module_write(SOURCE, "reset", "1"));
	q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER);
	fd = module_open(SOURCE, O_RDONLY);
	module_rate(SOURCE, rate);
	while (seen < count) {
		struct sample sample = next_sample(q, fd);

		MUST(sample.sequence >= next);
		MUST(sample.ktime_ns > ktime);
		ktime = sample.ktime_ns;
		lost += sample.sequence - next;
		next = sample.sequence + 1;
		seen++;
	}
	module_rate(SOURCE, 0);
	*missed = module_read(SOURCE, "missed");
	MUST(module_read(SOURCE, "overruns") >= lost);
	SAME(0, module_read(SOURCE, "errors"));
	close(fd);
	SAME(0, shmq_detach(q));
	return lost;
}

Test(rates, test_samples_at_10_khz_in_order_none_lost)
{
	uint64_t missed, lost = receive(10000, 30000, &missed);

	printf("# 10000 Hz: 30000 samples in order, %llu lost, %llu timer periods late\n",
	       (unsigned long long)lost, (unsigned long long)missed);
	SAME(0, lost);
}

/* How far it goes depends on the machine: said, not judged. */
Test(rates, test_rates_up_to_loss)
{
	static const unsigned rates[] = {1000, 2000, 5000, 10000, 20000, 50000, 100000};

	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t missed, lost = receive(rates[i], rates[i] / 2, &missed);

		printf("# %6u Hz: %u samples, %llu lost, %llu timer periods late\n", rates[i],
		       rates[i] / 2, (unsigned long long)lost, (unsigned long long)missed);
	}
}
