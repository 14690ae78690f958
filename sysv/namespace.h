/* SPDX-License-Identifier: MIT */
/*
 * SysV shared memory without the kernel's: a namespace is a directory.
 *
 *   index     who is there: a header, a bitmap, chains of keys, a slot of 128 bytes for each segment
 *   shmid-N   the memory of segment N: its pages, from offset 0, and nothing else
 *   huge      a link to a directory on a hugetlbfs, where those with SHM_HUGETLB are (huge.c)
 *
 * Every call opens the index, takes an OFD write lock on all of it, does its work with pread() and
 * pwrite(), and lets it go. Nothing of the index is mapped, so whatever becomes of it, nobody gets a
 * signal; and the kernel takes the lock from who is killed. A change of one slot is one pwrite()
 * within a page, which a SIGKILL does not cut. A change of more than that sets `dirty` first and
 * clears it last; who finds it set builds everything anew out of the slots and the files
 * (rebuild.c).
 *
 *   field            changed by                    and always
 *   header.dirty     creation, removal             0 unless one is under way, or was killed
 *   header.in_use    creation, removal             the number of live slots
 *   header.last      creation                      the index given out last: the next is above it
 *   header.pages     creation, removal             the sum over the live slots
 *   header.marked    IPC_RMID, removal             the number of live slots with SHM_DEST
 *   slot             whoever holds the lock        live: id & 32767 is its place in the table
 *   slot.nattch      attach, detach, fork, count   the locks seen last: fewer now, and somebody died
 *
 * An attach is an OFD read lock on a random byte of the segment's own file, on a description of its
 * own, which only the mapping keeps: it goes with the last piece of the mapping, by munmap(), exec
 * or any death. So there is no list of attaches in the process: what is attached is what the kernel
 * says is mapped (maps.c), and shmdt() looks there, as the kernel's own does.
 *
 * Trust: who may write the index may spoil it, for all of the namespace, and then gets errors, and
 * gives errors to the others; the memory of a segment is guarded by the mode and the access list of
 * its file (file.c). Every number from the index is checked before it is used.
 */
#ifndef SYSV_NAMESPACE_H
#define SYSV_NAMESPACE_H

#include "calls.h"
#include "os.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/types.h>

#define NS_MAGIC "shmqSYSV"
#define NS_VERSION 1u
#define NS_INDEX_BITS 15
#define NS_SLOTS (1u << NS_INDEX_BITS)			    /* IPCMNI */
#define NS_SEQUENCES ((unsigned)INT32_MAX >> NS_INDEX_BITS) /* as the kernel's ipcid_seq_max() */
#define NS_CYCLE 64u /* indexes go round among so many at least, so that none is used again soon */
#define NS_BUCKETS 8192u
#define NS_LIVE 0x4556494cu /* slot.state */
#define NS_HUGE_MOST 63u    /* slot.huge_shift */
#define NS_DIRECTORY_ROOM 256
#define NS_PATH_ROOM (NS_DIRECTORY_ROOM + 64) /* and "/huge/shmid-N.DEVICE.INODE" */

/* Where in the index. */
#define NS_AT_BITMAP 4096
#define NS_AT_BUCKETS (NS_AT_BITMAP + NS_SLOTS / 8)
#define NS_AT_SLOTS (NS_AT_BUCKETS + NS_BUCKETS * 4)

struct ns_header {
	char magic[8];
	uint32_t version, dirty;
	uint32_t in_use, marked;
	int32_t last; /* -1: none yet */
	uint32_t sequence;
	uint64_t pages;
};

struct ns_slot {
	uint32_t state; /* NS_LIVE */
	int32_t id, key;
	uint32_t mode; /* permissions, SHM_DEST, SHM_LOCKED */
	uint32_t uid, gid, cuid, cgid;
	int32_t cpid, lpid;
	uint64_t bytes; /* as asked for */
	int64_t atime, dtime, ctime;
	uint64_t inode;
	uint32_t nattch;
	uint32_t next;	     /* in the chain of its bucket: index + 1 */
	uint32_t locker;     /* the user whose limit a lock counts against */
	uint32_t huge_shift; /* log2 of the size of its huge pages; 0: it has none */
	uint32_t spare[8];
};

