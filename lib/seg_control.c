/* SPDX-License-Identifier: MIT */
/* set, remove, lock, unlock: the lifecycle by address. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* An mmap object, open and mapped for a change of its lifecycle. */
struct control {
	struct shmqi_address a;
	const struct shmqi_backend *backend;
	struct shmqi_object o;
	struct format_header header;
	struct shmqi_geometry g;
	void *object;
	size_t bytes;
	struct stat st;
};

static void
end(struct control *c)
{
	if (c->object)
		munmap(c->object, c->bytes);
	shmqi_object_close(&c->o);
}

/* How deep to look before a change: a removal goes on with a damaged segment, as long as it is
 * ours. */
static int
check(struct control *c, bool damaged_too)
{
	int err = shmqi_format_check(c->object, c->o.bytes, &c->header, &c->g);

	return err == -EBADMSG && damaged_too ? 0 : err;
}

/*
 * The kernel lets an owner control a segment whose mode gives him nothing. A file he could not even
 * open: he gives himself the bits for that moment, and takes them back.
 */
static int
open_as_owner(struct control *c)
{
	int follow = c->a.backend == SHMQ_BACKEND_FILE ? 0 : O_NOFOLLOW, err = -EACCES;
	bool given = c->a.backend == SHMQ_BACKEND_FD;
	int fd = given ? c->a.number : open(c->a.path, O_PATH | O_CLOEXEC | follow);
	char path[32];
	struct stat st;

	if (fd < 0)
		return -EACCES;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    chmod(path, (st.st_mode & 07777) | S_IRUSR | S_IWUSR) == 0) {
		err = c->backend->open(&c->o, &c->a, OPEN_ANY);
		(void)chmod(path, st.st_mode & 07777);
	}
	if (!given)
		close(fd);
	return err;
}

/* Writable if that can be had in any way. */
static int
open_for_control(struct control *c)
{
	int err = c->backend->open(&c->o, &c->a, OPEN_ANY);

	if ((err == 0 && c->o.writable) || (err && err != -EACCES))
		return err;
	if (err == 0)
		shmqi_object_close(&c->o);
	if (open_as_owner(c) == 0)
		return 0;
	return c->backend->open(&c->o, &c->a, OPEN_ANY);
}

static int
map_for_control(struct control *c)
{
	int prot = PROT_READ | (c->o.writable ? PROT_WRITE : 0);

	if (fstat(c->o.fd, &c->st) != 0)
		return -errno;
	if (c->o.bytes < 2 * FORMAT_PAGE)
		return -EPROTONOSUPPORT;
	c->bytes = shmqi_format_meta_bytes(c->o.page_size);
	c->object = mmap(NULL, c->bytes, prot, MAP_SHARED, c->o.fd, 0);
	if (c->object != MAP_FAILED)
		return 0;
	c->object = NULL;
	return shmqi_os_map_error(errno);
}

static int
begin(struct control *c, bool damaged_too)
{
	int err = open_for_control(c);

	c->object = NULL;
	if (err)
		return err;
	err = map_for_control(c);
	if (err == 0)
		err = check(c, damaged_too);
	if (err == 0 && c->a.backend == SHMQ_BACKEND_FD &&
	    shmq_load_relaxed_u32(&format_lifecycle(c->object)->removed) &&
	    shmqi_lock_count(c->o.fd) == 0)
		err = -EIDRM;
	if (err)
		end(c);
	return err;
}

static void
changed(struct control *c)
{
	if (c->o.writable)
		shmq_store_relaxed_u64(&format_lifecycle(c->object)->ctime_s,
				       (uint64_t)shmqi_os_wall_s());
}

/* set -------------------- */

static int
change_inode(int fd, const struct shmq_perm *perm)
{
	if ((perm->uid != (uid_t)-1 || perm->gid != (gid_t)-1) &&
	    fchown(fd, perm->uid, perm->gid) != 0)
		return -errno;
	if (perm->mode != (mode_t)-1 && fchmod(fd, perm->mode & 0777) != 0)
		return -errno;
	return 0;
}

