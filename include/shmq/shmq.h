/* SPDX-License-Identifier: MIT */
/**
 * shmq: messages between processes through shared memory, without locks and without system calls on
 * the hot path.
 *
 * A queue is a ring inside a shared segment; a segment is named by an address and lives as the
 * kernel's own SysV segments live: created, attached, detached, and, once marked by shmq_remove(),
 * destroyed with the last detach.
 *
 * Addresses
 *
 *   shm:/name, /name         tmpfs, as shm_open()                (the default)
 *   sysv:0x5157              a SysV key
 *   sysv:PATH                the key ftok(PATH, 1)
 *   sysv:private             a new SysV segment without a key    (create only)
 *   sysv:id/N                a SysV shmid                        (not for create)
 *   file:/path               a file on any file system; on hugetlbfs, huge pages
 *   memfd:label              a sealed memfd                      (create only: the result is the
 *                            descriptor)
 *   fd:N                     a descriptor, inherited or received (not for create)
 *   dev:/dev/x               the memory of a device that offers mmap() (attach and stat only)
 *   dev:/dev/x?size=BYTES    the same where the driver does not tell its size, or less than that
 *
 * Conventions
 *
 * A function that can fail returns a negated errno value; errno itself is meaningless afterwards.
 * Results are >= 0. Option and result structs begin with `size`, which the caller sets to
 * sizeof(struct ...); fields are only ever appended. NULL options mean defaults. Sizes are bytes,
 * counts are messages, times are nanoseconds, relative, on CLOCK_MONOTONIC; 0 does not wait,
 * SHMQ_FOREVER waits without limit.
 *
 * Synchronization: which calls may run at the same time (X: the caller must keep them apart)
 *
 *                                 same handle   different handles   same address
 *   send, recv, their batches,
 *   reserve, commit, abort, peek,
 *   release, info, fd                  X               -                 -
 *   detach, seg_detach, seg_resize,
 *   seg_sync                           X               -                 -
 *   seg_find                           -               -                 -      (with any other
 *                                      call)
 *   stat, seg_stat, qstat              -               -                 -      (not with detach of
 *                                      that handle)
 *   create, attach, remove, set,
 *   lock, unlock, list, open, gc,
 *   memlock, participants              -               -                 -
 *
 * Caveats
 *
 *  - Detach waits for an RCU grace period and attach allocates: neither is for a real-time thread.
 *  - A queue handle does not cross fork(): in the child every call on it is -EBADF, and its
 *    descriptor (shmq_fd()) is closed. Attach in the child. A segment handle does.
 *  - shmq registers urcu-bp's fork hooks with pthread_atfork(); a program that uses urcu-bp itself
 *    must not call them again.
 *  - A peer with write permission can punch holes into or truncate a shm: or file: object, which is
 *    a SIGBUS for those who touch the memory. Between users who do not trust each other use sysv:
 *    or memfd: (which cannot be truncated).
 *  - A thread is not cancelled (deferred, as is the default) within a call, but after it. To end a
 *    call that waits, send the thread a signal that has a handler (-EINTR).
 *  - A process that is stopped (SIGSTOP) is alive: see shmq_reserve() and slow_limit for who waits.
 */
#ifndef SHMQ_SHMQ_H
#define SHMQ_SHMQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define SHMQ_VERSION_MAJOR 0
#define SHMQ_VERSION_MINOR 1
#define SHMQ_VERSION_PATCH 0
#define SHMQ_VERSION "0.1.0"

/** Wait without limit. */
#define SHMQ_FOREVER ((int64_t)-1)

/** The longest address, with its terminating zero. */
#define SHMQ_ADDRESS_MAX 4352

/** What a queue is; a raw segment is none of them. */
enum shmq_kind {
	SHMQ_SEGMENT = -1,  /**< not a queue: raw memory */
	SHMQ_SPSC = 0,	    /**< one producer, one consumer, FIFO */
	SHMQ_MPSC = 1,	    /**< many producers, one consumer, FIFO for each producer; the consumer
			       visits them in turn, and between them there is no order */
	SHMQ_MPMC = 2,	    /**< many of both; one order, each message to exactly one consumer */
	SHMQ_BROADCAST = 3, /**< one producer, each message to every consumer, FIFO */
	SHMQ_LATEST = 4	    /**< one producer; consumers get the newest message only */
};

/** What carries a segment. */
enum shmq_backend {
	SHMQ_BACKEND_SHM = 0,
	SHMQ_BACKEND_SYSV = 1,
	SHMQ_BACKEND_FILE = 2,
	SHMQ_BACKEND_MEMFD = 3, /**< what memfd: creates and fd: attaches */
	SHMQ_BACKEND_FD = 4,
	SHMQ_BACKEND_DEV = 5
};

/** Roles, for shmq_attach() and shmq_open(). */
#define SHMQ_PRODUCER 0x0001u /**< may send */
#define SHMQ_CONSUMER 0x0002u /**< may receive */
#define SHMQ_OBSERVER 0x0004u /**< may look: read-only, unregistered, not with other roles */
/** Attach flags. */
#define SHMQ_OLDEST \
	0x0008u /**< broadcast, and observers: start at the oldest message still there */
