/* SPDX-License-Identifier: MIT */
/* Attach and detach. */
#include "seg.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RACES_MAX 100 /* attaches that met a removal under way */

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
struct shmq_seg *shmqi_seg_first;

int
shmqi_seg_lock(void)
{
	int before = shmqi_os_cancel_off();

	pthread_mutex_lock(&mutex);
	return before;
}

void
shmqi_seg_unlock(int cancel_state)
{
	pthread_mutex_unlock(&mutex);
	shmqi_os_cancel_back(&cancel_state);
}

void
shmqi_seg_lock_anew(int cancel_state)
{
	mutex = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	shmqi_os_cancel_back(&cancel_state);
}

/* Open what carries the locks again, by name; the file under that name may be another by now. */
static int
open_again(struct shmqi_object *o, const struct shmq_seg *seg)
{
	if (seg->shmid < 0)
		return seg->backend->open(o, &seg->address, seg->writable ? OPEN_WRITE : OPEN_READ);
	*o = (struct shmqi_object){
		.fd = -1, .spare = -1, .shmid = seg->shmid, .writable = seg->writable};
	return shmqi_side_open(o, &seg->header);
}

static int
spare_again(struct shmq_seg *seg)
{
	struct shmqi_object o;
	int spare = -1;

	if (open_again(&o, seg) != 0)
		return -1;
	if (shmqi_inode_same(o.inode, seg->inode)) {
		spare = o.spare;
		o.spare = -1;
	}
	shmqi_object_close(&o);
	return spare;
}

/* The program has closed it. */
static int
find_spare(struct shmq_seg *seg)
{
	int spare, state = shmqi_seg_lock();

	if (!shmqi_os_fd_is(seg->spare, seg->inode))
		/* Relaxed: written here only. */
		shmq_store_relaxed_u32((uint32_t *)&seg->spare, (uint32_t)spare_again(seg));
	spare = seg->spare;
	shmqi_seg_unlock(state);
	return spare;
}

/* No lock on the way of those who wait, unless the program has closed the descriptor. */
int
shmqi_seg_spare(struct shmq_seg *seg)
{
	/* Relaxed: written below only, by whoever finds it unusable. */
	int spare = (int)shmq_load_relaxed_u32((const uint32_t *)&seg->spare);

	if (shmqi_os_fd_is(spare, seg->inode) || (seg->shmid >= 0 && !seg->queue))
		return spare;
	return find_spare(seg);
}

void
shmqi_seg_touch(struct shmq_seg *seg, bool detach)
{
	struct format_lifecycle *life;

	if (!seg->object || !seg->writable)
		return;
	life = format_lifecycle(seg->object);
	/* Relaxed: a diagnosis, each word alone. */
	shmq_store_relaxed_u64(detach ? &life->dtime_s : &life->atime_s,
			       (uint64_t)shmqi_os_wall_s());
	shmq_store_relaxed_u32(&life->lpid, (uint32_t)getpid());
}

static bool
fits(const struct shmq_seg *seg, uint64_t now, uint64_t object_bytes)
{
	return now <= object_bytes && seg->file_offset <= object_bytes - now;
}

/*
 * How long the user's memory is: `now`, if that is a length the object can have. It may have grown
 * since it was opened: then it did so before it said so.
 */
static int
measure(struct shmq_seg *seg, const struct shmqi_object *o, uint64_t now)
{
	struct stat st;

	if (now < 1)
		return -EBADMSG;
	if (!fits(seg, now, o->bytes) &&
	    (o->fd < 0 || fstat(o->fd, &st) != 0 || !fits(seg, now, (uint64_t)st.st_size)))
		return -EBADMSG;
	seg->size = (size_t)now;
	seg->mapped_bytes = shmqi_round_up(seg->size, (size_t)seg->g.page_size);
	return 0;
}

