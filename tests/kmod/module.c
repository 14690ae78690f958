/* SPDX-License-Identifier: MIT */
#include "module.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE_FILE "/shmq_memdev.ko"
#define WARNING 4 /* of the kernel log: this level and those below are bad news */
/* Said once, of time that somebody else took from an emulated CPU. */
#define SLOW_MACHINE "hrtimer: interrupt took"

static int kernel_log = -1;

int
module_load(const char *parameters)
{
	int fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC), err;

	MUST(fd >= 0);
	err = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return err;
}

int
module_unload(void)
{
	return syscall(SYS_delete_module, "shmq_memdev", O_NONBLOCK) ? -errno : 0;
}

void
module_begin(void)
{
	module_begin_with("number=3 roles=source,sink,raw size=262144");
}

void
module_begin_with(const char *parameters)
{
	process_begin();
	(void)module_unload(); /* what a failed test has left */
	SAME(0, module_load(parameters));
	/* From here on: loading a module from outside says so, at that level. */
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	MUST(kernel_log >= 0);
	MUST(lseek(kernel_log, 0, SEEK_END) >= 0);
}

bool
module_log_clean(void)
{
	char record[8192];
	bool clean = true;
	ssize_t got;

	while ((got = read(kernel_log, record, sizeof(record) - 1)) > 0) {
		record[got] = 0;
		if ((strtoul(record, NULL, 10) & 7) > WARNING || strstr(record, SLOW_MACHINE))
			continue;
		fprintf(stderr, "kernel log: %s", record);
		clean = false;
	}
	MUST(got < 0 && errno == EAGAIN); /* else records were lost */
	return clean;
}

void
module_end(void)
{
	struct stat st;

	SAME(0, module_unload());
	SAME(-1, stat("/dev/memdev0", &st));
	SAME(-1, stat("/sys/class/shmq_memdev", &st));
	MUST(module_log_clean());
	close(kernel_log);
}

static int
open_attribute(int device, const char *name, int flags)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/shmq_memdev/memdev%d/%s", device, name);
	return open(path, flags | O_CLOEXEC);
}

uint64_t
module_read(int device, const char *name)
{
	int fd = open_attribute(device, name, O_RDONLY);
	char text[32] = "";

	MUST(fd >= 0);
	MUST(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoull(text, NULL, 10);
}

int
module_write(int device, const char *name, const char *text)
{
	int fd = open_attribute(device, name, O_WRONLY), err;

	MUST(fd >= 0);
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

void
module_rate(int device, unsigned rate)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", rate);
	SAME(0, module_write(device, "rate", text));
}

int
module_open(int device, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/memdev%d", device);
	fd = open(path, flags | O_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

void
module_kick(int fd)
{
	SAME(1, write(fd, "", 1));
}

struct shmq *
module_attach(const char *addr, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, addr, role));
	return q;
}

void
module_drained(int fd, uint64_t messages)
{
	module_kick(fd);
	while (module_read(SINK, "received") < messages)
		sched_yield();
	SAME(messages, module_read(SINK, "received"));
}