_Static_assert(sizeof(struct ns_slot) == 128, "a slot never crosses a page");

/* What the environment says, read once for a process. */
struct ns_config {
	char directory[NS_DIRECTORY_ROOM];
	bool own;		      /* nobody said where: ours alone */
	char huge[NS_DIRECTORY_ROOM]; /* where huge pages are; empty: nobody said it */
	uint64_t shmmax, shmall;
	uint32_t shmmni;
	size_t page;
};

/* A call that is under way: the index is open and locked. */
struct ns {
	const struct ns_config *config;
	int index;    /* -1: not open */
	int doomed;   /* the last file removed: its pages go when the lock has gone; -1: none */
	int plugs[3]; /* in the places of standard descriptors that are closed; -1: none */
	struct ns_header header;
};

/* session.c ---------------------------------------------------------------- */

enum ns_want {
	NS_FIND,   /* -ENOENT where there is no namespace */
	NS_CREATE, /* make one */
	NS_WAIT,   /* as NS_FIND, and wait for the lock: what has been done cannot be begun anew */
};

#define NS_BUSY ERESTART /* negated: another has the lock; try again */

/* Signals are off, no other thread of ours is inside, and no fork happens, until the end. */
struct ns_guard {
	uint64_t signals;
	int cancel;
};

void shmqi_ns_guard(struct ns_guard *guard);
void shmqi_ns_unguard(const struct ns_guard *guard);

/*
 * Open the namespace and lock it. -ENOENT: there is none; -EACCES: it is not to be used; -ENOSYS:
 * the index is not ours, or of another version; -NS_BUSY; -ENFILE, -ENOMEM, -ENOSPC.
 */
int shmqi_ns_open(struct ns *ns, enum ns_want want);
void shmqi_ns_close(struct ns *ns);
const struct ns_config *shmqi_ns_config(void);

/* index.c ------------------------------------------------------------------ */

static inline unsigned
ns_index(int id)
{
	return (unsigned)id & (NS_SLOTS - 1);
}

/* What SHMALL counts: ordinary pages, of all segments. */
static inline uint64_t
ns_pages(const struct ns_config *config, uint64_t bytes)
{
	return shmqi_round_up(bytes, config->page) / config->page;
}

/* What a segment's file and its mappings are multiples of. */
static inline size_t
ns_page(const struct ns *ns, const struct ns_slot *slot)
{
	return slot->huge_shift ? (size_t)(UINT64_C(1) << slot->huge_shift) : ns->config->page;
}

int shmqi_ns_read(int fd, void *to, size_t bytes, uint64_t at);
int shmqi_ns_write(int fd, const void *from, size_t bytes, uint64_t at);
int shmqi_ns_write_header(struct ns *ns, uint32_t dirty);
/* The live slot at an index, or of an id; -EINVAL: none. */
int shmqi_ns_slot_at(struct ns *ns, unsigned index, struct ns_slot *slot);
int shmqi_ns_slot(struct ns *ns, int id, struct ns_slot *slot);
int shmqi_ns_put(struct ns *ns, const struct ns_slot *slot);
/* The live slot of a key; -ENOENT. */
int shmqi_ns_find(struct ns *ns, int32_t key, struct ns_slot *slot);
int shmqi_ns_link(struct ns *ns, struct ns_slot *slot);
int shmqi_ns_unlink(struct ns *ns, const struct ns_slot *slot);
/* The next id: a free index above the one given out last, and its sequence. -ENOSPC. */
int shmqi_ns_next_id(struct ns *ns, int32_t *id);
int shmqi_ns_mark_used(struct ns *ns, unsigned index, bool used);
/* The used indexes as bits. */
int shmqi_ns_bitmap(struct ns *ns, uint64_t bits[NS_SLOTS / 64]);
/* Call `each` with every live slot, in order of the index, until it says other than 0. */
int shmqi_ns_each(struct ns *ns, int (*each)(struct ns *ns, struct ns_slot *slot, void *arg),
		  void *arg);

/* rebuild.c: after somebody was killed in the middle ------------------------ */

int shmqi_ns_rebuild(struct ns *ns);
/* Call `each` for every file of the namespace's that has no slot, with as much of one as names it. */
void shmqi_ns_strays(struct ns *ns,
		     void (*each)(struct ns *ns, const struct ns_slot *stray, void *arg),
		     void *arg);
