/* SPDX-License-Identifier: MIT */
/*
 * Segments: objects with a lifecycle. A backend knows how to create, open and unlink one kind of
 * object; everything else is common.
 *
 * Liveness is an OFD lock on one byte of the object's own file (of the side file for a sysv:
 * queue), held by a mapping: the attach opens a description of its own, takes the byte, maps the
 * object from it, marks the mapping MADV_DONTFORK and closes the descriptor. So the lock goes
 * exactly with the mapping: with munmap, exec and any death, and no child keeps it.
 */
#ifndef SHMQ_SEG_H
#define SHMQ_SEG_H

#include "addr.h"
#include "format.h"
#include "os.h"

#include <pthread.h>
#include <sys/shm.h>

struct shmqi_entry;

/* How to open an object. */
enum shmqi_access {
	OPEN_READ,  /* read only */
	OPEN_ANY,   /* writable if that is allowed, else read only */
	OPEN_WRITE, /* writable, or -EACCES */
};

/* An open object, not yet attached. */
struct shmqi_object {
	int fd;	   /* the description our lock will be on; raw sysv: -1 */
	int spare; /* another description, without locks: for probes and the data; raw sysv: -1 */
	int shmid; /* mmap backends: -1 */
	bool writable;
	struct shmqi_inode inode; /* of fd */
	uint64_t bytes;
	size_t page_size;
};

struct shmqi_backend {
	/* Find the page size a segment here would have; `wanted` 0: the natural one. -ENOTSUP: not
	 * here. */
	int (*page_size)(const struct shmqi_address *a, size_t wanted, size_t *out);
	/* Create, complete; what shmq_create() returns. */
	int (*create)(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode);
	int (*open)(struct shmqi_object *o, const struct shmqi_address *a,
		    enum shmqi_access access);
	/* Whether the address still names this object. */
	bool (*current)(const struct shmqi_object *o, const struct shmqi_address *a);
	/* Whether unlink() will be permitted: a refused removal changes nothing. */
	int (*may_unlink)(const struct shmqi_object *o, const struct shmqi_address *a);
	/* Free the address. */
	int (*unlink)(const struct shmqi_object *o, const struct shmqi_address *a);
};

extern const struct shmqi_backend shmqi_backend_named; /* shm:, file: */
extern const struct shmqi_backend shmqi_backend_memfd; /* memfd: and fd: */
extern const struct shmqi_backend shmqi_backend_sysv;
extern const struct shmqi_backend shmqi_backend_dev;

const struct shmqi_backend *shmqi_backend_of(const struct shmqi_address *a);

/* backend_mmap.c: what the mmap backends share */
int shmqi_mmap_build(int fd, const struct shmqi_geometry *g, uint32_t key);
/* Give a complete file made with O_TMPFILE its name; -EEXIST when that is taken. */
int shmqi_mmap_publish(int fd, const char *path);
int shmqi_mmap_grow(int fd, uint64_t from, uint64_t to, bool sparse);
int shmqi_object_measure(struct shmqi_object *o);
void shmqi_object_close(struct shmqi_object *o);
/* Open what has a name: both descriptions, of one file, measured between; closed after an error. */
int shmqi_object_open(struct shmqi_object *o, const struct shmqi_address *a,
		      enum shmqi_access access,
		      int (*open_path)(const struct shmqi_address *a, int flags),
		      int (*measure)(struct shmqi_object *o, const struct shmqi_address *a));
void shmqi_format_sign(struct format_header *header, uint32_t key);
bool shmqi_huge_page_size(size_t wanted);

/* backend_sysv.c */
int shmqi_sysv_id(const struct shmqi_address *a);
/* Whether there are addresses for all of it. Anybody can make, at no cost, what is longer; that is not
 * looked into. */
bool shmqi_sysv_fits(int id);
/* What errno says of a call on the segment that `a` named just now. */
int shmqi_sysv_error(const struct shmqi_address *a, int id);
/* shmget() of a new segment: its shmid. */
int shmqi_sysv_new(const struct shmqi_address *a, const struct shmqi_geometry *g, uint64_t bytes,
		   mode_t mode);
/* Make all pages of a new segment present, and lock them if its flags say so. */
int shmqi_sysv_settle(int id, const struct shmqi_geometry *g, void *base, uint64_t bytes);
/* The raw open: no side file. */
int shmqi_sysv_open(struct shmqi_object *o, const struct shmqi_address *a,
		    enum shmqi_access access);
