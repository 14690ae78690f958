/* SPDX-License-Identifier: MIT */
/*
 * What the calls cost, against the system calls: `sysv_cost [ROUNDS]`, linked with libshmq-sysv, measures both in turn, with 1
 * segment in the table and with 1,000. CPU time, user and system, of this process: other load on the machine does not count.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of ours in the kernel's table, where others may be, too. */
#define KEY (0x51000000 + (int)((unsigned)getpid() % 8192 * 1024))
#define BATCHES 9

/* One way to make the calls. */
struct way {
	const char *name;
	int (*get)(key_t key, size_t size, int flags);
	void *(*at)(int id, const void *base, int flags);
	int (*dt)(const void *base);
	int (*ctl)(int id, int command, struct shmid_ds *ds);
};

static int
kernel_get(key_t key, size_t size, int flags)
{
	return (int)syscall(SYS_shmget, key, size, flags);
}

static void *
kernel_at(int id, const void *base, int flags)
{
	return (void *)syscall(SYS_shmat, id, base, flags);
}

static int
kernel_dt(const void *base)
{
	return (int)syscall(SYS_shmdt, base);
}

static int
kernel_ctl(int id, int command, struct shmid_ds *ds)
{
	return (int)syscall(SYS_shmctl, id, command, ds);
}

static void
need(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "sysv_cost: %s: error %d\n", what, errno);
	_exit(1);
}

static void
do_find(const struct way *way, int id)
{
	need(way->get(KEY, 0, 0) == id, "shmget");
}

static void
do_create(const struct way *way, int id)
{
	int new = way->get(IPC_PRIVATE, 4096, 0600);

	(void)id;
	need(new >= 0 && way->ctl(new, IPC_RMID, NULL) == 0, "shmget and IPC_RMID");
}

static void
do_attach(const struct way *way, int id)
{
	void *base = way->at(id, NULL, 0);

	need(base != (void *)-1 && way->dt(base) == 0, "shmat and shmdt");
}

static void
do_stat(const struct way *way, int id)
{
	struct shmid_ds ds;

	need(way->ctl(id, IPC_STAT, &ds) == 0, "IPC_STAT");
}

static const struct operation {
	const char *name;
	void (*run)(const struct way *way, int id);
} operations[] = {
	{"shmget of a key", do_find},
	{"shmget of a new one, IPC_RMID", do_create},
	{"shmat, shmdt", do_attach},
	{"shmctl(IPC_STAT)", do_stat},
};

static double
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median batch. */
static double
measure(const struct operation *operation, const struct way *way, int id, int rounds)
{
	double batch[BATCHES], before;

	for (int b = 0; b < BATCHES; b++) {
		before = cpu_ns();
		for (int i = 0; i < rounds; i++)
			operation->run(way, id);
		batch[b] = (cpu_ns() - before) / rounds;
	}
	qsort(batch, BATCHES, sizeof(batch[0]), ascending);
	return batch[BATCHES / 2];
}

static void
fill(const struct way *way, int ids[], int count)
{
	for (int i = 0; i < count; i++) {
		ids[i] = way->get(KEY + i, 4096, IPC_CREAT | IPC_EXCL | 0600);
		need(ids[i] >= 0, "shmget");
	}
}

static void
compare(const struct way ways[2], int count, int rounds)
{
	static int ids[2][1000];

	for (int w = 0; w < 2; w++)
		fill(&ways[w], ids[w], count);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		double kernel = measure(&operations[i], &ways[0], ids[0][0], rounds);
		double ours = measure(&operations[i], &ways[1], ids[1][0], rounds);

		printf("| %s | %d | %.2f us | %.2f us | %.1f |\n", operations[i].name, count,
		       kernel / 1e3, ours / 1e3, ours / kernel);
	}
	for (int w = 0; w < 2; w++)
		for (int i = 0; i < count; i++)
			need(ways[w].ctl(ids[w][i], IPC_RMID, NULL) == 0, "IPC_RMID");
}

int
main(int argc, char **argv)
{
	static const struct way ways[2] = {
		{"the kernel", kernel_get, kernel_at, kernel_dt, kernel_ctl},
		{"libshmq-sysv", shmget, shmat, shmdt, shmctl},
	};
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000;

	need(rounds > 0, "rounds");
	puts("| call | segments | system call | libshmq-sysv | ratio |\n|---|---|---|---|---|");
	compare(ways, 1, rounds);
	compare(ways, 1000, rounds);
	return 0;
}
