/* SPDX-License-Identifier: MIT */
/* dev: on a driver that is there for it: size, protection, life, and what both sides see (K38, K39). */
#include "module.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

TestSuite(memory, .init = module_begin, .fini = module_end, .timeout = 120);

static struct shmq_seg *
attach(const char *addr, unsigned flags)
{
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, addr, flags));
	return seg;
}

Test(memory, test_memory_size_is_the_drivers)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = attach(RAW_ADDRESS, 0);

	SAME(DEVICE_BYTES, shmq_seg_size(seg));
	SAME(DEVICE_BYTES, module_read(RAW, "size"));
	SAME(0, shmq_seg_stat(seg, &st));
	SAME(DEVICE_BYTES, st.segsz);
	SAME(1, st.nattch);
	SAME(0, shmq_stat(RAW_ADDRESS, &st));
	SAME(DEVICE_BYTES, st.segsz);
	SAME(SHMQ_BACKEND_DEV, st.backend);
	SAME(SHMQ_SEGMENT, st.kind);
	SAME(0600, st.mode);
	SAME(1, st.nattch);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_stat(RAW_ADDRESS, &st));
	SAME(0, st.nattch);
	SAME(0, module_read(RAW, "mapped"));
}

Test(memory, test_memory_size_asked_for)
{
	struct shmq_seg *seg = attach(RAW_ADDRESS "?size=8192", 0);

	SAME(8192, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
	SAME(-EINVAL, shmq_seg_attach(&seg, RAW_ADDRESS "?size=262145", 0));
}

Test(memory, test_memory_larger_than_the_device_einval)
{
	int fd = module_open(RAW, O_RDWR);

	MUST(mmap(NULL, DEVICE_BYTES + 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	SAME(EINVAL, errno);
	MUST(mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, DEVICE_BYTES - 4096) == MAP_FAILED);
	SAME(EINVAL, errno);
	MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	SAME(EINVAL, errno);
	close(fd);
}

/* The mapping outlives close(): the library keeps none that holds it, and neither do we. */
Test(memory, test_memory_mapped_closed_still_readable)
{
	int fd = module_open(RAW, O_RDWR);
	unsigned char *base = mmap(NULL, DEVICE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char seen[6] = "";

	MUST(base != MAP_FAILED);
	SAME(5, pwrite(fd, "hello", 5, 70000));
	SAME(0, close(fd));
	SAME(0, memcmp(base + 70000, "hello", 5));
	memcpy(base + 70000, "world", 5);
	fd = module_open(RAW, O_RDONLY);
	SAME(5, pread(fd, seen, 5, 70000));
	SAME(0, strcmp(seen, "world"));
	SAME(0, close(fd));
	SAME(0, munmap(base, DEVICE_BYTES));
}

/* As the kernel finds it: read() here is the driver's own look into its memory. */
Test(memory, test_memory_stores_are_seen_by_the_other_side)
{
	struct shmq_seg *seg = attach(RAW_ADDRESS, 0);
	uint64_t *words = shmq_seg_base(seg), word = 0;
	int fd = module_open(RAW, O_RDWR);

	for (unsigned i = 0; i < DEVICE_BYTES / 8; i += 511) {
		words[i] = i * UINT64_C(0x9e3779b97f4a7c15) + 1;
		SAME(8, pread(fd, &word, 8, i * 8));
		SAME(words[i], word);
		word = ~word;
		SAME(8, pwrite(fd, &word, 8, i * 8));
		SAME(word, words[i]);
	}
	SAME(0, pread(fd, &word, 8, DEVICE_BYTES));
	SAME(0, close(fd));
	SAME(0, shmq_seg_detach(seg));
}

Test(memory, test_memory_two_attaches_share)
{
	struct shmq_seg *one = attach(RAW_ADDRESS, 0), *two = attach(RAW_ADDRESS, SHM_RDONLY);
	struct shmq_stat st = {.size = sizeof(st)};

	strcpy(shmq_seg_base(one), "shared");
	SAME(0, strcmp(shmq_seg_base(two), "shared"));
	SAME(0, shmq_stat(RAW_ADDRESS, &st));
	SAME(2, st.nattch);
	SAME(0, shmq_seg_detach_at(shmq_seg_base(one)));
	SAME(0, shmq_seg_detach(two));
}

Test(memory, test_memory_read_only_by_the_driver_eacces)
{
	struct shmq_seg *seg = NULL;

	SAME(0, module_write(RAW, "protect", "1"));
	SAME(-EACCES, shmq_seg_attach(&seg, RAW_ADDRESS, 0));
	seg = attach(RAW_ADDRESS, SHM_RDONLY);
	SAME(-1, mprotect(shmq_seg_base(seg), 4096, PROT_READ | PROT_WRITE));
	SAME(EACCES, errno);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, module_write(RAW, "protect", "0"));
	seg = attach(RAW_ADDRESS, 0);
	SAME(0, shmq_seg_detach(seg));
}

Test(memory, test_memory_permission_of_the_node_eacces)
{
	struct shmq_seg *seg = NULL;

	SAME(0, setegid(65534));
	SAME(0, seteuid(65534));
	SAME(-EACCES, shmq_seg_attach(&seg, RAW_ADDRESS, 0));
	SAME(-EACCES, shmq_seg_attach(&seg, RAW_ADDRESS, SHM_RDONLY));
	SAME(0, seteuid(0));
}

struct inherited {
	struct shmq_seg *seg;
	int gate;
};

static void
child_writes(void *arg)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct inherited *inherited = arg;
	struct shmq_seg *seg = inherited->seg;

	/* Until fork() has returned in the parent, too, it has what it made for us. */
	gate_pass(inherited->gate);
	SAME(0, shmq_stat(RAW_ADDRESS, &st));
	SAME(2, st.nattch);
	strcpy(shmq_seg_base(seg), "child");
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_stat(RAW_ADDRESS, &st));
	SAME(1, st.nattch);
}

