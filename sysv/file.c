/* SPDX-License-Identifier: MIT */
/*
 * The memory of a segment: a file that is just that. Who may use it is the kernel's to enforce, too:
 * the file belongs to the creator for good, and an access list names the owner and the group that
 * IPC_SET has given it to. That is exactly the rule of SysV: creator and owner have the first three
 * bits, members of either group the next, all others the last.
 */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL "system.posix_acl_access"
enum { ACL_VERSION = 2, ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8 };
enum { ACL_MASK = 16, ACL_OTHER = 32 };

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry entries[6];
};

void
shmqi_ns_path(char out[NS_PATH_ROOM], const struct ns *ns, const struct ns_slot *slot)
{
	const char *directory = ns->config->directory;
	struct stat index = {0};

	if (!slot->huge_shift) {
		snprintf(out, NS_PATH_ROOM, "%s/shmid-%d", directory, slot->id);
		return;
	}
	/* Other namespaces may have theirs in that place, too. */
	(void)fstat(ns->index, &index);
	snprintf(out, NS_PATH_ROOM, "%s/huge/shmid-%d.%" PRIx64 ".%" PRIx64, directory, slot->id,
		 (uint64_t)index.st_dev, (uint64_t)index.st_ino);
}

int
shmqi_ns_name_id(const char *name)
{
	long id = 0;

	if (strncmp(name, "shmid-", 6) != 0 || name[6] < '0' || name[6] > '9')
		return -1;
	for (name += 6; *name >= '0' && *name <= '9' && id <= INT32_MAX; name++)
		id = id * 10 + (*name - '0');
	if (*name == '.')
		name += strspn(name, ".0123456789abcdef");
	if (id > INT32_MAX || (*name && strcmp(name, " (deleted)") != 0))
		return -1;
	return (int)id;
}

static bool
is_writable_limit(uint64_t bytes)
{
	struct rlimit limit;

	/* Beyond it the kernel sends SIGXFSZ, which nobody expects of shmget(). */
	return getrlimit(RLIMIT_FSIZE, &limit) != 0 || bytes <= limit.rlim_cur;
}

/* A file of that name is what somebody left who was killed: an id is given out once. */
static int
create_file(const char *path)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, flags, 0600);

	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, flags, 0600);
	if (fd >= 0)
		return fd;
	if (errno == EMFILE)
		return -ENFILE;
	return errno == EDQUOT ? -ENOSPC : errno == EEXIST ? -EACCES : -errno;
}

static int
shape(int fd, struct ns_slot *slot, uint64_t bytes)
{
	struct stat st;

	if (ftruncate(fd, (off_t)bytes) != 0)
		return errno == EFBIG ? -ENOMEM : -errno;
	if (fstat(fd, &st) != 0)
		return -errno;
	slot->inode = st.st_ino;
	/* In a set-group-ID directory it would be the directory's group. */
	if (st.st_gid != slot->cgid && fchown(fd, (uid_t)-1, slot->cgid) != 0)
		return -errno;
	return fchmod(fd, slot->mode & 0777) != 0 ? -errno : 0;
}

int
shmqi_ns_file_create(struct ns *ns, struct ns_slot *slot, bool reserve)
{
	uint64_t bytes = shmqi_round_up(slot->bytes, ns_page(ns, slot));
	char path[NS_PATH_ROOM];
	int fd, err;

	if (!bytes || bytes > INT64_MAX || !is_writable_limit(bytes))
		return -ENOMEM;
	shmqi_ns_path(path, ns, slot);
	fd = create_file(path);
	if (fd < 0) /* who may not write there has no right to huge pages */
		return fd == -EACCES && slot->huge_shift ? -EPERM : fd;
	err = shape(fd, slot, bytes);
	if (err == 0 && slot->huge_shift && reserve)
		err = shmqi_ns_huge_reserve(fd, bytes);
	if (err)
		unlink(path);
	close(fd);
	return err;
}

