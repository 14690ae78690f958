/* SPDX-License-Identifier: MIT */
/*
 * SysV shared memory by its four functions. The oracle is made of this with the kernel's own system calls (calls.h); the world
 * `preload` with whatever the program finds under these names.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

#include "world.h"

static int
negated(int rc)
{
	return rc < 0 ? -errno : rc;
}

static void
call(struct place *p)
{
	p->key = (key_t)(0x60000000u | (unsigned)scene_run() << 4 | (unsigned)p->slot);
}

/* Populating is what SHM_POPULATE would be, if it existed: attach, touch, detach. */
static int
populate(int id)
{
	struct shmid_ds ds;
	void *base = shmat(id, NULL, 0);
	int rc;

	if (base == (void *)-1)
		return -errno;
	rc = negated(shmctl(id, IPC_STAT, &ds));
	if (rc == 0)
		rc = negated(madvise(base, ds.shm_segsz, MADV_POPULATE_WRITE));
	shmdt(base);
	return rc;
}

static int
get(struct place *p, const struct wish *wish, int flags)
{
	mode_t mode = wish->mode ? wish->mode : 0600;
	int huge = wish->page_size > PAGE ? SHM_HUGETLB : 0;
	int id = shmget(p->key, wish->size, flags | huge | (int)mode);

	if (id < 0)
		return -errno;
	p->id = id;
	p->size = wish->size;
	p->creator = getpid();
	return wish->flags & SHMQ_POPULATE ? populate(id) : 0;
}

static int
create(struct place *p, const struct wish *wish)
{
	return get(p, wish, IPC_CREAT | IPC_EXCL);
}

static int
create_private(struct place *p, const struct wish *wish)
{
	p->key = IPC_PRIVATE;
	return get(p, wish, 0);
}

static int
open_or_create(struct place *p, const struct wish *wish)
{
	return get(p, wish, IPC_CREAT);
}

static int
find(const struct place *p, size_t size)
{
	int id = shmget(p->key, size, 0);

	return id < 0 ? -errno : 0;
}

/* The shmid, or a negated errno. */
static int
resolve(const struct place *p, enum how how)
{
	if (how == BY_ID || p->key == IPC_PRIVATE)
		return p->id;
	return negated(shmget(p->key, 0, 0));
}

/* What SHMQ_POPULATE and SHMQ_LOCK ask of an attach. */
static int
prepare(void *base, size_t size, unsigned flags)
{
	int how = flags & SHM_RDONLY ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;

	if (flags & SHMQ_POPULATE && madvise(base, size, how) < 0)
		return -errno;
	return flags & SHMQ_LOCK ? lock_pages(base, size) : 0;
}

static int
attach(struct held *h, const struct place *p, enum how how, void *at, unsigned flags)
{
	unsigned shmq_flags = flags & (SHMQ_LOCK | SHMQ_POPULATE);
	int id = resolve(p, how), rc;
	void *base;

	if (id < 0 && how == BY_NAME)
		return id;
	base = shmat(id, at, (int)(flags & ~shmq_flags));
	if (base == (void *)-1)
		return -errno;
	rc = prepare(base, p->size, flags);
	if (rc < 0) {
		shmdt(base);
		return rc;
	}
	*h = (struct held){.place = p, .base = base, .size = p->size};
	return 0;
}

static int
detach_at(const void *base)
{
	return negated(shmdt(base));
}

static int
detach(struct held *h)
{
	return detach_at(h->base);
}

static int
stat_of(const struct place *p, enum how how, struct facts *f)
{
	struct shmid_ds ds;
	int id = resolve(p, how);

	if (id < 0 && how == BY_NAME)
		return id;
	if (shmctl(id, IPC_STAT, f ? &ds : NULL) < 0)
		return -errno;
	if (!f)
		return 0;
	*f = (struct facts){
		.is_private = ds.shm_perm.__key == IPC_PRIVATE,
		.uid = ds.shm_perm.uid,
		.gid = ds.shm_perm.gid,
		.cuid = ds.shm_perm.cuid,
		.cgid = ds.shm_perm.cgid,
		.mode = ds.shm_perm.mode,
		.id = id,
		.seq = ds.shm_perm.__seq,
		.segsz = ds.shm_segsz,
		.atime = ds.shm_atime,
		.dtime = ds.shm_dtime,
		.ctime = ds.shm_ctime,
		.cpid = ds.shm_cpid,
		.lpid = ds.shm_lpid,
		.nattch = (int64_t)ds.shm_nattch,
		.resident_pages = WORLD_PAGES(id),
		.locked = ds.shm_perm.mode & SHM_LOCKED,
	};
	return 0;
}

