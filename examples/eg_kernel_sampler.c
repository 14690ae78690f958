/* SPDX-License-Identifier: MIT */
/*
 * A kernel timer at 1 kHz, and a user process under SCHED_FIFO that receives its samples: how late?
 *
 * The producer is the kernel module of kmod/ (insmod shmq_memdev.ko). The queue is the device's
 * memory, so a sample that is there already costs no system call; only to sleep does the process
 * call poll() on the device, which the kernel wakes.
 *
 *   eg_kernel_sampler [SAMPLES]
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>

#include "eg.h"

#define DEVICE "/dev/memdev0"
#define RATE_FILE "/sys/class/shmq_memdev/memdev0/rate"

enum { RATE = 1000, SAMPLES = 2000 };

/* What the module sends. */
struct sample {
	uint64_t sequence;
	int64_t ktime_ns; /* CLOCK_MONOTONIC: when the timer ran */
};

static void
set_rate(int rate)
{
	FILE *f = fopen(RATE_FILE, "w");

	must("open " RATE_FILE, f ? 0 : -errno);
	fprintf(f, "%d", rate);
	must("set the rate", fclose(f) ? -errno : 0);
}

static void
be_in_time(void)
{
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){50}) != 0)
		puts("SCHED_FIFO is not permitted (ulimit -r): going on without it");
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		puts("locking memory is not permitted (ulimit -l): going on without it");
}

static struct sample
next(struct shmq *q, int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	struct sample sample = {0, 0};
	ssize_t got;

	while ((got = shmq_recv(q, &sample, sizeof sample, 0)) == -EAGAIN)
		must("poll", poll(&ready, 1, -1) < 0 ? -errno : 0);
	must("receive", got);
	return sample;
}

static int
receive(struct shmq *q, int fd, size_t count)
{
	int64_t *late = calloc(count, sizeof *late);
	uint64_t lost = 0, expected = 0;

	must("allocate", late ? 0 : -ENOMEM);
	for (size_t i = 0; i < count; i++) {
		struct sample sample = next(q, fd);

		late[i] = now_ns() - sample.ktime_ns;
		lost += i ? sample.sequence - expected : 0;
		expected = sample.sequence + 1;
	}
	print_times("from the kernel's timer to the process", late, count);
	printf("%zu samples at %d Hz, %llu lost\n", count, RATE, (unsigned long long)lost);
	free(late);
	return lost != 0;
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : SAMPLES;
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC), failed;
	struct shmq *q;

	if (fd < 0) {
		puts("no " DEVICE ": load kmod/shmq_memdev.ko first (kmod/README.md)");
		return 0;
	}
	must("attach", shmq_attach(&q, "dev:" DEVICE, SHMQ_CONSUMER));
	be_in_time();
	set_rate(RATE);
	failed = receive(q, fd, count ? count : 1);
	set_rate(0);
	must("detach", shmq_detach(q));
	close(fd);
	return failed;
}
