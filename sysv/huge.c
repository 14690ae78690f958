/* SPDX-License-Identifier: MIT */
/*
 * SHM_HUGETLB: as the kernel's newseg() and hugetlb_file_setup(), but that the memory is a file on a
 * hugetlbfs that everybody can see. Where that is, the namespace says: by the link `huge` in its
 * directory. So all its users agree, and who only clears up needs not be told. Whoever makes the
 * first such segment makes the link, to SHMQ_SYSV_HUGE_DIR; or it was there, made by hand.
 */
#include "namespace.h"

#include "os.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGE_SHIFT 26 /* SHM_HUGE_SHIFT of <linux/shm.h> */

static uint32_t
shift_at(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0 || fs.f_type != HUGETLBFS_MAGIC || fs.f_bsize <= 0)
		return 0;
	return (uint32_t)__builtin_ctzll((unsigned long long)fs.f_bsize);
}

void
shmqi_ns_huge_path(char out[NS_PATH_ROOM], const struct ns *ns)
{
	snprintf(out, NS_PATH_ROOM, "%s/huge", ns->config->directory);
}

uint32_t
shmqi_ns_huge_there(const struct ns *ns)
{
	char path[NS_PATH_ROOM];

	shmqi_ns_huge_path(path, ns);
	return shift_at(path);
}

/* A link that is there already stays, wherever it leads: segments may be there. */
static uint32_t
make_link(const struct ns *ns)
{
	const char *where = ns->config->huge;
	char path[NS_PATH_ROOM];

	shmqi_ns_huge_path(path, ns);
	if (!*where || !shift_at(where) || symlink(where, path) != 0)
		return 0;
	return shift_at(path);
}

/* Whether the kernel has pages of that size at all. */
static bool
is_size(uint32_t shift)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB",
		 (1ULL << shift) / 1024);
	return access(path, F_OK) == 0;
}

/*
 * Of the sizes there may be, those of the one place can be had; of the others there are none to spare.
 * What CAP_IPC_LOCK is to the kernel, the permission to write there is to us (file.c).
 */
int
shmqi_ns_huge_choose(struct ns *ns, int flags, uint32_t *shift)
{
	uint32_t asked = (uint32_t)flags >> HUGE_SHIFT & 63, there = shmqi_ns_huge_there(ns);

	if (!there)
		there = make_link(ns);
	*shift = there;
	if (there && (!asked || asked == there))
		return 0;
	if (asked && !is_size(asked))
		return -EINVAL;
	return shmqi_os_capable(CAP_IPC_LOCK) ? -ENOMEM : -EPERM;
}

/*
 * What is reserved for a shared mapping is so for the file, and stays when the mapping goes: as of the
 * kernel's own segments, it goes with the file, by whoever and however. No page is touched: not by us,
 * nor by mlockall(), as nothing may be touched.
 */
int
shmqi_ns_huge_reserve(int fd, uint64_t bytes)
{
	void *at = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -ENOMEM;
	munmap(at, (size_t)bytes);
	return 0;
}
