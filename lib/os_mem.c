/* SPDX-License-Identifier: MIT */
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 5.14; glibc 2.36 does not name them. */
enum { POPULATE_READ = 22, POPULATE_WRITE = 23 };

size_t
shmqi_os_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t
shmqi_round_up(size_t bytes, size_t unit)
{
	return bytes > SIZE_MAX - (unit - 1) ? 0 : (bytes + unit - 1) & ~(unit - 1);
}

int
shmqi_os_map_error(int err)
{
	return err == EAGAIN ? -ENOMEM : -err;
}

int
shmqi_os_populate(void *base, size_t bytes, bool writable)
{
	int err;

	do {
		err = madvise(base, bytes, writable ? POPULATE_WRITE : POPULATE_READ) ? -errno : 0;
	} while (err == -EINTR || err == -EAGAIN);
	return err == -EFAULT ? -ENOSPC : err;
}

int
shmqi_os_lock_memory(void *base, size_t bytes)
{
	/* The system call itself: sanitizers replace mlock() by one that does nothing. */
	if (syscall(SYS_mlock, base, bytes) == 0)
		return 0;
	return errno == EAGAIN ? -ENOMEM : -errno;
}

int
shmqi_os_unlock_memory(void *base, size_t bytes)
{
	return syscall(SYS_munlock, base, bytes) ? -errno : 0;
}

int64_t
shmqi_os_resident(const void *base, size_t bytes)
{
	static const size_t step_pages = 4096;
	unsigned char present[4096];
	size_t page = shmqi_os_page_size(), step = step_pages * page;
	int64_t resident = 0;

	for (size_t done = 0; done < bytes; done += step) {
		size_t part = bytes - done < step ? bytes - done : step;
		/* mincore() only reads the range; its prototype is older than const. */
		if (mincore((void *)((uintptr_t)base + done), part, present) != 0)
			return -1;
		for (size_t i = 0; i < (part + page - 1) / page; i++)
			resident += present[i] & 1 ? (int64_t)page : 0;
	}
	return resident;
}

int64_t
shmqi_os_locked_total(pid_t pid)
{
	char path[64], line[256];
	int64_t kib = 0;
	FILE *f;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/status");
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "VmLck:", 6) == 0)
			kib = strtoll(line + 6, NULL, 10);
	fclose(f);
	return kib * 1024;
}
