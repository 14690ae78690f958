/* SPDX-License-Identifier: MIT */
/* A call under way: where the namespace is, the index opened and locked, and nothing in between. */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;

/*
 * A handler that ran in the middle could call us again and wait for ourselves, or never come back.
 * The bare system call also holds off what the C library keeps for itself: cancellation, and
 * another thread's setuid(), which waits for us.
 */
void
shmqi_ns_guard(struct ns_guard *guard)
{
	const uint64_t all = ~UINT64_C(0);

	guard->cancel = shmqi_os_cancel_off();
	guard->signals = 0;
	(void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &guard->signals, sizeof(all));
	pthread_mutex_lock(&inside);
}

void
shmqi_ns_unguard(const struct ns_guard *guard)
{
	pthread_mutex_unlock(&inside);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &guard->signals, NULL,
		      sizeof(guard->signals));
	shmqi_os_cancel_back(&guard->cancel);
}

static uint64_t
limit(const char *name, uint64_t otherwise, uint64_t most)
{
	const char *text = secure_getenv(name);
	char *end;
	uint64_t value;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || *text == '-')
		return otherwise;
	return value < most ? value : most;
}

/* Absolute, as the program may go elsewhere; empty where it does not fit. */
static void
locate(char out[NS_DIRECTORY_ROOM], const char *where)
{
	size_t used = 0;

	if (*where != '/') {
		if (!getcwd(out, NS_DIRECTORY_ROOM - 1)) {
			out[0] = '\0';
			return;
		}
		used = strlen(out);
		out[used++] = '/';
	}
	if (used + strlen(where) < NS_DIRECTORY_ROOM)
		memcpy(out + used, where, strlen(where) + 1);
	else
		out[0] = '\0';
}

/* Under `inside`. The kernel's own limits are the defaults. */
const struct ns_config *
shmqi_ns_config(void)
{
	static const uint64_t no_limit = (uint64_t)SIZE_MAX - (UINT64_C(1) << 24);
	static struct ns_config config;
	const char *where, *huge;

	if (config.page)
		return &config;
	where = secure_getenv("SHMQ_SYSV_DIR");
	huge = secure_getenv("SHMQ_SYSV_HUGE_DIR");
	config.own = !where || !*where;
	if (config.own)
		snprintf(config.directory, sizeof(config.directory), "/dev/shm/shmq-sysv-%u",
			 (unsigned)geteuid());
	else
		locate(config.directory, where);
	if (huge && *huge)
		locate(config.huge, huge);
	config.shmmax = limit("SHMQ_SYSV_SHMMAX", no_limit, SIZE_MAX);
	config.shmall = limit("SHMQ_SYSV_SHMALL", no_limit, UINT64_MAX);
	config.shmmni = (uint32_t)limit("SHMQ_SYSV_SHMMNI", 4096, NS_SLOTS);
	config.page = shmqi_os_page_size();
	return &config;
}

/* What a caller can be told when what he asked about could not be looked at. */
static int
open_error(int err)
{
	switch (err) {
	case ENOENT:
	case ENOMEM:
	case ENFILE:
	case ENOSPC:
		return -err;
	case EMFILE:
		return -ENFILE;
	case EDQUOT:
		return -ENOSPC;
	default:
		return -EACCES;
	}
}

/* A directory that nobody else can have prepared for us. */
static bool
is_own(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 077);
}

static int
check_directory(const struct ns_config *config, enum ns_want want)
{
	int flags = config->own ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st;

	if (!config->directory[0])
		return -EACCES; /* its name is too long */
	if (want == NS_CREATE && mkdir(config->directory, 0700) != 0 && errno != EEXIST)
		return open_error(errno == ENOENT ? EACCES : errno);
	if (fstatat(AT_FDCWD, config->directory, &st, flags) != 0)
		return open_error(errno);
	return S_ISDIR(st.st_mode) && (!config->own || is_own(&st)) ? 0 : -EACCES;
}

/*
 * For all whom the directory lets make files: everybody's attach writes there, and who may only read could
 * hold a lock on it.
 */
static mode_t
index_mode(const struct stat *directory)
{
	return 0600u | ((directory->st_mode & 0020) ? 0060u : 0) |
	       ((directory->st_mode & 0002) ? 0006u : 0);
}

