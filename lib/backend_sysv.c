/* SPDX-License-Identifier: MIT */
/* sysv: - the kernel's own segments. A raw one is only that; a queue has metadata inside and a side
 * file for its locks. */
#include "seg.h"

#include <errno.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>

/* log2 of the huge page size, where <linux/shm.h> has it; that header and <sys/shm.h> exclude each
 * other. */
#define HUGE_SHIFT 26
#define HUGE_2MB (21 << HUGE_SHIFT)
#define HUGE_1GB (30 << HUGE_SHIFT)

#define FOREIGN_LOOKS 3

int
shmqi_sysv_id(const struct shmqi_address *a)
{
	int id;

	if (a->number != ADDR_NONE)
		return a->number;
	if (a->key == IPC_PRIVATE)
		return -EINVAL;
	id = shmget(a->key, 0, 0);
	return id < 0 ? -errno : id;
}

bool
shmqi_sysv_fits(int id)
{
	struct shmid_ds ds;
	void *room;

	if (shmctl(id, IPC_STAT, &ds) != 0)
		return false;
	room = mmap(NULL, ds.shm_segsz, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (room == MAP_FAILED)
		return false;
	munmap(room, ds.shm_segsz);
	return true;
}

int
shmqi_sysv_error(const struct shmqi_address *a, int id)
{
	int err = errno;

	/* A key that was found and has lost its segment since: what is not there is the key. */
	if ((err == EINVAL || err == EIDRM) && a->number == ADDR_NONE && shmqi_sysv_id(a) != id)
		return -ENOENT;
	return shmqi_os_map_error(err);
}

static int
sysv_page_size(const struct shmqi_address *a, size_t wanted, size_t *out)
{
	if (a->number != ADDR_NONE)
		return -ENOTSUP;
	*out = wanted ? wanted : shmqi_os_page_size();
	return *out == shmqi_os_page_size() || shmqi_huge_page_size(*out) ? 0 : -ENOTSUP;
}

static int
huge_flags(size_t page_size)
{
	if (page_size == shmqi_os_page_size())
		return 0;
	return SHM_HUGETLB | (page_size == (size_t)1 << 30 ? HUGE_1GB : HUGE_2MB);
}

int
shmqi_sysv_new(const struct shmqi_address *a, const struct shmqi_geometry *g, uint64_t bytes,
	       mode_t mode)
{
	int flags = IPC_CREAT | IPC_EXCL | (int)mode | huge_flags((size_t)g->page_size);
	int id = shmget(a->key, (size_t)bytes, flags);

	return id < 0 ? -errno : id;
}

/* All pages present, and locked if that is asked. */
int
shmqi_sysv_settle(int id, const struct shmqi_geometry *g, void *base, uint64_t bytes)
{
	int err =
		shmqi_os_populate(base, shmqi_round_up((size_t)bytes, (size_t)g->page_size), true);

	if (err == 0 && (g->flags & SHMQ_LOCK) && shmctl(id, SHM_LOCK, NULL) != 0)
		err = -errno;
	return err;
}

static int
create_raw(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	int id = shmqi_sysv_new(a, g, g->segsz, mode), err;
	void *base;

	if (id < 0 || !(g->flags & (SHMQ_LOCK | SHMQ_POPULATE)))
		return id;
	base = shmat(id, NULL, 0);
	/* Another has removed it since: it was created, and that is all that was asked. */
	if (base == (void *)-1 && (errno == EINVAL || errno == EIDRM))
		return id;
	err = base == (void *)-1 ? shmqi_os_map_error(errno)
				 : shmqi_sysv_settle(id, g, base, g->segsz);
	if (base != (void *)-1)
		shmdt(base);
	if (err)
		shmctl(id, IPC_RMID, NULL);
	return err ? err : id;
}

static int
sysv_create(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	int id = g->kind == SHMQ_SEGMENT ? create_raw(a, g, mode)
					 : shmqi_sysv_create_queue(a, g, mode);

	return id < 0 || a->key == IPC_PRIVATE ? id : 0;
}

int
shmqi_sysv_open(struct shmqi_object *o, const struct shmqi_address *a, enum shmqi_access access)
{
	struct shmid_ds ds;

	*o = (struct shmqi_object){.fd = -1, .spare = -1, .writable = access != OPEN_READ};
	o->shmid = shmqi_sysv_id(a);
	if (o->shmid < 0)
		return o->shmid;
	if (shmctl(o->shmid, IPC_STAT, &ds) != 0)
		return shmqi_sysv_error(a, o->shmid);
	o->bytes = ds.shm_segsz;
	o->page_size = shmqi_os_page_size();
	return 0;
}

static bool
sysv_current(const struct shmqi_object *o, const struct shmqi_address *a)
{
	return a->number != ADDR_NONE || shmqi_sysv_id(a) == o->shmid;
}

const struct shmqi_backend shmqi_backend_sysv = {
	.page_size = sysv_page_size,
	.create = sysv_create,
	.open = shmqi_sysv_open,
	.current = sysv_current,
};

/* Attaching -------------------- */

static int
attach_raw(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	int flags = (int)(how->flags & (SHM_RDONLY | SHM_RND | SHM_REMAP | SHM_EXEC)),
	    id = shmqi_sysv_id(&seg->address);
	struct shmid_ds ds;
	void *base;

	if (id < 0)
		return id;
	if ((flags & SHM_REMAP) && shmctl(id, IPC_STAT, &ds) == 0 &&
	    shmqi_seg_over_queue(how->at, ds.shm_segsz))
		return -EINVAL;
	base = shmat(id, how->at, flags);
	if (base == (void *)-1)
		return shmqi_sysv_error(&seg->address, id);
	seg->shmid = id;
	seg->base = base;
	seg->read_only = flags & SHM_RDONLY;
	seg->writable = !seg->read_only;
	if (shmctl(id, IPC_STAT, &ds) != 0)
		return -errno;
	seg->size = ds.shm_segsz;
	seg->g = (struct shmqi_geometry){
		.kind = SHMQ_SEGMENT, .segsz = seg->size, .page_size = shmqi_os_page_size()};
	seg->mapped_bytes = shmqi_round_up(seg->size, (size_t)seg->g.page_size);
	return 0;
}

/*
 * A segment without our header: is it becoming a queue, did its creator die, or is it none of ours?
 * A side file that is renamed during a walk may be missed by it, and a queue may have become
 * complete meanwhile, so "none of ours" takes several looks.
 */
static int
not_a_queue(int id, const uint64_t *magic)
{
	int state = SIDE_NONE;

	for (int i = 0; state == SIDE_NONE && i < FOREIGN_LOOKS; i++) {
		state = shmqi_side_state(id);
		/* COMPLETE, acquire: what it leads to is looked at again. */
		if (shmq_load_acquire_u64(magic) != 0)
			return -EAGAIN;
		sched_yield();
	}
	if (state < 0)
		return state;
	if (state == SIDE_NONE)
		return -EPROTONOSUPPORT;
	return state == SIDE_CREATING ? -EAGAIN : -ENOENT;
}

static int
map_queue(struct shmq_seg *seg, const struct shmqi_attach_how *how, struct shmqi_object *o)
{
	void *base = shmat(o->shmid, NULL, how->observer ? SHM_RDONLY : 0);
	uint64_t magic;
	int err;

	if (base == (void *)-1 && errno == EACCES && how->reader) {
		o->writable = false;
		base = shmat(o->shmid, NULL, SHM_RDONLY);
	}
	if (base == (void *)-1)
		return errno == EINVAL || errno == EIDRM ? -ESTALE : shmqi_os_map_error(errno);
	seg->shmid = o->shmid;
	seg->base = seg->object = base;
	/* COMPLETE, acquire: 0 may still become a queue, which the check below then sees. */
	magic = shmq_load_acquire_u64(base);
	err = shmqi_format_check(base, o->bytes, &seg->header, &seg->g);
	if (err)
		return err == -EPROTONOSUPPORT && magic == 0 ? not_a_queue(o->shmid, base) : err;
	/* The kernel knows how long it is; a page size that somebody wrote makes it no longer. */
	if (seg->g.kind == SHMQ_SEGMENT || seg->g.total_bytes != o->bytes)
		return -EBADMSG;
	seg->size = (size_t)seg->g.segsz;
	seg->mapped_bytes = seg->object_bytes = (size_t)o->bytes;
	return madvise(base, seg->object_bytes, MADV_DONTFORK) ? shmqi_os_map_error(errno) : 0;
}

/* The lock lives on the side file, and one page of that, mapped without access, keeps it. */
static int
keep(struct shmq_seg *seg, const struct shmqi_attach_how *how, const struct shmqi_object *o)
{
	size_t page = shmqi_os_page_size();
	int err = how->take(seg, o->fd, how->arg);
	void *keeper;

	if (err)
		return err;
	keeper = mmap(NULL, page, PROT_NONE, MAP_SHARED, o->fd, 0);
	if (keeper == MAP_FAILED)
		return shmqi_os_map_error(errno);
	seg->keeper = keeper;
	seg->keeper_bytes = page;
	if (madvise(keeper, page, MADV_DONTFORK) != 0)
		return shmqi_os_map_error(errno);
	if (shmq_load_relaxed_u32(&format_lifecycle(seg->object)->removed))
		return seg->address.number != ADDR_NONE ? -EIDRM : -ESTALE;
	return sysv_current(o, &seg->address) ? 0 : -ESTALE;
}

/* A remover takes the side file away, too; so does who takes the place of a dead creator. */
static bool
being_removed(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) != 0 || (ds.shm_perm.mode & SHMQ_DEST);
}

