/* SPDX-License-Identifier: MIT */
/*
 * Option and result structs: every field anything, `size` too, and no byte of memory behind that
 * size. What is refused is refused with what the documentation lists, shmq_footprint() and
 * shmq_create() agree, and what is made can be used.
 *
 * Input: operations, each one byte and its arguments, until the input ends.
 */
#include "format.h"
#include "fuzz_input.h"
#include "world.h"

#include <errno.h>
#include <shmq/shmq.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#define OPERATIONS_MAX 20
#define ADDRESS "shm:/fuzz"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Of a creation: options, then what the machine has not got. */
static const int create_errors[] = {EINVAL, ENOTSUP, ENOSPC, ENOMEM, EPERM, EEXIST, 0};
static const int attach_errors[] = {EINVAL, ENOTSUP, EBUSY, ENOENT, ENOMEM, EPERM, EACCES, 0};

/* Small, about a power of two, or any. */
static uint64_t
number(struct fuzz_input *in)
{
	unsigned how = fuzz_byte(in);

	if (how < 128)
		return how % 16;
	if (how < 192)
		return fuzz_word(in);
	return (UINT64_C(1) << how % 64) + fuzz_byte(in) - 128;
}

/* sizeof(struct ...), mostly. */
static size_t
struct_size(struct fuzz_input *in, size_t right)
{
	unsigned how = fuzz_byte(in);

	return how < 224 ? right : how < 240 ? how - 224 : (size_t)number(in);
}

/* A struct of which there is only as much as it says, and a multiple of 8 bytes at least. */
static void *
only(const void *all, size_t whole, size_t size)
{
	size_t room = size < sizeof(size_t) ? sizeof(size_t) : size > whole ? whole : size;
	void *copy = malloc(room);

	must(copy != NULL);
	memcpy(copy, all, room);
	return copy;
}

static struct shmq_opts *
queue_options(struct fuzz_input *in)
{
	static const size_t pages[] = {0, 4096, (size_t)2 << 20, (size_t)1 << 30};
	struct shmq_opts opts = {.size = struct_size(in, sizeof(opts)), .kind = (int)number(in)};
	unsigned page = fuzz_byte(in);

	opts.flags = (unsigned)fuzz_word(in);
	opts.msg_max = (size_t)number(in);
	opts.capacity = (size_t)number(in);
	opts.mode = (mode_t)number(in);
	opts.participants = (unsigned)number(in);
	opts.max_deliveries = (unsigned)number(in);
	opts.slow_limit = (size_t)number(in);
	opts.page_size = page < 200 ? 0 : page < 250 ? pages[page % 4] : (size_t)number(in);
	opts.numa_node = (int)fuzz_byte(in) % 8 ? 0 : (int)number(in);
	return only(&opts, sizeof(opts), opts.size);
}

/* Whoever made it can use it: a message of the longest goes through. */
static void
use(const char *address, const struct shmq_opts *opts)
{
	struct shmq *out = NULL, *in = NULL;
	unsigned char *message = calloc(1, opts->msg_max + 1);

	must(message && shmq_attach(&out, address, SHMQ_PRODUCER) == 0);
	/* With one participant there is room for one. */
	if (shmq_attach(&in, address, SHMQ_CONSUMER) == 0) {
		must(shmq_send(out, message, opts->msg_max, 0) == 0);
		must(shmq_recv(in, message, opts->msg_max, 0) == (ssize_t)opts->msg_max);
		must(shmq_detach(in) == 0);
	}
	must(shmq_detach(out) == 0);
	free(message);
}

static void
op_create(struct fuzz_input *in)
{
	struct shmq_opts *opts = queue_options(in);
	const char *where = fuzz_byte(in) & 1 && fuzz_world() ? ADDRESS : "memfd:fuzz";
	ssize_t footprint = shmq_footprint(opts);
	char address[32] = ADDRESS;
	int made = shmq_create(where, opts);

	must(footprint > 0 || footprint == -EINVAL || footprint == -ENOTSUP);
	if (footprint > 0)
		must(made >= 0 || fuzz_listed(made, create_errors));
	else
		must(made == -EINVAL || made == -ENOTSUP); /* the address may refuse it first */
	if (made > 0)
		snprintf(address, sizeof(address), "fd:%d", made);
	if (made >= 0) {
		use(address, opts);
		must(shmq_remove(address) == 0);
	}
	if (made > 0)
		close(made);
	free(opts);
}

static void
op_segment(struct fuzz_input *in)
{
	struct shmq_seg_opts opts = {.size = struct_size(in, sizeof(opts))}, *given;
	char address[32];
	struct shmq_seg *seg;
	int fd;

	opts.segsz = (size_t)number(in);
	opts.flags = (unsigned)fuzz_word(in);
	opts.mode = (mode_t)number(in);
	opts.page_size = fuzz_byte(in) < 200 ? 0 : (size_t)number(in);
	opts.numa_node = (int)fuzz_byte(in) % 8 ? 0 : (int)number(in);
	given = only(&opts, sizeof(opts), opts.size);
	fd = shmq_seg_create("memfd:fuzz", given);
	free(given);
	must(fd > 2 || fuzz_listed(fd, create_errors));
	if (fd < 0)
		return;
	snprintf(address, sizeof(address), "fd:%d", fd);
	must(shmq_seg_attach(&seg, address, 0) == 0 && shmq_seg_size(seg) == opts.segsz);
	((volatile unsigned char *)shmq_seg_base(seg))[opts.segsz - 1] = 1;
	must(shmq_seg_detach(seg) == 0);
	close(fd);
}

