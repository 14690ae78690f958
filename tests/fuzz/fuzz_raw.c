/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer, as in fuzz_segment.c, of raw segments: header and lifecycle words change under
 * attach, resize, find, stat and detach. What shmq says is the caller's memory can be touched
 * from its first byte to its last.
 *
 * Input: one byte picks what is created; then operations, each one byte and its arguments, until
 * the input ends.
 */
#include "format.h"
#include "fuzz_input.h"

#include <errno.h>
#include <shmq/shmq.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define ATTACHES 2
#define OPERATIONS_MAX 200
#define SHAPE_QUEUE 8

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct scene {
	struct fuzz_input in;
	int fd;
	char address[32];
	size_t bytes;	       /* of the object */
	unsigned char *shared; /* the hostile mapping */
	struct shmq_seg *segs[ATTACHES];
};

static unsigned
byte(struct scene *s)
{
	return fuzz_byte(&s->in);
}

static unsigned
word(struct scene *s)
{
	return fuzz_word(&s->in);
}

static struct shmq_seg **
some_seg(struct scene *s)
{
	return &s->segs[byte(s) % ATTACHES];
}

/* `err` is 0, or one of the errors of every call by address, or `more`. */
static void
check_documented(int err, int more)
{
	if (err == 0 || err == more)
		return;
	if (err == -EINVAL || err == -EIDRM || err == -EPROTONOSUPPORT || err == -EBADMSG ||
	    err == -ENOMEM)
		return;
	fprintf(stderr, "undocumented result %d\n", err);
	abort();
}

static void
op_write(struct scene *s)
{
	size_t at = (byte(s) % 3 * FORMAT_PAGE) + word(s) % 256;
	unsigned n = byte(s) % 32;

	for (unsigned i = 0; i < n; i++)
		s->shared[(at + i) % s->bytes] = (unsigned char)byte(s);
}

/* Another length in the lifecycle page, small or enormous. */
static void
op_segsz(struct scene *s)
{
	uint64_t segsz = word(s);

	format_lifecycle(s->shared)->segsz = segsz << byte(s) % 48;
}

static void
op_sign(struct scene *s)
{
	shmqi_format_publish((struct format_header *)(void *)s->shared);
}

static void
op_attach(struct scene *s)
{
	struct shmq_seg **seg = some_seg(s);

	if (!*seg)
		check_documented(shmq_seg_attach(seg, s->address, byte(s) & 1 ? SHM_RDONLY : 0), 0);
}

static void
op_detach(struct scene *s)
{
	struct shmq_seg **seg = some_seg(s);

	must(shmq_seg_detach(*seg) == (*seg ? 0 : -EINVAL));
	*seg = NULL;
}

/* All of it is there, and is found. */
static void
op_use(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = *some_seg(s);
	volatile unsigned char *base = shmq_seg_base(seg);
	size_t size = shmq_seg_size(seg);
	unsigned sum = 0;

	must((base != NULL) == (seg != NULL) && (size != 0) == (seg != NULL));
	for (size_t i = 0; i < size; i += i + FORMAT_PAGE < size ? FORMAT_PAGE : 1)
		sum += base[i];
	must(size <= s->bytes && sum <= 255 * size);
	if (!seg)
		return;
	must(shmq_seg_find((void *)(uintptr_t)(base + size - 1), &st) == 0 && st.base == base);
	check_documented(shmq_seg_stat(seg, &st), 0);
}

static void
op_resize(struct scene *s)
{
	struct shmq_seg *seg = *some_seg(s);
	size_t size = word(s), before = shmq_seg_size(seg);
	int err = shmq_seg_resize(seg, size);

	check_documented(err, -ENOTSUP);
	must(shmq_seg_size(seg) == (err ? before : size));
}

static void
op_stat(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	int err = shmq_stat(s->address, &st);

	check_documented(err, 0);
	must(err || st.nattch <= ATTACHES);
}

static void
op_lifecycle(struct scene *s)
{
	unsigned which = byte(s) % 8;

	if (which < 3)
		check_documented(shmq_lock(s->address), 0);
	else if (which < 6)
		check_documented(shmq_unlock(s->address), 0);
	else
		check_documented(shmq_remove(s->address), 0);
}

/* More than one entry: more often. */
static void (*const operations[])(struct scene *s) = {
	op_write,  op_segsz, op_sign, op_attach, op_attach, op_detach,
	op_detach, op_use,   op_use,  op_resize, op_stat,   op_lifecycle,
};

static void
begin(struct scene *s)
{
	static const size_t lengths[] = {1, 4096, 10000, 65536};
	unsigned shape = byte(s);
	struct shmq_seg_opts raw = {.size = sizeof(raw), .segsz = lengths[shape % 4]};
	struct shmq_opts queue = {
		.size = sizeof(queue), .msg_max = 8, .capacity = lengths[shape % 4]};
	struct stat st;

	s->fd = shape & SHAPE_QUEUE ? shmq_create("memfd:fuzz", &queue)
				    : shmq_seg_create("memfd:fuzz", &raw);
	must(s->fd >= 0 && fstat(s->fd, &st) == 0);
	s->bytes = (size_t)st.st_size;
	snprintf(s->address, sizeof(s->address), "fd:%d", s->fd);
	s->shared = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	must(s->shared != MAP_FAILED);
}

static void
end(struct scene *s)
{
	for (size_t i = 0; i < ATTACHES; i++)
		must(!s->segs[i] || shmq_seg_detach(s->segs[i]) == 0);
	munmap(s->shared, s->bytes);
	close(s->fd);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct scene s = {.in = {data, size}};
	int fd = fuzz_next_descriptor();

	begin(&s);
	for (int i = 0; i < OPERATIONS_MAX && s.in.left; i++) {
		fuzz_deadline();
		operations[byte(&s) % (sizeof(operations) / sizeof(operations[0]))](&s);
	}
	end(&s);
	must(fuzz_next_descriptor() == fd);
	return 0;
}
