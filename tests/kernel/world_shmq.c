/* SPDX-License-Identifier: MIT */
/* Our worlds: shmq over each of its backends, by the public API alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

static void
call_sysv(struct place *p)
{
	p->key = (key_t)(0x40000000u | (unsigned)scene_run() << 4 | (unsigned)p->slot);
	snprintf(p->name, sizeof(p->name), "sysv:0x%x", (unsigned)p->key);
}

static void
call_shm(struct place *p)
{
	snprintf(p->name, sizeof(p->name), "shm:/shmq-kernel-%d-%d", scene_run(), p->slot);
}

static void
call_file(struct place *p)
{
	snprintf(p->name, sizeof(p->name), "file:%s/segment-%d", scene_dir(), p->slot);
}

/* A memfd has no name: before it is created nothing can be found under its label, afterwards its descriptor is its id. */
static void
call_memfd(struct place *p)
{
	snprintf(p->name, sizeof(p->name), "memfd:kernel-%d", p->slot);
}

struct address {
	char text[340];
};

/* A shm: or file: segment has no id: then there is only its name. */
static struct address
address(const struct place *p, enum how how)
{
	struct address a;

	if (p->world->backend == SHMQ_BACKEND_MEMFD && p->id >= 0)
		snprintf(a.text, sizeof(a.text), "fd:%d", p->id);
	else if (p->world->backend == SHMQ_BACKEND_SYSV && p->id >= 0 && (how == BY_ID || !p->key))
		snprintf(a.text, sizeof(a.text), "sysv:id/%d", p->id);
	else
		snprintf(a.text, sizeof(a.text), "%s", p->name);
	return a;
}

/* Keep the id of what was just created, where there are ids. That of a SysV key is the kernel's to tell. */
static void
keep_id(struct place *p, int created)
{
	switch (p->world->backend) {
	case SHMQ_BACKEND_MEMFD:
		if (p->id >= 0)
			close(p->id);
		p->id = created;
		break;
	case SHMQ_BACKEND_SYSV:
		p->id = p->key ? shmget(p->key, 0, 0) : created;
		break;
	}
}

static int
create_at(struct place *p, const char *addr, const struct wish *wish)
{
	struct shmq_seg_opts opts = {
		.size = sizeof(opts),
		.segsz = wish->size,
		.flags = wish->flags,
		.mode = wish->mode,
		.page_size = wish->page_size,
	};
	int rc = shmq_seg_create(addr, &opts);

	if (rc < 0)
		return rc;
	p->size = wish->size;
	p->creator = getpid();
	keep_id(p, rc);
	return 0;
}

static int
create(struct place *p, const struct wish *wish)
{
	return create_at(p, p->name, wish);
}

/* The address without a name that a backend has, or what would be one. */
static int
create_private(struct place *p, const struct wish *wish)
{
	switch (p->world->backend) {
	case SHMQ_BACKEND_SYSV:
		p->key = 0;
		return create_at(p, "sysv:private", wish);
	case SHMQ_BACKEND_MEMFD:
		return create_at(p, p->name, wish);
	case SHMQ_BACKEND_FILE:
		return create_at(p, "file:", wish);
	default:
		return create_at(p, "shm:", wish);
	}
}

/* To ask an existing segment for so many bytes is to attach it and to resize the attach. */
static int
find(const struct place *p, size_t size)
{
	struct address a = address(p, BY_NAME);
	struct shmq_seg *seg;
	int rc = shmq_seg_attach(&seg, a.text, 0);

	if (rc < 0)
		return rc;
	if (size)
		rc = shmq_seg_resize(seg, size);
	shmq_seg_detach(seg);
	return rc;
}

static int
open_or_create(struct place *p, const struct wish *wish)
{
	int rc = create(p, wish);

	return rc == -EEXIST ? find(p, wish->size) : rc;
}

static int
attach_to(struct held *h, const struct place *p, const char *addr, void *at, unsigned flags)
{
	struct shmq_seg *seg;
	int rc = shmq_seg_attach_at(&seg, addr, at, flags);

	if (rc < 0)
		return rc;
	*h = (struct held){
		.place = p, .base = shmq_seg_base(seg), .size = shmq_seg_size(seg), .seg = seg};
	return 0;
}

