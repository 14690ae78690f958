/* SPDX-License-Identifier: MIT */
/* dev: on devices that every machine has: /dev/zero, /dev/null, and, where that is permitted, a loop device. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES ((size_t)1 << 20)

TestSuite(device, .init = unit_begin, .fini = place_end);

static struct shmq_seg *
attach(const char *addr, unsigned flags)
{
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, addr, flags));
	return seg;
}

/* The lifecycle of a device is its driver's. */
static void
not_ours_to_change(const char *addr)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 4096};
	struct shmq_perm perm = {.size = sizeof(perm), .mode = 0600};

	SAME(-ENOTSUP, shmq_seg_create(addr, &opts));
	SAME(-ENOTSUP, shmq_create(addr, NULL));
	SAME(-ENOTSUP, shmq_set(addr, &perm));
	SAME(-ENOTSUP, shmq_remove(addr));
	SAME(-ENOTSUP, shmq_lock(addr));
	SAME(-ENOTSUP, shmq_unlock(addr));
}

/* What cannot be attached is not to be looked at either. */
static void
refused(int want, const char *addr)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(want, shmq_seg_attach(&seg, addr, 0));
	SAME(want, shmq_seg_attach(&seg, addr, SHM_RDONLY));
	SAME(want, shmq_attach(&q, addr, SHMQ_CONSUMER));
	MUST(!seg && !q);
	if (want != -ENODEV)
		SAME(want, shmq_stat(addr, &st));
	leak_none_since(before);
}

Test(device, test_device_that_is_none_refused)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char path[256], addr[300];
	int fd;

	refused(-ENOENT, "dev:/dev/no-such-device");
	refused(-ENOENT, "dev:/dev/null/below");
	refused(-ENODEV, "dev:/dev"); /* a directory */
	refused(-EINVAL, "dev:/dev/zero");
	refused(-EINVAL, "dev:/dev/null");
	refused(-EINVAL, "dev:/dev/zero?size=9223372036854775807");
	refused(-ENODEV, "dev:/dev/null?size=65536");
	SAME(0, shmq_stat("dev:/dev/null?size=65536", &st)); /* what is known of it */
	SAME(SHMQ_SEGMENT, st.kind);
	memset(addr, 'x', sizeof(addr) - 1);
	memcpy(addr, "dev:/", 5);
	addr[sizeof(addr) - 1] = '\0';
	refused(-EINVAL, addr);
	snprintf(path, sizeof(path), "%s/loop", place_directory());
	SAME(0, symlink(path, path));
	snprintf(addr, sizeof(addr), "dev:%s", path);
	refused(-ENODEV, addr);
	SAME(0, unlink(path));
	snprintf(path, sizeof(path), "%s/file", place_directory());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	MUST(fd >= 0);
	SAME(0, ftruncate(fd, 8192));
	close(fd);
	snprintf(addr, sizeof(addr), "dev:%s", path);
	refused(-ENODEV, addr);
	SAME(0, unlink(path));
}

/* A node of our own for a device of that number. */
static void
make_node(char addr[300], dev_t number, mode_t mode, const char *size)
{
	char path[256];

	if (geteuid() != 0)
		cr_skip_test("needs CAP_MKNOD");
	snprintf(path, sizeof(path), "%s/node", place_directory());
	SAME(0, mknod(path, S_IFCHR | mode, number));
	SAME(0, chmod(path, mode));
	SAME(0, chmod(place_directory(), 0755));
	snprintf(addr, 300, "dev:%s%s", path, size);
}

Test(device, test_device_without_driver_enodev)
{
	char addr[300];

	make_node(addr, makedev(4000, 1), 0600, "?size=4096");
	refused(-ENODEV, addr);
}

static void
read_zero(void *arg)
{
	const char *addr = arg;
	struct shmq_seg *seg = NULL;

	SAME(-EACCES, shmq_seg_attach(&seg, addr, 0));
	SAME(0, shmq_seg_attach(&seg, addr, SHM_RDONLY));
	SAME(0, *(const char *)shmq_seg_base(seg));
	SAME(0, shmq_seg_detach(seg));
}

Test(device, test_device_that_may_only_be_read_is_attached_for_that)
{
	char addr[300];

	make_node(addr, makedev(1, 5), 0444, "?size=4096");
	unit_as_nobody(read_zero, addr, 65536);
}

Test(device, test_device_lifecycle_enotsup)
{
	not_ours_to_change("dev:/dev/zero?size=4096");
	not_ours_to_change("dev:/dev/zero");
}