/* Map the metadata, or the whole of a queue. The lock will be on this mapping's description. */
static int
map_object(struct shmq_seg *seg, const struct shmqi_object *o, bool writable)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;

	seg->object_bytes = seg->queue ? (size_t)o->bytes : shmqi_format_meta_bytes(o->page_size);
	seg->object_bytes = shmqi_round_up(seg->object_bytes, o->page_size);
	seg->object = mmap(NULL, seg->object_bytes, prot, MAP_SHARED, o->fd, 0);
	if (seg->object == MAP_FAILED) {
		seg->object = NULL;
		return shmqi_os_map_error(errno);
	}
	/* Reading the metadata is not to read the user's memory around it. */
	if (!seg->queue)
		(void)madvise(seg->object, seg->object_bytes, MADV_RANDOM);
	seg->keeper = seg->object;
	seg->keeper_bytes = seg->object_bytes;
	return madvise(seg->object, seg->object_bytes, MADV_DONTFORK) ? shmqi_os_map_error(errno)
								      : 0;
}

static bool
last_one(int fd)
{
	int64_t count = shmqi_lock_count(fd);

	return count == 0 || count == 1;
}

/* After our lock is taken: is this still what the address names? -ESTALE: no, look again. */
static int
still_there(const struct shmq_seg *seg, const struct shmqi_object *o)
{
	bool removed = shmq_load_relaxed_u32(&format_lifecycle(seg->object)->removed);

	if (seg->address.backend == SHMQ_BACKEND_FD)
		/* as by shmid: a marked segment can be attached while it lives; the one attach
		 * counted may be ours */
		return removed && last_one(seg->spare) ? -EIDRM : 0;
	return removed || !seg->backend->current(o, &seg->address) ? -ESTALE : 0;
}

/* Take our lock, and see that it is on the right object. */
static int
take_lock(struct shmq_seg *seg, const struct shmqi_object *o, const struct shmqi_attach_how *how)
{
	int err = how->take(seg, o->fd, how->arg);

	return err ? err : still_there(seg, o);
}

/* Which access a queue is for, now that its kind is known. */
int
shmqi_seg_choose_access(struct shmq_seg *seg, const struct shmqi_attach_how *how, bool writable)
{
	seg->read_only = how->observer || (how->reader && shmqi_format_read_only(&seg->g));
	seg->writable = writable && !seg->read_only;
	return seg->read_only || writable ? 0 : -EACCES;
}

/*
 * In the place of a writable mapping: from a description that is read-only itself, or mprotect()
 * could make it writable again. Our lock will be on that.
 */
static int
map_read_only(struct shmq_seg *seg, struct shmqi_object *o)
{
	struct shmqi_object again;
	int err = seg->backend->open(&again, &seg->address, OPEN_READ);

	if (err)
		return err;
	if (!shmqi_inode_same(again.inode, o->inode) || again.bytes != o->bytes)
		err = -ESTALE;
	else if (mmap(seg->object, seg->object_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, again.fd,
		      0) == MAP_FAILED ||
		 madvise(seg->object, seg->object_bytes, MADV_DONTFORK) != 0)
		err = shmqi_os_map_error(errno);
	if (err) {
		shmqi_object_close(&again);
		return err;
	}
	close(seg->spare);
	seg->spare = again.spare;
	again.spare = -1;
	shmqi_object_close(o);
	*o = again;
	return 0;
}

/* All of a queue is one mapping, which holds the lock, too. */
static int
attach_queue(struct shmq_seg *seg, struct shmqi_object *o, const struct shmqi_attach_how *how)
{
	int err = o->bytes < 2 * FORMAT_PAGE ? -EPROTONOSUPPORT : 0;

	if (err == 0)
		err = map_object(seg, o, o->writable && !how->observer);
	if (err == 0)
		err = shmqi_format_check(seg->object, o->bytes, &seg->header, &seg->g);
	if (err)
		return err;
	if (seg->g.kind == SHMQ_SEGMENT)
		return -EINVAL;
	if (seg->g.page_size != o->page_size)
		return -EBADMSG;
	err = measure(seg, o, seg->g.segsz);
	if (err == 0)
		err = shmqi_seg_choose_access(seg, how, o->writable);
	if (err == 0 && seg->read_only && !how->observer && o->writable)
		err = map_read_only(seg, o);
	if (err == 0)
		err = take_lock(seg, o, how);
	seg->base = seg->object;
	return err;
}

