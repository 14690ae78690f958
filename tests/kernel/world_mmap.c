/* SPDX-License-Identifier: MIT */
/* The oracle for the mapping rows: a file of tmpfs or of a disk, by open, ftruncate and mmap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

static int
negated(int rc)
{
	return rc < 0 ? -errno : rc;
}

static void
call_tmpfs(struct place *p)
{
	snprintf(p->name, sizeof(p->name), "/dev/shm/shmq-oracle-%d-%d", scene_run(), p->slot);
}

static void
call_disk(struct place *p)
{
	snprintf(p->name, sizeof(p->name), "%s/oracle-%d", scene_dir(), p->slot);
}

static int
create(struct place *p, const struct wish *wish)
{
	int fd = open(p->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = negated(ftruncate(fd, (off_t)wish->size));
	if (rc == 0)
		rc = negated(fchmod(fd, wish->mode ? wish->mode : 0600));
	close(fd);
	p->size = wish->size;
	p->creator = getpid();
	return rc;
}

static int
map(struct held *h, const struct place *p, int fd, void *at, unsigned flags)
{
	int prot = flags & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	int how = MAP_SHARED | (at ? MAP_FIXED_NOREPLACE : 0);
	void *base =
		mmap(at, p->size, prot, how | (flags & SHMQ_POPULATE ? MAP_POPULATE : 0), fd, 0);
	int rc;

	if (base == MAP_FAILED)
		return -errno;
	rc = flags & SHMQ_LOCK ? lock_pages(base, p->size) : 0;
	if (rc < 0) {
		munmap(base, p->size);
		return rc;
	}
	*h = (struct held){.place = p, .base = base, .size = p->size};
	return 0;
}

static int
attach(struct held *h, const struct place *p, enum how how, void *at, unsigned flags)
{
	int fd = open(p->name, (flags & SHM_RDONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	int rc;

	(void)how;
	if (fd < 0)
		return -errno;
	rc = map(h, p, fd, at, flags);
	close(fd);
	return rc;
}

static int
reader(struct held *h, const struct place *p, unsigned flags)
{
	int fd = open(p->name, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = map(h, p, fd, NULL, flags);
	close(fd);
	return rc;
}

static int
detach(struct held *h)
{
	return negated(munmap(h->base, h->size));
}

static int
take_away(const struct place *p, enum how how)
{
	(void)how;
	return negated(unlink(p->name));
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

static int
refuse(const struct place *p, enum bad what)
{
	int fd = open(p->name, O_RDWR | O_CLOEXEC);
	size_t length = what == BAD_LENGTH ? 0 : 2 * PAGE;
	off_t offset = what == BAD_ALIGNMENT ? 1 : 0;
	void *base;
	int rc;

	if (fd < 0)
		return -errno;
	if (what == BAD_WRAP)
		offset = (off_t)-PAGE;
	base = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset);
	rc = base == MAP_FAILED ? -errno : 0;
	close(fd);
	return rc;
}

const struct world kernel_tmpfs = {
	.name = "kernel mmap of tmpfs",
	.backend = -1,
	.call = call_tmpfs,
	.create = create,
	.attach = attach,
	.reader = reader,
	.detach = detach,
	.remove = take_away,
	.resize = resize,
	.sync = sync_held,
	.refuse = refuse,
};

const struct world kernel_disk = {
	.name = "kernel mmap of a disk file",
	.backend = -1,
	.call = call_disk,
	.create = create,
	.attach = attach,
	.reader = reader,
	.detach = detach,
	.remove = take_away,
	.resize = resize,
	.sync = sync_held,
	.refuse = refuse,
};