/* Why it could not be opened: what others may still see is not gone. */
static int
lost(const struct ns *ns, const struct ns_slot *slot)
{
	switch (errno) {
	case ENOENT:
		return slot->huge_shift && !shmqi_ns_huge_there(ns) ? -EACCES : -EIDRM;
	case ELOOP:
	case ENXIO:
	case EISDIR:
		return -EIDRM;
	case EMFILE:
		return -ENFILE;
	default:
		return errno == EPERM ? -EACCES : -errno;
	}
}

int
shmqi_ns_file_open(struct ns *ns, const struct ns_slot *slot, int flags)
{
	char path[NS_PATH_ROOM];
	struct stat st;
	int fd;

	shmqi_ns_path(path, ns, slot);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return lost(ns, slot);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != slot->inode ||
	    (uint64_t)st.st_size < slot->bytes) {
		close(fd);
		return -EIDRM;
	}
	return fd;
}

static int
by_tag(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;

	return x->tag != y->tag ? (x->tag < y->tag ? -1 : 1) : (x->id < y->id ? -1 : x->id > y->id);
}

static bool
set_list(const char *path, const struct ns_slot *slot)
{
	uint16_t owner = slot->mode >> 6 & 7, group = slot->mode >> 3 & 7;
	struct acl acl = {
		.version = ACL_VERSION,
		.entries = {{ACL_USER_OBJ, owner, UINT32_MAX},
			    {ACL_USER, owner, slot->uid},
			    {ACL_GROUP_OBJ, group, UINT32_MAX},
			    {ACL_GROUP, group, slot->gid},
			    {ACL_MASK, owner | group, UINT32_MAX},
			    {ACL_OTHER, slot->mode & 7, UINT32_MAX}},
	};

	qsort(acl.entries, 6, sizeof(acl.entries[0]), by_tag);
	return setxattr(path, ACL, &acl, sizeof(acl), 0) == 0;
}

/*
 * An owner who is not the creator cannot change the list: what he has set is then for those who ask
 * the index, and the next call of the creator's does the rest. Where there are no lists, and for the
 * plain case, it is the mode.
 */
void
shmqi_ns_file_allow(struct ns *ns, const struct ns_slot *slot)
{
	bool plain = slot->uid == slot->cuid && slot->gid == slot->cgid;
	char path[NS_PATH_ROOM];
	struct stat st;
	int fd;

	shmqi_ns_path(path, ns, slot);
	fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	/* Whoever may write the directory could have put another file there, for us to open up. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == slot->inode &&
	    st.st_uid == slot->cuid && st.st_nlink == 1) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (plain)
			(void)removexattr(path, ACL);
		if (plain || !set_list(path, slot))
			(void)chmod(path, slot->mode & 0777);
	}
	close(fd);
}

/*
 * Who may not unlink it may be allowed to write: then its memory goes, if not its name. To give back
 * many pages takes long, and is not done under the lock: a descriptor keeps them until then.
 */
void
shmqi_ns_file_remove(struct ns *ns, const struct ns_slot *slot)
{
	char path[NS_PATH_ROOM];
	int fd;

	shmqi_ns_path(path, ns, slot);
	fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (unlink(path) != 0 && errno != ENOENT) {
		int own = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (own >= 0 && ftruncate(own, 0) != 0)
			errno = 0; /* it stays until its creator comes by */
		if (own >= 0)
			close(own);
	}
	if (ns->doomed >= 0)
		close(ns->doomed);
	ns->doomed = fd;
}

uint64_t
shmqi_ns_file_pages(struct ns *ns, const struct ns_slot *slot)
{
	char path[NS_PATH_ROOM];
	struct stat st;

	shmqi_ns_path(path, ns, slot);
	if (lstat(path, &st) != 0 || st.st_ino != slot->inode)
		return 0;
	return (uint64_t)st.st_blocks * 512 / ns->config->page;
}