/* backend_sysv_queue.c: side files */
int shmqi_sysv_create_queue(const struct shmqi_address *a, const struct shmqi_geometry *g,
			    mode_t mode);
int shmqi_side_open(struct shmqi_object *o, const struct format_header *header);
/* The path of the side file of segment `shmid`: 1 found (and *out), 0 there is none. */
#define SIDE_ROOM 80
int shmqi_side_find(int shmid, char out[SIDE_ROOM]);
/* What the side files say of a segment that has no header; a negated errno: that cannot be told. */
enum shmqi_side_state { SIDE_NONE, SIDE_CREATING, SIDE_DEAD };
int shmqi_side_state(int shmid);
int shmqi_side_gc(bool dry_run, void (*each)(const char *what, int err, void *arg), void *arg);
/* Whether segment `shmid` is a complete queue. */
bool shmqi_sysv_complete(int shmid);
/* Whether segment `shmid` is a queue that its creator, now dead, has not completed; a negated errno:
 * that cannot be told. */
int shmqi_sysv_half_made(int shmid);

/* seg_lock.c: liveness */
int shmqi_lock_anonymous(int fd);
/* How many attaches hold a lock, or a negated errno. */
int64_t shmqi_lock_count(int fd);
/* How many locks of one byte there are in [first, last]; -EOVERFLOW: it cannot be told. */
int64_t shmqi_lock_count_range(int fd, int64_t first, int64_t last);
/* Whether the holder of participant byte `index` is dead: 1 dead or gone, 0 alive or not to be
 * told. */
int shmqi_lock_dead(int fd, unsigned index);

/* One attach of this process. What changes while it is attached (the range, by a resize; locks; the
 * spare descriptor) changes under shmqi_seg_lock(). */
struct shmq_seg {
	const struct shmqi_backend *backend;
	struct shmqi_address address;
	struct shmqi_geometry g;
	struct format_header header; /* a private copy; zero for raw sysv: */
	struct shmqi_inode inode;    /* that carries the locks */
	int spare;		     /* a description without locks; -1: none */
	int shmid;
	bool queue, writable, read_only, locked;
	bool displaced; /* another attach took its place by SHM_REMAP: nothing of it is mapped */
	void *base;	/* the user's memory; of a queue the object */
	size_t size;	/* bytes the user asked for */
	size_t mapped_bytes;  /* of base */
	uint64_t file_offset; /* of base in the object */
	void *object;	      /* the metadata, header first; NULL for raw sysv: and dev: */
	size_t object_bytes;  /* mapped at object */
	void *keeper; /* the mapping that holds the lock: object, or a page of the side file or device */
	size_t keeper_bytes;
	bool locked_now;	       /* by the shmq_lock() that is at work */
	struct shmqi_entry *entry;     /* in the table */
	struct shmq_seg *next, **link; /* all attaches of this process, under shmqi_seg_lock() */
	void *bells;		       /* of a queue's handle: what a child of fork() closes */
	void *heir; /* during fork: the mapping that the child will have as keeper */
};

/* What an attach is to be. */
struct shmqi_attach_how {
	void *at;
	unsigned flags; /* SHM_*, SHMQ_LOCK, SHMQ_POPULATE */
	bool queue;
	void *bells;   /* of a queue's handle */
	bool observer; /* map read-only, whatever the permission */
	bool reader;   /* a consumer: map read-only if consumers of this queue do */
	/* Take the lock byte on `fd`; a negated errno ends the attach. seg->read_only is known. */
	int (*take)(struct shmq_seg *seg, int fd, void *arg);
	void *arg;
};

/*
 * The one mutex of the process, recursive: all its attaches, what a resize changes of them, and the
 * window in which a descriptor that holds a lock is open. Who has it cannot be cancelled, or it
 * would be held for ever: what shmqi_seg_lock() returns is for shmqi_seg_unlock() to restore.
 */
int shmqi_seg_lock(void);
void shmqi_seg_unlock(int cancel_state);
/* In a child of fork(): its owner was a thread of the parent. */
void shmqi_seg_lock_anew(int cancel_state);
extern struct shmq_seg *shmqi_seg_first;

