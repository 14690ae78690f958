/* SPDX-License-Identifier: MIT */
#include "os_bell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DIRECTORY "/dev/shm/"
#define PREFIX ".shmq-bell-"
#define PREFIX_NEW ".shmq-bell-new-"
#define FLAGS (O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY)

#define CREATE_TRIES 16
#define NEW_AGE_S 1 /* a creator that takes longer begins again */
#define EMPTY_ROOM 256
#define EMPTY_ROUNDS (65536 / EMPTY_ROOM) /* what a FIFO holds */

/* Hexadecimal digits of a byte; where the next ones go. */
static char *
put_byte(char *out, unsigned byte)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = digits[byte >> 4 & 15];
	*out++ = digits[byte & 15];
	return out;
}

static char *
put_nonce(char *out, const char *prefix, uint64_t nonce)
{
	size_t length = strlen(prefix);

	memcpy(out, prefix, length);
	out += length;
	for (int shift = 56; shift >= 0; shift -= 8)
		out = put_byte(out, (unsigned)(nonce >> shift));
	*out = '\0';
	return out;
}

/* Not printf: a waker does this, too. */
static void
name_of(char out[SHMQI_BELL_NAME_ROOM], const uint8_t uuid[16], uint64_t nonce)
{
	char *at = put_nonce(out, DIRECTORY PREFIX, nonce);

	*at++ = '-';
	for (int i = 0; i < 16; i++)
		at = put_byte(at, uuid[i]);
	*at = '\0';
}

static bool
is_fifo(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && S_ISFIFO(st->st_mode);
}

/* Let those ring who may write the queue, as far as we can name them. */
static int
admit(int fd, const struct shmqi_bell_access *access)
{
	mode_t mode = 0600;
	bool group;

	/* Only root can make it the owner's; the group can be given by its members. */
	group = fchown(fd, access->uid, access->gid) == 0 ||
		fchown(fd, (uid_t)-1, access->gid) == 0;
	if (group && (access->mode & S_IWGRP))
		mode |= 0060;
	if (access->mode & S_IWOTH)
		mode |= 0066;
	return fchmod(fd, mode) ? -errno : 0;
}

/*
 * -EAGAIN: somebody took it for a dead creator's, because we were long: begin again. Once it is
 * locked, nobody does any more.
 */
static int
create_as(const char *new, const char *name, const struct shmqi_bell_access *access)
{
	struct stat st;
	int fd, err = 0;

	if (mkfifo(new, 0600) != 0)
		return errno == EEXIST ? -EAGAIN : -errno;
	(void)chmod(new, 0600); /* a umask may take even that from us */
	fd = open(new, FLAGS);
	if (fd < 0) {
		err = errno == ENOENT ? -EAGAIN : -errno;
		unlink(new);
		return err;
	}
	if (!is_fifo(fd, &st) || st.st_uid != geteuid())
		err = -EAGAIN;
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == ENOLCK ? -ENOMEM : -EAGAIN;
	if (err == 0)
		err = admit(fd, access);
	if (err == 0 && rename(new, name) != 0)
		err = errno == ENOENT ? -EAGAIN : -errno;
	if (err == 0)
		return fd;
	if (err != -EAGAIN)
		unlink(new);
	close(fd);
	return err;
}

int
shmqi_fifo_create(const uint8_t uuid[16], const struct shmqi_bell_access *access, uint64_t *nonce)
{
	char name[SHMQI_BELL_NAME_ROOM], new[SHMQI_BELL_NAME_ROOM];
	int fd = -EAGAIN;

	for (int i = 0; i < CREATE_TRIES && fd == -EAGAIN; i++) {
		do
			shmqi_os_random(nonce, sizeof(*nonce));
		while (*nonce == 0);
		name_of(name, uuid, *nonce);
		(void)put_nonce(new, DIRECTORY PREFIX_NEW, *nonce);
		fd = create_as(new, name, access);
	}
	return fd;
}

int
shmqi_fifo_open(const uint8_t uuid[16], uint64_t nonce)
{
	char name[SHMQI_BELL_NAME_ROOM];
	struct stat st;
	int fd;

	name_of(name, uuid, nonce);
	fd = open(name, FLAGS);
	if (fd < 0)
		return -errno;
	if (!is_fifo(fd, &st)) {
		close(fd);
		return -ENXIO;
	}
	return fd;
}

void
shmqi_fifo_ring(int fd)
{
	/* Full: it rings already. */
	while (write(fd, "", 1) < 0 && errno == EINTR)
		;
}

void
shmqi_fifo_empty(int fd)
{
	char bytes[EMPTY_ROOM];

	for (int i = 0; i < EMPTY_ROUNDS; i++)
		if (read(fd, bytes, sizeof(bytes)) < (ssize_t)sizeof(bytes))
			return;
}

void
shmqi_fifo_unlink(const uint8_t uuid[16], uint64_t nonce)
{
	char name[SHMQI_BELL_NAME_ROOM];

	name_of(name, uuid, nonce);
	unlink(name);
}

int
shmqi_timer_new(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void
shmqi_timer_set(int fd, int64_t ns)
{
	const struct itimerspec once = {
		.it_value = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000},
	};

	(void)timerfd_settime(fd, 0, &once, NULL);
}

int
shmqi_either_new(int a, int b)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = epoll_create1(EPOLL_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, a, &event) == 0 &&
	    epoll_ctl(fd, EPOLL_CTL_ADD, b, &event) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Clearing -------------------- */

static void
clear(struct shmqi_gc *gc, const char *path)
{
	int err = 0;

	if (!gc->dry_run && unlink(path) != 0 && errno != ENOENT)
		err = -errno;
	shmqi_gc_tell(gc, path, "bell of a dead owner", err);
}

/* 0, or why it cannot be told whether it is to be cleared. */
static int
check(struct shmqi_gc *gc, const char *path, bool new)
{
	int fd = open(path, FLAGS);
	struct stat st;
	bool ours;

	if (fd < 0)
		return shmqi_os_untold(-errno) ? -errno : 0;
	ours = is_fifo(fd, &st) && (st.st_uid == geteuid() || geteuid() == 0);
	if (ours && (!new || shmqi_os_wall_s() - st.st_mtime > NEW_AGE_S) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		clear(gc, path);
	close(fd);
	return 0;
}

int
shmqi_bell_gc(bool dry_run, void (*each)(const char *what, int err, void *arg), void *arg)
{
	struct shmqi_gc gc = {dry_run, each, arg, 0};
	char path[SHMQI_BELL_NAME_ROOM];
	DIR *dir = opendir(DIRECTORY);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (err == 0 && (entry = shmqi_os_next(dir, &err))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (snprintf(path, sizeof(path), DIRECTORY "%s", entry->d_name) >=
		    (int)sizeof(path))
			continue; /* not a name we give */
		err = check(&gc, path, strncmp(entry->d_name, PREFIX_NEW, strlen(PREFIX_NEW)) == 0);
	}
	closedir(dir);
	return err ? err : gc.found;
}
