/* SPDX-License-Identifier: MIT */
/* The index: header, bitmap, chains of keys, slots. The caller holds the lock. */
#include "namespace.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* -EIO: it ends before that. */
int
shmqi_ns_read(int fd, void *to, size_t bytes, uint64_t at)
{
	ssize_t got;

	do {
		got = pread(fd, to, bytes, (off_t)at);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return (size_t)got == bytes ? 0 : -EIO;
}

static void
take_back(int signal)
{
	const struct timespec now = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	(void)sigtimedwait(&set, NULL, &now);
}

int
shmqi_ns_write(int fd, const void *from, size_t bytes, uint64_t at)
{
	ssize_t put;

	do {
		put = pwrite(fd, from, bytes, (off_t)at);
	} while (put < 0 && errno == EINTR);
	if (put < 0 && errno == EFBIG) { /* and a signal, which waits, as signals are off */
		take_back(SIGXFSZ);
		return -ENOSPC;
	}
	if (put < 0)
		return errno == EDQUOT ? -ENOSPC : -errno;
	return (size_t)put == bytes ? 0 : -ENOSPC;
}

int
shmqi_ns_write_header(struct ns *ns, uint32_t dirty)
{
	ns->header.dirty = dirty;
	return shmqi_ns_write(ns->index, &ns->header, sizeof(ns->header), 0);
}

/* A number beyond what the file holds is zero: pages come with the first use. */
static int
read_word(struct ns *ns, uint64_t at, uint32_t *word)
{
	int err;

	*word = 0;
	err = shmqi_ns_read(ns->index, word, sizeof(*word), at);
	return err == -EIO ? 0 : err;
}

static uint64_t
slot_offset(unsigned index)
{
	return NS_AT_SLOTS + (uint64_t)index * sizeof(struct ns_slot);
}

static uint64_t
bucket_offset(int32_t key)
{
	/* Fibonacci hashing: keys of ftok() differ in few bits. */
	return NS_AT_BUCKETS + (((uint32_t)key * 2654435769u) >> 19) * UINT64_C(4);
}

int
shmqi_ns_slot_at(struct ns *ns, unsigned index, struct ns_slot *slot)
{
	if (index >= NS_SLOTS || shmqi_ns_read(ns->index, slot, sizeof(*slot), slot_offset(index)))
		return -EINVAL;
	if (slot->state != NS_LIVE || slot->id < 0 || ns_index(slot->id) != index || !slot->bytes ||
	    slot->huge_shift > NS_HUGE_MOST)
		return -EINVAL;
	return 0;
}

int
shmqi_ns_slot(struct ns *ns, int id, struct ns_slot *slot)
{
	if (id < 0 || shmqi_ns_slot_at(ns, ns_index(id), slot) || slot->id != id)
		return -EINVAL;
	return 0;
}

int
shmqi_ns_put(struct ns *ns, const struct ns_slot *slot)
{
	return shmqi_ns_write(ns->index, slot, sizeof(*slot), slot_offset(ns_index(slot->id)));
}

/* Chains are bounded by the number of slots: bytes that lead in a circle end. */
int
shmqi_ns_find(struct ns *ns, int32_t key, struct ns_slot *slot)
{
	uint32_t at, steps = 0;
	int err = read_word(ns, bucket_offset(key), &at);

	while (err == 0 && at && steps++ < NS_SLOTS) {
		if (shmqi_ns_slot_at(ns, at - 1, slot))
			break;
		if (slot->key == key && !(slot->mode & SHM_DEST))
			return 0;
		at = slot->next;
	}
	return err ? err : -ENOENT;
}

/* The slot is written by this; it becomes the first of its chain. */
int
shmqi_ns_link(struct ns *ns, struct ns_slot *slot)
{
	uint64_t bucket = bucket_offset(slot->key);
	uint32_t first = ns_index(slot->id) + 1;
	int err = 0;

	slot->next = 0;
	if (slot->key != IPC_PRIVATE)
		err = read_word(ns, bucket, &slot->next);
	if (err == 0)
		err = shmqi_ns_put(ns, slot);
	if (err == 0 && slot->key != IPC_PRIVATE)
		err = shmqi_ns_write(ns->index, &first, sizeof(first), bucket);
	return err;
}

int
shmqi_ns_unlink(struct ns *ns, const struct ns_slot *slot)
{
	uint64_t bucket = bucket_offset(slot->key);
	uint32_t mine = ns_index(slot->id) + 1, at, steps = 0;
	struct ns_slot before = {0};
	int err;

	if (slot->key == IPC_PRIVATE)
		return 0;
	err = read_word(ns, bucket, &at);
	if (err || at == mine)
		return err ? err
			   : shmqi_ns_write(ns->index, &slot->next, sizeof(slot->next), bucket);
	while (at && steps++ < NS_SLOTS && shmqi_ns_slot_at(ns, at - 1, &before) == 0) {
		at = before.next;
		if (at == mine) {
			before.next = slot->next;
			return shmqi_ns_put(ns, &before);
		}
	}
	return 0;
}

int
shmqi_ns_bitmap(struct ns *ns, uint64_t bits[NS_SLOTS / 64])
{
	int err;

	memset(bits, 0, NS_SLOTS / 8);
	err = shmqi_ns_read(ns->index, bits, NS_SLOTS / 8, NS_AT_BITMAP);
	return err == -EIO ? 0 : err;
}

int
shmqi_ns_mark_used(struct ns *ns, unsigned index, bool used)
{
	uint64_t word = 0, at = NS_AT_BITMAP + index / 64 * UINT64_C(8);
	uint64_t bit = UINT64_C(1) << index % 64;

	(void)shmqi_ns_read(ns->index, &word, sizeof(word), at);
	word = used ? word | bit : word & ~bit;
	return shmqi_ns_write(ns->index, &word, sizeof(word), at);
}

/*
 * As the kernel's ipc_idr_alloc(): indexes are given out upwards and round, among half as many again
 * as are in use, and the sequence grows each time they begin anew.
 */
int
shmqi_ns_next_id(struct ns *ns, int32_t *id)
{
	uint64_t bits[NS_SLOTS / 64];
	uint32_t round = (ns->header.in_use + 1) * 3 / 2;
	uint32_t first = (uint32_t)(ns->header.last + 1);
	int err = shmqi_ns_bitmap(ns, bits);

	if (err)
		return err;
	if (round < NS_CYCLE)
		round = NS_CYCLE;
	if (round > NS_SLOTS)
		round = NS_SLOTS;
	for (uint32_t i = 0; i < round; i++) {
		uint32_t index = ((first < round ? first : 0) + i) % round;

		if (bits[index / 64] >> index % 64 & 1)
			continue;
		if ((int32_t)index <= ns->header.last)
			ns->header.sequence = (ns->header.sequence + 1) % NS_SEQUENCES;
		ns->header.last = (int32_t)index;
		*id = (int32_t)(ns->header.sequence << NS_INDEX_BITS | index);
		return 0;
	}
	return -ENOSPC;
}

int
shmqi_ns_each(struct ns *ns, int (*each)(struct ns *ns, struct ns_slot *slot, void *arg), void *arg)
{
	uint64_t bits[NS_SLOTS / 64];
	struct ns_slot slot;
	int err = shmqi_ns_bitmap(ns, bits);

	for (unsigned i = 0; err == 0 && i < NS_SLOTS; i++) {
		if (!bits[i / 64]) {
			i |= 63;
			continue;
		}
		if (bits[i / 64] >> i % 64 & 1 && shmqi_ns_slot_at(ns, i, &slot) == 0)
			err = each(ns, &slot, arg);
	}
	return err;
}
