/* SPDX-License-Identifier: MIT */
/* What the mmap backends share: an object is a file, whatever carries it. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIECE_MOST (UINT64_C(16) << 20)

const struct shmqi_backend *
shmqi_backend_of(const struct shmqi_address *a)
{
	static const struct shmqi_backend *const table[] = {
		[SHMQ_BACKEND_SHM] = &shmqi_backend_named,
		[SHMQ_BACKEND_SYSV] = &shmqi_backend_sysv,
		[SHMQ_BACKEND_FILE] = &shmqi_backend_named,
		[SHMQ_BACKEND_MEMFD] = &shmqi_backend_memfd,
		[SHMQ_BACKEND_FD] = &shmqi_backend_memfd,
		[SHMQ_BACKEND_DEV] = &shmqi_backend_dev,
	};

	return table[a->backend];
}

bool
shmqi_huge_page_size(size_t wanted)
{
	return wanted == (size_t)2 << 20 || wanted == (size_t)1 << 30;
}

/* Over RLIMIT_FSIZE the kernel would send SIGXFSZ. */
static bool
over_file_limit(uint64_t bytes)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       bytes > limit.rlim_cur;
}

/*
 * In pieces, ever smaller: a signal makes tmpfs undo all of a call that it interrupts, and to begin
 * again would never end where the next one always comes before. The last piece makes it longer.
 */
static int
allocate_in_pieces(int fd, uint64_t from, uint64_t to)
{
	uint64_t piece = PIECE_MOST;
	int err = 0;

	while (from < to && (err == 0 || err == -EINTR)) {
		uint64_t bytes = to - from < piece ? to - from : piece;
		int mode = from + bytes < to ? FALLOC_FL_KEEP_SIZE : 0;

		err = fallocate(fd, mode, (off_t)from, (off_t)bytes) ? -errno : 0;
		if (err == 0)
			from += bytes;
		else if (piece > FORMAT_PAGE)
			piece /= 2;
	}
	return err;
}

static int
allocate(int fd, uint64_t from, uint64_t to)
{
	int err = fallocate(fd, 0, (off_t)from, (off_t)(to - from)) ? -errno : 0;

	if (err == -EINTR)
		err = allocate_in_pieces(fd, from, to);
	if (err == -EOPNOTSUPP)
		err = -posix_fallocate(fd, (off_t)from, (off_t)(to - from));
	return err == -EFBIG ? -EINVAL : err;
}

/* What the system could still give, swap included; UINT64_MAX when it does not tell. */
static uint64_t
memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "MemAvailable:", 13) == 0 || strncmp(line, "SwapFree:", 9) == 0)
			kib += strtoull(strchr(line, ':') + 1, NULL, 10);
	fclose(f);
	return kib * 1024;
}

/* Allocating what is not there takes all there is, and wakes the OOM killer: look before. */
static int
preflight(int fd, uint64_t bytes)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return -errno;
	if (fs.f_type == HUGETLBFS_MAGIC)
		return 0;
	if (fs.f_type == TMPFS_MAGIC && bytes > memory_available())
		return -ENOMEM;
	return fs.f_blocks && bytes > (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize ? -ENOSPC : 0;
}

int
shmqi_mmap_grow(int fd, uint64_t from, uint64_t to, bool sparse)
{
	int err = sparse ? 0 : preflight(fd, to - from);

	if (err)
		return err;
	if (over_file_limit(to))
		return -ENOSPC;
	if (!sparse)
		return allocate(fd, from, to);
	/* An object that others may grow, too, must never be cut: its last page extends it. */
	if (from)
		return allocate(fd, to - FORMAT_PAGE, to);
	if (ftruncate(fd, (off_t)to) == 0)
		return 0;
	return errno == EFBIG ? -EINVAL : -errno;
}