#define SHMQ_HANGUP 0x0010u /**< -EPIPE when no peer of the other role is attached any more */
/** Flags of attach and of creation. */
#define SHMQ_LOCK 0x0020u     /**< every page resident and locked, or the call fails */
#define SHMQ_POPULATE 0x0040u /**< every page present on return */
/** Creation flags. */
#define SHMQ_LOSSY 0x0080u     /**< broadcast: the producer never waits, and overwrites */
#define SHMQ_RECORDS 0x0100u   /**< SPSC, MPSC, broadcast: messages packed back to back */
#define SHMQ_REDELIVER 0x0200u /**< MPMC: what a dead consumer had claimed goes to another */
#define SHMQ_SPARSE \
	0x0400u /**< segments: pages on first touch; a full file system is then a SIGBUS */

/** How to create a raw segment. Zero fields mean the default, but for `segsz`, which must be given.
 */
struct shmq_seg_opts {
	size_t size;	  /**< sizeof(struct shmq_seg_opts) */
	size_t segsz;	  /**< bytes of memory, > 0; memory itself is whole pages */
	unsigned flags;	  /**< SHMQ_LOCK, SHMQ_POPULATE, SHMQ_SPARSE */
	mode_t mode;	  /**< low 9 permission bits; 0: 0600. The umask does not apply. */
	size_t page_size; /**< 0: the system's; 2 MiB or 1 GiB: huge pages, where the backend has
			     them */
	int numa_node;	  /**< 0 or -1: any; others not in this version: -ENOTSUP */
};

/**
 * How to create a queue. Zero fields mean the default, but for `msg_max`, which is taken as it is.
 *
 * Memory. SPSC, MPMC, broadcast: capacity slots of msg_max + 8 (MPMC, lossy: + 16) bytes, rounded
 * up; MPSC: that for each of its participants; SHMQ_RECORDS: capacity + msg_max bytes.
 */
struct shmq_opts {
	size_t size;	 /**< sizeof(struct shmq_opts) */
	int kind;	 /**< enum shmq_kind; SHMQ_SPSC */
	size_t msg_max;	 /**< longest message in bytes, 0..SHMQ_MSG_MAX; with NULL options 4096 */
	size_t capacity; /**< messages, 1..SHMQ_CAPACITY_MAX; 0: 1024. MPSC: of each lane; 0: 128.
			    Latest: values kept, so that a reader is seldom lapped, 2 or more; 0: 4.
			    With SHMQ_RECORDS: bytes, of which a message takes 8 + its length,
			    rounded up to 8; 0: 1 MiB (MPSC: 64 KiB), or four of the longest */
	unsigned flags;	 /**< SHMQ_LOCK (every attach locks, or fails), SHMQ_POPULATE, SHMQ_LOSSY,
			    SHMQ_RECORDS, SHMQ_REDELIVER */
	mode_t mode;	 /**< low 9 permission bits; 0: 0600. The umask does not apply. */
	unsigned participants; /**< how many may be attached as producer or consumer (MPSC: so many
				    lanes there are), 1..SHMQ_PARTICIPANTS_MAX; 0: 64. Consumers of
				    lossy broadcast and of latest do not count */
	unsigned max_deliveries; /**< SHMQ_REDELIVER: how often a message is delivered, before it is
				    dropped and counted as dead, 1..SHMQ_DELIVERIES_MAX; 0: 16 */
	size_t slow_limit; /**< lossless broadcast: a consumer that would be further behind than so
			      many messages (SHMQ_RECORDS: bytes) is ejected, and the producer never
			      waits, 1..capacity; 0: the producer waits */
	size_t page_size;  /**< 0: the system's; 2 MiB or 1 GiB: huge pages, where the backend has
			     them */
	int numa_node;	   /**< 0 or -1: any; others not in this version: -ENOTSUP */
};

#define SHMQ_MSG_MAX ((size_t)1 << 30)
#define SHMQ_CAPACITY_MAX ((size_t)1 << 30)
#define SHMQ_PARTICIPANTS_MAX 4095u
#define SHMQ_DELIVERIES_MAX 4095u

/** Bits of shmq_stat.mode above the permissions, as in shmid_ds. */
#define SHMQ_DEST 01000u   /**< marked: destroyed with the last detach */
#define SHMQ_LOCKED 02000u /**< SHM_LOCKed; mmap backends: every attach locks */