/* Memory that no file is behind: attached as any, but nobody else can see it, or count it. */
Test(device, test_device_zero_is_memory)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = attach("dev:/dev/zero?size=10000", SHMQ_LOCK | SHMQ_POPULATE);
	struct shmq *q = NULL;
	char *base = shmq_seg_base(seg);

	SAME(10000, shmq_seg_size(seg));
	strcpy(base + 9990, "the end");
	SAME(0, shmq_seg_find(base + 9999, &st));
	MUST(st.base == base);
	SAME(SHMQ_BACKEND_DEV, st.backend);
	SAME(0, shmq_seg_stat(seg, &st));
	SAME(10000, st.segsz);
	SAME(-1, st.nattch);
	SAME(-1, st.resident_bytes);
	SAME(0, strcmp(st.address, "dev:/dev/zero?size=10000"));
	SAME(0, shmq_stat("dev:/dev/zero?size=10000", &st));
	SAME(SHMQ_SEGMENT, st.kind);
	SAME(-EINVAL, shmq_seg_resize(seg, 10001));
	SAME(0, shmq_seg_detach_at(base));
	leak_none_since(before);
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, "dev:/dev/zero?size=16384", SHMQ_CONSUMER));
	SAME(-EPROTONOSUPPORT, shmq_open(&q, "dev:/dev/zero?size=16384", NULL, SHMQ_CONSUMER));
}

/* A device of BYTES bytes that holds what a file does; it is gone when its last user is. */
struct loop {
	char file[256], path[32], addr[64];
	int fd;
};

static int
loop_over(struct loop *loop, int control, int file)
{
	struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return -1;
	snprintf(loop->path, sizeof(loop->path), "/dev/loop%d", number);
	loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0)
		return -1;
	if (ioctl(loop->fd, LOOP_SET_FD, file) == 0 &&
	    ioctl(loop->fd, LOOP_SET_STATUS64, &info) == 0)
		return 0;
	close(loop->fd);
	return errno == EBUSY ? -EAGAIN : -1;
}

/* Skips the test where there are none to be had. */
static struct loop
loop_begin(void)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), err = -1, file;
	struct loop loop = {.fd = -1};

	if (control < 0)
		cr_skip_test("no loop devices here");
	snprintf(loop.file, sizeof(loop.file), "%s/loop", place_directory());
	file = open(loop.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	MUST(file >= 0);
	SAME(0, ftruncate(file, BYTES));
	do
		err = loop_over(&loop, control, file);
	while (err == -EAGAIN); /* somebody else took the same */
	close(file);
	close(control);
	if (err)
		cr_skip_test("no loop device to be had");
	snprintf(loop.addr, sizeof(loop.addr), "dev:%s", loop.path);
	return loop;
}

static void
loop_end(struct loop *loop)
{
	close(loop->fd);
	SAME(0, unlink(loop->file));
}

Test(device, test_device_size_is_the_drivers)
{
	struct loop loop = loop_begin();
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = attach(loop.addr, 0);
	char longer[96];

	SAME(BYTES, shmq_seg_size(seg));
	SAME(0, shmq_stat(loop.addr, &st));
	SAME(BYTES, st.segsz);
	SAME(1, st.nattch);
	SAME(0, strcmp(st.address, loop.addr));
	snprintf(longer, sizeof(longer), "%s?size=%zu", loop.addr, BYTES + 1);
	refused(-EINVAL, longer);
	snprintf(longer, sizeof(longer), "%s?size=%zu", loop.addr, BYTES / 2);
	SAME(0, shmq_seg_detach(seg));
	seg = attach(longer, 0);
	SAME(BYTES / 2, shmq_seg_size(seg));
	SAME(0, shmq_seg_resize(seg, 4096));
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_stat(loop.addr, &st));
	SAME(0, st.nattch);
	leak_none_since(before);
	loop_end(&loop);
}

/* The mapping outlives every descriptor that it was made from; in a child, as they are Criterion's, too. */
static void
share_without_descriptors(void *arg)
{
	const struct loop *loop = arg;
	struct shmq_seg *one = attach(loop->addr, 0), *two = attach(loop->addr, SHM_RDONLY);
	struct shmq_stat st = {.size = sizeof(st)};
	char *base = shmq_seg_base(one), seen[6] = "";

	for (int fd = 3; fd < 1024; fd++)
		if (fd != loop->fd)
			close(fd);
	strcpy(base + 70000, "hello");
	SAME(0, strcmp((char *)shmq_seg_base(two) + 70000, "hello"));
	SAME(0, shmq_seg_sync(one));
	SAME(5, pread(loop->fd, seen, 5, 70000));
	SAME(0, strcmp(seen, "hello"));
	SAME(0, shmq_stat(loop->addr, &st));
	SAME(2, st.nattch);
	SAME(-1, mprotect(shmq_seg_base(two), 4096, PROT_READ | PROT_WRITE));
	SAME(0, shmq_seg_detach(two));
	SAME(0, shmq_seg_detach(one));
}