static int
stat_held(const struct held *h, struct facts *f)
{
	return stat_of(h->place, BY_ID, f);
}

static int
set(const struct place *p, const struct shmq_perm *perm)
{
	struct shmid_ds ds;

	/* IPC_SET takes all three; an unprivileged caller may be unable to read the present ones. */
	memset(&ds, 0, sizeof(ds));
	if (shmctl(p->id, IPC_STAT, &ds) < 0 && (perm->uid == (uid_t)-1 || perm->gid == (gid_t)-1))
		return -errno;
	if (perm->uid != (uid_t)-1)
		ds.shm_perm.uid = perm->uid;
	if (perm->gid != (gid_t)-1)
		ds.shm_perm.gid = perm->gid;
	if (perm->mode != (mode_t)-1)
		ds.shm_perm.mode = (unsigned short)perm->mode;
	return negated(shmctl(p->id, IPC_SET, &ds));
}

static int
take_away(const struct place *p, enum how how)
{
	int id = resolve(p, how);

	return id < 0 && how == BY_NAME ? id : negated(shmctl(id, IPC_RMID, NULL));
}

static int
lock(const struct place *p)
{
	return negated(shmctl(p->id, SHM_LOCK, NULL));
}

static int
unlock(const struct place *p)
{
	return negated(shmctl(p->id, SHM_UNLOCK, NULL));
}

static int
resize(struct held *h, size_t size)
{
	void *base = mremap(h->base, h->size, size, MREMAP_MAYMOVE);

	if (base == MAP_FAILED)
		return -errno;
	h->base = base;
	h->size = size;
	return 0;
}

static int
sync_held(struct held *h)
{
	return negated(msync(h->base, h->size, MS_SYNC));
}

/* Walk the table of all segments with SHM_STAT. A slot in it may be empty or not ours to read. */
static int
met(const struct place *p)
{
	struct shm_info info;
	struct shmid_ds ds;
	int count = 0, max = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);

	for (int i = 0; i <= max; i++)
		if (shmctl(i, SHM_STAT, &ds) >= 0)
			count += ds.shm_segsz == p->size && ds.shm_cpid == p->creator;
	return max < 0 ? -errno : count;
}

static int64_t
allocated(const struct place *p)
{
	return WORLD_PAGES(p->id);
}

static int
totals(struct totals *t)
{
	struct shm_info info;

	if (shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) < 0)
		return -errno;
	t->segments = info.used_ids;
	t->pages = (int64_t)info.shm_tot;
	t->resident = (int64_t)info.shm_rss;
	return 0;
}

/* What the caller of mlock can work out for himself. */
static int
memlock(size_t bytes, uint64_t *needed, uint64_t *limit)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_MEMLOCK, &rl) < 0)
		return -errno;
	*needed = (bytes + PAGE - 1) / PAGE * PAGE;
	*limit = rl.rlim_cur;
	if (*limit == 0)
		return -EPERM;
	return *needed > *limit ? -ENOMEM : 0;
}

static int
refuse(const struct place *p, enum bad what)
{
	struct shmid_ds ds;

	switch (what) {
	case BAD_COMMAND:
		return negated(shmctl(p->id, 0x7777, &ds));
	case BAD_ID:
		return negated(shmctl(-1, IPC_STAT, &ds));
	case BAD_LENGTH:
		return negated(shmget(IPC_PRIVATE, 0, 0600));
	case BAD_ALIGNMENT:
		return shmat(p->id, (void *)(PAGE * 64 + 1), 0) == (void *)-1 ? -errno : 0;
	case BAD_WRAP:
		return negated(shmget(IPC_PRIVATE, SIZE_MAX, 0600));
	}
	return 0;
}

const struct world WORLD = {
	.name = WORLD_NAME,
	.bit = WORLD_BIT,
	.backend = -1,
	.call = call,
	.create = create,
	.create_private = create_private,
	.open = open_or_create,
	.find = find,
	.attach = attach,
	.detach = detach,
	.detach_at = detach_at,
	.stat = stat_of,
	.stat_held = stat_held,
	.set = set,
	.remove = take_away,
	.lock = lock,
	.unlock = unlock,
	.resize = resize,
	.sync = sync_held,
	.met = met,
	.totals = totals,
	.allocated = allocated,
	.memlock = memlock,
	.refuse = refuse,
};