static int
small_queue(char address[32])
{
	const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 8, .capacity = 4};
	int fd = shmq_create("memfd:fuzz", &opts);

	must(fd > 2);
	snprintf(address, 32, "fd:%d", fd);
	return fd;
}

/* Any roles and attach flags, and options to compare with. */
static void
op_open(struct fuzz_input *in)
{
	struct shmq_opts *opts = fuzz_byte(in) & 1 ? queue_options(in) : NULL;
	unsigned role = fuzz_word(in);
	char address[32];
	int fd = small_queue(address), err;
	struct shmq *q = NULL;

	err = opts ? shmq_open(&q, address, opts, role) : shmq_attach(&q, address, role);
	must(err == 0 ? q != NULL : !q && fuzz_listed(err, attach_errors));
	must(err || shmq_detach(q) == 0);
	close(fd);
	free(opts);
}

/* Any flags of a raw attach, at an address that may be replaced. */
static void
op_attach_at(struct fuzz_input *in)
{
	unsigned flags = (unsigned)number(in) & ~(unsigned)SHM_EXEC, at = fuzz_byte(in);
	unsigned char *room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char address[32];
	int fd = small_queue(address), err;
	struct shmq_seg *seg = NULL;

	must(room != MAP_FAILED);
	err = shmq_seg_attach_at(&seg, address, at ? room + 65536 + at : NULL, flags);
	must(err == 0 ? seg != NULL : !seg && fuzz_listed(err, attach_errors));
	must(err || shmq_seg_detach(seg) == 0);
	munmap(room, 1 << 20);
	close(fd);
}

/* A result struct is filled when its size is right, and else not touched. */
static void
op_results(struct fuzz_input *in)
{
	struct shmq_stat st = {.size = struct_size(in, sizeof(st))}, *stat;
	struct shmq_memlock lock = {.size = struct_size(in, sizeof(lock))}, *memlock;
	bool right = st.size == sizeof(st);
	char address[32];
	int fd = small_queue(address), err;

	stat = only(&st, sizeof(st), st.size);
	must(shmq_stat(address, stat) == (right ? 0 : -EINVAL));
	must(right ? stat->msg_max == 8 : stat->size == st.size);
	memlock = only(&lock, sizeof(lock), lock.size);
	err = shmq_memlock((size_t)number(in), memlock);
	must(lock.size == sizeof(lock) ? err == 0 || err == -ENOMEM || err == -EPERM
				       : err == -EINVAL);
	free(memlock);
	free(stat);
	close(fd);
}

static void
op_info(struct fuzz_input *in)
{
	struct shmq_info info = {.size = struct_size(in, sizeof(info))}, *given;
	char address[32], byte;
	int fd = small_queue(address);
	struct shmq *q;

	must(shmq_attach(&q, address, SHMQ_PRODUCER | SHMQ_CONSUMER) == 0);
	must(shmq_send(q, "x", 1, 0) == 0 && shmq_recv(q, &byte, 1, 0) == 1);
	given = only(&info, sizeof(info), info.size);
	must(shmq_info(q, given) == (info.size == sizeof(info) ? 0 : -EINVAL));
	must(shmq_detach(q) == 0);
	free(given);
	close(fd);
}

static void
op_perm(struct fuzz_input *in)
{
	struct shmq_perm perm = {.size = struct_size(in, sizeof(perm))}, *given;
	char address[32];
	int fd = small_queue(address), err;

	perm.uid = (uid_t)number(in);
	perm.gid = (gid_t)number(in);
	perm.mode = (mode_t)number(in);
	given = only(&perm, sizeof(perm), perm.size);
	err = shmq_set(address, given);
	must(perm.size == sizeof(perm) ? err == 0 || err == -EPERM || err == -EINVAL
				       : err == -EINVAL);
	free(given);
	close(fd);
}

static void (*const operations[])(struct fuzz_input *in) = {
	op_create, op_create, op_create,  op_create, op_segment, op_segment,
	op_open,   op_open,   op_results, op_info,   op_perm,	 op_attach_at,
};

/* No file, and so no segment, is longer than this: the input would have gigabytes allocated. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int fd = fuzz_next_descriptor();

	limit_files(FUZZ_WORLD_BYTES);
	for (int i = 0; i < OPERATIONS_MAX && in.left; i++) {
		fuzz_deadline();
		operations[fuzz_byte(&in) % (sizeof(operations) / sizeof(operations[0]))](&in);
	}
	limit_files(RLIM_INFINITY);
	must(fuzz_next_descriptor() == fd);
	return 0;
}
