/* SPDX-License-Identifier: MIT */
#include "support/place.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/process.h"

#define NAMES 16

static struct world {
	bool is_private;
	pid_t owner, guard;
	char directory[64];
} world;

/* The test's own world ----------------------------------------------------------------------- */

static bool
mount_shm(const char *options)
{
	return mount("shmq-test", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
}

static bool
leave_the_common_world(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0)
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount_shm("mode=1777");
}

static key_t
key_of(unsigned n)
{
	return (key_t)(0x50000000u | ((unsigned)world.owner & 0xffffffu) << 4 | n);
}

static void
unlink_all(const char *pattern)
{
	glob_t found;

	if (glob(pattern, GLOB_PERIOD, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

static void
clear_sysv(unsigned n)
{
	int id = shmget(key_of(n), 0, 0);
	char pattern[64];

	if (id < 0)
		return;
	snprintf(pattern, sizeof(pattern), "/dev/shm/.shmq-%d-*", id);
	unlink_all(pattern);
	shmctl(id, IPC_RMID, NULL);
}

void
place_wipe(void)
{
	char pattern[96];

	for (unsigned n = 0; n < NAMES; n++)
		clear_sysv(n);
	snprintf(pattern, sizeof(pattern), "/dev/shm/shmq-test-%d-*", (int)world.owner);
	unlink_all(pattern);
	snprintf(pattern, sizeof(pattern), "%s/*", world.directory);
	unlink_all(pattern);
	if (world.is_private)
		unlink_all("/dev/shm/.shmq-*");
}

static void
clear_names(void)
{
	place_wipe();
	rmdir(world.directory);
}

/* The test's process may be killed at its time limit; somebody must clear up then. */
static void
guard(void)
{
	int parent = (int)syscall(SYS_pidfd_open, world.owner, 0);
	struct pollfd end = {.fd = parent, .events = POLLIN};

	setsid();
	while (parent >= 0 && getppid() == world.owner && poll(&end, 1, 1000) <= 0)
		continue;
	clear_names();
	_exit(0);
}

void
place_begin(void)
{
	const char *base = getenv("TMPDIR");

	process_begin();
	world.owner = getpid();
	world.is_private = leave_the_common_world();
	snprintf(world.directory, sizeof(world.directory), "%s/shmq-test-XXXXXX",
		 base && strlen(base) < 40 ? base : "/tmp");
	MUST(mkdtemp(world.directory) != NULL);
	MUST(chmod(world.directory, 0711) == 0);
	world.guard = fork();
	MUST(world.guard >= 0);
	if (world.guard == 0)
		guard();
}

void
place_end(void)
{
	if (world.guard > 0) {
		kill(world.guard, SIGKILL);
		waitpid(world.guard, NULL, 0);
	}
	clear_names();
}

bool
place_is_private(void)
{
	return world.is_private;
}

void
place_limit_shm(uint64_t bytes)
{
	char options[64];

	MUST(world.is_private);
	snprintf(options, sizeof(options), "mode=1777,size=%llu", (unsigned long long)bytes);
	MUST(mount_shm(options));
}

const char *
place_directory(void)
{
	return world.directory;
}

/* Names -------------------------------------------------------------------------------------- */

struct place
place_name(enum place_backend on, unsigned n)
{
	struct place p = {.on = on, .fd = -1};
	int room = (int)sizeof(p.create);

	if (on == ON_SHM)
		snprintf(p.create, sizeof(p.create), "shm:/shmq-test-%d-%u", (int)world.owner, n);
	else if (on == ON_SYSV)
		snprintf(p.create, sizeof(p.create), "sysv:0x%x", (unsigned)key_of(n));
	else if (on == ON_FILE)
		snprintf(p.create, sizeof(p.create), "file:%.*s/%u", room - 16, world.directory, n);
	else
		snprintf(p.create, sizeof(p.create), "memfd:shmq-test-%u", n);
	memcpy(p.attach, p.create, sizeof(p.attach));
	return p;
}

static struct place
created(struct place p, int result)
{
	if (p.on != ON_MEMFD) {
		SAME(0, result);
		return p;
	}
	MUST(result >= 3);
	p.fd = result;
	snprintf(p.attach, sizeof(p.attach), "fd:%d", p.fd);
	return p;
}

struct place
place_queue(enum place_backend on, unsigned n, const struct shmq_opts *opts)
{
	static const struct shmq_opts small = {.size = sizeof(small), .msg_max = 64, .capacity = 8};
	struct place p = place_name(on, n);

	return created(p, shmq_create(p.create, opts ? opts : &small));
}

struct place
place_segment(enum place_backend on, unsigned n, const struct shmq_seg_opts *opts)
{
	static const struct shmq_seg_opts small = {.size = sizeof(small), .segsz = 8192};
	struct place p = place_name(on, n);

	return created(p, shmq_seg_create(p.create, opts ? opts : &small));
}

void
place_remove(struct place *place)
{
	SAME(0, shmq_remove(place->attach));
	if (place->fd >= 0)
		close(place->fd);
	place->fd = -1;
}

/* What is there ------------------------------------------------------------------------------ */

static unsigned
entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;
	struct dirent *entry;

	MUST(dir != NULL);
	while ((entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

static struct shm_info
sysv_info(void)
{
	struct shm_info info;

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) >= 0);
	return info;
}

unsigned
place_leftovers(void)
{
	MUST(world.is_private);
	return entries("/dev/shm") + entries(world.directory) + (unsigned)sysv_info().used_ids;
}

uint64_t
place_used_bytes(void)
{
	struct statfs fs;

	MUST(world.is_private);
	SAME(0, statfs("/dev/shm", &fs));
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize +
	       sysv_info().shm_tot * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct shmq_stat
place_stat(const struct place *place)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_stat(place->attach, &st));
	return st;
}

void
place_expect_leftovers(unsigned want)
{
	if (place_is_private())
		SAME(want, place_leftovers());
}

void
place_expect_nothing(void)
{
	place_expect_leftovers(0);
	if (place_is_private())
		SAME(0, place_used_bytes());
}

void
place_clear_up(void)
{
	MUST(shmq_gc(0, NULL, NULL) >= 0);
	if (place_is_private())
		SAME(0, shmq_gc(1, NULL, NULL));
}

void
place_use(struct shmq *q)
{
	char byte = 0;

	SAME(0, shmq_send(q, "x", 1, 0));
	SAME(1, shmq_recv(q, &byte, 1, 0));
	SAME('x', byte);
}

bool
place_serves(const struct place *place)
{
	struct shmq *q = NULL;
	int err = shmq_attach(&q, place->attach, SHMQ_PRODUCER | SHMQ_CONSUMER);

	if (err == -ENOENT)
		return false;
	SAME(0, err);
	place_use(q);
	SAME(0, shmq_detach(q));
	return true;
}