int shmqi_seg_attach(struct shmq_seg **out, const struct shmqi_address *a,
		     const struct shmqi_attach_how *how);
/* Whether a queue of this process lies there: its memory is not the user's to replace. */
bool shmqi_seg_over_queue(const void *at, size_t bytes);
/* Take the place of whatever attaches [seg->base, + mapped_bytes) covers whole; the caller holds
 * shmqi_seg_lock(). */
void shmqi_seg_displace(struct shmq_seg *seg);
/* Set seg->read_only and ->writable, as the kind of a queue is known; -EACCES: it may not write. */
int shmqi_seg_choose_access(struct shmq_seg *seg, const struct shmqi_attach_how *how,
			    bool writable);
/* Note an attach (dtime: a detach) in the lifecycle page. */
void shmqi_seg_touch(struct shmq_seg *seg, bool detach);
/* Unmap and free. -EINVAL and no change when mremap() has moved it away, or, by_address, when
 * nothing of it is left there. */
int shmqi_seg_release(struct shmq_seg *seg, bool by_address);
/* A usable description without locks, opened again by name if the program has closed ours; -1: none
 * to be had. */
int shmqi_seg_spare(struct shmq_seg *seg);
/* Map `seg`'s object or data; errors as shmat(). */
int shmqi_seg_map_data(struct shmq_seg *seg, const struct shmqi_attach_how *how);
/* Populate and lock what is mapped, as flags and header ask. */
int shmqi_seg_settle(const struct shmq_seg *seg, unsigned flags, bool *locked);
void shmqi_seg_fork_setup(void);

/* backend_sysv.c */
int shmqi_seg_attach_sysv(struct shmq_seg *seg, const struct shmqi_attach_how *how);

/* backend_dev.c */
/* Map an open device as the user's memory. */
int shmqi_seg_attach_dev(struct shmq_seg *seg, const struct shmqi_object *o,
			 const struct shmqi_attach_how *how);
/* Whether a mapping keeps the descriptor it was made from, and so our lock. */
bool shmqi_dev_keeps(const struct shmq_seg *seg, const void *mapping);
/* As pread() from offset 0, all or an error. */
int shmqi_dev_read(int fd, void *to, size_t bytes);

/* seg_create.c */
int shmqi_seg_create(const struct shmqi_address *a, struct shmqi_geometry *g, mode_t mode);
/*
 * Mark, if that is still to be done, and unlink what `a` names, as the one that does: under the
 * removal byte, so that nobody comes in between and none unlinks what was created meanwhile.
 * -ENOENT: another was first; -EBUSY: another is at it, and seems to be stopped.
 */
int shmqi_removal(const struct shmqi_object *o, const struct shmqi_address *a,
		  void (*mark)(void *arg), void *arg);
/* Finish the removal of what `a` names, if it is marked (else -EEXIST); 0: the address is free now. */
int shmqi_finish_removal(const struct shmqi_address *a);

/* Wake who sleeps in a removed queue. Defined by the queue layer, as are shmqi_queue_disown() and
 * shmqi_queue_stat(): the three questions that are asked upwards. */
void shmqi_queue_wake_everybody(void *object, const struct shmqi_geometry *g);
/* In a child of fork(), for an attach with bells: close its handle's descriptors, and free them. */
void shmqi_queue_disown(void *bells);

/* seg_stat.c: size-first structs, and stat */
int shmqi_stat_begin(struct shmq_stat *work, const struct shmq_stat *user);
void shmqi_stat_attach(struct shmq_stat *st, struct shmq_seg *seg);
int64_t shmqi_stat_lock_needed(const struct shmqi_geometry *g);
void shmqi_stat_fill_sysv(struct shmq_stat *st, int id, const struct shmid_ds *ds);
int shmqi_stat_sysv(struct shmq_stat *st, const struct shmqi_address *a);
int shmqi_stat_attached_sysv(struct shmq_stat *st, struct shmq_seg *seg);
int shmqi_stat_address(struct shmq_stat *st, const struct shmqi_address *a);
/* Add a queue's own figures. `mapped`: object is all of it, else a copy of what comes before the
 * slots; `fd`: a description without locks, or -1. Defined by the queue layer. */
void shmqi_queue_stat(struct shmq_stat *st, const struct shmqi_geometry *g, const void *object,
		      bool mapped, int fd);

#endif
