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
 *   slot         room for one message
 *   record       a message of a queue with SHMQ_RECORDS, packed behind the one before
 *   lane         MPSC: the ring of one producer; broadcast: where one reader is
 *
 * An object on an mmap backend, and a queue on sysv:
 *
 *   0       header       written by the creator before the address exists, never after
 *   4096    lifecycle    words any writer may change, each alone
 *   8192    participants queues only; 128 bytes each
 *   ...     control      queues only; blocks of 128 bytes, one writer each
 *   ...     lanes        MPSC and lossless broadcast: 256 bytes for each participant
 *   data    the user's memory, or the slots or records, on a page
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
#define FORMAT_VERSION 2u
#define FORMAT_ENDIAN UINT32_C(0x01020304)
#define FORMAT_PAGE UINT64_C(4096)
#define FORMAT_LONG UINT64_C(1024)   /* messages that may be so long begin with a cache line */
#define FORMAT_BLOCK UINT64_C(128)   /* blocks of different writers are this far apart */
#define FORMAT_SLOT_WORD UINT64_C(8) /* before the bytes of each slot: {turn:32, length:32} */

/* MPMC slots: the turn is above this bit of the word. */
#define FORMAT_TURN_SHIFT 16

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
	uint32_t flags;		 /* 72: SHMQ_LOCK, SHMQ_POPULATE, SHMQ_SPARSE, ... as created */
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
	uint64_t lane_bytes;	 /* 160: of one ring; MPSC has `participants` of them */
	uint64_t slow_limit;	 /* 168: lossless broadcast */
	uint32_t max_deliveries; /* 176: MPMC with SHMQ_REDELIVER */
	uint32_t reserved;	 /* 180 */
	uint64_t checksum;	 /* 184: of the bytes 8..183 */
};

/* Each word is changed alone, by any process that may write. */
struct format_lifecycle {
	uint32_t removed; /* 0: 1 once marked for destruction, or found without its name; never back */
	uint32_t lock;	  /* 4: 1: every attach locks; by shmq_lock() and shmq_unlock() */
	uint32_t lpid;	  /* 8: last to attach or detach */
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
	uint64_t state;	     /* 0: {generation:48, roles:16}; roles 0: none taken */
	uint64_t start_time; /* 8: of the process, ticks since boot */
	uint32_t pid;	     /* 16: in the process's own PID namespace */
	uint32_t reserved0;  /* 20 */
	uint64_t bell;	     /* 24: names the event descriptor's FIFO; 0: none */
	uint64_t base;	     /* 32: the count of its messages when it came */
	uint64_t messages;   /* 40: MPMC: sent and received by it */
	uint32_t armed[2];   /* 48: of senders, receivers: the ticket that its FIFO waits with */
	uint64_t holds;	     /* 56: MPMC: the position of the message it peeks at, + 1; 0: none */
	uint8_t reserved[64];
};

/* Where a side sleeps. Sleepers draw tickets; wakers add to `events` and note the ticket woken. */
struct format_sleep {
	uint32_t events; /* 0: the futex */
	uint32_t armed;	 /* 4: 1 once an event descriptor has been armed on this side */
	uint32_t ticket; /* 8: the last one drawn */
	uint32_t woken;	 /* 12: the last one woken */
	uint8_t reserved[112];
};

/* The control blocks, of every kind; what a kind does not need stays 0. */
struct format_control {
	/*
	 * Who holds a role. One holder: {generation:48, owner:16}, owner = participant index + 1, 0
	 * nobody. Many: {arrivals:48, attached:16}. Changed by CAS only.
	 */
	struct {
		uint64_t holder;
		uint8_t reserved[120];
	} producer, consumer; /* 0, 128 */
	struct {
		uint64_t head;	   /* the first position not released; lossless broadcast: that no
				      reader needs, by the writer; MPMC: a hint, by anybody */
		uint64_t ended;	   /* arrivals of producers whose end a consumer has reported */
		uint64_t received; /* records: messages before head */
		uint8_t reserved[104];
	} progress; /* 256 */
	/* Written by the producer; MPMC: tail, a hint, by anybody. */
	struct format_writer {
		uint64_t tail; /* the next position to publish; not kept with SPSC slots */
		uint64_t sent; /* records: messages before tail */
		uint8_t reserved0[48];
		uint64_t intent; /* lossy records: the end of what may be overwritten by now */
		uint64_t oldest; /* lossy records: where the oldest one still there begins */
		uint8_t reserved[48];
	} writer;				/* 384 */
	struct format_sleep senders, receivers; /* 512, 640 */
	/* MPMC: what recoverers add to. */
	struct {
		uint64_t orphan_events; /* some message may wait for another consumer */
		uint64_t lost, redelivered, dead;
		uint64_t voided; /* positions that never held a message */
		uint8_t reserved[88];
	} recovery; /* 768 */
	/* MPSC: the doorbells, one bit for each lane. */
	uint64_t doors[64]; /* 896 */
};

