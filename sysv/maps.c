/* SPDX-License-Identifier: MIT */
/*
 * What of ours this process has mapped, as the kernel tells it: /proc/thread-self/maps, so that it
 * works when the first thread has ended, too. Since Linux 6.11 the file answers questions, and the
 * private mappings are passed over in the kernel; before, its text is read.
 */
#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* struct procmap_query of <linux/fs.h>, which Debian 12 does not have. */
struct query {
	uint64_t size, flags, address;
	uint64_t start, end, vma_flags, page_size, offset, inode;
	uint32_t major, minor, name_size, build_id_size;
	uint64_t name, build_id;
};

enum { VMA_READ = 1, VMA_WRITE = 2, VMA_EXEC = 4, VMA_SHARED = 8, OR_NEXT = 16, FILE_BACKED = 32 };
#define ASK _IOWR('f', 17, struct query)
#define NAME_ROOM 512

int
shmqi_ns_maps_open(struct ns_maps *maps)
{
	maps->fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	maps->text = false;
	maps->next = 0;
	maps->have = maps->used = 0;
	return maps->fd < 0 ? -errno : 0;
}

void
shmqi_ns_maps_close(struct ns_maps *maps)
{
	close(maps->fd);
}

static int
id_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? shmqi_ns_name_id(slash + 1) : -1;
}

static int
protection(bool read, bool write, bool execute)
{
	return (read ? PROT_READ : 0) | (write ? PROT_WRITE : 0) | (execute ? PROT_EXEC : 0);
}

/* 1; 0: no more; -ENOTTY: not that kernel. */
static int
ask(struct ns_maps *maps, struct ns_vma *vma)
{
	char name[NAME_ROOM];
	struct query q;

	for (;;) {
		q = (struct query){.size = sizeof(q),
				   .flags = VMA_SHARED | OR_NEXT | FILE_BACKED,
				   .address = maps->next,
				   .name_size = sizeof(name),
				   .name = (uintptr_t)name};
		if (ioctl(maps->fd, ASK, &q) != 0) {
			if (errno != ENAMETOOLONG)
				return errno == ENOENT ? 0 : -ENOTTY;
			q.name_size = 0; /* not ours; where does it end? */
			q.name = 0;
			if (ioctl(maps->fd, ASK, &q) != 0)
				return 0;
		}
		maps->next = q.end;
		vma->id = q.name_size ? id_of(name) : -1;
		if (vma->id < 0)
			continue;
		vma->start = q.start;
		vma->end = q.end;
		vma->offset = q.offset;
		vma->inode = q.inode;
		vma->prot = protection(q.vma_flags & VMA_READ, q.vma_flags & VMA_WRITE,
				       q.vma_flags & VMA_EXEC);
		return 1;
	}
}

/* The next whole line, without its end; NULL: none. A longer one than the buffer is cut: not ours. */
static char *
next_line(struct ns_maps *maps)
{
	for (;;) {
		char *line = maps->buffer + maps->used;
		char *end = memchr(line, '\n', maps->have - maps->used);
		ssize_t got;

		if (end) {
			*end = '\0';
			maps->used = (size_t)(end - maps->buffer) + 1;
			return line;
		}
		maps->have -= maps->used;
		memmove(maps->buffer, line, maps->have);
		maps->used = 0;
		if (maps->have == sizeof(maps->buffer))
			maps->have = 0;
		got = read(maps->fd, maps->buffer + maps->have, sizeof(maps->buffer) - maps->have);
		if (got <= 0)
			return NULL;
		maps->have += (size_t)got;
	}
}

static uint64_t
number(const char **at, unsigned base)
{
	uint64_t value = 0;

	for (;; (*at)++) {
		char c = **at;
		unsigned digit = c >= '0' && c <= '9'	? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
							: 16;
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

/* "start-end rwxs offset major:minor inode   path" */
static bool
parse(const char *line, struct ns_vma *vma)
{
	const char *flags;

	vma->start = number(&line, 16);
	if (*line++ != '-')
		return false;
	vma->end = number(&line, 16);
	if (*line++ != ' ' || strlen(line) < 6)
		return false;
	flags = line;
	line += 5;
	vma->offset = number(&line, 16);
	line += *line == ' ';
	(void)number(&line, 16);
	line += *line == ':';
	(void)number(&line, 16);
	line += *line == ' ';
	vma->inode = number(&line, 10);
	vma->prot = protection(flags[0] == 'r', flags[1] == 'w', flags[2] == 'x');
	vma->id = flags[3] == 's' ? id_of(line) : -1;
	return vma->id >= 0;
}

int
shmqi_ns_maps_next(struct ns_maps *maps, struct ns_vma *vma)
{
	const char *line;
	int found = maps->text ? -ENOTTY : ask(maps, vma);

	if (found >= 0)
		return found;
	maps->text = true;
	while ((line = next_line(maps)))
		if (parse(line, vma) && vma->start >= maps->next)
			return 1;
	return 0;
}
