/* SPDX-License-Identifier: MIT */
/* memfd: creates, fd: attaches - an object is a descriptor; whoever has it, and the permission,
 * attaches. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
memfd_page_size(const struct shmqi_address *a, size_t wanted, size_t *out)
{
	if (a->backend == SHMQ_BACKEND_FD)
		return -ENOTSUP;
	*out = wanted ? wanted : shmqi_os_page_size();
	return *out == shmqi_os_page_size() || shmqi_huge_page_size(*out) ? 0 : -ENOTSUP;
}

static unsigned
huge_flags(size_t page_size)
{
	if (page_size == shmqi_os_page_size())
		return 0;
	return MFD_HUGETLB | (page_size == (size_t)1 << 30 ? MFD_HUGE_1GB : MFD_HUGE_2MB);
}

/* Descriptors 0..2 are not for memory. */
static int
above_stdio(int fd)
{
	int high;

	if (fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

static int
memfd_create_segment(const struct shmqi_address *a, const struct shmqi_geometry *g, mode_t mode)
{
	int fd = memfd_create(a->path,
			      MFD_CLOEXEC | MFD_ALLOW_SEALING | huge_flags((size_t)g->page_size));
	int err;

	if (fd < 0)
		return errno == EINVAL || errno == ENODEV ? -ENOTSUP : -errno;
	fd = above_stdio(fd);
	if (fd < 0)
		return fd;
	err = shmqi_mmap_build(fd, g, 0);
	if (err == 0 && fchmod(fd, mode) != 0)
		err = -errno;
	if (err == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int
reopen(struct shmqi_object *o, int fd, enum shmqi_access access)
{
	bool given_writable = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
	int err;

	/* A descriptor opened read-only was given away as that, whatever the mode would allow. */
	if (access == OPEN_WRITE && !given_writable)
		return -EACCES;
	o->writable = access != OPEN_READ && given_writable;
	o->fd = shmqi_os_reopen(fd, o->writable ? O_RDWR : O_RDONLY);
	if ((o->fd == -EACCES || o->fd == -EPERM) && access == OPEN_ANY) {
		o->writable = false;
		o->fd = shmqi_os_reopen(fd, O_RDONLY);
	}
	if (o->fd < 0)
		return o->fd == -EPERM ? -EACCES : o->fd;
	o->spare = shmqi_os_reopen(o->fd, o->writable ? O_RDWR : O_RDONLY);
	err = o->spare < 0 ? o->spare : shmqi_object_measure(o);
	if (err)
		shmqi_object_close(o);
	return err;
}

static int
memfd_open(struct shmqi_object *o, const struct shmqi_address *a, enum shmqi_access access)
{
	struct stat st;

	*o = (struct shmqi_object){.fd = -1, .spare = -1, .shmid = -1};
	if (a->backend != SHMQ_BACKEND_FD || fstat(a->number, &st) != 0)
		return -EINVAL;
	return S_ISREG(st.st_mode) ? reopen(o, a->number, access) : -EPROTONOSUPPORT;
}

static bool
memfd_current(const struct shmqi_object *o, const struct shmqi_address *a)
{
	(void)o;
	(void)a;
	return true;
}

/* There is no name to take away: the mark is all. */
static int
memfd_unlink(const struct shmqi_object *o, const struct shmqi_address *a)
{
	(void)o;
	(void)a;
	return 0;
}

const struct shmqi_backend shmqi_backend_memfd = {
	.page_size = memfd_page_size,
	.create = memfd_create_segment,
	.open = memfd_open,
	.current = memfd_current,
	.may_unlink = memfd_unlink,
	.unlink = memfd_unlink,
};