static int
attach(struct held *h, const struct place *p, enum how how, void *at, unsigned flags)
{
	struct address a = address(p, how);

	return attach_to(h, p, a.text, at, flags);
}

/* What to open for a descriptor of one's own. */
static struct address
object(const struct place *p)
{
	struct address a;

	if (p->world->backend == SHMQ_BACKEND_MEMFD)
		snprintf(a.text, sizeof(a.text), "/proc/self/fd/%d", p->id);
	else
		snprintf(a.text, sizeof(a.text), "%s%s",
			 p->world->backend == SHMQ_BACKEND_SHM ? "/dev/shm" : "",
			 strchr(p->name, '/'));
	return a;
}

static int
reader(struct held *h, const struct place *p, unsigned flags)
{
	struct address a = object(p);
	int fd = open(a.text, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(a.text, sizeof(a.text), "fd:%d", fd);
	rc = attach_to(h, p, a.text, NULL, flags);
	close(fd);
	return rc;
}

static int
detach(struct held *h)
{
	return shmq_seg_detach(h->seg);
}

static void
copy_facts(struct facts *f, const struct shmq_stat *st)
{
	*f = (struct facts){
		.is_private = st->key == 0,
		.uid = st->uid,
		.gid = st->gid,
		.cuid = st->cuid,
		.cgid = st->cgid,
		.mode = st->mode,
		.id = st->id,
		.seq = st->seq,
		.segsz = st->segsz,
		.atime = st->atime,
		.dtime = st->dtime,
		.ctime = st->ctime,
		.cpid = st->cpid,
		.lpid = st->lpid,
		.nattch = st->nattch,
		.resident_pages = st->resident_bytes < 0 ? -1 : st->resident_bytes / (int64_t)PAGE,
		.locked = st->locked_bytes > 0,
	};
}

static int
stat_of(const struct place *p, enum how how, struct facts *f)
{
	struct address a = address(p, how);
	struct shmq_stat st = {.size = sizeof(st)};
	int rc = shmq_stat(a.text, f ? &st : NULL);

	if (rc == 0 && f)
		copy_facts(f, &st);
	return rc;
}

static int
stat_held(const struct held *h, struct facts *f)
{
	struct shmq_stat st = {.size = sizeof(st)};
	int rc = shmq_seg_stat(h->seg, &st);

	if (rc == 0)
		copy_facts(f, &st);
	return rc;
}

static int
set(const struct place *p, const struct shmq_perm *perm)
{
	struct address a = address(p, BY_ID);

	return shmq_set(a.text, perm);
}

static int
take_away(const struct place *p, enum how how)
{
	struct address a = address(p, how);

	return shmq_remove(a.text);
}

static int
lock(const struct place *p)
{
	struct address a = address(p, BY_ID);

	return shmq_lock(a.text);
}

static int
unlock(const struct place *p)
{
	struct address a = address(p, BY_ID);

	return shmq_unlock(a.text);
}

static int
resize(struct held *h, size_t size)
{
	int rc = shmq_seg_resize(h->seg, size);

	h->base = shmq_seg_base(h->seg);
	h->size = shmq_seg_size(h->seg);
	return rc;
}

static int
sync_held(struct held *h)
{
	return shmq_seg_sync(h->seg);
}

/* A descriptor that was attached may be listed as what it is, or as what it was reached by. */
static bool
same_backend(int backend, const struct shmq_stat *st)
{
	return st->backend == backend ||
	       (backend == SHMQ_BACKEND_MEMFD && st->backend == SHMQ_BACKEND_FD);
}

struct search {
	const struct place *place;
	int count;
};

static int
count_place(const struct shmq_stat *st, void *arg)
{
	struct search *search = arg;
	const struct place *p = search->place;

	if (same_backend(p->world->backend, st) && st->segsz == p->size && st->cpid == p->creator)
		search->count++;
	return 0;
}

static int
met(const struct place *p)
{
	struct search search = {.place = p};
	int rc = shmq_list(count_place, &search);

	return rc < 0 ? rc : search.count;
}

static int64_t
allocated(const struct place *p)
{
	struct address a;
	struct stat st;

	if (p->world->backend == SHMQ_BACKEND_SYSV)
		return sysv_pages(p->id);
	a = object(p);
	return stat(a.text, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512 / (int64_t)PAGE;
}

struct sum {
	int backend;
	struct totals *totals;
};

static int
add_totals(const struct shmq_stat *st, void *arg)
{
	struct sum *sum = arg;

	if (!same_backend(sum->backend, st))
		return 0;
	sum->totals->segments++;
	sum->totals->pages += (int64_t)((st->segsz + PAGE - 1) / PAGE);
	sum->totals->resident += st->resident_bytes / (int64_t)PAGE;
	return 0;
}

static int
totals_of(int backend, struct totals *t)
{
	struct sum sum = {.backend = backend, .totals = t};

	memset(t, 0, sizeof(*t));
	return shmq_list(add_totals, &sum);
}

static int
totals_sysv(struct totals *t)
{
	return totals_of(SHMQ_BACKEND_SYSV, t);
}

static int
totals_shm(struct totals *t)
{
	return totals_of(SHMQ_BACKEND_SHM, t);
}

static int
totals_file(struct totals *t)
{
	return totals_of(SHMQ_BACKEND_FILE, t);
}

static int
totals_memfd(struct totals *t)
{
	return totals_of(SHMQ_BACKEND_MEMFD, t);
}

static int
memlock(size_t bytes, uint64_t *needed, uint64_t *limit)
{
	struct shmq_memlock figures = {.size = sizeof(figures)};
	int rc = shmq_memlock(bytes, &figures);

	*needed = figures.needed_bytes;
	*limit = figures.limit_bytes;
	return rc;
}

/* Each backend's nearest to a negative id. */
static const char *
bad_id(int backend)
{
	switch (backend) {
	case SHMQ_BACKEND_SYSV:
		return "sysv:id/-1";
	case SHMQ_BACKEND_MEMFD:
		return "fd:-1";
	case SHMQ_BACKEND_FILE:
		return "file:";
	default:
		return "shm:";
	}
}

static int
refuse(const struct place *p, enum bad what)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct place new = {.world = p->world, .slot = PLACES - 2, .id = -1};
	struct held h;

	p->world->call(&new);
	switch (what) {
	case BAD_COMMAND:
		return attach(&h, p, BY_ID, NULL, 0x00010000u);
	case BAD_ID:
		return shmq_stat(bad_id(p->world->backend), &st);
	case BAD_LENGTH:
		return create(&new, &(struct wish){.size = 0});
	case BAD_ALIGNMENT:
		return attach(&h, p, BY_ID, (void *)(PAGE * 64 + 1), 0);
	case BAD_WRAP:
		return create(&new, &(struct wish){.size = SIZE_MAX});
	}
	return 0;
}

/* What all our worlds have in common. */
#define SHMQ_WORLD                                                                                \
	.create = create, .create_private = create_private, .open = open_or_create, .find = find, \
	.attach = attach, .detach = detach, .detach_at = shmq_seg_detach_at, .stat = stat_of,     \
	.stat_held = stat_held, .set = set, .remove = take_away, .lock = lock, .unlock = unlock,  \
	.resize = resize, .sync = sync_held, .met = met, .allocated = allocated,                  \
	.memlock = memlock, .refuse = refuse

const struct world shmq_sysv = {
	.name = "sysv",
	.backend = SHMQ_BACKEND_SYSV,
	.call = call_sysv,
	.totals = totals_sysv,
	SHMQ_WORLD,
};

const struct world shmq_shm = {
	.name = "shm",
	.bit = ON_SHM,
	.backend = SHMQ_BACKEND_SHM,
	.call = call_shm,
	.reader = reader,
	.totals = totals_shm,
	SHMQ_WORLD,
};

const struct world shmq_file = {
	.name = "file",
	.bit = ON_FILE,
	.backend = SHMQ_BACKEND_FILE,
	.call = call_file,
	.reader = reader,
	.totals = totals_file,
	SHMQ_WORLD,
};

const struct world shmq_memfd = {
	.name = "memfd",
	.bit = ON_MEMFD,
	.backend = SHMQ_BACKEND_MEMFD,
	.call = call_memfd,
	.reader = reader,
	.totals = totals_memfd,
	SHMQ_WORLD,
};