void
shmqi_format_sign(struct format_header *header, uint32_t key)
{
	shmqi_os_random(header->uuid, sizeof(header->uuid));
	header->cpid = getpid();
	header->cuid = geteuid();
	header->cgid = getegid();
	header->created_s = shmqi_os_wall_s();
	header->key = key;
}

static void
fill(void *object, const struct shmqi_geometry *g, uint32_t key)
{
	struct format_header *header = object;
	struct format_lifecycle *life = format_lifecycle(object);

	shmqi_format_init(header, g);
	shmqi_format_fill(object, g);
	shmqi_format_sign(header, key);
	life->lock = g->flags & SHMQ_LOCK ? 1 : 0;
	life->ctime_s = (uint64_t)header->created_s;
	life->segsz = g->segsz;
	shmqi_format_publish(header);
}

int
shmqi_mmap_build(int fd, const struct shmqi_geometry *g, uint32_t key)
{
	bool whole = (g->flags & (SHMQ_LOCK | SHMQ_POPULATE)) || g->kind == SHMQ_MPMC;
	size_t bytes = whole ? (size_t)g->total_bytes
			     : shmqi_format_meta_bytes((size_t)g->page_size);
	bool huge = g->page_size != shmqi_os_page_size();
	void *object;
	int err = shmqi_mmap_grow(fd, 0, g->total_bytes, g->flags & SHMQ_SPARSE);

	if (err)
		return err == -ENOSPC && huge ? -ENOMEM : err;
	object = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (object == MAP_FAILED)
		return shmqi_os_map_error(errno);
	(void)madvise(object, bytes,
		      MADV_RANDOM); /* no read-around into memory that is to stay untouched */
	err = shmqi_os_populate(object, bytes, true);
	if (err == 0)
		fill(object, g, key);
	munmap(object, bytes);
	return err;
}

int
shmqi_mmap_publish(int fd, const char *path)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno == ENOENT && linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) /* no /proc */
		return 0;
	return -errno;
}

int
shmqi_object_measure(struct shmqi_object *o)
{
	struct statfs fs;
	struct stat st;

	if (fstat(o->fd, &st) != 0 || fstatfs(o->fd, &fs) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTONOSUPPORT;
	o->inode = (struct shmqi_inode){st.st_dev, st.st_ino};
	o->bytes = (uint64_t)st.st_size;
	o->page_size = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : shmqi_os_page_size();
	return 0;
}

void
shmqi_object_close(struct shmqi_object *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->spare >= 0)
		close(o->spare);
	o->fd = o->spare = -1;
}

/* A second description of the same file: by name, which needs no /proc, unless the name is another
 * file by now. */
static int
open_spare(const struct shmqi_object *o, const struct shmqi_address *a,
	   int (*open_path)(const struct shmqi_address *a, int flags))
{
	int flags = o->writable ? O_RDWR : O_RDONLY;
	int fd = open_path(a, flags);

	if (fd >= 0 && shmqi_os_fd_is(fd, o->inode))
		return fd;
	if (fd >= 0)
		close(fd);
	return shmqi_os_reopen(o->fd, flags);
}

int
shmqi_object_open(struct shmqi_object *o, const struct shmqi_address *a, enum shmqi_access access,
		  int (*open_path)(const struct shmqi_address *a, int flags),
		  int (*measure)(struct shmqi_object *o, const struct shmqi_address *a))
{
	int err;

	*o = (struct shmqi_object){
		.fd = -1, .spare = -1, .shmid = -1, .writable = access != OPEN_READ};
	o->fd = open_path(a, o->writable ? O_RDWR : O_RDONLY);
	if (o->fd == -EACCES && access == OPEN_ANY) {
		o->writable = false;
		o->fd = open_path(a, O_RDONLY);
	}
	if (o->fd < 0)
		return o->fd;
	err = measure(o, a);
	if (err == 0) {
		o->spare = open_spare(o, a, open_path);
		err = o->spare < 0 ? o->spare : 0;
	}
	if (err)
		shmqi_object_close(o);
	return err;
}
