/* SPDX-License-Identifier: MIT */
/*
 * The checks of shmq doctor, a few files of them; cmd_doctor.c has the table.
 *
 * A check fills in one verdict, what it found, and what to do where something can be done. "bad"
 * is for what keeps queues from working at all; "warn" for what costs speed, memory or safety.
 */
#ifndef SHMQ_DOCTOR_H
#define SHMQ_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_BAD };

struct check {
	const char *name;
	enum verdict verdict;
	const char *advice; /* "": nothing to do */
	char found[256];
};

void verdict_set(struct check *check, enum verdict verdict, const char *advice, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));
/* The first line of a file of /proc or /sys; false: not there. */
bool first_line(const char *path, char *buf, size_t size);
/* The number a file begins with; -1: not there. */
long long first_number(const char *path);

/* doctor_memory.c */
void check_memlock(struct check *check);
void check_dev_shm(struct check *check);
void check_sysv(struct check *check);
void check_huge_2m(struct check *check);
void check_huge_1g(struct check *check);
void check_shmem_huge(struct check *check);
void check_swap(struct check *check);
void check_compaction(struct check *check);

/* doctor_cpu.c */
void check_cpus(struct check *check);
void check_governor(struct check *check);
void check_isolated(struct check *check);
void check_nohz_full(struct check *check);
void check_realtime(struct check *check);
void check_rt_throttling(struct check *check);
void check_membarrier(struct check *check);

/* doctor_system.c */
void check_queue_shm(struct check *check);
void check_queue_sysv(struct check *check);
void check_namespaces(struct check *check);
void check_remove_ipc(struct check *check);
void check_stale(struct check *check);

#endif
