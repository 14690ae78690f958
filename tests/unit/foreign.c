/* SPDX-License-Identifier: MIT */
/* What is not ours: refused, and left as it was. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM 65536

TestSuite(foreign, .init = unit_begin, .fini = place_end);

static const struct shmq_seg_opts one_page = {.size = sizeof(one_page), .segsz = 4096};

/* Every call that would attach or change what is there says `want`. */
static void
refused(int want, const char *addr)
{
	struct shmq_perm perm = {.size = sizeof(perm), .uid = 1, .gid = 1, .mode = 0};
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(want, shmq_seg_attach(&seg, addr, 0));
	SAME(want, shmq_seg_attach(&seg, addr, SHM_RDONLY));
	SAME(want, shmq_attach(&q, addr, SHMQ_PRODUCER));
	SAME(want, shmq_attach(&q, addr, SHMQ_CONSUMER | SHMQ_HANGUP));
	SAME(want, shmq_attach(&q, addr, SHMQ_OBSERVER));
	SAME(want, shmq_stat(addr, &st));
	SAME(want, shmq_set(addr, &perm));
	SAME(want, shmq_remove(addr));
	SAME(want, shmq_lock(addr));
	SAME(want, shmq_unlock(addr));
	MUST(!seg && !q);
	leak_none_since(before);
}

/* The address is taken, by whatever it is. */
static void
taken(const char *addr)
{
	struct leak_count before = leak_count();

	SAME(-EEXIST, shmq_seg_create(addr, &one_page));
	SAME(-EEXIST, shmq_create(addr, NULL));
	leak_none_since(before);
}

static struct place
named(enum spot at, char path[256])
{
	struct place p = spot_name(at, 0);

	object_path(path, 256, &p);
	return p;
}

static void
write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	SAME(length, write(fd, bytes, length));
	SAME(0, close(fd));
}

/* The file is as write_file() left it. */
static void
check_file(const char *path, const void *bytes, size_t length)
{
	static unsigned char now[ROOM];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	MUST(fd >= 0);
	SAME(0, fstat(fd, &st));
	SAME(length, st.st_size);
	SAME(0600, st.st_mode & 07777);
	SAME(geteuid(), st.st_uid);
	SAME(length, read(fd, now, sizeof(now)));
	MUST(memcmp(bytes, now, length) == 0);
	SAME(0, close(fd));
}

static void
foreign_file(enum spot at, const void *bytes, size_t length)
{
	char path[256];
	struct place p = named(at, path);
	struct shmq *q = NULL;

	write_file(path, bytes, length);
	refused(-EPROTONOSUPPORT, p.attach);
	SAME(-EPROTONOSUPPORT, shmq_open(&q, p.attach, NULL, SHMQ_PRODUCER));
	MUST(q == NULL);
	taken(p.create);
	check_file(path, bytes, length);
	SAME(0, unlink(path));
}

static const size_t lengths[] = {0, 1, 7, 8, 167, 168, 4095, 4096, 4097, 8191, 8192, 8193, ROOM};

static void
foreign_lengths(const unsigned char bytes[ROOM])
{
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		foreign_file(SPOT_FILE, bytes, lengths[i]);
		foreign_file(SPOT_SHM, bytes, lengths[i]);
	}
}

Test(foreign, test_file_of_zeros_eprotonosupport)
{
	static unsigned char zeros[ROOM];

	foreign_lengths(zeros);
}

Test(foreign, test_file_of_random_bytes_eprotonosupport)
{
	static unsigned char bytes[ROOM];
	uint64_t seed = 1;

	for (size_t i = 0; i < ROOM; i++)
		bytes[i] = (unsigned char)random_next(&seed);
	foreign_lengths(bytes);
}

Test(foreign, test_directory_eprotonosupport)
{
	char path[256];
	struct place p;

	for (int i = 0; i < 2; i++) {
		p = named(i ? SPOT_SHM : SPOT_FILE, path);
		SAME(0, mkdir(path, 0700));
		refused(-EPROTONOSUPPORT, p.attach);
		taken(p.create);
		SAME(0, rmdir(path));
	}
}

static void
special_file(enum spot at, mode_t type, dev_t device)
{
	char path[256];
	struct place p = named(at, path);

	if (mknod(path, type | 0600, device) != 0)
		cr_skip_test("needs root, to make a device");
	refused(-EPROTONOSUPPORT, p.attach);
	taken(p.create);
	SAME(0, unlink(path));
}

Test(foreign, test_fifo_eprotonosupport)
{
	special_file(SPOT_FILE, S_IFIFO, 0);
	special_file(SPOT_SHM, S_IFIFO, 0);
}

Test(foreign, test_character_device_eprotonosupport)
{
	refused(-EPROTONOSUPPORT, "file:/dev/null");
	refused(-EPROTONOSUPPORT, "file:/dev/zero");
	taken("file:/dev/null");
}

Test(foreign, test_block_device_eprotonosupport)
{
	struct statvfs fs;

	SAME(0, statvfs(place_directory(), &fs));
	if (fs.f_flag & ST_NODEV)
		cr_skip_test("no devices in this directory");
	special_file(SPOT_FILE, S_IFBLK, makedev(259, 1048575)); /* of no driver */
}

Test(foreign, test_socket_eprotonosupport)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct place p = spot_name(SPOT_FILE, 0);

	MUST(fd >= 0);
	object_path(name.sun_path, sizeof(name.sun_path), &p);
	SAME(0, bind(fd, (struct sockaddr *)&name, sizeof(name)));
	refused(-EPROTONOSUPPORT, p.attach);
	taken(p.create);
	SAME(0, close(fd));
	SAME(0, unlink(name.sun_path));
}