static int
publish_index(const struct ns_config *config, int fd, const char *path)
{
	const struct ns_header header = {.magic = NS_MAGIC, .version = NS_VERSION, .last = -1};
	char self[32];
	struct stat st;
	int err = shmqi_ns_write(fd, &header, sizeof(header), 0);

	if (err == 0 && stat(config->directory, &st) != 0)
		err = -errno;
	if (err == 0)
		(void)!fchown(fd, (uid_t)-1,
			      st.st_gid); /* ours, or there is no such group for us */
	if (err == 0 && fchmod(fd, index_mode(&st)) != 0)
		err = -errno;
	if (err)
		return err;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0 && errno != EEXIST)
		return open_error(errno == ENOENT ? EACCES : errno);
	return 0;
}

/* Complete before it has a name; who comes second takes the other's. */
static int
make_index(const struct ns_config *config, const char *path)
{
	int fd = open(config->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), err;

	if (fd < 0)
		return open_error(errno);
	err = publish_index(config, fd, path);
	close(fd);
	return err;
}

/* Once seen to be ours alone, the directory stays that, but somebody of ours may remove it; then the
 * index that we find in another is not ours either. */
static int
open_index(const struct ns_config *config, enum ns_want want)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	static bool checked;
	char path[NS_PATH_ROOM];
	struct stat st;
	int fd, err;

	snprintf(path, sizeof(path), "%s/index", config->directory);
	err = checked ? 0 : check_directory(config, want);
	fd = err ? -1 : open(path, flags);
	checked = fd >= 0;
	if (err == 0 && fd < 0 && errno == ENOENT && want == NS_CREATE) {
		err = check_directory(config, want);
		if (err == 0)
			err = make_index(config, path);
		fd = err ? -1 : open(path, flags);
	}
	if (fd < 0)
		return err ? err : open_error(errno);
	if (config->own && (fstat(fd, &st) != 0 || st.st_uid != geteuid())) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

/*
 * Who holds it comes to an end within some system calls, unless he is stopped. Signals are off, so a
 * wait is for the caller to make, between two tries (api.c).
 */
static int
lock_index(int fd, enum ns_want want)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	while (fcntl(fd, want == NS_WAIT ? F_OFD_SETLKW : F_OFD_SETLK, &all) != 0) {
		if (errno == EAGAIN)
			return -NS_BUSY;
		if (errno != EINTR)
			return errno == ENOLCK ? -ENOMEM : -EACCES;
	}
	return 0;
}

static int
check_header(struct ns *ns)
{
	struct ns_header *h = &ns->header;
	int err = shmqi_ns_read(ns->index, h, sizeof(*h), 0);

	if (err || memcmp(h->magic, NS_MAGIC, sizeof(h->magic)) != 0 || h->version != NS_VERSION)
		return -ENOSYS;
	if (h->dirty || h->in_use > NS_SLOTS || h->last < -1 || h->last >= (int32_t)NS_SLOTS ||
	    h->sequence >= NS_SEQUENCES)
		return shmqi_ns_rebuild(ns);
	return 0;
}

/*
 * Where a program has closed its standard output, what we open would take that place, and what it prints
 * meanwhile would be written into our files: a descriptor that nothing can be written to goes first.
 */
static void
plug(struct ns *ns)
{
	struct pollfd standard[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};
	int n = 0;

	ns->plugs[0] = ns->plugs[1] = ns->plugs[2] = -1;
	if (poll(standard, 3, 0) <= 0)
		return;
	for (int i = 0; i < 3; i++)
		if (standard[i].revents & POLLNVAL)
			ns->plugs[n++] = open("/", O_PATH | O_CLOEXEC);
}

static void
unplug(const struct ns *ns)
{
	for (int i = 0; i < 3; i++)
		if (ns->plugs[i] >= 0)
			close(ns->plugs[i]);
}

int
shmqi_ns_open(struct ns *ns, enum ns_want want)
{
	int err;

	plug(ns);
	ns->config = shmqi_ns_config();
	ns->doomed = -1;
	ns->index = open_index(ns->config, want);
	err = ns->index < 0 ? ns->index : lock_index(ns->index, want);
	if (err == 0)
		err = check_header(ns);
	if (err)
		shmqi_ns_close(ns);
	return err;
}

/* The lock is let go by word, not with the descriptor: a child made by a bare clone() may have a
 * copy of that. */
void
shmqi_ns_close(struct ns *ns)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (ns->index >= 0) {
		(void)fcntl(ns->index, F_OFD_SETLK, &all);
		close(ns->index);
	}
	if (ns->doomed >= 0)
		close(ns->doomed);
	ns->index = ns->doomed = -1;
	unplug(ns);
}