/** What is known of a segment or queue. A count that cannot be known here is -1. */
struct shmq_stat {
	size_t size; /**< sizeof(struct shmq_stat), set by the caller */
	/* struct shmid_ds */
	int64_t key; /**< of mmap backends a hash of the name; 0 (IPC_PRIVATE): none, or removed */
	int64_t id;  /**< shmid; mmap backends: -1 */
	uid_t uid, gid;	  /**< owner */
	uid_t cuid, cgid; /**< creator */
	unsigned mode;	  /**< permissions, SHMQ_DEST, SHMQ_LOCKED */
	unsigned seq;	  /**< differs between segments that follow each other under one address */
	size_t segsz;	  /**< bytes asked for at creation */
	int64_t atime, dtime,
		ctime; /**< seconds since the epoch of the last attach, detach, change; 0: never */
	pid_t cpid, lpid; /**< creator; last to attach or detach */
	int64_t nattch;	  /**< attaches now */
	/* shmq */
	char address[256]; /**< canonical address; empty where it has none; cut when longer */
	int backend;	   /**< enum shmq_backend */
	size_t page_size;
	const void *base; /**< where this attach is mapped; NULL when not asked of an attach */
	int64_t resident_bytes;	   /**< in RAM now, of the user's memory; of a queue the whole */
	int64_t locked_bytes;	   /**< locked into RAM as the kernel sees it */
	int64_t lock_needed_bytes; /**< what one locked attach counts against RLIMIT_MEMLOCK */
	/* queues only: kind >= 0 */
	int kind; /**< enum shmq_kind */
	size_t capacity, msg_max;
	uint64_t depth; /**< messages committed and not yet released; lossless broadcast: by the
			   slowest consumer; lossy, latest: those still there */
	uint64_t sent,
		received; /**< messages, since creation; received = sent - depth - lost - dead.
			     MPMC: both too high by the places in the ring that processes killed
			     on the spot had given up and not yet counted */
	uint64_t lost;	  /**< MPMC: dropped with consumers that died. From shmq_qstat() of a handle
			  that only reads: what it has missed; latest: its reads that gave up */
	uint64_t redelivered, dead;    /**< MPMC: deliveries to another consumer; messages that had
					  max_deliveries */
	unsigned producers, consumers; /**< alive; lossy, latest: consumers include observers */
	unsigned flags;		       /**< SHMQ_LOSSY, SHMQ_RECORDS, SHMQ_REDELIVER, as created */
	unsigned participants, max_deliveries;
	size_t slow_limit;
};

/** One participant of a queue, for shmq_participants(). A count that cannot be known is -1. */
struct shmq_participant {
	size_t size;	     /**< sizeof(struct shmq_participant) */
	unsigned index;	     /**< its number; what shmq_info.sender tells */
	unsigned roles;	     /**< SHMQ_PRODUCER, SHMQ_CONSUMER */
	pid_t pid;	     /**< in its own PID namespace */
	int alive;	     /**< 1, or 0: killed, and nobody has taken its place yet */
	uint64_t generation; /**< how often its place has been taken */
	int64_t messages;    /**< sent and received since it attached */
	int64_t position;    /**< of its next message (records: the number of messages before it) */
	int64_t lag;	     /**< consumers: messages sent and not yet received by it */
	int64_t lost;	     /**< always 0 here: those who may lose messages have no entry */
};

/** New owner and permissions, for shmq_set(). (uid_t)-1, (gid_t)-1, (mode_t)-1: leave as it is. */
struct shmq_perm {
	size_t size; /**< sizeof(struct shmq_perm) */
	uid_t uid;
	gid_t gid;
	mode_t mode; /**< low 9 bits */
};

/** Of the last message received, for shmq_info(). */
struct shmq_info {
	size_t size;	   /**< sizeof(struct shmq_info), set by the caller */
	uint64_t sequence; /**< its number since creation, from 0: of the queue; MPSC: of its lane;
			      MPMC: its position, of which aborted and dead senders leave out some;
			      redelivered: the position that its slot has come to meanwhile */
	int sender;	   /**< participant index of its sender; one producer: of the one attached
				now; -1: none */
	uint64_t lost;	   /**< messages that this consumer missed between the last one and this:
				lossy, latest, observers; else 0 */
	unsigned deliveries; /**< how often it has been delivered, this one included; 1, but for
				SHMQ_REDELIVER */
};

/** What locking takes, for shmq_memlock(). */
struct shmq_memlock {
	size_t size;	       /**< sizeof(struct shmq_memlock), set by the caller */
	uint64_t needed_bytes; /**< whole pages of what was asked */
	uint64_t limit_bytes;  /**< RLIMIT_MEMLOCK (soft); UINT64_MAX: no limit */
	uint64_t used_bytes;   /**< locked by this process already */
	int privileged;	       /**< 1: CAP_IPC_LOCK (of the first user namespace): no limit */
};

struct shmq;
struct shmq_seg;

/* Segments: raw shared memory with the kernel's lifecycle. -------------------- */

/**
 * Create a segment; never finds an existing one.
 *
 * Atomic: the address either is absent or names a complete segment, also when the creator is
 * killed. Memory is zero, and allocated unless SHMQ_SPARSE asks for first touch. The segment
 * outlives the caller until shmq_remove().
 *
 * @param addr  where; see the top of this file
 * @param opts  how; required, as a segment has no default length
 * @return 0; for memfd: the descriptor (>= 3, close-on-exec, owned by the caller); for sysv:private
 *         the shmid, or
 *   -EEXIST   the address is taken: attach it, or remove it first
 *   -EBUSY    a process that seems to be stopped is removing what is there: as shmq_remove()
 *   -EINVAL   malformed address or option, segsz 0 or too large, opts NULL
 *   -ENOTSUP  this backend has no such page size or flag; fd:, dev: and sysv:id/N cannot create
 *   -ENOSPC   the file system or the SysV limits are full: make room, or a smaller segment
 *   -ENOMEM   no memory or huge pages; with SHMQ_LOCK over RLIMIT_MEMLOCK (shmq_memlock() tells the
 *             figures)
 *   -EPERM    SHMQ_LOCK with RLIMIT_MEMLOCK 0 and no CAP_IPC_LOCK
 *   -EACCES   no permission for the directory
 *   -ENOENT   the directory of file:, or the file of sysv:PATH, is not there
 *   -EMFILE -ENFILE  out of descriptors
 *   -EIO      the device fails
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is left under the address; what is left elsewhere shmq gc clears
 */
