/* SPDX-License-Identifier: MIT */
/* shmat(): as the kernel's do_shmat(). */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOCK_ONFAULT 1

bool shmqi_ns_attached;

struct where {
	uintptr_t at;
	int map_flags, protection;
	unsigned wanted; /* permission bits */
};

/* SHMLBA is a page on what we run on; huge pages have their own say, in mmap(). */
static int
place(struct where *w, uintptr_t at, int flags, size_t page)
{
	bool fixed = at;

	/* Huge pages: shmget() has reserved them, or was not to. */
	w->map_flags = MAP_SHARED | MAP_NORESERVE;
	if (fixed && at & (page - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		at &= ~(uintptr_t)(page - 1);
		if (!at && flags & SHM_REMAP)
			return -EINVAL;
	}
	if (!fixed && flags & SHM_REMAP)
		return -EINVAL;
	if (fixed)
		w->map_flags |= (flags & SHM_REMAP) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	w->at = at;
	w->protection = (flags & SHM_RDONLY) ? PROT_READ : PROT_READ | PROT_WRITE;
	w->protection |= (flags & SHM_EXEC) ? PROT_EXEC : 0;
	w->wanted = (flags & SHM_RDONLY) ? 0444 : 0666;
	w->wanted |= (flags & SHM_EXEC) ? 0111 : 0;
	return 0;
}

/* What mmap() says, in shmat()'s words; a kernel that does not know the flag takes it for a wish. */
static int
map(const struct where *w, size_t bytes, int fd, void **base)
{
	void *got;

	if (w->at + bytes < w->at && w->map_flags & MAP_FIXED_NOREPLACE)
		return -EINVAL;
	got = mmap((void *)w->at, bytes, w->protection, w->map_flags, fd, 0);
	if (got == MAP_FAILED)
		return errno == EEXIST ? -EINVAL : -errno;
	if (w->map_flags & MAP_FIXED_NOREPLACE && (uintptr_t)got != w->at) {
		munmap(got, bytes);
		return -EINVAL;
	}
	*base = got;
	return 0;
}

/* The lock is taken before there is anything to see of the attach, and is there after the close. */
static int
attach(struct ns *ns, struct ns_slot *slot, const struct where *w, void **base)
{
	size_t bytes = shmqi_round_up(slot->bytes, ns_page(ns, slot));
	int fd = shmqi_ns_file_open(ns, slot, (w->protection & PROT_WRITE) ? O_RDWR : O_RDONLY);
	int err;

	if (fd < 0)
		return fd == -ENFILE ? -ENOMEM : fd;
	err = shmqi_ns_hold(fd, false);
	if (err == 0)
		err = map(w, bytes, fd, base);
	close(fd);
	if (err)
		return err;
	shmqi_ns_attached = true;
	slot->nattch++;
	slot->atime = shmqi_os_wall_s();
	slot->lpid = getpid();
	(void)shmqi_ns_put(ns, slot);
	if (slot->mode & SHM_LOCKED)
		(void)syscall(SYS_mlock2, *base, bytes, LOCK_ONFAULT);
	return 0;
}

int
shmqi_ns_attach(int id, uintptr_t at, int flags, void **base)
{
	struct where w;
	struct ns_slot slot;
	struct ns ns;
	int err;

	if (id < 0)
		return -EINVAL;
	err = place(&w, at, flags, shmqi_ns_config()->page);
	if (err == 0)
		err = shmqi_ns_open(&ns, NS_FIND);
	if (err)
		return err == -ENOENT ? -EINVAL : err == -ENFILE ? -ENOMEM : err;
	err = shmqi_ns_slot(&ns, id, &slot);
	if (err == 0 && shmqi_ns_settle(&ns, &slot))
		err = -EINVAL;
	if (err == 0 && !shmqi_ns_permits(&slot, w.wanted))
		err = -EACCES;
	if (err == 0)
		err = attach(&ns, &slot, &w, base);
	shmqi_ns_close(&ns);
	return err;
}
