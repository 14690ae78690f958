/* SPDX-License-Identifier: MIT */
/* shm: and file: - an object is a file with a name, built without it and linked when complete. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The directory of a path, without the last component. */
static void
directory_of(char out[PATH_MAX], const char *path)
{
	snprintf(out, PATH_MAX, "%s", path);
	*strrchr(out, '/') = '\0';
	if (!out[0])
		snprintf(out, PATH_MAX, "/");
}

static int
named_page_size(const struct shmqi_address *a, size_t wanted, size_t *out)
{
	char directory[PATH_MAX];
	struct statfs fs;

	directory_of(directory, a->path);
	if (statfs(directory, &fs) != 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	*out = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : shmqi_os_page_size();
	return wanted && wanted != *out ? -ENOTSUP : 0;
}

/* For file systems without O_TMPFILE: a hidden name, which is left behind if we are killed. */
static int
create_hidden(const char *directory, char hidden[PATH_MAX])
{
	uint64_t nonce;
	int fd;

	shmqi_os_random(&nonce, sizeof(nonce));
	if (snprintf(hidden, PATH_MAX, "%s/.shmq-new-%016llx", directory,
		     (unsigned long long)nonce) >= PATH_MAX)
		return -EINVAL;
	fd = open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return fd;
}

static int
create_unnamed(const char *path, char hidden[PATH_MAX])
{
	char directory[PATH_MAX];
	int fd;

	directory_of(directory, path);
	hidden[0] = '\0';
	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
		return create_hidden(directory, hidden);
	return errno == ENOTDIR ? -ENOENT : -errno;
}

static int
named_create(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	char hidden[PATH_MAX];
	int fd, err;

	err = access(a->path, F_OK) ? 0 : shmqi_finish_removal(a);
	if (err)
		return err == -EBUSY ? -EBUSY : -EEXIST;
	fd = create_unnamed(a->path, hidden);
	if (fd < 0)
		return fd;
	err = shmqi_mmap_build(fd, g, shmqi_address_hash(a->text));
	if (err == 0 && fchmod(fd, mode) != 0)
		err = -errno;
	if (err == 0)
		err = hidden[0] ? (link(hidden, a->path) ? -errno : 0)
				: shmqi_mmap_publish(fd, a->path);
	if (hidden[0])
		unlink(hidden);
	close(fd);
	return err;
}

/* What open() says of things that cannot be a segment. */
static int
open_error(int err)
{
	switch (err) {
	case EISDIR:
	case ENXIO:
	case ENODEV:
	case ELOOP:
		return -EPROTONOSUPPORT;
	case ENOTDIR:
		return -ENOENT;
	case ENAMETOOLONG:
		return -EINVAL;
	case EPERM:
	case EROFS:
	case EAGAIN: /* its owner has a lease on it */
		return -EACCES;
	default:
		return -err;
	}
}

static int
open_path(const struct shmqi_address *a, int flags)
{
	int follow = a->backend == SHMQ_BACKEND_SHM ? O_NOFOLLOW : 0;
	int fd = open(a->path, flags | follow | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? open_error(errno) : fd;
}

static int
named_measure(struct shmqi_object *o, const struct shmqi_address *a)
{
	(void)a;
	return shmqi_object_measure(o);
}

static int
named_open(struct shmqi_object *o, const struct shmqi_address *a, enum shmqi_access access)
{
	return shmqi_object_open(o, a, access, open_path, named_measure);
}

static bool
named_current(const struct shmqi_object *o, const struct shmqi_address *a)
{
	struct stat st;

	return stat(a->path, &st) == 0 &&
	       shmqi_inode_same(o->inode, (struct shmqi_inode){st.st_dev, st.st_ino});
}

/* EPERM: the kernel takes us for somebody else, whatever the numbers look like to us. */
static bool
owns_directory(const char *directory, uid_t owner)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	bool refused = fd < 0 && errno == EPERM;

	if (fd >= 0)
		close(fd);
	return geteuid() == owner && !refused;
}

/* In a sticky directory only the file's or the directory's owner unlinks. */
static int
named_may_unlink(const struct shmqi_object *o, const struct shmqi_address *a)
{
	char directory[PATH_MAX];
	struct stat dir;

	directory_of(directory, a->path);
	if (stat(directory, &dir) != 0)
		return -errno;
	if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0)
		return -EPERM;
	if (!(dir.st_mode & S_ISVTX) || shmqi_os_owns(o->fd))
		return 0;
	return owns_directory(directory, dir.st_uid) ? 0 : -EPERM;
}

static int
named_unlink(const struct shmqi_object *o, const struct shmqi_address *a)
{
	(void)o;
	if (unlink(a->path) == 0)
		return 0;
	return errno == EACCES ? -EPERM : -errno;
}

const struct shmqi_backend shmqi_backend_named = {
	.page_size = named_page_size,
	.create = named_create,
	.open = named_open,
	.current = named_current,
	.may_unlink = named_may_unlink,
	.unlink = named_unlink,
};