int shmq_seg_create(const char *addr, const struct shmq_seg_opts *opts);

/**
 * Attach a segment at an address the system picks; shmq_seg_attach_at() with NULL.
 *
 * @return as shmq_seg_attach_at()
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: the kernel detaches
 */
int shmq_seg_attach(struct shmq_seg **out, const char *addr, unsigned flags);

/**
 * Attach a segment, as shmat().
 *
 * Maps the memory, counts in nattch, sets atime and lpid. The attach is inherited through fork(),
 * counted there too, and undone by shmq_seg_detach(), exec, exit and death. On a queue's address it
 * maps the queue's memory, header first; on dev: the device's, from its first byte on.
 *
 * @param out    the handle, owned by the caller until shmq_seg_detach(); untouched on an error
 * @param addr   where
 * @param at     page-aligned address for the memory, or NULL
 * @param flags  SHM_RDONLY, SHM_RND (round `at` down), SHM_REMAP (replace what is mapped at `at`),
 *               SHM_EXEC of <sys/shm.h>;
 *               SHMQ_LOCK, SHMQ_POPULATE
 * @return 0, or
 *   -ENOENT   nothing under this address
 *   -EINVAL   malformed address or flags; `at` unaligned, or taken without SHM_REMAP; SHM_REMAP
 *             with NULL; no such shmid or descriptor; dev: a size larger than the device's, or none
 *             that the driver or the address tells
 *   -EACCES   the mode, or the driver, does not let the caller read (and, without SHM_RDONLY,
 *             write); the owner has a lease on the file (F_SETLEASE)
 *   -ENODEV   dev: no device, or its driver does not offer mmap(); -EBUSY: it can be opened once
 *   -EIDRM    removed and destroyed; only through fd: can that be seen
 *   -EPROTONOSUPPORT  not a segment of ours, or of another format version
 *   -EBADMSG  a segment of ours that is damaged or truncated
 *   -ENOMEM   no memory or too many mappings; with SHMQ_LOCK over RLIMIT_MEMLOCK (shmq_memlock()
 *             tells the figures)
 *   -EPERM    SHMQ_LOCK with RLIMIT_MEMLOCK 0 and no CAP_IPC_LOCK; SHM_EXEC on a noexec mount
 *   -EMFILE -ENFILE  out of descriptors
 *   -EIO      the device fails
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: the kernel detaches
 */
int shmq_seg_attach_at(struct shmq_seg **out, const char *addr, void *at, unsigned flags);

/**
 * Detach, as shmdt(), and free the handle.
 *
 * Unmaps what is left of the attach, also when the caller has split it by mprotect, mlock or
 * munmap; other mappings that have come to lie in between stay. A segment marked by shmq_remove()
 * goes with its last detach.
 *
 * @return 0, or
 *   -EINVAL  `seg` is NULL, or mremap() has moved its memory away: nothing changes, as with shmdt()
 *
 * Progress:   blocks (an RCU grace period)
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the kernel detaches
 */
int shmq_seg_detach(struct shmq_seg *seg);

/**
 * Detach by the address of the memory, exactly as shmdt(); frees the handle of that attach.
 *
 * @param base  what shmq_seg_base() gives
 * @return 0, or -EINVAL: no attach starts there, or mremap() has moved it away (nothing changes)
 *
 * Progress:   blocks (an RCU grace period)
 * Threads:    any; for one attach, one
 * Signals:    no
 * On a crash: the kernel detaches
 */
int shmq_seg_detach_at(const void *base);

/**
 * Tell which attach of this process holds an address.
 *
 * Fills address, base, segsz, backend, page_size, kind, mode, owner, creator and times as of the
 * attach; counts that would take a system call are -1. Queues are found, too. Safe while another
 * thread detaches that very segment.
 *
 * @param inside  any address
 * @param st      result; `size` set by the caller
 * @return 0, or
 *   -ENOENT  no attach of this process holds it
 *   -EFAULT  `st` is NULL
 *   -EINVAL  st->size is not a known size
 *
 * Progress:   wait-free, but for a thread's first call, which registers the thread with RCU (a
 *             mutex): make it beforehand
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_seg_find(const void *inside, struct shmq_stat *st);

/** Return where the memory is mapped, or NULL for NULL. Wait-free. */
void *shmq_seg_base(const struct shmq_seg *seg);

/** Return the bytes of this attach, as created or as last resized; 0 for NULL. Wait-free. */
size_t shmq_seg_size(const struct shmq_seg *seg);

/**
 * Change how many bytes this attach maps; the memory may move.
 *
 * On shm: and file: a size beyond the object grows it first, allocated; other processes see that
 * when they resize. Shrinking changes the mapping only. A locked attach stays locked.
 *
 * @param size  bytes, > 0
 * @return 0, or
 *   -EINVAL   size 0 or too large; `seg` NULL; beyond a SysV segment or a sealed memfd; memory
 *             split by the caller
 *   -ENOMEM   no address space, or a locked attach would go over RLIMIT_MEMLOCK
 *   -ENOSPC   the file system is full
 *   -EACCES   growing the object needs write permission
 *   -ENOTSUP  the segment is a queue
 *   -EIO      the device fails
 *   -EMFILE -ENFILE  sysv: cannot tell whether it is a queue: out of descriptors
 *
 * Progress:   blocks (file system, an RCU grace period)
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the object has its old length or its new one
 */
