/* SPDX-License-Identifier: MIT */
/*
 * What lies in shared memory, byte by byte (docs/format.md says it in prose).
 *
 * Glossary
 *   object       what the backend allocates: a tmpfs file, a memfd, a SysV segment
 *   segment      an object as shmq names it; on mmap backends: header page, lifecycle page, data
 *   queue        a segment whose data is a ring
 *   participant  one attach as producer or consumer, an entry in the participant table; its index
 *                is its owner id
 *   position     a message's number since creation, 64 bits, free running
 *   slot         room for one message; slots are a power of two, position & (slots - 1) picks one
 *
 * An object on an mmap backend, and a queue on sysv:
 *
 *   0       header       written by the creator before the address exists, never after
 *   4096    lifecycle    words any writer may change, each alone
 *   8192    participants queues only; 128 bytes each
 *   ...     control      queues only; blocks of 128 bytes, one writer each
 *   data    the user's memory or the slots, on a page of the object's page size
 *
 * A raw sysv: segment has none of this: it is the user's memory only.
 *
 * All numbers are little endian, which `endian` fixes; offsets only, no pointers; the same for 32-
 * and 64-bit processes.
 */
#ifndef SHMQ_FORMAT_H
#define SHMQ_FORMAT_H

#include <shmq/atomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAGIC UINT64_C(0x31716d6873a5f00d) /* 0d f0 a5 "shmq1" */
#define FORMAT_VERSION 1u
#define FORMAT_ENDIAN UINT32_C(0x01020304)
#define FORMAT_PAGE 4096u
#define FORMAT_BLOCK 128u   /* blocks of different writers are this far apart */
#define FORMAT_SLOT_WORD 8u /* before the bytes of each slot: {turn:32, length:32} */

/* Bits of format_header.features that this version knows; an unknown bit is another format. */
#define FORMAT_FEATURES 0u

struct format_header {
	uint64_t magic;		 /* 0: FORMAT_MAGIC; on sysv: 0 until complete, stored last */
	uint32_t version;	 /* 8 */
	uint32_t endian;	 /* 12 */
	uint32_t features;	 /* 16 */
	int32_t kind;		 /* 20: enum shmq_kind */
	uint8_t uuid[16];	 /* 24 */
	uint64_t segsz;		 /* 40: bytes asked for; queues: total_bytes */
	uint64_t total_bytes;	 /* 48: of the object */
	uint64_t page_size;	 /* 56 */
	uint64_t data_offset;	 /* 64 */
	uint32_t flags;		 /* 72: SHMQ_LOCK, SHMQ_POPULATE, SHMQ_SPARSE as created */
	uint32_t participants;	 /* 76: entries */
	uint64_t msg_max;	 /* 80 */
	uint64_t capacity;	 /* 88 */
	uint64_t slots;		 /* 96 */
	uint64_t slot_bytes;	 /* 104 */
	uint64_t control_offset; /* 112 */
	int64_t created_s;	 /* 120 */
	uint32_t cuid;		 /* 128 */
	uint32_t cgid;		 /* 132 */
	int32_t cpid;		 /* 136 */
	uint32_t key;		 /* 140: hash of the name; sysv: the key */
	uint64_t side_dev;	 /* 144: the side file of a sysv: queue */
	uint64_t side_ino;	 /* 152 */
	uint64_t checksum;	 /* 160: of the bytes 8..159 */
};

/* Each word is changed alone, by any process that may write. */
struct format_lifecycle {
	uint32_t removed;  /* 0: 1 once marked for destruction; by the remover, never back */
	uint32_t lock;	   /* 4: 1: every attach locks; by shmq_lock() and shmq_unlock() */
	uint32_t lpid;	   /* 8: last to attach or detach */
	uint32_t reserved; /* 12 */
	uint64_t atime_s;  /* 16 */
	uint64_t dtime_s;  /* 24 */
	uint64_t ctime_s;  /* 32 */
	uint64_t segsz;	   /* 40: bytes of data now: segsz of the header, until a resize grows the
			      object */
};

/* An entry belongs to whoever holds the write lock on its byte; read by anybody, as a diagnosis
 * only. */
struct format_participant {
	uint64_t state;	     /* 0: {generation:48, roles:16}; roles 0: free */
	uint64_t start_time; /* 8: of the process, ticks since boot */
	uint32_t pid;	     /* 16: in the process's own PID namespace */
	uint8_t reserved[108];
};