/* The metadata is read, not mapped: the user's memory is to be mapped first. */
static int
read_metadata(struct shmq_seg *seg, const struct shmqi_object *o)
{
	_Alignas(struct format_header) unsigned char meta[2 * FORMAT_PAGE];
	uint64_t now;
	int err;

	if (o->bytes < sizeof(meta))
		return -EPROTONOSUPPORT;
	if (pread(o->fd, meta, sizeof(meta), 0) != sizeof(meta))
		return -EIO;
	err = shmqi_format_check((struct format_header *)meta, o->bytes, &seg->header, &seg->g);
	if (err)
		return err;
	if (seg->g.page_size != o->page_size)
		return -EBADMSG;
	now = seg->g.segsz;
	seg->file_offset = 0;
	if (seg->g.kind == SHMQ_SEGMENT) { /* a resize may have grown it since */
		seg->file_offset = seg->g.data_offset;
		now = format_lifecycle(meta)->segsz;
	}
	return measure(seg, o, now);
}

/* The user may have asked for an address: nothing else of ours may be put there before. */
static int
attach_raw(struct shmq_seg *seg, const struct shmqi_object *o, const struct shmqi_attach_how *how)
{
	int err = read_metadata(seg, o);

	/* SHM_REMAP replaces what is there: what can be refused is refused before. */
	if (err == 0 && (how->flags & SHMQ_LOCK))
		err = shmq_memlock(seg->mapped_bytes, NULL);
	if (err == 0)
		err = shmqi_seg_map_data(seg, how);
	if (err == 0)
		err = map_object(seg, o, o->writable);
	return err ? err : take_lock(seg, o, how);
}

static int
attach_mmap(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	bool read_only = how->observer || (how->flags & SHM_RDONLY);
	bool dev = seg->address.backend == SHMQ_BACKEND_DEV;
	enum shmqi_access access = how->observer	      ? OPEN_READ
				   : read_only || how->reader ? OPEN_ANY
							      : OPEN_WRITE;
	struct shmqi_object o;
	int err = seg->backend->open(&o, &seg->address, access);

	if (err)
		return err;
	seg->inode = o.inode;
	seg->spare = o.spare;
	seg->writable = o.writable && !how->observer;
	o.spare = -1;
	if (seg->queue)
		err = attach_queue(seg, &o, how);
	else
		err = dev ? shmqi_seg_attach_dev(seg, &o, how) : attach_raw(seg, &o, how);
	/* Whoever holds a role must be seen to live. */
	if (err == 0 && dev && seg->queue && !shmqi_dev_keeps(seg, seg->keeper))
		err = -ENOTSUP;
	shmqi_object_close(&o);
	return err;
}

/* Undo whatever an attach has done; the lock goes with the keeper. */
static void
unmap(struct shmq_seg *seg)
{
	if (seg->base && seg->base != seg->object && seg->shmid < 0)
		munmap(seg->base, seg->mapped_bytes);
	if (seg->shmid >= 0 && seg->base)
		shmdt(seg->base);
	else if (seg->object)
		munmap(seg->object, seg->object_bytes);
	if (seg->keeper && seg->keeper != seg->object)
		munmap(seg->keeper, seg->keeper_bytes);
	if (seg->spare >= 0 && shmqi_os_fd_is(seg->spare, seg->inode))
		close(seg->spare);
	seg->base = seg->object = seg->keeper = NULL;
	seg->spare = -1;
}

static void
link_in(struct shmq_seg *seg)
{
	seg->next = shmqi_seg_first;
	seg->link = &shmqi_seg_first;
	if (seg->next)
		seg->next->link = &seg->next;
	shmqi_seg_first = seg;
}

static void
link_out(struct shmq_seg *seg)
{
	*seg->link = seg->next;
	if (seg->next)
		seg->next->link = seg->link;
}