static int
set_mmap(struct control *c, const struct shmq_perm *perm)
{
	int err = begin(c, false);

	if (err)
		return err;
	if (!shmqi_os_may_control_file(c->o.fd, c->st.st_uid, c->header.cuid, CAP_SYS_ADMIN))
		err = -EPERM;
	else
		err = change_inode(c->o.fd, perm);
	if (err == 0)
		changed(c);
	end(c);
	return err;
}

/* The side file of a queue, found whatever its mode: a descriptor; -1: there is none, or what is
 * there is not ours; or what we are short of. */
static int
open_side(int id, struct stat *st)
{
	char path[SIDE_ROOM];
	int fd, found = shmqi_side_find(id, path);

	if (found != 1)
		return found < 0 ? found : -1;
	fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return shmqi_os_untold(-errno) ? -errno : -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1)
		return fd;
	close(fd);
	return -1;
}

/* As change_inode(), of a descriptor that is only a path. */
static int
change_side(int fd, const struct shmq_perm *perm)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((perm->uid != (uid_t)-1 || perm->gid != (gid_t)-1) &&
	    chown(path, perm->uid, perm->gid) != 0)
		return -errno;
	if (perm->mode != (mode_t)-1 && chmod(path, perm->mode & 0777) != 0)
		return -errno;
	return 0;
}

/* A queue whose side file is another's, or has another mode, cannot be attached: so that one first,
 * as far as we may. What our mode hid from us shows once that is changed. */
static int
set_both(const struct shmqi_address *a, int id, struct shmid_ds *ds, const struct shmq_perm *perm)
{
	struct stat st = {0};
	int side = open_side(id, &st), err = 0;
	bool first = side >= 0;
	struct shmq_perm before = {.size = sizeof(before)};

	if (shmqi_os_untold(side))
		return side;
	if (first) {
		before.uid = st.st_uid;
		before.gid = st.st_gid;
		before.mode = st.st_mode;
		err = change_side(side, perm);
	}
	if (err == 0 && shmctl(id, IPC_SET, ds) != 0)
		err = shmqi_sysv_error(a, id);
	if (err && first)
		(void)change_side(side, &before);
	if (err == 0 && !first)
		side = open_side(id, &st);
	if (err == 0 && !first && side >= 0)
		(void)change_side(side, perm);
	if (side >= 0)
		close(side);
	return err;
}

/* IPC_SET sets all three, so what is to stay is asked for first. */
static int
set_sysv(const struct shmqi_address *a, const struct shmq_perm *perm)
{
	int id = shmqi_sysv_id(a);
	struct shmid_ds ds;
	bool all = perm->uid != (uid_t)-1 && perm->gid != (gid_t)-1 && perm->mode != (mode_t)-1;

	if (id < 0)
		return id;
	if (shmctl(id, IPC_STAT, &ds) != 0 && !(all && errno == EACCES))
		return shmqi_sysv_error(a, id);
	if (perm->uid != (uid_t)-1)
		ds.shm_perm.uid = perm->uid;
	if (perm->gid != (gid_t)-1)
		ds.shm_perm.gid = perm->gid;
	if (perm->mode != (mode_t)-1)
		ds.shm_perm.mode = perm->mode & 0777;
	return set_both(a, id, &ds, perm);
}

int
shmq_set(const char *addr, const struct shmq_perm *perm)
{
	SHMQI_NOT_CANCELLED;
	struct control c;
	int err = shmqi_address_parse(&c.a, addr);

	if (err)
		return err;
	if (!perm)
		return -EFAULT;
	if (perm->size != sizeof(*perm))
		return -EINVAL;
	if (c.a.backend == SHMQ_BACKEND_DEV) /* a device node is the system's */
		return -ENOTSUP;
	c.backend = shmqi_backend_of(&c.a);
	return c.a.backend == SHMQ_BACKEND_SYSV ? set_sysv(&c.a, perm) : set_mmap(&c, perm);
}

