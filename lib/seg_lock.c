/* SPDX-License-Identifier: MIT */
/* Liveness: who holds which byte. Takes nothing but what it is asked to take. */
#include "seg.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
shmqi_lock_anonymous(int fd)
{
	uint64_t at;

	shmqi_os_random(&at, sizeof(at));
	return shmqi_os_lock_byte(fd, F_RDLCK, FORMAT_LOCK_ANONYMOUS + (int64_t)(at >> 2));
}

/*
 * Count the locks in [first, last] by cutting the range at each holder found. Recursion: the left
 * part is done by a call, whose depth the number of holders bounds only in theory; the right one in
 * the loop.
 */
static int64_t
count_range(int fd, int64_t first, int64_t last, bool write_only)
{
	int64_t count = 0, byte, left;
	short type;
	int found;

	while (first <= last) {
		found = shmqi_os_lock_holder(fd, first, last, &byte, &type);
		if (found <= 0)
			return found < 0 ? found : count;
		left = byte > first ? count_range(fd, first, byte - 1, write_only) : 0;
		if (left < 0)
			return left;
		count += left + (!write_only || type == F_WRLCK);
		if (byte == INT64_MAX)
			break;
		first = byte + 1;
	}
	return count;
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
	int64_t byte;
	short type;
	int found = shmqi_os_lock_holder(fd, index, index, &byte, &type);

	return found == 0 || (found == 1 && type != F_WRLCK);
}
