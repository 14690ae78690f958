/* SPDX-License-Identifier: MIT */
/* shmctl(): as the kernel's. */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOCK_ONFAULT 1

/* The slot that a command asks for; what is marked and left is destroyed on the way. */
static int
look_up(struct ns *ns, int id, bool by_index, struct ns_slot *slot)
{
	int err = by_index ? shmqi_ns_slot_at(ns, ns_index(id), slot) : shmqi_ns_slot(ns, id, slot);

	if (err)
		return err;
	return shmqi_ns_settle(ns, slot) ? -EINVAL : 0;
}

static int
tell(struct ns *ns, struct ns_slot *slot, bool by_index, void *buffer)
{
	struct shmid_ds ds = {0};
	int err;

	if (!(slot->mode & SHM_DEST)) /* else look_up() has counted */
		(void)shmqi_ns_count(ns, slot);
	ds.shm_perm.__key = (slot->mode & SHM_DEST) ? IPC_PRIVATE : slot->key;
	ds.shm_perm.uid = slot->uid;
	ds.shm_perm.gid = slot->gid;
	ds.shm_perm.cuid = slot->cuid;
	ds.shm_perm.cgid = slot->cgid;
	ds.shm_perm.mode = slot->mode & (0777 | SHM_DEST | SHM_LOCKED);
	ds.shm_perm.__seq = (unsigned short)(slot->id >> NS_INDEX_BITS);
	ds.shm_segsz = slot->bytes;
	ds.shm_atime = slot->atime;
	ds.shm_dtime = slot->dtime;
	ds.shm_ctime = slot->ctime;
	ds.shm_cpid = slot->cpid;
	ds.shm_lpid = slot->lpid;
	ds.shm_nattch = shmqi_ns_count_pieces(ns, slot);
	err = shmqi_ns_copy_out(buffer, &ds, sizeof(ds));
	return err ? err : by_index ? slot->id : 0;
}

static int
status(struct ns *ns, int id, int command, void *buffer)
{
	bool by_index = command != IPC_STAT;
	struct ns_slot slot;
	int err = look_up(ns, id, by_index, &slot);

	if (err)
		return err;
	if (command != SHM_STAT_ANY && !shmqi_ns_permits(&slot, 0444))
		return -EACCES;
	return tell(ns, &slot, by_index, buffer);
}

