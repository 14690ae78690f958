/* SPDX-License-Identifier: MIT */
/* Liveness: who holds which byte. Takes nothing but what it is asked to take. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>

int
shmqi_lock_anonymous(int fd)
{
	int err = -EAGAIN;

	/* A stranger may hold a write lock somewhere. */
	for (int i = 0; err == -EAGAIN && i < 16; i++) {
		uint64_t at;

		shmqi_os_random(&at, sizeof(at));
		err = shmqi_os_lock_byte(fd, F_RDLCK, FORMAT_LOCK_ANONYMOUS + (int64_t)(at >> 2));
	}
	return err == -EAGAIN ? -EACCES : err;
}

/* Ranges still to be looked at; as deep as an unlucky order of some thousand random offsets. */
#define RANGES 128

struct range {
	int64_t first, last;
};

/*
 * Count the locks in [first, last] by cutting the range at each one found. Ours are one byte long.
 * A longer one is a stranger's (anybody who may read the file can take it), and hides what is below
 * it: then, and when there is no room for more ranges, the count is unknown, -EOVERFLOW.
 */
static int64_t
count_range(int fd, int64_t first, int64_t last, bool write_only)
{
	struct range todo[RANGES] = {{first, last}};
	int64_t count = 0;

	for (int n = 1; n > 0;) {
		struct range range = todo[--n];
		struct shmqi_lock lock;
		int found = shmqi_os_lock_holder(fd, range.first, range.last, &lock);

		if (found < 0)
			return found;
		if (found == 0)
			continue;
		if (lock.first != lock.last || n + 2 > RANGES)
			return -EOVERFLOW;
		count += !write_only || lock.type == F_WRLCK;
		if (lock.first > range.first)
			todo[n++] = (struct range){range.first, lock.first - 1};
		if (lock.last < range.last)
			todo[n++] = (struct range){lock.last + 1, range.last};
	}
	return count;
}

int64_t
shmqi_lock_count_range(int fd, int64_t first, int64_t last)
{
	return count_range(fd, first, last, false);
}

int64_t
shmqi_lock_count(int fd)
{
	/* A read lock on a participant's byte is a recoverer at work, not an attach. */
	int64_t participants = count_range(fd, 0, SHMQ_PARTICIPANTS_MAX - 1, true);
	int64_t anonymous = count_range(fd, FORMAT_LOCK_ANONYMOUS, INT64_MAX, false);

	if (participants < 0 || anonymous < 0)
		return participants < 0 ? participants : anonymous;
	return participants + anonymous;
}

int
shmqi_lock_dead(int fd, unsigned index)
{
	struct shmqi_lock lock;
	int found = shmqi_os_lock_holder(fd, index, index, &lock);

	return found == 0 || (found == 1 && lock.type != F_WRLCK);
}
