/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534
#define PATTERN 0x5a

/* Spots -------------------------------------------------------------------------------------- */

struct criterion_test_params
unit_spots(void)
{
	static enum spot spots[] = {SPOT_SHM, SPOT_SYSV, SPOT_FILE, SPOT_MEMFD, SPOT_SYSV_ID};

	return cr_make_param_array(enum spot, spots, SPOTS);
}

bool
spot_is_sysv(enum spot at)
{
	return at == SPOT_SYSV || at == SPOT_SYSV_ID;
}

struct place
spot_name(enum spot at, unsigned n)
{
	struct place p;

	if (at != SPOT_SYSV_ID)
		return place_name((enum place_backend)at, n);
	p = (struct place){.on = ON_SYSV, .fd = -1};
	snprintf(p.create, sizeof(p.create), "sysv:private");
	return p;
}

static struct place
by_id(int id)
{
	struct place p = spot_name(SPOT_SYSV_ID, 0);

	MUST(id >= 0);
	snprintf(p.attach, sizeof(p.attach), "sysv:id/%d", id);
	return p;
}

struct place
spot_segment(enum spot at, unsigned n, const struct shmq_seg_opts *opts)
{
	static const struct shmq_seg_opts small = {.size = sizeof(small), .segsz = 8192};

	if (at != SPOT_SYSV_ID)
		return place_segment((enum place_backend)at, n, opts);
	return by_id(shmq_seg_create("sysv:private", opts ? opts : &small));
}

struct place
spot_queue(enum spot at, unsigned n, const struct shmq_opts *opts)
{
	static const struct shmq_opts small = {.size = sizeof(small), .msg_max = 64, .capacity = 8};

	if (at != SPOT_SYSV_ID)
		return place_queue((enum place_backend)at, n, opts);
	return by_id(shmq_create("sysv:private", opts ? opts : &small));
}

struct place
spot_ring(enum spot at, size_t msg_max, size_t capacity)
{
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.msg_max = msg_max,
		.capacity = capacity,
	};

	return spot_queue(at, 0, &opts);
}

struct shmq_seg *
unit_attach(const struct place *place, unsigned flags)
{
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_attach(&seg, place->attach, flags));
	MUST(seg != NULL);
	return seg;
}

struct shmq *
unit_join(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, place->attach, role));
	MUST(q != NULL);
	return q;
}

void
unit_begin(void)
{
	struct place p;
	struct shmq_seg *seg;
	struct shmq_stat st = {.size = sizeof(st)};

	place_begin();
	p = spot_segment(SPOT_SHM, 15, NULL);
	seg = unit_attach(&p, 0);
	SAME(0, shmq_seg_find(shmq_seg_base(seg), &st));
	SAME(0, shmq_seg_detach(seg));
	place_remove(&p);
}

/* Objects ------------------------------------------------------------------------------------ */

void
object_path(char *out, size_t room, const struct place *place)
{
	if (place->on == ON_SHM)
		snprintf(out, room, "/dev/shm%s", place->attach + strlen("shm:"));
	else
		snprintf(out, room, "%s", place->attach + strlen("file:"));
}

int
object_shmid(const struct place *place)
{
	struct shmq_stat st = place_stat(place);

	return (int)st.id;
}

static int
object_open(const struct place *place)
{
	char path[256];
	int fd;

	if (place->on == ON_MEMFD)
		return dup(place->fd);
	object_path(path, sizeof(path), place);
	fd = open(path, O_RDWR | O_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

struct object
object_map(const struct place *place)
{
	struct object o = {.sysv = place->on == ON_SYSV};
	struct stat st;
	int fd;

	if (o.sysv) {
		o.length = place_stat(place).segsz;
		o.bytes = shmat(object_shmid(place), NULL, 0);
		MUST(o.bytes != (void *)-1);
		return o;
	}
	fd = object_open(place);
	SAME(0, fstat(fd, &st));
	o.length = (size_t)st.st_size;
	o.bytes = mmap(NULL, o.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(o.bytes != MAP_FAILED);
	close(fd);
	return o;
}

void
object_unmap(struct object *object)
{
	if (object->sysv)
		SAME(0, shmdt(object->bytes));
	else
		SAME(0, munmap(object->bytes, object->length));
	object->bytes = NULL;
}

/* Others ------------------------------------------------------------------------------------- */

void
unit_drop_privileges(uint64_t memlock)
{
	struct rlimit limit = {memlock, memlock};

	SAME(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	SAME(0, setgroups(0, NULL));
	SAME(0, setresgid(NOBODY, NOBODY, NOBODY));
	SAME(0, setresuid(NOBODY, NOBODY, NOBODY));
	SAME(0, prctl(PR_SET_DUMPABLE, 1)); /* or /proc/self would be root's */
}

struct nobody {
	void (*body)(void *arg);
	void *arg;
	uint64_t memlock;
};

static void
as_nobody(void *arg)
{
	struct nobody *nobody = arg;

	unit_drop_privileges(nobody->memlock);
	nobody->body(nobody->arg);
}

void
unit_as_nobody(void (*body)(void *arg), void *arg, uint64_t memlock)
{
	struct nobody nobody = {body, arg, memlock};

	if (geteuid() != 0)
		cr_skip_test("needs root, to become somebody else");
	process_join(process_start(as_nobody, &nobody));
}

int64_t
unit_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
unit_dirty(struct shmq_stat *st, size_t size)
{
	memset(st, PATTERN, sizeof(*st));
	st->size = size;
}

bool
unit_still_dirty(const struct shmq_stat *st, size_t size)
{
	struct shmq_stat dirty;

	unit_dirty(&dirty, size);
	return memcmp(st, &dirty, sizeof(dirty)) == 0;
}

void
unit_open_directory(char *out, size_t room)
{
	snprintf(out, room, "%s/open", place_directory());
	SAME(0, mkdir(out, 0777));
	SAME(0, chmod(out, 0777));
}
