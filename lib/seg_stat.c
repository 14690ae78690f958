/* SPDX-License-Identifier: MIT */
/* stat: what the kernel knows of an object, what its metadata says, and what its locks tell. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of more than this what is allocated stands for what is resident. */
#define WALK_MAX (UINT64_C(64) << 30)

/* So many participants are asked what they have locked: each is the smaps of a process, and anybody
 * may name anybody in a table of thousands. */
#define ASKED_MAX 64

int
shmqi_stat_begin(struct shmq_stat *work, const struct shmq_stat *user)
{
	if (!user)
		return -EFAULT;
	if (user->size != sizeof(*work))
		return -EINVAL;
	*work = (struct shmq_stat){
		.size = sizeof(*work),
		.id = -1,
		.nattch = -1,
		.resident_bytes = -1,
		.locked_bytes = -1,
		.lock_needed_bytes = -1,
		.kind = SHMQ_SEGMENT,
	};
	return 0;
}

/* The user's memory; of a queue all, and the page that the handle lies in. */
int64_t
shmqi_stat_lock_needed(const struct shmqi_geometry *g)
{
	if (g->kind == SHMQ_SEGMENT)
		return (int64_t)(g->total_bytes - g->data_offset);
	return (int64_t)(g->total_bytes + shmqi_os_page_size());
}

static void
fill_header(struct shmq_stat *st, const struct format_header *header,
	    const struct shmqi_geometry *g)
{
	uint16_t seq;

	memcpy(&seq, header->uuid, sizeof(seq));
	st->seq = seq & 0x7fff;
	st->key = header->key;
	st->cuid = header->cuid;
	st->cgid = header->cgid;
	st->cpid = header->cpid;
	st->segsz = (size_t)g->segsz;
	st->page_size = (size_t)g->page_size;
	st->kind = g->kind;
	st->capacity = (size_t)g->capacity;
	st->msg_max = (size_t)g->msg_max;
	st->lock_needed_bytes = shmqi_stat_lock_needed(g);
}

/* The words of the lifecycle page that an mmap backend keeps itself. `room`: what the object can
 * hold of the user's memory. */
static void
fill_lifecycle(struct shmq_stat *st, const struct format_lifecycle *life, uint64_t room)
{
	uint64_t segsz = shmq_load_relaxed_u64(&life->segsz);

	st->atime = (int64_t)shmq_load_relaxed_u64(&life->atime_s);
	st->dtime = (int64_t)shmq_load_relaxed_u64(&life->dtime_s);
	st->ctime = (int64_t)shmq_load_relaxed_u64(&life->ctime_s);
	st->lpid = (pid_t)shmq_load_relaxed_u32(&life->lpid);
	if (st->kind == SHMQ_SEGMENT && segsz && segsz <= room)
		st->segsz = (size_t)segsz;
	if (shmq_load_relaxed_u32(&life->removed)) {
		st->mode |= SHMQ_DEST;
		st->key = 0;
	}
	if (shmq_load_relaxed_u32(&life->lock))
		st->mode |= SHMQ_LOCKED;
}

static void
fill_inode(struct shmq_stat *st, int fd)
{
	struct stat inode;

	if (fd < 0 || fstat(fd, &inode) != 0)
		return;
	st->uid = inode.st_uid;
	st->gid = inode.st_gid;
	st->mode |= inode.st_mode & 0777;
	st->nattch = shmqi_lock_count(fd);
	if (st->nattch < 0)
		st->nattch = -1;
}

