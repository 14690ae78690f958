/* SPDX-License-Identifier: MIT */
/*
 * The operating system as the library uses it: each call with what must hold before and what holds
 * after. Everything returns a negated errno on failure unless it says otherwise.
 */
#ifndef SHMQ_OS_H
#define SHMQ_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Branch hints for the hot path. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* os.c: cancellation -------------------- */

/*
 * A thread that pthread_cancel() ends in the middle of a call would leave locks held, descriptors
 * open and the queue as if we had been killed, but alive. So whatever opens, locks or waits begins
 * with this; what is asked meanwhile happens after the call.
 */
int shmqi_os_cancel_off(void);
void shmqi_os_cancel_back(const int *before);
#define SHMQI_NOT_CANCELLED                                    \
	__attribute__((cleanup(shmqi_os_cancel_back), unused)) \
	const int not_cancelled = shmqi_os_cancel_off()

/* os.c: descriptors, locks, randomness, time, scheduling -------------------- */

/* The identity of an open file. */
struct shmqi_inode {
	dev_t dev;
	ino_t ino;
};

bool shmqi_inode_same(struct shmqi_inode a, struct shmqi_inode b);

/* What `fd` is open on, to know it again; {0, 0}: nothing. */
struct shmqi_inode shmqi_os_inode(int fd);

/* Whether descriptor `fd` is open on the file `inode`. */
bool shmqi_os_fd_is(int fd, struct shmqi_inode inode);

/* Whether an error says nothing of what was asked about: it could not be looked at, for want of
 * memory or descriptors, or because a device failed. */
bool shmqi_os_untold(int err);

/* As readdir(), with *err a negated errno when that fails, else untouched. */
struct dirent;
struct dirent *shmqi_os_next(void *dir, int *err);

/* A gc at work: whether it only looks, whom it tells, how many things it has found. */
struct shmqi_gc {
	bool dry_run;
	void (*each)(const char *what, int err, void *arg);
	void *arg;
	int found;
};

/* Count one thing found, and tell "PATH: WHAT" and how clearing it has ended. */
void shmqi_gc_tell(struct shmqi_gc *gc, const char *path, const char *what, int err);

/* A new open file description of what `fd` is open on. `flags`: O_RDWR or O_RDONLY; close-on-exec.
 * Needs /proc. */
int shmqi_os_reopen(int fd, int flags);

/* Try to take an OFD lock (F_WRLCK, F_RDLCK) on one byte, or drop it (F_UNLCK). -EAGAIN: held by
 * another description. */
int shmqi_os_lock_byte(int fd, short type, int64_t byte);

/* As shmqi_os_lock_byte() with F_WRLCK, but try for a while: who holds it may be stopped, or a
 * stranger. */
int shmqi_os_lock_byte_wait(int fd, int64_t byte);

/* A lock that stands against a write lock; `last` is INT64_MAX for one without an end. */
struct shmqi_lock {
	int64_t first, last;
	short type;
};

/* One of the locks that stand against a write lock in [first, last]: 1, or 0. Takes nothing. */
int shmqi_os_lock_holder(int fd, int64_t first, int64_t last, struct shmqi_lock *out);

/* Fill `buf` with random bytes: numbers that no other has, not secrets. */
void shmqi_os_random(void *buf, size_t bytes);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t shmqi_os_now_ns(void);

/* CLOCK_REALTIME in seconds. */
int64_t shmqi_os_wall_s(void);

/* The start time of process `pid` in clock ticks since boot, 0 when it cannot be read. */
uint64_t shmqi_os_start_time(pid_t pid);

/* How many CPUs are online; the peer may run on any, however we are pinned. */
int shmqi_os_cpus(void);

/* Sleep while *word == seen, at most timeout_ns. 0: woken or changed; -ETIMEDOUT; -EINTR. */
int shmqi_os_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns);

/* Wake all who sleep on *word. */
void shmqi_os_futex_wake(const uint32_t *word);

/* Register this process for shmqi_os_barrier_all(). */
int shmqi_os_barrier_register(void);