/* What only its owner, its creator or CAP_SYS_ADMIN may change. */
static int
look_up_own(struct ns *ns, int id, struct ns_slot *slot)
{
	int err = look_up(ns, id, false, slot);

	if (err)
		return err;
	return shmqi_ns_is_owner(slot) || shmqi_os_capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static int
set(struct ns *ns, int id, const struct shmid_ds *ds)
{
	struct ns_slot slot;
	int err = look_up_own(ns, id, &slot);

	if (err)
		return err;
	if (ds->shm_perm.uid == (uid_t)-1 || ds->shm_perm.gid == (gid_t)-1)
		return -EINVAL;
	slot.uid = ds->shm_perm.uid;
	slot.gid = ds->shm_perm.gid;
	slot.mode = (slot.mode & ~0777u) | (ds->shm_perm.mode & 0777u);
	slot.ctime = shmqi_os_wall_s();
	err = shmqi_ns_put(ns, &slot);
	if (err == 0)
		shmqi_ns_file_allow(ns, &slot);
	return err;
}

/* The key is free at once: the slot leaves its chain before it is marked. */
static int
mark(struct ns *ns, struct ns_slot *slot)
{
	int err = shmqi_ns_write_header(ns, 1);

	if (err == 0)
		err = shmqi_ns_unlink(ns, slot);
	slot->key = IPC_PRIVATE;
	slot->mode |= SHM_DEST;
	if (err == 0)
		err = shmqi_ns_put(ns, slot);
	if (err)
		return err;
	ns->header.marked++;
	return shmqi_ns_write_header(ns, 0);
}

static int
take_away(struct ns *ns, int id)
{
	struct ns_slot slot;
	int err = look_up_own(ns, id, &slot);

	if (err)
		return err;
	if (slot.mode & SHM_DEST)
		return 0;
	err = shmqi_ns_count(ns, &slot);
	if (err == -EIDRM || (err == 0 && !slot.nattch) || (err == -EACCES && !slot.nattch))
		return shmqi_ns_destroy(ns, &slot);
	return mark(ns, &slot);
}

struct locked {
	uint32_t user;
	uint64_t bytes;
};

static int
add_locked(struct ns *ns, struct ns_slot *slot, void *arg)
{
	struct locked *sum = arg;

	if (slot->mode & SHM_LOCKED && slot->locker == sum->user)
		sum->bytes += shmqi_round_up(slot->bytes, ns->config->page);
	return 0;
}

static int
may_lock(const struct ns_slot *slot, bool lock)
{
	struct rlimit limit;

	if (shmqi_os_capable(CAP_IPC_LOCK))
		return 0;
	if (!shmqi_ns_is_owner(slot))
		return -EPERM;
	return lock && (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || !limit.rlim_cur) ? -EPERM : 0;
}

/* As user_shm_lock(): all that a user has locked counts. */
static int
check_lock_limit(struct ns *ns, const struct ns_slot *slot)
{
	struct locked sum = {.user = getuid(),
			     .bytes = shmqi_round_up(slot->bytes, ns->config->page)};
	struct rlimit limit;
	int err;

	if (shmqi_os_capable(CAP_IPC_LOCK))
		return 0;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	err = shmqi_ns_each(ns, add_locked, &sum);
	return err ? err : sum.bytes > limit.rlim_cur ? -ENOMEM : 0;
}

/* Our own attaches at once; everybody's from now on with shmat(). */
static void
lock_own(const struct ns_slot *slot, bool lock)
{
	struct ns_maps maps;
	struct ns_vma vma;

	if (!shmqi_ns_attached || shmqi_ns_maps_open(&maps))
		return;
	while (shmqi_ns_maps_next(&maps, &vma) == 1) {
		if (vma.id != slot->id || vma.inode != slot->inode)
			continue;
		if (lock)
			(void)syscall(SYS_mlock2, vma.start, vma.end - vma.start, LOCK_ONFAULT);
		else
			(void)syscall(SYS_munlock, vma.start, vma.end - vma.start);
	}
	shmqi_ns_maps_close(&maps);
}

static int
lock(struct ns *ns, int id, bool lock)
{
	struct ns_slot slot;
	int err = look_up(ns, id, false, &slot);

	if (err == 0)
		err = may_lock(&slot, lock);
	if (err)
		return err;
	/* Huge pages never leave RAM: accepted, and nothing is noted. */
	if (slot.huge_shift || !(slot.mode & SHM_LOCKED) == !lock)
		return 0;
	err = lock ? check_lock_limit(ns, &slot) : 0;
	if (err)
		return err;
	slot.mode ^= SHM_LOCKED;
	slot.locker = lock ? getuid() : 0;
	err = shmqi_ns_put(ns, &slot);
	if (err == 0)
		lock_own(&slot, lock);
	return err;
}

static int
top_index(struct ns *ns)
{
	uint64_t bits[NS_SLOTS / 64];

	if (shmqi_ns_bitmap(ns, bits))
		return 0;
	for (unsigned i = NS_SLOTS / 64; i-- > 0;)
		if (bits[i])
			return (int)(i * 64 + 63 - (unsigned)__builtin_clzll(bits[i]));
	return 0;
}

static int
add_pages(struct ns *ns, struct ns_slot *slot, void *arg)
{
	uint64_t *pages = arg;

	*pages += shmqi_ns_file_pages(ns, slot);
	return 0;
}

/* `ns` is NULL where there is no namespace yet: then nothing is in use. */
static int
inform(struct ns *ns, int command, void *buffer)
{
	const struct ns_config *config = shmqi_ns_config();
	struct shminfo limits = {.shmmax = config->shmmax,
				 .shmmin = 1,
				 .shmmni = config->shmmni,
				 .shmseg = config->shmmni,
				 .shmall = config->shmall};
	struct shm_info use = {0};
	uint64_t pages = 0;
	int top = 0, err;

	if (ns) {
		shmqi_ns_sweep(ns);
		top = top_index(ns);
		if (command == SHM_INFO)
			(void)shmqi_ns_each(ns, add_pages, &pages);
		use.used_ids = (int)ns->header.in_use;
		use.shm_tot = ns->header.pages;
		use.shm_rss = pages;
	}
	err = command == IPC_INFO ? shmqi_ns_copy_out(buffer, &limits, sizeof(limits))
				  : shmqi_ns_copy_out(buffer, &use, sizeof(use));
	return err ? err : top;
}

static int
dispatch(struct ns *ns, int id, int command, void *buffer)
{
	switch (command) {
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return status(ns, id, command, buffer);
	case IPC_SET:
		return set(ns, id, buffer);
	case IPC_RMID:
		return take_away(ns, id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return lock(ns, id, command == SHM_LOCK);
	case IPC_INFO:
	case SHM_INFO:
		return inform(ns, command, buffer);
	default:
		return -EINVAL;
	}
}

int
shmqi_ns_control(int id, int command, void *buffer)
{
	bool totals = command == IPC_INFO || command == SHM_INFO;
	struct shmid_ds ds;
	struct ns ns;
	int err = 0;

	if (id < 0 || command < 0)
		return -EINVAL;
	if (command == IPC_SET) {
		err = shmqi_ns_copy_in(&ds, buffer, sizeof(ds));
		buffer = &ds;
	}
	if (err == 0)
		err = shmqi_ns_open(&ns, NS_FIND);
	if (err == -ENOENT)
		return totals ? inform(NULL, command, buffer) : -EINVAL;
	if (err)
		return err == -ENFILE ? -ENOMEM : err;
	err = dispatch(&ns, id, command, buffer);
	shmqi_ns_close(&ns);
	return err;
}
