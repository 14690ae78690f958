/* SPDX-License-Identifier: MIT */
/*
 * The side file of a sysv: queue: /dev/shm/.shmq-SHMID-UUID, which carries the locks that a SysV
 * segment cannot.
 *
 * Creating one has no atomic publication, so the side file comes first, as
 * /dev/shm/.shmq-new-NONCE, saying what is about to be made and holding the creation byte while its
 * creator lives. Then the segment, then the side file's final name, last the magic number. Whoever
 * meets a segment without the magic number asks the side files: byte held, it is being created;
 * free, its creator is dead and the segment is worth nothing; no side file, it is somebody else's.
 */
#include "backend_sysv_side.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t
inode_number(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static uint64_t
ipc_namespace(void)
{
	return inode_number("/proc/self/ns/ipc");
}

static uint64_t
pid_namespace(void)
{
	return inode_number("/proc/self/ns/pid");
}

void
shmqi_side_path(char out[SIDE_ROOM], int shmid, const uint8_t uuid[16])
{
	int at = snprintf(out, SIDE_ROOM, SIDE_DIRECTORY "/.shmq-%d-", shmid);

	for (int i = 0; i < 16; i++)
		at += snprintf(out + at, SIDE_ROOM - (size_t)at, "%02x", uuid[i]);
}

int
shmqi_side_open(struct shmqi_object *o, const struct format_header *header)
{
	struct shmqi_inode wanted = {(dev_t)header->side_dev, (ino_t)header->side_ino};
	int flags = (o->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char path[SIDE_ROOM];

	shmqi_side_path(path, o->shmid, header->uuid);
	o->fd = open(path, flags);
	if (o->fd < 0)
		return errno == ENOENT ? -EXDEV : -errno;
	if (!shmqi_os_fd_is(o->fd, wanted)) {
		shmqi_object_close(o);
		return -EXDEV;
	}
	o->inode = wanted;
	o->spare = open(path, flags);
	if (o->spare < 0)
		o->spare = shmqi_os_reopen(o->fd, flags & O_ACCMODE);
	if (o->spare < 0) {
		int err = o->spare;

		shmqi_object_close(o);
		return err;
	}
	return 0;
}

/* Call `each` for every side file whose name begins with `prefix`, until it returns not 0. */
int
shmqi_side_each(const char *prefix, int (*each)(const char *path, void *arg), void *arg)
{
	DIR *dir = opendir(SIDE_DIRECTORY);
	char path[SIDE_ROOM];
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return -errno;
	while (result == 0 && (entry = shmqi_os_next(dir, &result))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		if (snprintf(path, sizeof(path), SIDE_DIRECTORY "/%s", entry->d_name) >=
		    (int)sizeof(path))
			continue; /* not a name we give */
		result = each(path, arg);
	}
	closedir(dir);
	return result;
}

/* It must be a plain file, with one name, that says what ours say, of this IPC namespace. */
int
shmqi_side_read(const char *path, struct side *side)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct shmqi_lock lock;
	struct stat st;
	bool ours;

	if (fd < 0)
		return shmqi_os_untold(-errno) ? -errno : 0;
	ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       pread(fd, &side->record, sizeof(side->record), 0) == sizeof(side->record) &&
	       side->record.magic == SIDE_MAGIC && side->record.ipc_namespace == ipc_namespace();
	side->uid = st.st_uid;
	side->creating =
		shmqi_os_lock_holder(fd, FORMAT_LOCK_CREATION, FORMAT_LOCK_CREATION, &lock) != 0;
	side->held = shmqi_os_lock_holder(fd, 0, INT64_MAX, &lock) != 0;
	close(fd);
	return ours;
}

/* Whether a side file announced a segment like that: by its creator, with its key and length. */
static bool
announces(const struct side *side, const struct shmid_ds *ds)
{
	return side->uid == ds->shm_perm.cuid && side->record.bytes == ds->shm_segsz &&
	       side->record.key == ds->shm_perm.__key;
}

/* Whether it announced that very one, and is dead. Pids are those of a namespace: the kernel tells
 * us the creator's in ours. */
bool
shmqi_side_made_for(const struct side *side, int shmid, const struct shmid_ds *ds)
{
	const struct record *r = &side->record;

	if (!announces(side, ds) || side->held || (r->shmid >= 0 && r->shmid != shmid))
		return false;
	return r->pid_namespace == pid_namespace() ? r->pid == ds->shm_cpid : r->shmid == shmid;
}

bool
shmqi_side_untold(const struct side *side, const struct shmid_ds *ds)
{
	return announces(side, ds) && !side->held && side->record.shmid < 0 &&
	       side->record.pid_namespace != pid_namespace();
}

/*
 * Whether that is so, and nobody else has anything to do with it: only then is a
 * segment without our header, which may be a stranger's, taken for what a dead creator left.
 */
bool
shmqi_side_left_behind(const struct side *side, int shmid, const struct shmid_ds *ds)
{
	return shmqi_side_made_for(side, shmid, ds) && ds->shm_nattch == 0;
}

struct search {
	int shmid;
	struct shmid_ds ds;
	enum shmqi_side_state state;
};

static int
consider(const char *path, void *arg)
{
	struct search *search = arg;
	struct side side;
	int ours = shmqi_side_read(path, &side);

	if (ours != 1)
		return ours;
	if (side.creating && announces(&side, &search->ds))
		search->state = SIDE_CREATING;
	else if (search->state == SIDE_NONE &&
		 shmqi_side_left_behind(&side, search->shmid, &search->ds))
		search->state = SIDE_DEAD;
	return 0;
}

static void
named_prefix(char out[32], int shmid)
{
	snprintf(out, 32, ".shmq-%d-", shmid);
}

/* An enum shmqi_side_state, or, when that cannot be told, a negated errno. */
static int
state_of(int shmid, const struct shmid_ds *ds)
{
	struct search search = {shmid, *ds, SIDE_NONE};
	char prefix[32];
	int err;

	named_prefix(prefix, shmid);
	err = shmqi_side_each(prefix, consider, &search);
	if (err == 0)
		err = shmqi_side_each(SIDE_NEW, consider, &search);
	return err < 0 ? err : (int)search.state;
}

int
shmqi_side_state(int shmid)
{
	struct shmid_ds ds;

	if (shmctl(shmid, IPC_STAT, &ds) != 0)
		return SIDE_NONE;
	ds.shm_nattch = 0; /* who asks is attached */
	return state_of(shmid, &ds);
}

static int
is_there(const char *path, void *arg)
{
	(void)path;
	(void)arg;
	return 1;
}

/* A copy of the header, which may be no header; false, and errno, when it cannot be read. */
bool
shmqi_side_peek(int shmid, struct format_header *out)
{
	const struct format_header *header = shmat(shmid, NULL, SHM_RDONLY);
	uint64_t magic;

	if (header == (void *)-1)
		return false;
	/* COMPLETE, acquire: with the magic number the rest is there. */
	magic = shmq_load_acquire_u64(&header->magic);
	memcpy(out, header, sizeof(*out));
	out->magic = magic;
	shmdt(header);
	return true;
}

/* A name is only a reason to look: what counts is what the segment itself names. */
int
shmqi_side_find(int shmid, char out[SIDE_ROOM])
{
	struct format_header header;
	struct stat st;
	char prefix[32];
	int found;

	named_prefix(prefix, shmid);
	found = shmqi_side_each(prefix, is_there, NULL);
	if (found != 1)
		return shmqi_os_untold(found) ? found : 0;
	if (!shmqi_side_peek(shmid, &header))
		return errno == ENOMEM && shmqi_sysv_fits(shmid) ? -ENOMEM : 0;
	if (header.magic != FORMAT_MAGIC)
		return 0;
	shmqi_side_path(out, shmid, header.uuid);
	return lstat(out, &st) == 0 && (uint64_t)st.st_dev == header.side_dev &&
	       (uint64_t)st.st_ino == header.side_ino;
}

bool
shmqi_sysv_complete(int shmid)
{
	struct format_header header;

	return shmqi_side_peek(shmid, &header) && header.magic == FORMAT_MAGIC;
}

int
shmqi_sysv_half_made(int shmid)
{
	struct format_header header;
	struct shmid_ds ds;
	int state;

	if (shmctl(shmid, IPC_STAT, &ds) != 0)
		return 0;
	state = state_of(shmid, &ds);
	if (state != SIDE_DEAD)
		return state < 0 ? state : 0;
	return shmqi_side_peek(shmid, &header) && header.magic == 0;
}

/* Creation -------------------- */

/* A side file that says what comes, with the creation byte taken before anybody can see it. */
static int
announce(char path[SIDE_ROOM], const struct shmqi_address *a, uint64_t bytes)
{
	struct record record = {SIDE_MAGIC, bytes,	     shmqi_os_wall_s(), a->key,
				getpid(),   ipc_namespace(), pid_namespace(),	-1};
	int fd = open(SIDE_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t nonce;
	int err;

	if (fd < 0)
		return -errno;
	shmqi_os_random(&nonce, sizeof(nonce));
	snprintf(path, SIDE_ROOM, SIDE_DIRECTORY "/" SIDE_NEW "%016llx", (unsigned long long)nonce);
	err = shmqi_os_lock_byte(fd, F_WRLCK, FORMAT_LOCK_CREATION);
	if (err == 0 && pwrite(fd, &record, sizeof(record), 0) != sizeof(record))
		err = -ENOSPC;
	if (err == 0)
		err = shmqi_mmap_publish(fd, path);
	if (err)
		close(fd);
	return err ? err : fd;
}

static int
fill_queue(void *object, const struct shmqi_geometry *g, int fd, const struct shmqi_address *a)
{
	struct format_lifecycle *life = format_lifecycle(object);
	struct format_header *header = object;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	shmqi_format_init(header, g);
	shmqi_format_fill(object, g);
	shmqi_format_sign(header, (uint32_t)a->key);
	header->side_dev = st.st_dev;
	header->side_ino = st.st_ino;
	life->lock = g->flags & SHMQ_LOCK ? 1 : 0;
	life->ctime_s = (uint64_t)header->created_s;
	life->segsz = g->segsz;
	return 0;
}

/* Make the new segment a queue. */
static int
complete(int id, int fd, char path[SIDE_ROOM], const struct shmqi_address *a,
	 const struct shmqi_geometry *g)
{
	void *object = shmat(id, NULL, 0);
	struct shmid_ds ds;
	char named[SIDE_ROOM];
	int err;

	if (object == (void *)-1)
		return shmqi_os_map_error(errno);
	err = (g->flags & (SHMQ_LOCK | SHMQ_POPULATE))
		      ? shmqi_sysv_settle(id, g, object, g->total_bytes)
		      : 0;
	if (err == 0)
		err = fill_queue(object, g, fd, a);
	if (err == 0) {
		shmqi_side_path(named, id, ((struct format_header *)object)->uuid);
		err = rename(path, named) ? -errno : 0;
	}
	if (err == 0) {
		snprintf(path, SIDE_ROOM, "%s", named);
		shmqi_format_publish(object);
		if (shmctl(id, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & SHMQ_DEST))
			unlink(named); /* removed while it was made */
	}
	shmdt(object);
	return err;
}

/* Who cannot compare pids knows it by that. */
static int
say_shmid(int fd, int64_t shmid)
{
	ssize_t put = pwrite(fd, &shmid, sizeof(shmid), offsetof(struct record, shmid));

	return put == sizeof(shmid) ? 0 : -ENOSPC;
}

static int
create_once(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	char path[SIDE_ROOM];
	int fd = announce(path, a, g->total_bytes), id, err;

	if (fd < 0)
		return fd;
	id = err = shmqi_sysv_new(a, g, g->total_bytes, mode);
	if (id >= 0)
		err = say_shmid(fd, id);
	if (err == 0)
		err = fchmod(fd, mode) ? -errno : complete(id, fd, path, a, g);
	if (err < 0 && id >= 0)
		shmctl(id, IPC_RMID, NULL);
	if (err < 0)
		unlink(path); /* last: as long as the segment is there, this tells what it is */
	close(fd);
	return err < 0 ? err : id;
}

int
shmqi_sysv_create_queue(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	int id = create_once(a, g, mode), old, half_made;

	if (id != -EEXIST)
		return id;
	old = shmqi_sysv_id(a); /* what a dead creator left is in nobody's use: take its place */
	half_made = old < 0 ? 0 : shmqi_sysv_half_made(old);
	if (half_made < 0)
		return half_made;
	if (half_made == 0 || shmctl(old, IPC_RMID, NULL) != 0)
		return -EEXIST;
	return create_once(a, g, mode);
}
