/* SPDX-License-Identifier: MIT */
/* What the kernel says about a range of addresses of this process. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "world.h"

/* One mapping, as smaps tells it. */
struct area {
	uintptr_t start, end;
	char perms[5];
	char name[256];
	bool locked;
	size_t dirty;
};

static bool
is_header(const char *line, struct area *a)
{
	return sscanf(line, "%lx-%lx %4s %*s %*s %*s %255[^\n]", &a->start, &a->end, a->perms,
		      a->name) >= 3;
}

/* Read one mapping with all its lines; false at the end. `line` holds its header, and then the next one's. */
static bool
next_area(FILE *smaps, char *line, size_t room, struct area *a)
{
	struct area next;
	size_t kib;

	memset(a, 0, sizeof(*a));
	if (!is_header(line, a))
		return false;
	while (fgets(line, (int)room, smaps)) {
		if (is_header(line, &next))
			return true;
		if (sscanf(line, "Shared_Dirty: %zu", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %zu", &kib) == 1)
			a->dirty += kib * 1024 / PAGE;
		if (strncmp(line, "VmFlags:", 8) == 0)
			a->locked = strstr(line, " lo") != NULL;
	}
	line[0] = '\0';
	return true;
}

/* Call `each` for every mapping of this process. */
static void
walk(void (*each)(const struct area *a, void *arg), void *arg)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	struct area a;
	char line[4200];

	if (!smaps) {
		perror("/proc/self/smaps");
		abort();
	}
	if (!fgets(line, sizeof(line), smaps))
		line[0] = '\0';
	while (next_area(smaps, line, sizeof(line), &a))
		each(&a, arg);
	fclose(smaps);
}

/* A question about a range of addresses, and its answer. */
struct range {
	uintptr_t start, end;
	size_t pages;
	char perms[5];
	bool ends;
};

static size_t
overlap(const struct area *a, const struct range *r)
{
	uintptr_t start = a->start > r->start ? a->start : r->start;
	uintptr_t end = a->end < r->end ? a->end : r->end;

	return start < end ? (end - start) / PAGE : 0;
}

static void
add_mapped(const struct area *a, void *arg)
{
	struct range *r = arg;

	r->pages += overlap(a, r);
	if (overlap(a, r))
		memcpy(r->perms, a->perms, sizeof(r->perms));
	if (a->end == r->start)
		r->ends = true;
}

static void
add_locked(const struct area *a, void *arg)
{
	struct range *r = arg;

	if (a->locked)
		r->pages += overlap(a, r);
}

static void
add_dirty(const struct area *a, void *arg)
{
	struct range *r = arg;

	if (overlap(a, r))
		r->pages += a->dirty;
}

static struct range
ask(const void *base, size_t len, void (*each)(const struct area *a, void *arg))
{
	struct range r = {.start = (uintptr_t)base,
			  .end = ((uintptr_t)base + len + PAGE - 1) / PAGE * PAGE,
			  .perms = "none"};

	walk(each, &r);
	return r;
}

size_t
mapped_pages(const void *base, size_t len)
{
	return ask(base, len, add_mapped).pages;
}

size_t
locked_pages(const void *base, size_t len)
{
	return ask(base, len, add_locked).pages;
}

size_t
dirty_pages(const void *base, size_t len)
{
	return ask(base, len, add_dirty).pages;
}

const char *
protection(const void *at)
{
	static char perms[5];

	memcpy(perms, ask(at, PAGE, add_mapped).perms, sizeof(perms));
	return perms;
}

bool
mapping_ends(const void *at)
{
	return ask(at, 0, add_mapped).ends;
}

size_t
resident_pages(const void *base, size_t len)
{
	size_t pages = (len + PAGE - 1) / PAGE, count = 0;
	unsigned char *vec = calloc(pages, 1);

	if (!vec || mincore((void *)(uintptr_t)base, len, vec) < 0) {
		perror("mincore");
		abort();
	}
	for (size_t i = 0; i < pages; i++)
		count += vec[i] & 1;
	free(vec);
	return count;
}

void *
reserve(struct scene *s, size_t pages)
{
	void *at = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(s, at == MAP_FAILED ? -errno : 0, "reserve addresses");
	return at;
}

static void
add_shared(const struct area *a, void *arg)
{
	unsigned *count = arg;

	if (strstr(a->name, "/dev/shm/") || strstr(a->name, "SYSV") || strstr(a->name, "memfd:") ||
	    strstr(a->name, scene_dir()))
		++*count;
}

unsigned
leftovers(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(fds))
		count++;
	closedir(fds);
	walk(add_shared, &count);
	return count;
}

static int
negated(long rc)
{
	return rc < 0 ? -errno : 0;
}

int
lock_pages(const void *at, size_t len)
{
	return negated(syscall(SYS_mlock, at, len));
}

int
unlock_pages(const void *at, size_t len)
{
	return negated(syscall(SYS_munlock, at, len));
}

int
lock_all(int flags)
{
	return negated(mlockall(flags));
}

int
unlock_all(void)
{
	return negated(munlockall());
}
