/* SPDX-License-Identifier: MIT */
/*
 * Roles, with the library's own lib/peer.c over a table of locks that stands for the kernel's: one byte per participant, locked by one
 * writer or many readers, each lock with the description that took it. A description is a number: a newcomer's own is its index here,
 * the one it opens again for a probe is that + ROLE_REOPENED. A thread that has ended without letting go is alive and keeps its locks; a dead
 * one is an entry whose byte nobody has locked.
 */
#ifndef ROLE_H
#define ROLE_H

#include "model.h"

#include <fcntl.h>
#include <unistd.h>

static int role_close(int fd);

/* The library's close() is the table's. */
#undef close
#define close role_close

#include "peer.c"

#define NEWCOMERS 2
#define ENTRIES 2
#define ROLE_REOPENED NEWCOMERS
#define DESCRIPTIONS (2 * NEWCOMERS)
#define NOBODY (-1)

struct role_memory {
	unsigned char header[2 * FORMAT_PAGE];
	struct format_participant entries[ENTRIES];
	struct format_control control;
};

static struct role_memory role_memory;
static struct shmq_seg role_segs[NEWCOMERS];

static pthread_mutex_t role_table = PTHREAD_MUTEX_INITIALIZER;
static int role_writer[ENTRIES];
static int role_reader[ENTRIES][DESCRIPTIONS];

/* Each newcomer is a process, with a mutex of its own. */
int
shmqi_seg_lock(void)
{
	return 0;
}

void
shmqi_seg_unlock(int cancel_state)
{
	(void)cancel_state;
}

/* As fcntl(): a lock of one's own is converted in place, and dropped by F_UNLCK. */
static int
role_lock(unsigned byte, short type, int who)
{
	if (role_writer[byte] != NOBODY && role_writer[byte] != who)
		return -EAGAIN;
	if (type == F_WRLCK)
		for (int i = 0; i < DESCRIPTIONS; i++)
			if (i != who && role_reader[byte][i])
				return -EAGAIN;
	role_reader[byte][who] = type == F_RDLCK;
	role_writer[byte] = type == F_WRLCK ? who : NOBODY;
	return 0;
}

int
shmqi_os_lock_byte(int fd, short type, int64_t byte)
{
	int err;

	pthread_mutex_lock(&role_table);
	err = role_lock((unsigned)byte, type, fd);
	pthread_mutex_unlock(&role_table);
	return err;
}

static int
role_close(int fd)
{
	pthread_mutex_lock(&role_table);
	for (unsigned i = 0; i < ENTRIES; i++)
		role_reader[i][fd] = 0;
	pthread_mutex_unlock(&role_table);
	return 0;
}

int
shmqi_seg_spare(struct shmq_seg *seg)
{
	return seg->spare;
}

int
shmqi_os_reopen(int fd, int flags)
{
	(void)flags;
	return fd + ROLE_REOPENED;
}

uint64_t
shmqi_os_start_time(pid_t pid)
{
	(void)pid;
	return 0;
}

int
shmqi_lock_dead(int fd, unsigned index)
{
	(void)fd;
	return role_writer[index] == NOBODY;
}

void
shmqi_bell_clear(struct format_participant *entry, const uint8_t uuid[16])
{
	(void)entry;
	(void)uuid;
}

/* Nobody is attached, and the role was claimed once: by entry 0. */
static inline void
role_reset(void)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		role_memory.entries[i].state = 0;
		role_writer[i] = NOBODY;
		for (unsigned j = 0; j < DESCRIPTIONS; j++)
			role_reader[i][j] = 0;
	}
	for (int i = 0; i < NEWCOMERS; i++) {
		role_segs[i].object = &role_memory;
		role_segs[i].g.participants = ENTRIES;
		role_segs[i].g.control_offset = offsetof(struct role_memory, control);
		role_segs[i].spare = i;
	}
	role_memory.control.consumer.holder = 0;
	role_memory.control.producer.holder = word_of(1, 0 + 1);
}

static inline uint64_t *
role_holder(void)
{
	return &role_memory.control.producer.holder;
}

/* Newcomer `who` takes an entry: its index. */
static inline unsigned
role_join(int who)
{
	struct shmqi_join join = {.index = PEER_NONE};
	int err = shmqi_peer_join(&role_segs[who], who, &join);

	assert(err == 0 && join.index < ENTRIES);
	return join.index;
}

#endif