int shmq_seg_resize(struct shmq_seg *seg, size_t size);

/**
 * Write the memory of a file: segment back to its file, and wait; elsewhere there is nothing to
 * write.
 *
 * @return 0, -EINVAL (`seg` NULL), -ENOMEM (part of it was unmapped), -EIO
 *
 * Progress:   blocks (device)
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: what was written back is on the device
 */
int shmq_seg_sync(struct shmq_seg *seg);

/**
 * Fill `st` for an attached segment; works after shmq_remove(), too.
 *
 * @return 0, -EINVAL (`seg` NULL, or st->size is not a known size), -EFAULT (`st` NULL)
 *
 * Progress:   blocks (system calls)
 * Threads:    any, but not with detach of this handle
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_seg_stat(const struct shmq_seg *seg, struct shmq_stat *st);

/* Lifecycle by address; a queue is a segment, so these serve both. -------------------- */

/**
 * Fill `st`, as IPC_STAT. To look into a sysv: queue it is attached for a moment, which others see
 * in its nattch; so do shmq_list() and shmq_gc().
 *
 * @return 0, or
 *   -ENOENT -EINVAL -EPROTONOSUPPORT -EBADMSG -EIDRM -ENODEV  as shmq_seg_attach_at()
 *   -EACCES  needs read permission, and no lease (F_SETLEASE) of the owner's
 *   -ENOMEM  no memory, or no address space, to look at a queue
 *   -EMFILE -ENFILE -EIO  out of descriptors; the device fails
 *   -EFAULT  `st` is NULL
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_stat(const char *addr, struct shmq_stat *st);

/**
 * Change owner and permissions, as IPC_SET; ctime becomes now.
 *
 * @return 0, or
 *   -EPERM   the caller is neither owner nor creator nor has CAP_SYS_ADMIN; mmap backends, and
 *            queues on sysv:, whose locks are on a file: what chmod() and chown() need
 *   -EFAULT  `perm` is NULL
 *   -ENOTSUP dev: the node is the system's, the memory the driver's; so of remove, lock, unlock
 *   -ENOENT -EINVAL -EPROTONOSUPPORT -EBADMSG -EACCES -ENOMEM -EMFILE -ENFILE -EIO  as shmq_stat()
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: each of mode and owner is the old or the new one
 */
int shmq_set(const char *addr, const struct shmq_perm *perm);

/**
 * Remove, as IPC_RMID: the address is free at once, the memory goes with the last detach.
 *
 * Those attached to a queue get -EIDRM: senders with their next send, receivers once they have
 * drained it.
 *
 * @return 0, or
 *   -ENOENT  nothing under this address, or another process was first
 *   -EBUSY   another process has been removing it for 200 ms, so it seems to be stopped: the address
 *            is free when that goes on; when that is dead, try again
 *   -EPERM   the caller is neither owner nor creator nor has CAP_SYS_ADMIN
 *   -ENOTSUP dev: as shmq_set()
 *   -EINVAL -EPROTONOSUPPORT -EACCES -EIDRM -ENOMEM -EMFILE -ENFILE -EIO  as shmq_stat(); a damaged
 *            segment of ours is removed
 *
 * Progress:   blocks (another remover of the same segment)
 * Threads:    any
 * Signals:    no
 * On a crash: marked or not; a marked one that still has its name is gone for attach, and
 *             cleared by shmq gc (shm:), or the next create or remove
 */
int shmq_remove(const char *addr);

/**
 * Keep the segment resident, as SHM_LOCK. On mmap backends: every attach from now on locks, or
 * fails; attaches of this process are locked now.
 *
 * @return 0, or
 *   -EPERM   not owner, creator or CAP_IPC_LOCK; or RLIMIT_MEMLOCK is 0
 *   -ENOTSUP dev: as shmq_set()
 *   -ENOMEM  over RLIMIT_MEMLOCK: shmq_memlock() tells the figures
 *   -ENOENT -EINVAL -EPROTONOSUPPORT -EBADMSG -EACCES -EMFILE -ENFILE -EIO  as shmq_stat()
 *
 * Progress:   blocks (paging)
 * Threads:    any
 * Signals:    no
 * On a crash: locked or not
 */
int shmq_lock(const char *addr);

/** Undo shmq_lock(); idempotent. Returns, progress and the rest as shmq_lock(). */
int shmq_unlock(const char *addr);

/**
 * Call `each` for every segment there is, as SHM_STAT: SysV segments of anybody, shm: segments of
 * shmq, and the file:, memfd: and dev: ones that this process has attached. Those the caller may
 * not read are left out.
 *
 * @param each  its `st` is valid during the call; a result other than 0 ends the walk
 * @return 0, what `each` returned, -EINVAL (`each` NULL), a negated errno of reading the directory,
 *         or -ENOMEM -EMFILE -ENFILE -EIO: one of them could not be looked at
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_list(int (*each)(const struct shmq_stat *st, void *arg), void *arg);

/**
 * Clear what crashed processes left: marked segments that still have a name, half-made ones, side
 * files without a segment. Never touches a complete unmarked segment; safe at any time.
 *
 * @param dry_run  1: only tell
 * @param each     called with a line on each thing found, and 0 or the negated errno of clearing
 *                 it; may be NULL
 * @return how many things were found, or a negated errno of reading the directory, or -ENOMEM
 *         -EMFILE -ENFILE -EIO: one of them could not be looked at; those before it are cleared
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: call it again
 */