/* A full fence on every CPU that runs a registered process. */
int shmqi_os_barrier_all(void);

/* Whether the effective user may act as the owner: is one of the two, or has CAP_SYS_ADMIN. */
bool shmqi_os_may_control(uid_t owner, uid_t creator);

/*
 * Whether the kernel takes us for the owner of what `fd` is open on, or for one who may act as that.
 * The numbers of stat() and geteuid() do not tell: in a user namespace those that it does not map
 * all look the same, and a capability there means nothing for such a file.
 */
bool shmqi_os_owns(int fd);

/* Whether we are the owner of a file, its segment's creator, or have that capability over it. */
bool shmqi_os_may_control_file(int fd, uid_t owner, uid_t creator, int capability);

/* Whether an effective capability of <linux/capability.h> is there, in our own user namespace. */
bool shmqi_os_capable(int capability);

/* Whether RLIMIT_MEMLOCK is not for us, by locking more than that for a moment: CAP_IPC_LOCK of a user
 * namespace other than the first looks the same, and is none. */
bool shmqi_os_locks_without_limit(void);

/* os_mem.c: pages -------------------- */

size_t shmqi_os_page_size(void);

/* Round up to a multiple of `unit`, a power of two; 0 on overflow. */
size_t shmqi_round_up(size_t bytes, size_t unit);

/* A negated errno for what mmap(), mremap(), shmat() and madvise() say: over the lock limit under
 * MCL_FUTURE, and short of memory, is EAGAIN there, and -ENOMEM here. */
int shmqi_os_map_error(int err);

/* Make every page of [base, base + bytes) present without changing its content. */
int shmqi_os_populate(void *base, size_t bytes, bool writable);

/* mlock(), and every page is resident afterwards. */
int shmqi_os_lock_memory(void *base, size_t bytes);

int shmqi_os_unlock_memory(void *base, size_t bytes);

/* Bytes of [base, base + bytes) that are in RAM, or -1. Only true for an owner or writer of the
 * object. */
int64_t shmqi_os_resident(const void *base, size_t bytes);

/* Bytes locked by process `pid` (0: this one), or a negated errno when that cannot be read. */
int64_t shmqi_os_locked_total(pid_t pid);

/* os_maps.c: what is mapped where -------------------- */

/* One line of /proc/PID/maps; `locked` only from smaps. */
struct shmqi_vma {
	uintptr_t start, end;
	uint64_t offset;
	unsigned major, minor;
	uint64_t ino;
	bool locked;
	bool sysv; /* SysV memory: ino is the shmid */
};

/* Call `each` for every mapping of process `pid` (0: this one); a result other than 0 ends the walk
 * and is returned. */
int shmqi_os_each_vma(pid_t pid, bool smaps, int (*each)(const struct shmqi_vma *, void *),
		      void *arg);

/*
 * Unmap those pieces of [base, base + bytes) that still are the mapping made there: of the file
 * that `like` is mapped from, at the file offset that their address tells. Returns how many pieces
 * there were.
 */
int shmqi_os_unmap_pieces(void *base, size_t bytes, uint64_t offset, const void *like);

/* The inode number of the mapping that holds `inside` (of SysV memory, the shmid); UINT64_MAX: none
 * does. */
uint64_t shmqi_os_inode_at(const void *inside);

/* Whether a mapping of `inode` (of SysV memory the shmid; then its device does not matter), at
 * `offset` in it or above, begins at an address that is not `known`. */
bool shmqi_os_mapped_elsewhere(const struct shmqi_inode *inode, bool sysv, uint64_t offset,
			       bool (*known)(uintptr_t at));

/* Bytes of the object's mappings [base, base + bytes) of this process that are locked, or a negated
 * errno. */
int64_t shmqi_os_locked_here(const void *base, size_t bytes);

/* Bytes of the file `inode` that process `pid` has locked, or a negated errno. */
int64_t shmqi_os_locked_by(pid_t pid, struct shmqi_inode inode);

#endif