/* remove -------------------- */

/* Tell those attached: senders look at the word, sleepers are woken (their slices would see it,
 * too). */
static void
mark(void *object, const struct shmqi_geometry *g)
{
	/* REMOVED, release: who sees the mark sees what was sent before. */
	shmq_store_release_u32(&format_lifecycle(object)->removed, 1);
	if (g->kind >= 0)
		shmqi_queue_wake_everybody(object, g);
}

/* The sleepers' words are past the metadata: map the whole for those. */
static void
mark_all(void *arg)
{
	struct control *c = arg;
	size_t bytes = shmqi_round_up((size_t)c->o.bytes, c->o.page_size);
	struct shmqi_geometry g = c->g;
	void *all = MAP_FAILED;

	if (g.kind >= 0 && g.total_bytes && g.total_bytes <= c->o.bytes)
		all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->o.fd, 0);
	if (all == MAP_FAILED)
		g.kind = SHMQ_SEGMENT;
	mark(all == MAP_FAILED ? c->object : all, &g);
	if (all != MAP_FAILED)
		munmap(all, bytes);
	changed(c);
}

static int
remove_mmap(struct control *c)
{
	int err;

	c->g = (struct shmqi_geometry){.kind = SHMQ_SEGMENT};
	err = begin(c, true);
	if (err)
		return err;
	if (!shmqi_os_may_control_file(c->o.fd, c->st.st_uid, c->header.cuid, CAP_SYS_ADMIN))
		err = -EPERM;
	else if (!c->o.writable)
		err = -EACCES;
	if (err == 0)
		err = c->backend->may_unlink(&c->o, &c->a);
	if (err == 0)
		err = shmqi_removal(&c->o, &c->a, mark_all, c);
	end(c);
	return err;
}

/* The memory of a sysv: queue that we may remove, to be marked; NULL: it is none, or we may not.
 * -ENOMEM, -EMFILE, -ENFILE: that cannot be told. */
static int
attach_to_mark(void **object, int id, struct shmid_ds *ds, char side[SIDE_ROOM])
{
	int found = shmqi_side_find(id, side);

	*object = NULL;
	if (found != 1 || shmctl(id, IPC_STAT, ds) != 0)
		return found < 0 ? found : 0;
	if (!shmqi_os_may_control(ds->shm_perm.uid, ds->shm_perm.cuid))
		return 0;
	*object = shmat(id, NULL, 0);
	if (*object != (void *)-1)
		return 0;
	*object = NULL;
	return errno == ENOMEM ? -ENOMEM : 0;
}

/* A queue's participants learn of the removal from its memory; the kernel does the rest. */
static int
remove_sysv(const struct shmqi_address *a)
{
	struct format_header header;
	struct shmqi_geometry g;
	struct shmid_ds ds;
	char side[SIDE_ROOM];
	int id = shmqi_sysv_id(a), err;
	void *object;

	if (id < 0)
		return id;
	if (shmqi_side_state(id) == SIDE_CREATING && !shmqi_sysv_complete(id))
		return -ENOENT; /* not complete is not there */
	err = attach_to_mark(&object, id, &ds, side);
	if (err)
		return err;
	err = shmctl(id, IPC_RMID, NULL) ? shmqi_sysv_error(a, id) : 0;
	if (object && err == 0) {
		if (shmqi_format_check(object, ds.shm_segsz, &header, &g) == 0)
			mark(object, &g);
		unlink(side);
	}
	if (object)
		shmdt(object);
	return err;
}

int
shmq_remove(const char *addr)
{
	SHMQI_NOT_CANCELLED;
	struct control c;
	int err = shmqi_address_parse(&c.a, addr);

	if (err || c.a.backend == SHMQ_BACKEND_DEV)
		return err ? err : -ENOTSUP;
	c.backend = shmqi_backend_of(&c.a);
	return c.a.backend == SHMQ_BACKEND_SYSV ? remove_sysv(&c.a) : remove_mmap(&c);
}

