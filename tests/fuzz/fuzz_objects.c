/* SPDX-License-Identifier: MIT */
/*
 * Objects that anybody may have made, and what may lie beside them in /dev/shm: whoever looks
 * (stat, list, gc, participants, a tap), attaches, opens or changes them gets an error or a right
 * answer. gc never takes a complete segment away that is not marked.
 *
 * Input: one byte picks where, one how the object begins, two its length or shape; then
 * operations, each one byte and its arguments, until the input ends.
 */
#include "format.h"
#include "fuzz_input.h"
#include "world.h"

#include <errno.h>
#include <shmq/shmq.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>

#define OPERATIONS_MAX 60
#define MSG_ROOM 4096
#define NAMED "shm:/fuzz"
#define PATH "/dev/shm/fuzz"
#define FILED "file:/dev/shm/fuzz"
#define KEY 0x46555a5a
#define KEYED "sysv:0x46555a5a"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum place { ON_MEMFD, ON_SHM, ON_FILE, ON_SYSV, PLACES };

struct scene {
	struct fuzz_input in;
	enum place on;
	char address[32];
	int fd, shmid;
	unsigned char *shared; /* the hostile mapping */
	size_t bytes;
};

static const int errors[] = {EINVAL, ENOTSUP, ENOSPC,	       ENOMEM,	EPERM,
			     EEXIST, ENOENT,  EBUSY,	       EAGAIN,	EXDEV,
			     EACCES, EIDRM,   EPROTONOSUPPORT, EBADMSG, 0};

static unsigned
byte(struct scene *s)
{
	return fuzz_byte(&s->in);
}

/* 0, or an error that is documented. */
static bool
worked(int err)
{
	if (err != 0 && !fuzz_listed(err, errors)) {
		fprintf(stderr, "undocumented result %d\n", err);
		abort();
	}
	return err == 0;
}

/* The object ---------------------------------------------------------------------------------- */

/* A queue of any kind that the library made. */
static int
make_queue(struct scene *s, const char *address)
{
	static const unsigned flags[] = {0, 0, SHMQ_RECORDS, SHMQ_LOSSY, SHMQ_REDELIVER};
	unsigned shape = fuzz_word(&s->in);
	struct shmq_opts opts = {
		.size = sizeof(opts),
		.kind = (int)(shape % 5),
		.flags = flags[shape / 5 % 5],
		.msg_max = shape / 25 % 3 * 50,
		.capacity = 2 + shape / 75 % 50,
		.participants = 1 + shape / 3750 % 5,
	};

	if (opts.flags & SHMQ_RECORDS)
		opts.capacity *= format_record_cost(opts.msg_max);
	return shmq_create(address, &opts);
}

static int
make_segment(struct scene *s, const char *address)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 1 + fuzz_word(&s->in)};

	return shmq_seg_create(address, &opts);
}

/* Memory that nobody has made anything of. */
static int
make_plain(struct scene *s)
{
	off_t bytes = (off_t)fuzz_word(&s->in) * 64;
	int fd;

	if (s->on == ON_SYSV)
		return shmget(KEY, (size_t)bytes + 1, IPC_CREAT | 0600) >= 0 ? 0 : -errno;
	fd = s->on == ON_MEMFD ? memfd_create("fuzz", MFD_CLOEXEC)
			       : open(PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && ftruncate(fd, bytes) == 0);
	if (s->on == ON_MEMFD)
		return fd;
	close(fd);
	return 0;
}