/* What a participant's lane is: the ring of a producer (MPSC), or the place of a reader. */
struct format_lane {
	/* Written by the consumer; `state` of a broadcast reader by CAS: {generation:48, state:16}.
	 */
	struct format_reader {
		uint64_t head;
		uint64_t received; /* records: messages before head */
		uint64_t state;
		uint8_t reserved[104];
	} reader;
	/* Written by the producer. */
	struct format_writer writer;
};

_Static_assert(sizeof(struct format_header) == 192, "format");
_Static_assert(offsetof(struct format_header, uuid) == 24, "format");
_Static_assert(offsetof(struct format_header, data_offset) == 64, "format");
_Static_assert(offsetof(struct format_header, msg_max) == 80, "format");
_Static_assert(offsetof(struct format_header, control_offset) == 112, "format");
_Static_assert(offsetof(struct format_header, side_dev) == 144, "format");
_Static_assert(offsetof(struct format_header, lane_bytes) == 160, "format");
_Static_assert(offsetof(struct format_header, checksum) == 184, "format");
_Static_assert(sizeof(struct format_lifecycle) == 48, "format");
_Static_assert(offsetof(struct format_lifecycle, atime_s) == 16, "format");
_Static_assert(sizeof(struct format_participant) == FORMAT_BLOCK, "format");
_Static_assert(offsetof(struct format_participant, bell) == 24, "format");
_Static_assert(offsetof(struct format_participant, messages) == 40, "format");
_Static_assert(sizeof(struct format_sleep) == FORMAT_BLOCK, "format");
_Static_assert(sizeof(struct format_writer) == FORMAT_BLOCK, "format");
_Static_assert(offsetof(struct format_writer, intent) == 64, "format");
_Static_assert(sizeof(struct format_control) == 11 * FORMAT_BLOCK, "format");
_Static_assert(offsetof(struct format_control, progress) == 256, "format");
_Static_assert(offsetof(struct format_control, writer) == 384, "format");
_Static_assert(offsetof(struct format_control, receivers) == 640, "format");
_Static_assert(offsetof(struct format_control, recovery) == 768, "format");
_Static_assert(offsetof(struct format_control, doors) == 896, "format");
_Static_assert(sizeof(struct format_lane) == 2 * FORMAT_BLOCK, "format");

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
	unsigned flags, participants, max_deliveries;
	uint64_t segsz, total_bytes, page_size, data_offset, control_offset;
	uint64_t msg_max, capacity, slots, slot_bytes, lane_bytes, slow_limit;
}; /* no padding: geometries are compared as bytes */

/* How far the user's memory is from the start of an object. */
size_t shmqi_format_meta_bytes(size_t page_size);

/* Geometry of a raw segment on an mmap backend; -EINVAL when it overflows. */
int shmqi_format_plan_raw(struct shmqi_geometry *g, uint64_t segsz, size_t page_size,
			  unsigned flags);

/* Complete kind, msg_max, capacity, participants, page_size, flags, max_deliveries and slow_limit
 * to the geometry of a queue; -EINVAL, -ENOTSUP (a flag or limit that this kind does not have). */
int shmqi_format_plan_queue(struct shmqi_geometry *g);

/* Write the header of a new object, all but the magic number, from `g`; seal it with
 * shmqi_format_publish(). */
void shmqi_format_init(struct format_header *header, const struct shmqi_geometry *g);

/* Write what the data of a new object begins with, where that is not 0: MPMC slots are free for
 * their first turn. */
void shmqi_format_fill(void *object, const struct shmqi_geometry *g);

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

/* Bytes beyond the capacity of a lossy ring of records (ring_lossy_records.h). */
#define FORMAT_LOSSY_SLACK UINT64_C(1024)

/* What a record of `length` bytes takes of a ring's capacity. */
static inline uint64_t
format_record_cost(uint64_t length)
{
	return (FORMAT_SLOT_WORD + length + 7) & ~UINT64_C(7);
}

/* Bytes of a ring of records before it starts again: 8 beyond the capacity are always free. */
static inline uint64_t
format_records_period(uint64_t capacity)
{
	return ((capacity + 7) & ~UINT64_C(7)) + FORMAT_SLOT_WORD;
}

/* Bytes of a ring of records: a record that starts before the end runs on beyond it. */
static inline uint64_t
format_records_bytes(uint64_t capacity, uint64_t msg_max)
{
	return format_records_period(capacity) + format_record_cost(msg_max);
}

/* Whether consumers map the queue read-only: what they do is no concern of the writer's. */
bool shmqi_format_read_only(const struct shmqi_geometry *g);

static inline struct format_control *
format_control(void *object, const struct shmqi_geometry *g)
{
	return (struct format_control *)(void *)((unsigned char *)object + g->control_offset);
}

static inline struct format_lane *
format_lanes(void *object, const struct shmqi_geometry *g)
{
	return (struct format_lane *)(void *)(format_control(object, g) + 1);
}

static inline struct format_participant *
format_participants(void *object)
{
	return (struct format_participant *)((unsigned char *)object + 2 * FORMAT_PAGE);
}

#endif