/* lock, unlock -------------------- */

static bool
is_own(const struct shmq_seg *seg, struct shmqi_inode inode)
{
	return seg->base && seg->shmid < 0 && shmqi_inode_same(seg->inode, inode);
}

static void
unlock_own(struct shmqi_inode inode, bool only_now)
{
	for (struct shmq_seg *seg = shmqi_seg_first; seg; seg = seg->next) {
		if (is_own(seg, inode) && seg->locked && (seg->locked_now || !only_now))
			seg->locked = shmqi_os_unlock_memory(seg->base, seg->mapped_bytes) != 0;
		seg->locked_now = false;
	}
}

/* Lock what this process has attached: all of it or nothing. *any: whether there is something. */
static int
lock_own(struct shmqi_inode inode, bool *any)
{
	int err = 0;

	*any = false;
	for (struct shmq_seg *seg = shmqi_seg_first; seg && err == 0; seg = seg->next) {
		bool before = seg->locked;

		if (!is_own(seg, inode))
			continue;
		*any = true;
		err = shmqi_seg_settle(seg, SHMQ_LOCK, &seg->locked);
		seg->locked_now = seg->locked && !before;
	}
	if (err)
		unlock_own(inode, true);
	return err;
}

/* With nothing attached here, a lock is a promise for others: at least it must be possible. */
static int
settle_own(const struct control *c, bool lock)
{
	uint64_t bytes = c->g.total_bytes - (c->g.kind == SHMQ_SEGMENT ? c->g.data_offset : 0);
	bool any = true;
	int err = 0, state = shmqi_seg_lock();

	if (lock)
		err = lock_own(c->o.inode, &any);
	else
		unlock_own(c->o.inode, false);
	shmqi_seg_unlock(state);
	if (err == 0 && !any && c->g.page_size == shmqi_os_page_size())
		err = shmq_memlock((size_t)bytes, NULL);
	return err;
}

/* As SHM_LOCK: with CAP_IPC_LOCK anybody; else the owner or creator, and for a lock only with a
 * limit that is not 0. */
static int
may_lock(const struct control *c, bool lock)
{
	struct rlimit limit;

	if (!shmqi_os_may_control_file(c->o.fd, c->st.st_uid, c->header.cuid, CAP_IPC_LOCK))
		return -EPERM;
	if (shmqi_os_locks_without_limit())
		return 0;
	return lock && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == 0 ? -EPERM : 0;
}

static int
lock_mmap(struct control *c, bool lock)
{
	int err = begin(c, false);

	if (err)
		return err;
	err = may_lock(c, lock);
	if (err == 0 && !c->o.writable)
		err = -EACCES;
	if (err == 0)
		err = settle_own(c, lock);
	if (err == 0)
		/* Relaxed: read by each later attach, alone. */
		shmq_store_relaxed_u32(&format_lifecycle(c->object)->lock, lock);
	end(c);
	return err;
}

static int
lock_or_unlock(const char *addr, bool lock)
{
	SHMQI_NOT_CANCELLED;
	struct control c;
	int id, err = shmqi_address_parse(&c.a, addr);

	if (err || c.a.backend == SHMQ_BACKEND_DEV)
		return err ? err : -ENOTSUP;
	c.backend = shmqi_backend_of(&c.a);
	if (c.a.backend != SHMQ_BACKEND_SYSV)
		return lock_mmap(&c, lock);
	id = shmqi_sysv_id(&c.a);
	if (id < 0)
		return id;
	return shmctl(id, lock ? SHM_LOCK : SHM_UNLOCK, NULL) == 0 ? 0 : shmqi_sysv_error(&c.a, id);
}

int
shmq_lock(const char *addr)
{
	return lock_or_unlock(addr, true);
}

int
shmq_unlock(const char *addr)
{
	return lock_or_unlock(addr, false);
}