Test(device, test_device_memory_is_shared_and_stays)
{
	struct loop loop = loop_begin();

	process_join(process_start(share_without_descriptors, &loop));
	loop_end(&loop);
}

/* Where it is to be, and what was there makes way: without leaving its lock behind. */
Test(device, test_device_attach_takes_the_place_of_another)
{
	struct loop loop = loop_begin();
	struct shmq_seg *one = attach(loop.addr, 0), *two = NULL;
	struct shmq_stat st = {.size = sizeof(st)};
	void *base = shmq_seg_base(one);

	SAME(-EINVAL, shmq_seg_attach_at(&two, loop.addr, base, 0));
	SAME(0, shmq_seg_attach_at(&two, loop.addr, base, SHM_REMAP));
	MUST(shmq_seg_base(two) == base);
	SAME(0, shmq_stat(loop.addr, &st));
	SAME(1, st.nattch);
	SAME(0, shmq_seg_detach(one));
	SAME(0, shmq_seg_detach(two));
	SAME(0, shmq_stat(loop.addr, &st));
	SAME(0, st.nattch);
	loop_end(&loop);
}

struct child {
	struct shmq_seg *seg;
	const char *addr;
	int gate;
};

static void
child_counts(void *arg)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct child *c = arg;

	/* Until fork() has returned in the parent, too, it has what it made for us. */
	gate_pass(c->gate);
	SAME(0, shmq_stat(c->addr, &st));
	SAME(2, st.nattch);
	strcpy(shmq_seg_base(c->seg), "child");
	SAME(0, shmq_seg_detach(c->seg));
	SAME(0, shmq_stat(c->addr, &st));
	SAME(1, st.nattch);
}

Test(device, test_device_fork_inherits_and_counts)
{
	struct loop loop = loop_begin();
	struct child c = {attach(loop.addr, 0), loop.addr, gate_new()};
	pid_t pid = process_start(child_counts, &c);

	gate_open(c.gate);
	process_join(pid);
	SAME(0, strcmp(shmq_seg_base(c.seg), "child"));
	SAME(0, shmq_seg_detach(c.seg));
	loop_end(&loop);
}

static void
consume_and_die(void *arg)
{
	struct shmq *q = NULL;
	char text[64];

	SAME(0, shmq_attach(&q, arg, SHMQ_CONSUMER));
	SAME(3, shmq_recv(q, text, sizeof(text), SHMQ_FOREVER));
	raise(SIGKILL);
}

/* A queue that lies on the device, and whose participants live and die as everywhere. */
Test(device, test_device_can_hold_a_queue)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 64, .capacity = 8};
	struct place p = spot_queue(SPOT_FILE, 0, &opts);
	struct object object = object_map(&p);
	struct loop loop = loop_begin();
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *producer = NULL, *consumer = NULL;
	char text[64];
	pid_t pid;

	SAME(object.length, pwrite(loop.fd, object.bytes, object.length, 0));
	SAME(0, shmq_attach(&producer, loop.addr, SHMQ_PRODUCER | SHMQ_LOCK));
	SAME(0, shmq_stat(loop.addr, &st));
	SAME(SHMQ_SPSC, st.kind);
	SAME(1, st.producers);
	pid = process_start(consume_and_die, loop.addr);
	SAME(0, shmq_send(producer, "one", 3, 0));
	MUST(WIFSIGNALED(process_end(pid)));
	SAME(0, shmq_send(producer, "four", 4, 0));
	SAME(0, shmq_attach(&consumer, loop.addr, SHMQ_CONSUMER));
	SAME(4, shmq_recv(consumer, text, sizeof(text), 0));
	SAME(-EBUSY, shmq_attach(&(struct shmq *){NULL}, loop.addr, SHMQ_CONSUMER));
	SAME(0, shmq_detach(producer));
	SAME(0, shmq_detach(consumer));
	not_ours_to_change(loop.addr);
	object_unmap(&object);
	place_remove(&p);
	loop_end(&loop);
}