Test(foreign, test_dangling_symlink_is_absent_and_taken)
{
	char path[256];
	struct place p = named(SPOT_FILE, path);

	SAME(0, symlink("/no/such/target", path));
	refused(-ENOENT, p.attach);
	taken(p.create);
	SAME(0, unlink(path));
}

Test(foreign, test_symlink_loop_eprotonosupport)
{
	char path[256];
	struct place p = named(SPOT_FILE, path);

	SAME(0, symlink(path, path));
	refused(-EPROTONOSUPPORT, p.attach);
	taken(p.create);
	SAME(0, unlink(path));
}

/* As shm_open(): a link in /dev/shm is not followed. */
Test(foreign, test_symlink_in_shm_eprotonosupport)
{
	struct place target = spot_segment(SPOT_SHM, 1, NULL);
	char path[256], target_path[256];
	struct place p = named(SPOT_SHM, path);

	object_path(target_path, sizeof(target_path), &target);
	SAME(0, symlink(target_path, path));
	refused(-EPROTONOSUPPORT, p.attach);
	taken(p.create);
	SAME(0, unlink(path));
	SAME(0, place_stat(&target).nattch);
	place_remove(&target);
}

Test(foreign, test_symlink_to_file_segment_works)
{
	struct place target = spot_segment(SPOT_FILE, 1, NULL);
	char path[256], target_path[256];
	struct place p = named(SPOT_FILE, path);
	struct shmq_seg *seg;

	object_path(target_path, sizeof(target_path), &target);
	SAME(0, symlink(target_path, path));
	seg = unit_attach(&p, 0);
	SAME(1, place_stat(&target).nattch);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, unlink(path));
	place_remove(&target);
}

/* A raw SysV segment can be attached, whoever made it, but is no queue. */
static void
foreign_sysv(size_t bytes, int fill)
{
	int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;
	char addr[32];
	unsigned char *base;

	MUST(id >= 0);
	snprintf(addr, sizeof(addr), "sysv:id/%d", id);
	base = shmat(id, NULL, 0);
	memset(base, fill, bytes);
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, addr, SHMQ_PRODUCER));
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, addr, SHMQ_CONSUMER));
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, addr, SHMQ_OBSERVER));
	SAME(-EPROTONOSUPPORT, shmq_open(&q, addr, NULL, SHMQ_PRODUCER));
	MUST(q == NULL);
	SAME(0, shmq_seg_attach(&seg, addr, 0));
	SAME(bytes, shmq_seg_size(seg));
	for (size_t i = 0; i < bytes; i++)
		SAME(fill, ((unsigned char *)shmq_seg_base(seg))[i]);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmdt(base));
	leak_none_since(before);
	SAME(0, shmq_remove(addr));
	SAME(-1, shmctl(id, IPC_STAT, &(struct shmid_ds){0}));
}

Test(foreign, test_sysv_segment_is_no_queue)
{
	foreign_sysv(1, 0);
	foreign_sysv(1, 0xa5);
	foreign_sysv(8191, 0);
	foreign_sysv(8192, 0xff);
	foreign_sysv(ROOM, 0);
	foreign_sysv(ROOM, 0x31);
}

/* Its owner is told of each open() of it, and given time: who does not wait cannot open it. */
Test(foreign, test_file_with_lease_eacces)
{
	char path[256];
	struct place p = named(SPOT_SHM, path);
	int fd;

	SAME(0, shmq_create(p.create, NULL));
	fd = open(path, O_RDWR | O_CLOEXEC);
	MUST(signal(SIGIO, SIG_IGN) != SIG_ERR);
	SAME(0, fcntl(fd, F_SETLEASE, F_WRLCK));
	refused(-EACCES, p.attach);
	SAME(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	close(fd);
	place_remove(&p);
}

static int
count_one(const struct shmq_stat *st, void *arg)
{
	(void)st;
	++*(unsigned *)arg;
	return 0;
}

/* As long as all addresses there are, at no cost, and with the name of a side file: somebody's. */
Test(foreign, test_sysv_segment_longer_than_memory_is_no_queue)
{
	const size_t longest = (size_t)0x7fffffff0000;
	int id = shmget(IPC_PRIVATE, longest, IPC_CREAT | SHM_NORESERVE | 0600);
	struct shmq_stat st = {.size = sizeof(st)};
	char addr[32], path[64];
	unsigned n = 0;

	if (id < 0)
		cr_skip_test("needs kernel.shmmax as it is by default");
	snprintf(addr, sizeof(addr), "sysv:id/%d", id);
	snprintf(path, sizeof(path), "/dev/shm/.shmq-%d-x", id);
	write_file(path, "", 0);
	SAME(0, shmq_stat(addr, &st));
	SAME(SHMQ_SEGMENT, st.kind);
	SAME(longest, st.segsz);
	SAME(0, shmq_list(count_one, &n));
	MUST(n > 0);
	SAME(0, shmq_remove(addr));
	SAME(-1, shmctl(id, IPC_STAT, &(struct shmid_ds){0}));
	SAME(0, unlink(path));
}

Test(foreign, test_descriptor_of_something_else_eprotonosupport)
{
	char addr[16];
	int fds[2], pair[2];

	SAME(0, pipe(fds));
	snprintf(addr, sizeof(addr), "fd:%d", fds[0]);
	refused(-EPROTONOSUPPORT, addr);
	SAME(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	snprintf(addr, sizeof(addr), "fd:%d", pair[0]);
	refused(-EPROTONOSUPPORT, addr);
	close(fds[0]);
	fds[0] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fds[0] >= 0);
	snprintf(addr, sizeof(addr), "fd:%d", fds[0]);
	refused(-EPROTONOSUPPORT, addr);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(pair[i]);
	}
}