static void
map_shared(struct scene *s)
{
	struct shmid_ds ds;
	struct stat st;

	if (s->on == ON_SYSV) {
		s->shmid = shmget(KEY, 0, 0);
		must(s->shmid >= 0 && shmctl(s->shmid, IPC_STAT, &ds) == 0);
		s->bytes = ds.shm_segsz;
		s->shared = shmat(s->shmid, NULL, 0);
		return;
	}
	if (s->on != ON_MEMFD)
		s->fd = open(PATH, O_RDWR | O_CLOEXEC);
	must(s->fd >= 0 && fstat(s->fd, &st) == 0);
	s->bytes = (size_t)st.st_size;
	s->shared = mmap(NULL, s->bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	must(s->shared != MAP_FAILED);
}

/* Whether there is an object now: some shapes are refused. */
static bool
begin(struct scene *s)
{
	static const char *const addresses[PLACES] = {"memfd:fuzz", NAMED, FILED, KEYED};
	unsigned how;
	int made;

	s->on = fuzz_world() ? byte(s) % PLACES : ON_MEMFD;
	how = byte(s) % 8;
	made = how < 1	 ? make_plain(s)
	       : how < 3 ? make_segment(s, addresses[s->on])
			 : make_queue(s, addresses[s->on]);
	if (made < 0)
		return worked(made);
	snprintf(s->address, sizeof(s->address), "%s", addresses[s->on]);
	if (s->on == ON_MEMFD) {
		s->fd = made;
		snprintf(s->address, sizeof(s->address), "fd:%d", made);
	}
	map_shared(s);
	return true;
}

static void
end(struct scene *s)
{
	if (s->on == ON_SYSV)
		(void)shmdt(s->shared); /* unless gc has taken it away */
	else
		munmap(s->shared, s->bytes + 1);
	if (s->fd >= 0)
		close(s->fd);
}

/* What anybody may do ------------------------------------------------------------------------- */

static void
op_write(struct scene *s)
{
	size_t at = byte(s) % 4 * FORMAT_PAGE + fuzz_word(&s->in) % FORMAT_PAGE;

	for (unsigned n = byte(s) % 32; n && s->bytes; n--)
		s->shared[at++ % s->bytes] = (unsigned char)byte(s);
}

static void
op_sign(struct scene *s)
{
	if (s->bytes >= sizeof(struct format_header))
		shmqi_format_publish((struct format_header *)(void *)s->shared);
}

/* A number in the header, and the right checksum to it. */
static void
op_header(struct scene *s)
{
	struct format_header *header = (void *)s->shared;
	size_t at = byte(s) % offsetof(struct format_header, checksum) / 4 * 4;
	uint32_t value = byte(s);

	if (s->bytes < sizeof(*header))
		return;
	value = value << byte(s) % 32;
	memcpy(s->shared + at, &value, sizeof(value));
	op_sign(s);
}

/* An entry of somebody: killed, or never there. */
static void
op_entry(struct scene *s)
{
	struct format_participant *entry = &format_participants(s->shared)[byte(s) % 5];

	if ((unsigned char *)(entry + 1) > s->shared + s->bytes)
		return;
	entry->state = (uint64_t)byte(s) << 16 | (byte(s) & 15);
	entry->pid = (uint32_t)byte(s);
	entry->bell = byte(s);
}

/* What shmq itself leaves beside its objects is named so. */
static void
name_beside(struct scene *s, char path[128])
{
	const struct format_header *header = (const void *)s->shared;
	uint8_t uuid[16] = {0};
	unsigned how = byte(s), nonce = byte(s), id = (unsigned)s->shmid;
	char hex[33];

	if (s->bytes >= sizeof(*header))
		memcpy(uuid, header->uuid, sizeof(uuid));
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", uuid[i]);
	if (how % 4 == 0)
		snprintf(path, 128, "/dev/shm/.shmq-new-%016x", nonce);
	else if (how % 4 == 1)
		snprintf(path, 128, "/dev/shm/.shmq-%u-%s", id + (nonce & 1), hex);
	else if (how % 4 == 2)
		snprintf(path, 128, "/dev/shm/.shmq-bell-%016x-%s", nonce, hex);
	else
		snprintf(path, 128, "/dev/shm/.shmq-bell-new-%016x", nonce);
	path[strlen(path) - how / 4 % 4] = 0;
}

/* A side file that is right, but for what the input changes of it. */
static void
write_side(struct scene *s, const char *path)
{
	struct {
		uint64_t magic, bytes;
		int64_t time_s;
		int32_t key, pid;
		uint64_t ipc_namespace;
	} record = {UINT64_C(0x65646973716d6873), s->bytes, 0, KEY, getpid(), 0};
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat st;
	unsigned at = byte(s);

	if (fd < 0)
		return;
	must(stat("/proc/self/ns/ipc", &st) == 0);
	record.ipc_namespace = st.st_ino;
	record.time_s = time(NULL);
	((unsigned char *)&record)[at % sizeof(record)] ^= (unsigned char)byte(s);
	must(write(fd, &record, sizeof(record) - at / 64) >= 0);
	close(fd);
}

/* A file of any type, in the place of one of shmq's, or of the object. */
static void
op_beside(struct scene *s)
{
	char path[128] = PATH;
	unsigned how = byte(s);

	if (!fuzz_world())
		return;
	if (how & 8)
		(void)unlink(path);
	else
		name_beside(s, path);
	if (how % 4 < 2)
		write_side(s, path);
	else
		(void)(how & 1 ? mkfifo(path, 0600) : symlink(how & 16 ? PATH : path, path));
}

/* Looking ------------------------------------------------------------------------------------- */

static int
check_stat(const struct shmq_stat *st, void *arg)
{
	(void)arg;
	must(memchr(st->address, 0, sizeof(st->address)) && st->size == sizeof(*st));
	must(st->kind >= SHMQ_SEGMENT && st->kind <= SHMQ_LATEST);
	must(st->kind != SHMQ_SEGMENT || st->capacity == 0);
	must(st->producers <= SHMQ_PARTICIPANTS_MAX);
	return 0;
}

static void
op_stat(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};

	if (worked(shmq_stat(s->address, &st)))
		check_stat(&st, NULL);
}