int shmq_gc(int dry_run, void (*each)(const char *what, int err, void *arg), void *arg);

/**
 * Tell whether `bytes` more can be locked into RAM, before trying.
 *
 * @param bytes  how much; for a queue shmq_footprint()
 * @param out    the figures, filled on -EPERM and -ENOMEM too; may be NULL
 * @return 0, or
 *   -EPERM   RLIMIT_MEMLOCK is 0 and there is no CAP_IPC_LOCK
 *   -ENOMEM  needed + used is over the limit: raise it (ulimit -l, LimitMEMLOCK=, limits.d)
 *   -EINVAL  out->size is not a known size
 *
 * Progress:   blocks (reads /proc)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_memlock(size_t bytes, struct shmq_memlock *out);

/**
 * Return the bytes of memory that an attach of a queue with these options takes, its handle
 * included (NULL: the defaults), or -EINVAL or -ENOTSUP as shmq_create(). Wait-free.
 */
ssize_t shmq_footprint(const struct shmq_opts *opts);

/* Queues. -------------------- */

/**
 * Create a queue; never finds an existing one.
 *
 * @return as shmq_seg_create(), and
 *   -ENOTSUP  a flag or limit that this kind does not have
 *   -EINVAL   a number out of its range; with SHMQ_RECORDS a capacity below 8 + msg_max, rounded up
 *             to a multiple of 8
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is left under the address; what is left elsewhere shmq gc clears
 */
int shmq_create(const char *addr, const struct shmq_opts *opts);

/**
 * Attach a queue in a role, and take that role.
 *
 * Takes over from a producer or consumer that died: nothing it had committed is lost, and what a
 * dead consumer had received and not released comes again (MPMC: only with SHMQ_REDELIVER).
 *
 * A consumer of broadcast starts with the next message that is sent, or, with SHMQ_OLDEST, with the
 * oldest one that is still there (at least half of the capacity, or of slow_limit, is kept, if
 * sent; of records about a third, and less beside long ones or after a change of producer).
 * Consumers of lossy broadcast and of latest map the queue read-only, need read permission only,
 * and wait by looking again, at least once a millisecond.
 *
 * An observer maps the queue read-only and is seen by nobody but nattch. It may shmq_recv(): it
 * gets a copy of each message that it is quick enough to see, and consumes none.
 *
 * @param out   the handle, owned by the caller until shmq_detach(); untouched on an error
 * @param role  SHMQ_PRODUCER and/or SHMQ_CONSUMER, or SHMQ_OBSERVER; with SHMQ_HANGUP, SHMQ_LOCK,
 *              SHMQ_POPULATE, SHMQ_OLDEST
 * @return 0, or
 *   -EBUSY    a live process holds the role, and this kind has but one producer, or one consumer:
 *             wait for it, or stop it
 *   -EAGAIN   the segment is still being created, for a second now: try again
 *   -ENOSPC   every participant entry is held by a live process: detach one, or create with more
 *             `participants`
 *   -EXDEV    the side file of a sysv: queue is not the one it was created with (another mount
 *             namespace?)
 *   -EINVAL   malformed address or role; the segment is not a queue
 *   -ENOTSUP  SHMQ_OLDEST for a consumer of a kind other than broadcast; SHMQ_HANGUP for a producer
 *             of lossy broadcast or latest, whose consumers leave no trace; dev: nobody could tell
 *             who lives, as the driver maps another file
 *   -ENOENT -EACCES -ENODEV -EIDRM -EPROTONOSUPPORT -EBADMSG -ENOMEM -EPERM -EMFILE -ENFILE -EIO
 *             as shmq_seg_attach_at()
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: the kernel detaches; the role is free for a newcomer at once
 */
int shmq_attach(struct shmq **out, const char *addr, unsigned role);

/**
 * Create the queue if it is absent, check its geometry if not, and attach it.
 *
 * @param opts  with NULL options any geometry will do
 * @return as shmq_create() and shmq_attach(), and
 *   -EINVAL  kind, msg_max, capacity, or the flags SHMQ_LOSSY, SHMQ_RECORDS, SHMQ_REDELIVER of the
 *            existing queue differ from `opts`; memfd: and sysv:private, which always create
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: the queue is absent or complete
 */
int shmq_open(struct shmq **out, const char *addr, const struct shmq_opts *opts, unsigned role);

/**
 * Detach: abort an open reservation, return an open peek, give the role back, unmap, close the
 * descriptor of shmq_fd(), free the handle.
 *
 * @return 0, or
 *   -EINVAL  `q` is NULL
 *   -EBADF   `q` was inherited through fork(); nothing changes
 *
 * Progress:   blocks (an RCU grace period)
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the kernel detaches
 */
int shmq_detach(struct shmq *q);

