/* SPDX-License-Identifier: MIT */
/*
 * A file through a queue that has no name: the parent creates memfd:, passes the descriptor to a
 * child over a Unix socket (SCM_RIGHTS), and sends. The child, which has exec'd this program anew,
 * attaches fd:N and writes a copy, which the parent compares byte for byte.
 *
 * usage: eg_memfd_socket [FILE]     without FILE: 8 MB of a pattern
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq/shmq.h>

#define PATTERN_BYTES 8000000
#define MSG_MAX 65536

static int
complain(const char *what, int err)
{
	fprintf(stderr, "eg_memfd_socket: %s: %s\n", what, shmq_strerror(err));
	return 1;
}

/* Pass a descriptor over a Unix socket; one byte of data goes with it. */
static int
pass_descriptor(int sock, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec byte = {"q", 1};
	struct msghdr msg = {.msg_iov = &byte, .msg_iovlen = 1};
	struct cmsghdr *header;

	msg.msg_control = &control;
	msg.msg_controllen = sizeof control;
	header = CMSG_FIRSTHDR(&msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The descriptor that came, or a negated errno. */
static int
take_descriptor(int sock)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char data;
	struct iovec byte = {&data, 1};
	struct msghdr msg = {.msg_iov = &byte, .msg_iovlen = 1};
	struct cmsghdr *header;
	int fd;

	msg.msg_control = &control;
	msg.msg_controllen = sizeof control;
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	header = CMSG_FIRSTHDR(&msg);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd;
}

static int
attach_descriptor(struct shmq **q, int fd, unsigned role)
{
	char addr[32];

	if (fd < 0)
		return fd;
	snprintf(addr, sizeof addr, "fd:%d", fd);
	return shmq_attach(q, addr, role);
}

/* A message is written from where it lies. 0, or a negated errno. */
static int
write_message(const struct iovec *msg, int out)
{
	size_t done = 0;

	while (done < msg->iov_len) {
		ssize_t n = write(out, (const char *)msg->iov_base + done, msg->iov_len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/* The child, after exec: the socket and the file for the copy are its descriptors. */
static int
receive(int sock, int out)
{
	struct shmq *q;
	struct iovec msg;
	int err = attach_descriptor(&q, take_descriptor(sock), SHMQ_CONSUMER | SHMQ_HANGUP);

	if (err)
		return complain("attach as consumer", err);
	while (!err) {
		err = shmq_peek(q, &msg, SHMQ_FOREVER);
		if (!err)
			err = write_message(&msg, out);
		if (!err)
			err = shmq_release(q, &msg);
	}
	shmq_detach(q);
	return err == -EPIPE ? 0 : complain("receive", err);
}

static pid_t
start_receiver(int sock, int copy)
{
	char self[] = "/proc/self/exe", flag[] = "--receive", sock_text[16], copy_text[16];
	char *args[] = {self, flag, sock_text, copy_text, NULL};
	pid_t pid;

	snprintf(sock_text, sizeof sock_text, "%d", sock);
	snprintf(copy_text, sizeof copy_text, "%d", copy);
	pid = fork();
	if (pid == 0) {
		fcntl(sock, F_SETFD, 0);
		execv(self, args);
		_exit(127);
	}
	return pid;
}

/* Read straight into the queue. 0, or a negated errno. */
static int
send_file(struct shmq *q, int in)
{
	struct iovec slot;
	ssize_t n = 1;
	int err = 0;

	while (n > 0 && !err) {
		err = shmq_reserve(q, &slot, MSG_MAX, SHMQ_FOREVER);
		if (err)
			return err;
		n = read(in, slot.iov_base, slot.iov_len);
		if (n <= 0)
			return shmq_abort(q, &slot) || n < 0 ? -EIO : 0;
		slot.iov_len = (size_t)n;
		err = shmq_commit(q, &slot);
	}
	return err;
}

/* An unnamed file, empty or of the pattern; it is gone when its descriptor is. */
static int
scratch_file(size_t bytes)
{
	int fd = memfd_create("eg_memfd_socket", 0);

	for (size_t i = 0; fd >= 0 && i < bytes; i += 8) {
		uint64_t word = i * 0x9e3779b97f4a7c15u;

		if (pwrite(fd, &word, sizeof word, (off_t)i) != (ssize_t)sizeof word)
			return -1;
	}
	return fd;
}

/* Do both files hold the same bytes? Their length comes back, too. */
static int
same_content(int a, int b, size_t *bytes)
{
	static char x[MSG_MAX], y[MSG_MAX];
	ssize_t n, m;

	*bytes = 0;
	do {
		n = pread(a, x, sizeof x, (off_t)*bytes);
		m = pread(b, y, sizeof y, (off_t)*bytes);
		if (n != m || n < 0 || memcmp(x, y, (size_t)n) != 0)
			return 0;
		*bytes += (size_t)n;
	} while (n > 0);
	return 1;
}

/* Create the queue, send the file to a child, and wait for that. 0 or an exit status. */
static int
transfer(int in, int copy)
{
	struct shmq_opts opts = {.size = sizeof opts, .msg_max = MSG_MAX, .capacity = 64};
	int socks[2], err, status = 1;
	int fd = shmq_create("memfd:eg", &opts);
	struct shmq *q;

	if (fd < 0)
		return complain("create", fd);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) != 0)
		return complain("socketpair", errno);
	if (start_receiver(socks[1], copy) < 0)
		return complain("fork", errno);
	close(socks[1]);
	err = attach_descriptor(&q, fd, SHMQ_PRODUCER | SHMQ_HANGUP);
	if (err)
		return complain("attach as producer", err);
	err = pass_descriptor(socks[0], fd);
	if (!err)
		err = send_file(q, in);
	shmq_detach(q);
	close(socks[0]);
	close(fd);
	wait(&status);
	return err ? complain("send", err) : status ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct timespec start, end;
	size_t bytes;
	double seconds;
	int in, copy;

	if (argc == 4 && strcmp(argv[1], "--receive") == 0)
		return receive(atoi(argv[2]), atoi(argv[3]));
	in = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : scratch_file(PATTERN_BYTES);
	copy = scratch_file(0);
	if (in < 0 || copy < 0)
		return complain(argc > 1 ? argv[1] : "pattern", errno);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (transfer(in, copy))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	if (!same_content(in, copy, &bytes))
		return complain("the copy differs", EBADMSG);
	printf("memfd: over a socket: %zu bytes in %.3f s, %.0f MB/s, equal\n", bytes, seconds,
	       (double)bytes / 1e6 / seconds);
	return 0;
}