/* In the place of a writable mapping, which mprotect() could make writable again. */
static int
map_read_only(struct shmq_seg *seg)
{
	if (shmat(seg->shmid, seg->object, SHM_RDONLY | SHM_REMAP) == (void *)-1)
		return errno == EINVAL || errno == EIDRM ? -ESTALE : shmqi_os_map_error(errno);
	return madvise(seg->object, seg->object_bytes, MADV_DONTFORK) ? shmqi_os_map_error(errno)
								      : 0;
}

static int
attach_queue(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	struct shmqi_object o;
	bool readable = how->observer || how->reader;
	int err = shmqi_sysv_open(&o, &seg->address, readable ? OPEN_READ : OPEN_WRITE);

	if (err)
		return err;
	o.writable = !how->observer;
	err = map_queue(seg, how, &o);
	if (err == 0)
		err = shmqi_seg_choose_access(seg, how, o.writable);
	if (err == 0 && seg->read_only && o.writable)
		err = map_read_only(seg);
	o.writable = seg->writable;
	if (err == 0)
		err = shmqi_side_open(&o, &seg->header);
	if ((err == -EXDEV || err == -EPROTONOSUPPORT) && being_removed(o.shmid))
		err = seg->address.number != ADDR_NONE ? -EIDRM : -ESTALE;
	if (err)
		return err;
	seg->inode = o.inode;
	seg->spare = o.spare;
	o.spare = -1;
	err = keep(seg, how, &o);
	shmqi_object_close(&o);
	return err;
}

int
shmqi_seg_attach_sysv(struct shmq_seg *seg, const struct shmqi_attach_how *how)
{
	return how->queue ? attach_queue(seg, how) : attach_raw(seg, how);
}