/* The control block of an SPSC queue. */
struct format_spsc {
	/* Who holds a role: {generation:48, owner:16}, owner = participant index + 1, 0 nobody.
	 * Changed by CAS only. */
	struct {
		uint64_t holder;
		uint8_t reserved[120];
	} producer, consumer; /* 0, 128 */
	/* Written by the consumer. */
	struct {
		uint64_t head;	/* the first position not yet released */
		uint64_t ended; /* generation of producers whose end a consumer has reported */
		uint8_t reserved[112];
	} progress; /* 256 */
	/* Where a side sleeps: written by that side, but for `events`, which wakers add to. */
	struct format_sleep {
		uint32_t events; /* the futex */
		uint32_t ticket; /* the last one drawn */
		uint32_t asleep; /* the ticket of who sleeps, 0: nobody */
		uint8_t reserved[116];
	} senders, receivers; /* 384, 512 */
};

_Static_assert(sizeof(struct format_header) == 168, "format");
_Static_assert(offsetof(struct format_header, uuid) == 24, "format");
_Static_assert(offsetof(struct format_header, data_offset) == 64, "format");
_Static_assert(offsetof(struct format_header, msg_max) == 80, "format");
_Static_assert(offsetof(struct format_header, control_offset) == 112, "format");
_Static_assert(offsetof(struct format_header, side_dev) == 144, "format");
_Static_assert(offsetof(struct format_header, checksum) == 160, "format");
_Static_assert(sizeof(struct format_lifecycle) == 48, "format");
_Static_assert(offsetof(struct format_lifecycle, atime_s) == 16, "format");
_Static_assert(sizeof(struct format_participant) == FORMAT_BLOCK, "format");
_Static_assert(sizeof(struct format_spsc) == 5 * FORMAT_BLOCK, "format");
_Static_assert(offsetof(struct format_spsc, progress) == 256, "format");
_Static_assert(offsetof(struct format_spsc, receivers) == 512, "format");

/* Bytes of the segment's own file that carry locks. */
#define FORMAT_LOCK_REMOVAL (INT64_C(1) << 20) /* a remover, while it unlinks */
#define FORMAT_LOCK_CREATION \
	(FORMAT_LOCK_REMOVAL + 1) /* a creator of a sysv: queue, in its side file */
#define FORMAT_LOCK_ANONYMOUS \
	(INT64_C(1) << 62) /* from here on: attaches without an entry, at random */

/* Geometry: computed by the creator, copied and checked by every attach, never read from shared
 * memory again. */
struct shmqi_geometry {
	int kind;
	unsigned flags, participants, reserved; /* no padding: geometries are compared as bytes */
	uint64_t segsz, total_bytes, page_size, data_offset, control_offset;
	uint64_t msg_max, capacity, slots, slot_bytes;
};

/* How far the user's memory is from the start of an object. */
size_t shmqi_format_meta_bytes(size_t page_size);

/* Geometry of a raw segment on an mmap backend; -EINVAL when it overflows. */
int shmqi_format_plan_raw(struct shmqi_geometry *g, uint64_t segsz, size_t page_size,
			  unsigned flags);

/* Complete kind, msg_max, capacity, participants, page_size and flags to the geometry of a queue;
 * -EINVAL. */
int shmqi_format_plan_queue(struct shmqi_geometry *g);

/* Write the header of a new object, all but the magic number, from `g`; seal it with
 * shmqi_format_publish(). */
void shmqi_format_init(struct format_header *header, const struct shmqi_geometry *g);

/* Compute the checksum and store the magic number: from now on the header is complete. */
void shmqi_format_publish(struct format_header *header);

/*
 * Check a header that anybody may have written, for an object of `object_bytes`, and copy its
 * geometry. -EPROTONOSUPPORT: not ours, or another version; -EBADMSG: damaged or truncated. Nothing
 * outside the header is read, and `g` is filled on success only.
 */
int shmqi_format_check(const struct format_header *shared, uint64_t object_bytes,
		       struct format_header *copy, struct shmqi_geometry *g);

static inline struct format_lifecycle *
format_lifecycle(void *object)
{
	return (struct format_lifecycle *)((unsigned char *)object + FORMAT_PAGE);
}

static inline struct format_participant *
format_participants(void *object)
{
	return (struct format_participant *)((unsigned char *)object + 2 * FORMAT_PAGE);
}

#endif
