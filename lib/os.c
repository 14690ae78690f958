/* SPDX-License-Identifier: MIT */
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A lock that is held for a few system calls is waited for so long, some 200 ms. */
#define LOCK_PAUSE_NS 1000000
#define LOCK_TRIES 200

#define PROBE_MOST (UINT64_C(1) << 40)
#define OVERFLOW_UID 65534 /* what an id that is not mapped shows as */

bool
shmqi_inode_same(struct shmqi_inode a, struct shmqi_inode b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

int
shmqi_os_cancel_off(void)
{
	int before = PTHREAD_CANCEL_ENABLE;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void
shmqi_os_cancel_back(const int *before)
{
	(void)pthread_setcancelstate(*before, NULL);
}

bool
shmqi_os_untold(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EIO;
}

struct dirent *
shmqi_os_next(void *dir, int *err)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (!entry && errno)
		*err = -errno;
	return entry;
}

void
shmqi_gc_tell(struct shmqi_gc *gc, const char *path, const char *what, int err)
{
	char line[NAME_MAX + 128];

	snprintf(line, sizeof(line), "%s: %s", path, what);
	gc->found++;
	if (gc->each)
		gc->each(line, err, gc->arg);
}

struct shmqi_inode
shmqi_os_inode(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return (struct shmqi_inode){0};
	return (struct shmqi_inode){st.st_dev, st.st_ino};
}

bool
shmqi_os_fd_is(int fd, struct shmqi_inode inode)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == inode.dev && st.st_ino == inode.ino;
}

int
shmqi_os_reopen(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return again < 0 ? -errno : again;
}

int
shmqi_os_lock_byte(int fd, short type, int64_t byte)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == ENOLCK) /* no memory for the lock */
		return -ENOMEM;
	return errno == EACCES ? -EAGAIN : -errno;
}

int
shmqi_os_lock_byte_wait(int fd, int64_t byte)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	int err = shmqi_os_lock_byte(fd, F_WRLCK, byte);

	for (int i = 0; err == -EAGAIN && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		err = shmqi_os_lock_byte(fd, F_WRLCK, byte);
	}
	return err;
}

int
shmqi_os_lock_holder(int fd, int64_t first, int64_t last, struct shmqi_lock *out)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = first,
		/* 0: up to the end of all offsets, which first + length could not name */
		.l_len = last == INT64_MAX ? 0 : last - first + 1,
	};

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	out->first = lock.l_start;
	out->last = lock.l_len ? lock.l_start + lock.l_len - 1 : INT64_MAX;
	out->type = lock.l_type;
	return 1;
}

/* Without getrandom() (a filter of system calls): not secret, but different. */
static uint64_t
guess(uint64_t i)
{
	uint64_t z = (uint64_t)shmqi_os_now_ns() + ((uint64_t)getpid() << 40) + (uintptr_t)&z + i;

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64 */
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void
shmqi_os_random(void *buf, size_t bytes)
{
	unsigned char *out = buf;
	ssize_t got;

	do {
		got = getrandom(buf, bytes, 0);
	} while (got < 0 && errno == EINTR);
	for (size_t i = got < 0 ? 0 : (size_t)got; i < bytes; i++)
		out[i] = (unsigned char)(guess(i) >> 24);
}

int64_t
shmqi_os_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
shmqi_os_wall_s(void)
{
	return (int64_t)time(NULL);
}

/* The 22nd field of /proc/PID/stat, counted after the command's closing parenthesis (a command may
 * hold blanks). */
static uint64_t
parse_start_time(const char *text)
{
	const char *at = strrchr(text, ')');

	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

uint64_t
shmqi_os_start_time(pid_t pid)
{
	char path[32], text[1024];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	return parse_start_time(text);
}

int
shmqi_os_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int
shmqi_os_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};

	if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0) == 0 || errno == EAGAIN)
		return 0;
	return -errno;
}

void
shmqi_os_futex_wake(const uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int
shmqi_os_barrier_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) ? -errno : 0;
}

int
shmqi_os_barrier_all(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) ? -errno : 0;
}

bool
shmqi_os_capable(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	return data[capability / 32].effective & (1u << (capability % 32));
}

bool
shmqi_os_locks_without_limit(void)
{
	struct rlimit limit;
	size_t bytes;
	void *room;
	bool over;

	if (!shmqi_os_capable(CAP_IPC_LOCK))
		return false;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= PROBE_MOST)
		return true;
	bytes = shmqi_round_up((size_t)limit.rlim_cur + 1, shmqi_os_page_size());
	room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return errno != EAGAIN; /* mlockall(MCL_FUTURE), and over it */
	/* A kernel, or an emulator, without the call is taken at its word. */
	over = syscall(SYS_mlock2, room, bytes, MLOCK_ONFAULT) == 0 || errno == ENOSYS;
	munmap(room, bytes);
	return over;
}

bool
shmqi_os_may_control(uid_t owner, uid_t creator)
{
	uid_t me = geteuid();

	return me == owner || me == creator || shmqi_os_capable(CAP_SYS_ADMIN);
}

/* Only who owns a file may read it without leaving a trace. */
bool
shmqi_os_owns(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NOATIME) != 0)
		return false;
	(void)fcntl(fd, F_SETFL, flags);
	return true;
}

bool
shmqi_os_may_control_file(int fd, uid_t owner, uid_t creator, int capability)
{
	if (shmqi_os_owns(fd))
		return true;
	/* Of another namespace: then the creator's number is, too, and capabilities are not for it. */
	if (owner == OVERFLOW_UID)
		return false;
	return geteuid() == creator || shmqi_os_capable(capability);
}
