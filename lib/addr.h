/* SPDX-License-Identifier: MIT */
/* Addresses: how a segment is named. */
#ifndef SHMQ_ADDR_H
#define SHMQ_ADDR_H

#include <limits.h>
#include <shmq/shmq.h>
#include <stdint.h>
#include <sys/types.h>

/* The special number of an address without one. */
#define ADDR_NONE (-1)

struct shmqi_address {
	enum shmq_backend backend;
	char path[PATH_MAX]; /* shm:, file:, dev:, sysv:PATH: absolute; memfd: the label; else empty */
	int number;	     /* fd:N, sysv:id/N; else ADDR_NONE */
	key_t key;	     /* sysv: by key; IPC_PRIVATE for sysv:private and by id */
	uint64_t bytes;	     /* dev:/path?size=N; else 0 */
	char text[SHMQ_ADDRESS_MAX]; /* canonical */
};

/* Parse; -EINVAL when malformed, or the errno of ftok(). */
int shmqi_address_parse(struct shmqi_address *out, const char *text);

/* A number for a name, never 0; what shmq_stat.key shows on mmap backends. */
uint32_t shmqi_address_hash(const char *path);

#endif