bool shmqi_ns_has_file(struct ns *ns, const struct ns_slot *slot);

/* file.c: the memory of a segment ------------------------------------------ */

/* Of its id, and whether it has huge pages. */
void shmqi_ns_path(char out[NS_PATH_ROOM], const struct ns *ns, const struct ns_slot *slot);
/* The id of a file's name; -1: not one of ours. */
int shmqi_ns_name_id(const char *name);
/* `reserve`: huge pages for all of it; -ENOMEM: there are too few. */
int shmqi_ns_file_create(struct ns *ns, struct ns_slot *slot, bool reserve);
/* -EIDRM: the file is gone, another, or cut; -EACCES. */
int shmqi_ns_file_open(struct ns *ns, const struct ns_slot *slot, int flags);
/* Let those use it whom the slot names. */
void shmqi_ns_file_allow(struct ns *ns, const struct ns_slot *slot);
void shmqi_ns_file_remove(struct ns *ns, const struct ns_slot *slot);
/* Pages it has, used or swapped out. */
uint64_t shmqi_ns_file_pages(struct ns *ns, const struct ns_slot *slot);

/* huge.c: SHM_HUGETLB ------------------------------------------------------- */

/* Where they are: the link, or what stands in its place. */
void shmqi_ns_huge_path(char out[NS_PATH_ROOM], const struct ns *ns);
/* log2 of the size of the huge pages that are to be had; 0: none, or not for us to see. */
uint32_t shmqi_ns_huge_there(const struct ns *ns);
/* The same for what shmget() asks for; -EINVAL: no such size; -ENOMEM: none of them; -EPERM. */
int shmqi_ns_huge_choose(struct ns *ns, int flags, uint32_t *shift);
int shmqi_ns_huge_reserve(int fd, uint64_t bytes);

/* perm.c ------------------------------------------------------------------- */

/* Whether we may do what the low nine bits of `wanted` ask. */
bool shmqi_ns_permits(const struct ns_slot *slot, unsigned wanted);
bool shmqi_ns_is_owner(const struct ns_slot *slot);

/* count.c ------------------------------------------------------------------ */

/* Take an attach's lock on a description. `child`: for the process that a fork is to make. */
int shmqi_ns_hold(int fd, bool child);
void shmqi_ns_become_child(void);
/*
 * Count the attaches, and note in the slot who has died. The slot is written if it has changed. An
 * error: it cannot be told, and slot->nattch is as it was.
 */
int shmqi_ns_count(struct ns *ns, struct ns_slot *slot);
/* slot->nattch, but each piece of our own mappings counts for itself, as in the kernel. */
uint64_t shmqi_ns_count_pieces(struct ns *ns, const struct ns_slot *slot);
/* Destroy what is marked when nobody is attached any more. 1: it is gone. */
int shmqi_ns_settle(struct ns *ns, struct ns_slot *slot);
int shmqi_ns_destroy(struct ns *ns, struct ns_slot *slot);
/* Settle all that is marked. */
void shmqi_ns_sweep(struct ns *ns);

/* maps.c: what of ours this process has mapped ------------------------------ */

struct ns_vma {
	uintptr_t start, end;
	uint64_t offset, inode;
	int prot;
	int id;
};

#define NS_MAPS_TEXT 2048
struct ns_maps {
	int fd;
	bool text; /* a kernel before 6.11 does not answer questions: read it all */
	uintptr_t next;
	size_t have, used;
	char buffer[NS_MAPS_TEXT];
};

int shmqi_ns_maps_open(struct ns_maps *maps);
void shmqi_ns_maps_close(struct ns_maps *maps);
/* The next one upwards: 1, or 0 at the end. */
int shmqi_ns_maps_next(struct ns_maps *maps, struct ns_vma *vma);

/* fork.c ------------------------------------------------------------------- */

/* Whether this process may have attaches. */
extern bool shmqi_ns_attached;

/* copy.c: the caller's memory, which may not be there ----------------------- */

int shmqi_ns_copy_in(void *to, const void *from, size_t bytes);
int shmqi_ns_copy_out(void *to, const void *from, size_t bytes);

#endif