/* mincore() tells the truth to an owner or writer only. */
static bool
may_ask_resident(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	return st.st_uid == geteuid() || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/* A mapping without access shows the page cache, and touches nothing; -1 where even that is refused
 * (MCL_FUTURE). */
static int64_t
resident_of_file(int fd, uint64_t offset, uint64_t bytes, size_t page_size)
{
	struct stat st;
	int64_t resident;
	void *all;

	if (!may_ask_resident(fd))
		return -1;
	/* Huge pages stay, and mincore() tells of mapped ones only; a walk over more would last. */
	if ((page_size != shmqi_os_page_size() || bytes > WALK_MAX) && fstat(fd, &st) == 0) {
		resident = (int64_t)st.st_blocks * 512 - (int64_t)offset;
		return resident > 0 ? resident : 0;
	}
	all = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_SHARED, fd, (off_t)offset);
	if (all == MAP_FAILED)
		return -1;
	resident = shmqi_os_resident(all, (size_t)bytes);
	munmap(all, (size_t)bytes);
	return resident;
}

/* What the participants named in the table have locked, the most of any: they all map the whole.
 * Checked by inode, so never wrong. */
static int64_t
locked_by_participants(const void *object, const struct shmqi_geometry *g, struct shmqi_inode inode)
{
	const struct format_participant *entries = format_participants((void *)(uintptr_t)object);
	unsigned asked = 0;
	int64_t most = -1;

	for (unsigned i = 0; g->kind >= 0 && i < g->participants && asked < ASKED_MAX; i++) {
		pid_t pid = (pid_t)shmq_load_relaxed_u32(&entries[i].pid);
		bool used = shmq_load_relaxed_u64(&entries[i].state) & 0xffff;
		int64_t locked = used && pid > 0 ? shmqi_os_locked_by(pid, inode) : -1;

		asked += used;
		most = locked > most ? locked : most;
	}
	return most;
}

/* The most that any attach of this process to the inode has locked. */
static int64_t
locked_in_this_process(struct shmqi_inode inode)
{
	int64_t most = -1;
	int state = shmqi_seg_lock();

	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next) {
		int64_t locked = -1;

		if (seg->base && seg->shmid < 0 && shmqi_inode_same(seg->inode, inode))
			locked = shmqi_os_locked_here(seg->base, seg->mapped_bytes);
		most = locked > most ? locked : most;
	}
	shmqi_seg_unlock(state);
	return most;
}

/* `seg`: an attach of this process to ask, or NULL for all it has. */
static int64_t
locked_of_file(const void *object, const struct shmqi_geometry *g, struct shmqi_inode inode,
	       const struct shmq_seg *seg)
{
	int64_t here, there;

	if (g->page_size != shmqi_os_page_size()) /* huge pages are never paged out */
		return (int64_t)g->total_bytes;
	here = seg ? shmqi_os_locked_here(seg->base, seg->mapped_bytes)
		   : locked_in_this_process(inode);
	there = seg ? -1 : locked_by_participants(object, g, inode);
	here = here > there ? here : there;
	return here > (int64_t)g->total_bytes ? (int64_t)g->total_bytes
					      : here; /* mapped twice is locked once */
}

/* An object with metadata: open as `fd`, mapped at `object`; `seg` is the attach it is seen
 * through, if any. */
static void
fill_mmap(struct shmq_stat *st, int fd, const void *object, const struct shmqi_geometry *g,
	  const struct shmq_seg *seg)
{
	uint64_t offset = g->kind == SHMQ_SEGMENT ? g->data_offset : 0;
	struct stat inode;

	bool known = fd >= 0 && fstat(fd, &inode) == 0;

	fill_inode(st, fd);
	fill_lifecycle(st, format_lifecycle((void *)(uintptr_t)object),
		       known ? (uint64_t)inode.st_size - offset : g->segsz);
	/* Of a driver's memory neither is known to anybody but the driver. */
	if (known && st->backend != SHMQ_BACKEND_DEV) {
		st->resident_bytes = resident_of_file(
			fd, offset, shmqi_round_up(st->segsz, st->page_size), st->page_size);
		st->locked_bytes = locked_of_file(
			object, g, (struct shmqi_inode){inode.st_dev, inode.st_ino}, seg);
	}
	if (g->kind >= 0)
		shmqi_queue_stat(st, g, object, seg != NULL, fd);
}

/* By address -------------------- */