static void
op_list(struct scene *s)
{
	(void)s;
	must(!fuzz_world() || shmq_list(check_stat, NULL) == 0);
}

static int
check_row(const struct shmq_participant *row, void *arg)
{
	(void)arg;
	must(row->index < SHMQ_PARTICIPANTS_MAX && row->size == sizeof(*row));
	return 0;
}

static void
op_participants(struct scene *s)
{
	worked(shmq_participants(s->address, check_row, NULL));
}

/* A complete segment, not marked, whose name is there: whether gc must leave it alone. */
static bool
precious(const struct scene *s)
{
	struct format_header copy;
	struct shmqi_geometry g;
	struct stat st, named;

	if (s->bytes < 2 * FORMAT_PAGE ||
	    shmqi_format_check((const void *)s->shared, s->bytes, &copy, &g) != 0)
		return false;
	if (s->on == ON_SYSV)
		return shmget(KEY, 0, 0) == s->shmid;
	return s->on != ON_MEMFD && !format_lifecycle(s->shared)->removed &&
	       lstat(PATH, &named) == 0 && fstat(s->fd, &st) == 0 && st.st_ino == named.st_ino;
}

/* A SysV segment that nobody has attached is more likely to be taken for left behind. */
static void
op_gc(struct scene *s)
{
	bool before = precious(s);

	if (!fuzz_world())
		return;
	if (s->on == ON_SYSV)
		must(shmdt(s->shared) == 0);
	must(shmq_gc(byte(s) & 1, NULL, NULL) >= 0);
	if (s->on == ON_SYSV && (s->shared = shmat(s->shmid, NULL, 0)) == (void *)-1) {
		s->in.left = 0;
		must(!before);
	}
	must(!before || precious(s));
}

/* Using --------------------------------------------------------------------------------------- */

