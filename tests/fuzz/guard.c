/* SPDX-License-Identifier: MIT */
/*
 * Every mapping that the library makes lies between two ranges without access, so that a byte
 * beyond an object is a fault and not a neighbour's. Linked into the targets, the linker's --wrap
 * puts these in place of the C library's; the library knows nothing of them, and nor does it
 * notice: what it asks for, it gets. One thread at a time.
 */
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define MAPPINGS 256
#define GUARD ((size_t)1 << 20)

void *__real_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);
void *__real_mremap(void *at, size_t bytes, size_t wanted, int flags, ...);
void *__wrap_mremap(void *at, size_t bytes, size_t wanted, int flags);
void *__real_shmat(int id, const void *at, int flags);
void *__wrap_shmat(int id, const void *at, int flags);
int __real_shmdt(const void *at);
int __wrap_shmdt(const void *at);

/* What lies between guards; bytes 0: a free entry. */
static struct mapping {
	unsigned char *at;
	size_t bytes;
} mappings[MAPPINGS];

static size_t
page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t
whole_pages(size_t bytes)
{
	return (bytes + page_size() - 1) & ~(page_size() - 1);
}

static struct mapping *
mapping_at(const void *at, size_t bytes)
{
	for (struct mapping *m = mappings; m < mappings + MAPPINGS; m++)
		if (m->bytes == bytes && (bytes == 0 || m->at == at))
			return m;
	return NULL;
}

/* Address space for a new mapping and its guards; NULL: it has to do without. */
static struct mapping *
reserve(size_t bytes)
{
	struct mapping *m = mapping_at(NULL, 0);
	unsigned char *all;

	if (!m || bytes == 0)
		return NULL;
	all = __real_mmap64(NULL, whole_pages(bytes) + 2 * GUARD, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	*m = (struct mapping){all + GUARD, whole_pages(bytes)};
	return m;
}

/* Guards and all. */
static int
release(struct mapping *m)
{
	struct mapping old = *m;

	m->bytes = 0;
	return __real_munmap(old.at - GUARD, old.bytes + 2 * GUARD);
}

void *
__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	struct mapping *m = at ? NULL : reserve(bytes);
	void *got;

	if (!m)
		return __real_mmap64(at, bytes, prot, flags, fd, offset);
	got = __real_mmap64(m->at, bytes, prot, flags | MAP_FIXED, fd, offset);
	if (got == MAP_FAILED)
		release(m);
	return got;
}

int
__wrap_munmap(void *at, size_t bytes)
{
	struct mapping *m = mapping_at(at, whole_pages(bytes));

	return m && bytes ? release(m) : __real_munmap(at, bytes);
}

void *
__wrap_mremap(void *at, size_t bytes, size_t wanted, int flags)
{
	struct mapping *old = mapping_at(at, whole_pages(bytes)), *m = NULL;
	void *got;

	if (old && flags == MREMAP_MAYMOVE)
		m = reserve(wanted);
	if (!m)
		return __real_mremap(at, bytes, wanted, flags);
	got = __real_mremap(at, bytes, wanted, flags | MREMAP_FIXED, m->at);
	release(got == MAP_FAILED ? m : old);
	return got;
}

void *
__wrap_shmat(int id, const void *at, int flags)
{
	struct shmid_ds ds;
	struct mapping *m = NULL;
	void *got;

	if (!at && shmctl(id, IPC_STAT, &ds) == 0)
		m = reserve(ds.shm_segsz);
	if (!m)
		return __real_shmat(id, at, flags);
	got = __real_shmat(id, m->at, flags | SHM_REMAP);
	if (got == (void *)-1)
		release(m);
	return got;
}

int
__wrap_shmdt(const void *at)
{
	int result = __real_shmdt(at);

	for (struct mapping *m = mappings; result == 0 && m < mappings + MAPPINGS; m++)
		if (m->bytes && m->at == at)
			return release(m);
	return result;
}