/**
 * Call `each` for every participant of a queue: producers and consumers that are attached, or were
 * killed and nobody has taken their place yet. Those who only read have no entry.
 *
 * @param each  its `row` is valid during the call; a result other than 0 ends the walk
 * @return 0, what `each` returned, -EINVAL (`each` NULL), or as shmq_attach() with SHMQ_OBSERVER
 *
 * Progress:   blocks (file system)
 * Threads:    any
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_participants(const char *addr, int (*each)(const struct shmq_participant *row, void *arg),
		      void *arg);

/** Fill `st` for an attached queue; works after shmq_remove(). Returns and the rest as
 * shmq_seg_stat(), and -EBADF after fork(). */
int shmq_qstat(const struct shmq *q, struct shmq_stat *st);

/**
 * Send one message.
 *
 * What the caller did before is visible to the receiver of this message.
 *
 * Broadcast without a consumer: sent to nobody, and never full. When the queue is full: SPSC, MPMC,
 * lossless broadcast wait for room, MPSC for room in the caller's own lane; lossy broadcast and
 * latest overwrite and are never full. Who is in the way of a sender that waits, and was killed, is
 * out of its way within milliseconds. MPMC: a message that a consumer holds is passed by; the place
 * that was passed takes room until consumers come to it.
 *
 * @param msg         its bytes; may be NULL when len is 0
 * @param len         0..msg_max
 * @param timeout_ns  0, SHMQ_FOREVER or nanoseconds
 * @return 0, or
 *   -EAGAIN     full, and timeout_ns is 0
 *   -ETIMEDOUT  full for timeout_ns
 *   -EINTR      a signal handler ran while waiting; nothing was sent
 *   -EMSGSIZE   longer than msg_max; nothing was sent
 *   -EIDRM      the queue was removed, by shmq_remove(); a plain unlink or ipcrm is noticed by
 *               who waits
 *   -EPIPE      with SHMQ_HANGUP: there was a consumer, and there is none any more
 *   -EBUSY      a reservation is open: commit or abort it first
 *   -EBADMSG    shared memory breaks an invariant: this handle refuses further work; detach it
 *   -EBADF      inherited through fork(): attach in the child
 *   -EINVAL     not attached as producer; msg NULL with len > 0; a negative timeout other than
 *               SHMQ_FOREVER
 *
 * Progress:   wait-free with timeout 0 (MPMC: lock-free); else blocks while full. A system call
 *             only to sleep, to wake a sleeper, or, while full, once a millisecond to ask whether
 *             who is in the way lives
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the message is sent completely or not at all
 */
int shmq_send(struct shmq *q, const void *msg, size_t len, int64_t timeout_ns);

/**
 * Receive one message.
 *
 * Latest: with timeout 0 the newest value, also when it was received before (shmq_info() tells its
 * number); with a timeout, waits for one that was not. MPMC: -EAGAIN also says that the next
 * message is still being written, by a process that has claimed its place in the order and lives.
 *
 * @param buf   room for the message; may be NULL when size is 0
 * @param size  its bytes
 * @return the length of the message, 0..msg_max, or
 *   -EAGAIN     empty, and timeout_ns is 0; lossy, latest, observers: or the producer has overtaken
 *               several attempts to read (latest: counted, shmq_stat.lost of shmq_qstat())
 *   -ETIMEDOUT  empty for timeout_ns
 *   -EINTR      a signal handler ran while waiting
 *   -EMSGSIZE   longer than `size`; it stays where it is
 *   -EIDRM      the queue was removed, and is empty
 *   -EPIPE      with SHMQ_HANGUP: producers have come and gone, and nothing is left (with
 *               SHMQ_REDELIVER: nor held by a consumer, which might die). Reported once
 *               (MPMC: until the last consumer that was told has detached): who attaches after that
 *               waits for new producers. Broadcast, latest: to each consumer that found something
 *               to read, or a producer, since it attached
 *   -ESTALE     this consumer was too far behind (slow_limit), and ejected: detach, attach again
 *   -EBUSY      a message is peeked: release it first
 *   -EBADMSG    shared memory breaks an invariant: this handle refuses further work; detach it
 *   -EBADF      inherited through fork(): attach in the child
 *   -EINVAL     not attached as consumer or observer; buf NULL with size > 0; a negative timeout
 *               other than SHMQ_FOREVER
 *
 * Progress:   wait-free with timeout 0 (MPMC: lock-free); else blocks while empty. A system call
 *             only to sleep, to wake a sleeper, or, while empty, once a millisecond to ask whether
 *             who is in the way lives (MPMC)
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the message was received, or comes again to the next consumer (MPMC: or, longer than
 *             256 bytes and without SHMQ_REDELIVER, is dropped and counted)
 */
ssize_t shmq_recv(struct shmq *q, void *buf, size_t size, int64_t timeout_ns);

/**
 * Send up to `n` messages, each the bytes of one iovec; wait until at least one can be sent, then
 * send what fits without waiting.
 *
 * @return how many were sent, in order (0 only for n = 0), or what shmq_send() returns for the
 *         first. A later one that is longer than msg_max ends the batch before it. MPMC: others'
 *         messages may come in between. -EINVAL: v NULL with n > 0. -ENOTSUP: latest, of which
 *         only the last would be seen.
 *
 * Progress, Threads, Signals:  as shmq_send()
 * On a crash: a prefix of the batch is sent
 */
ssize_t shmq_send_batch(struct shmq *q, const struct iovec *v, size_t n, int64_t timeout_ns);