Test(memory, test_memory_fork_inherits_and_counts)
{
	struct inherited own = {attach(RAW_ADDRESS, 0), gate_new()};
	pid_t pid = process_start(child_writes, &own);

	gate_open(own.gate);
	process_join(pid);
	SAME(0, strcmp(shmq_seg_base(own.seg), "child"));
	SAME(0, shmq_seg_detach(own.seg));
}

Test(memory, test_memory_locked_is_what_it_always_is)
{
	struct shmq_seg *seg = attach(RAW_ADDRESS, SHMQ_LOCK | SHMQ_POPULATE);
	struct shmq *q = module_attach(SOURCE_ADDRESS, SHMQ_CONSUMER | SHMQ_LOCK);

	SAME(0, shmq_detach(q));
	SAME(0, shmq_seg_detach(seg));
}

Test(memory, test_memory_shrink_but_not_grow)
{
	struct shmq_seg *seg = attach(RAW_ADDRESS, 0);

	SAME(-EINVAL, shmq_seg_resize(seg, DEVICE_BYTES + 1));
	SAME(0, shmq_seg_resize(seg, 4096));
	SAME(4096, shmq_seg_size(seg));
	SAME(0, shmq_seg_detach(seg));
}

Test(memory, test_memory_lifecycle_is_the_drivers_enotsup)
{
	struct shmq_seg_opts seg_opts = {.size = sizeof(seg_opts), .segsz = 4096};
	struct shmq_perm perm = {.size = sizeof(perm), .mode = 0666};
	struct shmq *q = NULL;

	SAME(-ENOTSUP, shmq_seg_create(RAW_ADDRESS, &seg_opts));
	SAME(-ENOTSUP, shmq_create(RAW_ADDRESS, NULL));
	SAME(-ENOTSUP, shmq_set(RAW_ADDRESS, &perm));
	SAME(-ENOTSUP, shmq_lock(RAW_ADDRESS));
	SAME(-ENOTSUP, shmq_unlock(RAW_ADDRESS));
	SAME(-ENOTSUP, shmq_remove(RAW_ADDRESS));
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, RAW_ADDRESS, SHMQ_CONSUMER));
	SAME(-ENOENT, shmq_attach(&q, "dev:/dev/memdev9", SHMQ_CONSUMER));
}