/* What is under the address now, of which `object` is the copied front. */
static int
stat_object(struct shmq_stat *st, const struct shmqi_address *a, const struct shmqi_object *o,
	    const void *object, size_t bytes)
{
	struct format_header header;
	struct shmqi_geometry g;
	int err = shmqi_format_check(object, o->bytes, &header, &g);

	if (err)
		return err;
	if (g.kind != SHMQ_SEGMENT && g.data_offset > bytes)
		return -EBADMSG; /* another header than a moment ago */
	st->backend = (int)a->backend;
	fill_header(st, &header, &g);
	fill_mmap(st, o->fd, object, &g, NULL);
	return a->backend == SHMQ_BACKEND_FD && (st->mode & SHMQ_DEST) && st->nattch == 0 ? -EIDRM
											  : 0;
}

/* The object's first bytes, copied: what is not ours may be cut under a mapping, and SIGBUS us. */
static int
read_front(void **front, int fd, size_t bytes, bool dev)
{
	ssize_t got;
	int err = 0;

	*front = malloc(bytes);
	if (!*front)
		return -ENOMEM;
	got = dev ? 0 : pread(fd, *front, bytes, 0);
	if (dev)
		err = shmqi_dev_read(fd, *front, bytes);
	else if (got != (ssize_t)bytes)
		err = got < 0 ? -errno : -EBADMSG; /* cut short since */
	if (err == 0)
		return 0;
	free(*front);
	*front = NULL;
	return err;
}

/* All that comes before the user's memory, or the slots, is looked at in a copy. */
static int
stat_open(struct shmq_stat *st, const struct shmqi_address *a, const struct shmqi_object *o)
{
	bool dev = a->backend == SHMQ_BACKEND_DEV;
	size_t bytes = 2 * FORMAT_PAGE;
	struct format_header header;
	struct shmqi_geometry g;
	void *front;
	int err;

	if (o->bytes < bytes)
		return -EPROTONOSUPPORT;
	err = read_front(&front, o->fd, bytes, dev);
	if (err == 0)
		err = shmqi_format_check(front, o->bytes, &header, &g);
	if (err == 0 && g.page_size != o->page_size)
		err = -EBADMSG; /* as an attach would say */
	if (err == 0 && g.kind != SHMQ_SEGMENT) {
		free(front);
		bytes = (size_t)g.data_offset;
		err = read_front(&front, o->fd, bytes, dev);
	}
	if (err == 0)
		err = stat_object(st, a, o, front, bytes);
	free(front);
	return err;
}

/* Raw memory of a device: what its node, its driver and our locks tell. */
static void
fill_device(struct shmq_stat *st, uint64_t bytes, int fd)
{
	st->backend = SHMQ_BACKEND_DEV;
	st->kind = SHMQ_SEGMENT;
	st->segsz = (size_t)bytes;
	st->page_size = shmqi_os_page_size();
	st->lock_needed_bytes = (int64_t)shmqi_round_up(st->segsz, st->page_size);
	fill_inode(st, fd);
}

/* What tells no size may be no memory at all, but registers that do things when they are read. */
static int
stat_device(struct shmq_stat *st, const struct shmqi_address *a, const struct shmqi_object *o)
{
	int err = a->bytes ? -EPROTONOSUPPORT : stat_open(st, a, o);

	if (err != -EPROTONOSUPPORT && (err || st->kind != SHMQ_SEGMENT))
		return err;
	fill_device(st, o->bytes, o->fd);
	return 0;
}

int
shmqi_stat_address(struct shmq_stat *st, const struct shmqi_address *a)
{
	struct shmqi_object o;
	int err;

	snprintf(st->address, sizeof(st->address), "%.*s", (int)sizeof(st->address) - 1, a->text);
	if (a->backend == SHMQ_BACKEND_SYSV)
		return shmqi_stat_sysv(st, a);
	err = shmqi_backend_of(a)->open(&o, a, OPEN_READ);
	if (err)
		return err;
	if (a->backend == SHMQ_BACKEND_DEV)
		err = stat_device(st, a, &o);
	else
		err = stat_open(st, a, &o);
	shmqi_object_close(&o);
	return err;
}

