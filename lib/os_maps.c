/* SPDX-License-Identifier: MIT */
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

/* Parse "start-end perms offset major:minor inode path". */
static bool
parse_vma(const char *line, struct shmqi_vma *vma)
{
	unsigned long start, end, offset, ino;
	unsigned major, minor;

	/* The kernel's own text. NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(line, "%lx-%lx %*4s %lx %x:%x %lu", &start, &end, &offset, &major, &minor,
		   &ino) != 6)
		return false;
	*vma = (struct shmqi_vma){start, end, offset, major,
				  minor, ino, false,  strstr(line, " /SYSV") != NULL};
	return true;
}

/* smaps tells the flags after the figures of a mapping, so a mapping is handed on when its VmFlags
 * line has come. */
static int
walk(FILE *f, bool smaps, int (*each)(const struct shmqi_vma *, void *), void *arg)
{
	struct shmqi_vma vma = {0};
	char *line = NULL;
	size_t room = 0;
	int result = 0;

	while (result == 0 && getline(&line, &room, f) > 0) {
		bool flags = strncmp(line, "VmFlags:", 8) == 0;
		bool head = !flags && parse_vma(line, &vma);

		if (flags)
			vma.locked = strstr(line, " lo") != NULL;
		if (smaps ? flags : head)
			result = each(&vma, arg);
	}
	if (result == 0 && !feof(f))
		result = ferror(f) ? -EIO : -ENOMEM;
	free(line);
	return result;
}

int
shmqi_os_each_vma(pid_t pid, bool smaps, int (*each)(const struct shmqi_vma *, void *), void *arg)
{
	char path[48];
	FILE *f;
	int result;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, smaps ? "smaps" : "maps");
	else
		snprintf(path, sizeof(path), "/proc/self/%s", smaps ? "smaps" : "maps");
	f = fopen(path, "re");
	if (!f)
		return -errno;
	result = walk(f, smaps, each, arg);
	fclose(f);
	return result;
}

/* At most so many pieces are cut in one go; a mapping in more of them is walked again. */
#define PIECES 64

struct cut {
	uintptr_t base, end, like;
	uint64_t offset;
	struct shmqi_vma model; /* the mapping that holds `like` */
	struct shmqi_vma piece[PIECES];
	int pieces;
};

static bool
same_file(const struct shmqi_vma *a, const struct shmqi_vma *b)
{
	return a->ino == b->ino && a->major == b->major && a->minor == b->minor;
}

/* Everything in the range at the right offset; of which file is told when `like` has been met, too.
 */
static int
gather(const struct shmqi_vma *vma, void *arg)
{
	struct cut *cut = arg;

	if (vma->start <= cut->like && vma->end > cut->like)
		cut->model = *vma;
	if (vma->start >= cut->base && vma->end <= cut->end && cut->pieces < PIECES &&
	    vma->offset == cut->offset + (vma->start - cut->base))
		cut->piece[cut->pieces++] = *vma;
	return 0;
}

static int
unmap_gathered(const struct cut *cut)
{
	int pieces = 0;

	for (int i = 0; i < cut->pieces; i++) {
		const struct shmqi_vma *piece = &cut->piece[i];

		if (same_file(piece, &cut->model) &&
		    munmap((void *)piece->start, piece->end - piece->start) == 0)
			pieces++;
	}
	return pieces;
}

int
shmqi_os_unmap_pieces(void *base, size_t bytes, uint64_t offset, const void *like)
{
	struct cut cut = {.base = (uintptr_t)base,
			  .end = (uintptr_t)base + bytes,
			  .like = (uintptr_t)like,
			  .offset = offset};
	int pieces = 0, last;

	do {
		cut.pieces = 0;
		if (shmqi_os_each_vma(0, false, gather, &cut) <
		    0) /* no /proc to ask: all of it is ours */
			return munmap(base, bytes) == 0;
		last = unmap_gathered(&cut);
		pieces += last;
	} while (last > 0 && cut.pieces == PIECES);
	return pieces;
}

struct locked {
	uintptr_t base, end;
	struct shmqi_inode inode;
	int64_t bytes;
};

static int
add_locked_here(const struct shmqi_vma *vma, void *arg)
{
	struct locked *sum = arg;

	if (vma->locked && vma->start >= sum->base && vma->end <= sum->end)
		sum->bytes += (int64_t)(vma->end - vma->start);
	return vma->start >= sum->end;
}

int64_t
shmqi_os_locked_here(const void *base, size_t bytes)
{
	struct locked sum = {.base = (uintptr_t)base, .end = (uintptr_t)base + bytes};
	int64_t all = shmqi_os_locked_total(0);
	int err;

	/* smaps takes a millisecond: the kernel counts the pages of every mapping of the process. */
	if (all <= 0)
		return all;
	err = shmqi_os_each_vma(0, true, add_locked_here, &sum);
	return err < 0 ? err : sum.bytes;
}

static int
add_locked_inode(const struct shmqi_vma *vma, void *arg)
{
	struct locked *sum = arg;

	if (vma->locked && vma->ino == sum->inode.ino && vma->major == major(sum->inode.dev) &&
	    vma->minor == minor(sum->inode.dev))
		sum->bytes += (int64_t)(vma->end - vma->start);
	return 0;
}

int64_t
shmqi_os_locked_by(pid_t pid, struct shmqi_inode inode)
{
	struct locked sum = {.inode = inode};
	int64_t all = shmqi_os_locked_total(pid);
	int err;

	if (all <= 0)
		return all;
	err = shmqi_os_each_vma(pid, true, add_locked_inode, &sum);
	return err < 0 ? err : sum.bytes;
}

struct probe {
	uintptr_t at;
	struct shmqi_vma vma;
};

static int
find_at(const struct shmqi_vma *vma, void *arg)
{
	struct probe *probe = arg;

	if (vma->start > probe->at || vma->end <= probe->at)
		return 0;
	probe->vma = *vma;
	return 1;
}

uint64_t
shmqi_os_inode_at(const void *inside)
{
	struct probe probe = {.at = (uintptr_t)inside};

	return shmqi_os_each_vma(0, false, find_at, &probe) == 1 ? probe.vma.ino : UINT64_MAX;
}

struct stray {
	const struct shmqi_inode *inode;
	bool sysv;
	uint64_t offset;
	bool (*known)(uintptr_t at);
};

static int
find_stray(const struct shmqi_vma *vma, void *arg)
{
	const struct stray *stray = arg;
	bool device = stray->sysv ? vma->sysv
				  : vma->major == major(stray->inode->dev) &&
					    vma->minor == minor(stray->inode->dev);

	return device && vma->ino == stray->inode->ino && vma->offset >= stray->offset &&
	       !stray->known(vma->start);
}

bool
shmqi_os_mapped_elsewhere(const struct shmqi_inode *inode, bool sysv, uint64_t offset,
			  bool (*known)(uintptr_t at))
{
	struct stray stray = {inode, sysv, offset, known};

	return shmqi_os_each_vma(0, false, find_stray, &stray) == 1;
}