/* Every call once, and none that hangs or reaches beyond the message. */
static void
use(struct shmq *q)
{
	static const int transfer[] = {EAGAIN,	ETIMEDOUT, EIDRM,  EPIPE,    EBUSY,
				       EBADMSG, EINVAL,	   ESTALE, EMSGSIZE, 0};
	unsigned char *message = calloc(1, MSG_ROOM);
	struct shmq_stat st = {.size = sizeof(st)};
	struct iovec v;
	ssize_t got;

	must(message != NULL);
	got = shmq_send(q, message, 1, 0);
	must(got == 0 || fuzz_listed(got, transfer));
	for (int i = 0; i < 3; i++) {
		got = shmq_recv(q, message, MSG_ROOM, 0);
		must(got <= MSG_ROOM && (got >= 0 || fuzz_listed(got, transfer)));
	}
	if (shmq_peek(q, &v, 0) == 0) {
		memcpy(message, v.iov_base, v.iov_len < MSG_ROOM ? v.iov_len : MSG_ROOM);
		must(shmq_release(q, &v) == 0);
	}
	must(shmq_fd(q) >= 0 && shmq_qstat(q, &st) == 0);
	check_stat(&st, NULL);
	must(shmq_detach(q) == 0);
	free(message);
}

static void
op_attach(struct scene *s)
{
	unsigned flags = SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_OLDEST | SHMQ_HANGUP;
	struct shmq *q;

	if (worked(shmq_attach(&q, s->address, byte(s) & (flags | SHMQ_POPULATE))))
		use(q);
}

static void
op_tap(struct scene *s)
{
	struct shmq *q;

	if (worked(shmq_attach(&q, s->address, SHMQ_OBSERVER | (byte(s) & SHMQ_OLDEST))))
		use(q);
}

static void
op_open(struct scene *s)
{
	struct shmq_opts opts = {.size = sizeof(opts), .kind = (int)(byte(s) % 5), .msg_max = 50};
	struct shmq *q;

	opts.capacity = byte(s) % 64;
	if (worked(shmq_open(&q, s->address, &opts, byte(s) & (SHMQ_PRODUCER | SHMQ_CONSUMER))))
		use(q);
}

/* All memory that is handed out is there, first byte to last. */
static void
op_segment(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg;
	unsigned char *base;
	size_t size;

	if (!worked(shmq_seg_attach(&seg, s->address, byte(s) & 1 ? SHM_RDONLY : 0)))
		return;
	base = shmq_seg_base(seg);
	size = shmq_seg_size(seg);
	must(size > 0);
	/* All of it is there. It may be another by now: removed, and created anew by shmq_open(). */
	for (volatile unsigned char *at = base; at < base + size; at += 64)
		(void)*at;
	must(shmq_seg_find(base + size - 1, &st) == 0 && shmq_seg_stat(seg, &st) == 0);
	check_stat(&st, NULL);
	must(shmq_seg_detach(seg) == 0);
}

static void
op_change(struct scene *s)
{
	const struct shmq_perm perm = {sizeof(perm), (uid_t)-1, (gid_t)-1, 0600};
	unsigned which = byte(s) % 4;

	if (which == 0)
		worked(shmq_set(s->address, &perm));
	else if (which == 1)
		worked(shmq_lock(s->address));
	else if (which == 2)
		worked(shmq_unlock(s->address));
	else
		worked(shmq_remove(s->address));
}

/* More than one entry: more often. */
static void (*const operations[])(struct scene *s) = {
	op_write,  op_write,  op_sign,	  op_header, op_header,	      op_entry,
	op_beside, op_beside, op_stat,	  op_list,   op_gc,	      op_tap,
	op_attach, op_open,   op_segment, op_change, op_participants,
};

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct scene s = {.in = {data, size}, .fd = -1, .shmid = -1};
	int fd = fuzz_next_descriptor();

	fuzz_deadline();
	if (begin(&s)) {
		for (int i = 0; i < OPERATIONS_MAX && s.in.left; i++) {
			fuzz_deadline();
			operations[byte(&s) % (sizeof(operations) / sizeof(operations[0]))](&s);
		}
		end(&s);
	}
	if (fuzz_world())
		fuzz_world_clear();
	must(fuzz_next_descriptor() == fd);
	return 0;
}