int
shmq_stat(const char *addr, struct shmq_stat *st)
{
	SHMQI_NOT_CANCELLED;
	struct shmqi_address a;
	struct shmq_stat work;
	int err = shmqi_address_parse(&a, addr);

	if (err == 0)
		err = shmqi_stat_begin(&work, st);
	if (err == 0)
		err = shmqi_stat_address(&work, &a);
	if (err == 0)
		*st = work;
	return err;
}

/* By attach -------------------- */

/* What shmq_seg_find() tells: everything that was known at the attach. */
void
shmqi_stat_attach(struct shmq_stat *st, struct shmq_seg *seg)
{
	struct shmid_ds ds;

	shmqi_stat_begin(st, st);
	st->backend = (int)seg->address.backend;
	if (seg->shmid >= 0 && shmctl(seg->shmid, IPC_STAT, &ds) == 0)
		shmqi_stat_fill_sysv(st, seg->shmid, &ds);
	if (seg->object && seg->shmid < 0) {
		fill_header(st, &seg->header, &seg->g);
		fill_inode(st, seg->spare);
		fill_lifecycle(st, format_lifecycle(seg->object), seg->size);
	}
	st->kind = seg->g.kind;
	st->capacity = (size_t)seg->g.capacity;
	st->msg_max = (size_t)seg->g.msg_max;
	st->segsz = seg->size;
	st->page_size = (size_t)seg->g.page_size;
	st->base = seg->base;
	st->nattch = st->resident_bytes = st->locked_bytes = -1;
	snprintf(st->address, sizeof(st->address), "%.*s", (int)sizeof(st->address) - 1,
		 seg->address.text);
}

/* A queue attached as memory: the user may have unmapped any of it, so it is looked at anew. */
static int
stat_queue_memory(struct shmq_stat *st, const struct shmq_seg *seg, int fd)
{
	struct shmqi_object o = {.fd = fd, .spare = -1, .shmid = -1};
	int err = shmqi_object_measure(&o);

	return err ? err : stat_open(st, &seg->address, &o);
}

static int
stat_attached(struct shmq_stat *st, struct shmq_seg *seg)
{
	int spare;

	st->kind = seg->g.kind;
	st->capacity = (size_t)seg->g.capacity;
	st->msg_max = (size_t)seg->g.msg_max;
	st->page_size = (size_t)seg->g.page_size;
	snprintf(st->address, sizeof(st->address), "%.*s", (int)sizeof(st->address) - 1,
		 seg->address.text);
	st->base = seg->base;
	st->backend = (int)seg->address.backend;
	if (seg->shmid >= 0)
		return shmqi_stat_attached_sysv(st, seg);
	spare = shmqi_seg_spare(seg);
	if (seg->address.backend == SHMQ_BACKEND_DEV && !seg->queue) {
		fill_device(st, seg->size, spare);
		st->nattch = seg->keeper ? st->nattch : -1;
		return 0;
	}
	if (seg->queue || seg->g.kind == SHMQ_SEGMENT) {
		fill_header(st, &seg->header, &seg->g);
		fill_mmap(st, spare, seg->object, &seg->g, seg);
		return 0;
	}
	return spare < 0 ? -EBADF : stat_queue_memory(st, seg, spare);
}

int
shmq_seg_stat(const struct shmq_seg *seg, struct shmq_stat *st)
{
	SHMQI_NOT_CANCELLED;
	struct shmq_stat work;
	int err;

	if (!seg)
		return -EINVAL;
	err = shmqi_stat_begin(&work, st);
	if (err == 0 && seg->displaced)
		err = -EINVAL;
	/* The handle changes only in the descriptor it keeps, which a program may have closed. */
	if (err == 0)
		err = stat_attached(&work, (struct shmq_seg *)(uintptr_t)seg);
	if (err == 0)
		*st = work;
	return err;
}