/* The part that a fork must not fall into: a descriptor that holds our lock is open. */
static int
attach_locked(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	bool sysv = seg->address.backend == SHMQ_BACKEND_SYSV;
	int state, err, races = 0;

	shmqi_seg_fork_setup();
	state = shmqi_seg_lock();
	do {
		err = sysv ? shmqi_seg_attach_sysv(seg, how) : attach_mmap(seg, how);
		if (err)
			unmap(seg);
	} while (err == -ESTALE && ++races < RACES_MAX);
	if (err == 0) {
		link_in(seg);
		if (how->flags & SHM_REMAP)
			shmqi_seg_displace(seg);
	}
	shmqi_seg_unlock(state);
	return err == -ESTALE ? -ENOENT : err;
}

static int
announce(struct shmq_seg *seg)
{
	struct shmq_stat st = {.size = sizeof(st)};

	shmqi_stat_attach(&st, seg);
	return shmqi_table_add(&seg->entry, seg, seg->base, seg->mapped_bytes, &st);
}

int
shmqi_seg_attach(struct shmq_seg **out, const struct shmqi_address *a,
		 const struct shmqi_attach_how *how)
{
	struct shmq_seg *seg = calloc(1, sizeof(*seg));
	bool locked;
	int err, state;

	if (!seg)
		return -ENOMEM;
	*seg = (struct shmq_seg){.backend = shmqi_backend_of(a),
				 .address = *a,
				 .spare = -1,
				 .shmid = -1,
				 .queue = how->queue,
				 .bells = how->bells};
	err = attach_locked(seg, how);
	if (err) {
		free(seg);
		return err;
	}
	err = shmqi_seg_settle(seg, how->flags, &locked);
	state = shmqi_seg_lock();
	seg->locked = locked;
	shmqi_seg_unlock(state);
	if (err == 0)
		err = announce(seg);
	if (err) {
		shmqi_seg_release(seg, false);
		return err;
	}
	shmqi_seg_touch(seg, false);
	*out = seg;
	return 0;
}

/* Unmap what is left of the user's memory: 0 when nothing of it is there any more. */
static int
unmap_user_memory(struct shmq_seg *seg)
{
	if (seg->displaced)
		return 0;
	if (seg->shmid >= 0)
		return shmdt(seg->base) == 0;
	if (seg->base == seg->object)
		return 1;
	return shmqi_os_unmap_pieces(seg->base, seg->mapped_bytes, seg->file_offset,
				     seg->keeper ? seg->keeper : seg->base);
}

/* Whether an attach of this process holds the address, its metadata included. */
static bool
known(uintptr_t at)
{
	for (const struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next) {
		if (at - (uintptr_t)seg->base < seg->mapped_bytes ||
		    at - (uintptr_t)seg->keeper < seg->keeper_bytes)
			return true;
	}
	return false;
}

/* Nothing is left where it was attached: has mremap() moved it, so that it is attached still? */
static bool
moved_away(const struct shmq_seg *seg)
{
	struct shmqi_inode sysv = {0, (ino_t)seg->shmid};
	const struct shmqi_inode *inode = seg->shmid >= 0 ? &sysv : &seg->inode;

	return !seg->displaced &&
	       shmqi_os_mapped_elsewhere(inode, seg->shmid >= 0, seg->file_offset, known);
}

int
shmqi_seg_release(struct shmq_seg *seg, bool by_address)
{
	struct shmqi_entry *entry = seg->entry;
	int state = shmqi_seg_lock();

	if (unmap_user_memory(seg) == 0 && (by_address || moved_away(seg))) {
		shmqi_seg_unlock(state);
		return -EINVAL;
	}
	if (seg->base != seg->object || seg->shmid >= 0)
		seg->base = NULL;
	if (seg->shmid >= 0)
		seg->object = NULL;
	if (entry) /* else it was refused, and never was */
		shmqi_seg_touch(seg, true);
	link_out(seg);
	if (entry && !seg->displaced)
		shmqi_table_remove(entry);
	unmap(seg);
	shmqi_seg_unlock(state);
	if (entry)
		shmqi_table_free(entry);
	free(seg);
	return 0;
}