/**
 * Receive up to `n` messages, each into one iovec, whose iov_len becomes its length; wait until
 * there is one, then take what is there.
 *
 * @return how many were received (0 only for n = 0), or what shmq_recv() returns for the first. A
 *         later one that does not fit its iovec ends the batch before it. -EINVAL: v NULL with
 *         n > 0. -ENOTSUP: latest, which has but one. shmq_info() tells about the last.
 *
 * Progress, Threads, Signals:  as shmq_recv()
 * On a crash: all of the batch comes again to the next consumer, or none (MPSC: of each lane; MPMC:
 *             what is received is received)
 */
ssize_t shmq_recv_batch(struct shmq *q, struct iovec *v, size_t n, int64_t timeout_ns);

/**
 * Reserve room for a message in the queue itself, to be written in place (zero copy).
 *
 * MPMC: the reservation has its place in the order: receivers that come to it wait for it, as long
 * as the caller lives. So reserve, write, commit, and do nothing else between.
 *
 * @param slot  its iov_base becomes the memory (8-byte aligned, owned by the caller until commit or
 *              abort), its iov_len `len`
 * @param len   0..msg_max
 * @return as shmq_send(); -EBUSY: a reservation is open; -EINVAL: `slot` NULL
 *
 * Progress, Threads, Signals:  as shmq_send()
 * On a crash: nothing is sent
 */
int shmq_reserve(struct shmq *q, struct iovec *slot, size_t len, int64_t timeout_ns);

/**
 * Send the reserved message, of slot->iov_len bytes (at most what was reserved); also after
 * shmq_remove(), of which only the next reserve tells.
 *
 * @return 0, or
 *   -EINVAL  no reservation is open, or `slot` is not it
 *   -EMSGSIZE  iov_len is more than was reserved; the reservation stays open
 *   -EBADF   inherited through fork()
 *
 * Progress:   wait-free; a system call only to wake a sleeper
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the message is sent completely or not at all
 */
int shmq_commit(struct shmq *q, struct iovec *slot);

/** Give a reservation back unsent. Returns 0, -EINVAL (none is open, or `slot` is not it), -EBADF
 * (after fork()). Wait-free. */
int shmq_abort(struct shmq *q, struct iovec *slot);

/**
 * Look at the next message in place (zero copy); it stays until shmq_release(). A second peek
 * returns the same message.
 *
 * MPMC: the message is the caller's until release, for as long as it likes: others pass it by.
 *
 * @param msg  its iov_base becomes the message (8-byte aligned, read-only for the caller, until
 *             release), its iov_len the length
 * @return 0, or as shmq_recv() but for -EBUSY and -EMSGSIZE; -EINVAL: `msg` NULL; -ENOTSUP: lossy
 *         broadcast, latest, slow_limit, and observers, under whose eyes the producer may overwrite
 *
 * Progress, Threads, Signals:  as shmq_recv()
 * On a crash: the message comes again to the next consumer (MPMC: with SHMQ_REDELIVER; else it is
 *             dropped and counted)
 */
int shmq_peek(struct shmq *q, struct iovec *msg, int64_t timeout_ns);

/** Be done with the peeked message. Returns 0, -EINVAL (none is peeked, or `msg` is not it), -EBADF
 * (after fork()). Wait-free. */
int shmq_release(struct shmq *q, struct iovec *msg);

/**
 * Tell about the last message received or peeked through this handle, also when a call since found
 * none.
 *
 * @return 0, -EAGAIN (none yet), -EINVAL (`q` NULL, info->size not a known size), -EFAULT (`info`
 *         NULL), -EBADF (after fork())
 *
 * Progress:   wait-free
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: nothing is seen
 */
int shmq_info(const struct shmq *q, struct shmq_info *info);

/**
 * Return a descriptor for poll(), epoll and event loops built on them: readable (POLLIN) when there
 * may be work for this handle: a message, or, for a producer that is no consumer, room.
 *
 * When it is readable, call shmq_recv() (or shmq_send()) with timeout 0 until -EAGAIN: that makes
 * it unreadable, and arms it again. Level-triggered: it stays readable until then. It becomes
 * readable for no reason now and then, at least every 50 ms while armed, so that a call notices
 * what nobody could tell: a peer that was killed, a queue that was removed. For handles that only
 * read it is readable every millisecond. A handle that is both producer and consumer: after -EAGAIN
 * of either call it is readable for that one's sake.
 *
 * It costs the other side nothing while nobody is armed, and one write() when it wakes an armed
 * one.
 *
 * @return the descriptor, close-on-exec; the same at each call; owned by the handle: closed by
 *         shmq_detach(), and in a child of fork(); do not read, write or close it; or
 *   -EINVAL  `q` is NULL
 *   -EBADF   inherited through fork()
 *   -EACCES -ENOSPC -EMFILE -ENFILE -ENOMEM -EIO  no FIFO in /dev/shm, or no descriptor, to be had
 *
 * Progress:   blocks (file system) at the first call
 * Threads:    one thread per handle
 * Signals:    no
 * On a crash: the kernel closes it; its FIFO's name is cleared by who comes next, or shmq gc
 */
int shmq_fd(struct shmq *q);

/** Return a text for a negated errno value (its sign does not matter), in shmq's meaning; never
 * NULL, static. Wait-free. */
const char *shmq_strerror(int err);

/** Return the version of the library, as SHMQ_VERSION was when it was built. Wait-free. */
const char *shmq_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
