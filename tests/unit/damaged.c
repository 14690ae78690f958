/* SPDX-License-Identifier: MIT */
/* Segments and queues of ours that are damaged, truncated or of another version: refused, untouched, without a signal. */
#include "unit.h"

#include <fcntl.h>
#include <glob.h>
#include <shmq/inline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "format.h"

TestSuite(damaged, .init = unit_begin, .fini = place_end);

/* Header bytes that say: another program's, or another version's. The rest is covered by the checksum. */
#define FOREIGN_BYTES offsetof(struct format_header, kind)

struct image {
	unsigned char *bytes;
	size_t length;
};

static struct image
image_take(const struct object *o)
{
	struct image image = {malloc(o->length), o->length};

	MUST(image.bytes != NULL);
	memcpy(image.bytes, o->bytes, o->length);
	return image;
}

static void
image_check(const struct image *image, const struct object *o)
{
	SAME(image->length, o->length);
	MUST(memcmp(image->bytes, o->bytes, o->length) == 0);
}

/* Nobody can attach, all say `want`. A sysv: segment is raw memory to all but those who attach it as a queue. */
static void
refused(const struct place *p, const struct object *o, int want)
{
	struct image image = image_take(o);
	struct shmq_perm perm = {.size = sizeof(perm), .uid = 1, .gid = (gid_t)-1, .mode = 0};
	struct shmq_stat st = {.size = sizeof(st)};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(want, shmq_attach(&q, p->attach, SHMQ_PRODUCER | SHMQ_CONSUMER));
	SAME(want, shmq_attach(&q, p->attach, SHMQ_OBSERVER));
	if (!o->sysv) {
		SAME(want, shmq_seg_attach(&seg, p->attach, 0));
		SAME(want, shmq_seg_attach(&seg, p->attach, SHM_RDONLY));
		SAME(want, shmq_stat(p->attach, &st));
		SAME(want, shmq_set(p->attach, &perm));
		SAME(want, shmq_lock(p->attach));
		SAME(want, shmq_unlock(p->attach));
	} else {
		SAME(0, shmq_stat(p->attach, &st));
		SAME(SHMQ_SEGMENT, st.kind);
	}
	MUST(!seg && !q);
	leak_none_since(before);
	image_check(&image, o);
	free(image.bytes);
}

/* Flip each byte of the header, one at a time. */
static void
flip_each_byte(const struct place *p, unsigned char mask)
{
	struct object o = object_map(p);

	for (size_t i = 0; i < sizeof(struct format_header); i++) {
		o.bytes[i] ^= mask;
		refused(p, &o, i < FOREIGN_BYTES ? -EPROTONOSUPPORT : -EBADMSG);
		o.bytes[i] ^= mask;
	}
	object_unmap(&o);
}

TEST_EACH_SPOT(damaged, test_queue_header_byte_flipped_refused)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct shmq *q;

	flip_each_byte(&p, 0xff);
	flip_each_byte(&p, 0x01);
	flip_each_byte(&p, 0x80);
	q = unit_join(&p, SHMQ_PRODUCER);
	SAME(0, shmq_detach(q));
	place_remove(&p);
}

TEST_EACH_SPOT(damaged, test_segment_header_byte_flipped_refused)
{
	struct place p;

	if (spot_is_sysv(*at))
		return; /* raw sysv: memory has no header */
	p = spot_segment(*at, 0, NULL);
	flip_each_byte(&p, 0xff);
	flip_each_byte(&p, 0x01);
	SAME(0, shmq_seg_detach(unit_attach(&p, 0)));
	place_remove(&p);
}

/* Write `header` as its creator would have, checksum and all. */
static void
put_header(struct object *o, struct format_header header)
{
	shmqi_format_publish(&header);
	memcpy(o->bytes, &header, sizeof(header));
}

struct lie {
	size_t offset, size;
	uint64_t value;
	int want;
};

#define LIE(field, value, want)                                                                    \
	{                                                                                          \
		offsetof(struct format_header, field), sizeof(((struct format_header *)0)->field), \
			value, want                                                                \
	}

static const struct lie lies[] = {
	LIE(version, 0, -EPROTONOSUPPORT),
	LIE(version, FORMAT_VERSION + 1, -EPROTONOSUPPORT),
	LIE(version, UINT32_MAX, -EPROTONOSUPPORT),
	LIE(endian, 0x04030201, -EPROTONOSUPPORT),
	LIE(features, 1, -EPROTONOSUPPORT),
	LIE(features, UINT32_MAX, -EPROTONOSUPPORT),
	LIE(kind, SHMQ_MPSC, -EBADMSG),
	LIE(kind, SHMQ_LATEST + 1, -EBADMSG),
	LIE(kind, (uint32_t)-2, -EBADMSG),
	LIE(segsz, 0, -EBADMSG),
	LIE(segsz, UINT64_MAX, -EBADMSG),
	LIE(total_bytes, 0, -EBADMSG),
	LIE(total_bytes, 4096, -EBADMSG),
	LIE(total_bytes, UINT64_MAX, -EBADMSG),
	LIE(page_size, 0, -EBADMSG),
	LIE(page_size, 1, -EBADMSG),
	LIE(page_size, 4097, -EBADMSG),
	LIE(page_size, 2 << 20, -EBADMSG),
	LIE(page_size, UINT64_MAX, -EBADMSG),
	LIE(page_size, UINT64_C(1) << 63, -EBADMSG),
	LIE(data_offset, 0, -EBADMSG),
	LIE(data_offset, UINT64_MAX - 4095, -EBADMSG),
	LIE(participants, 0, -EBADMSG),
	LIE(participants, 63, -EBADMSG),
	LIE(participants, SHMQ_PARTICIPANTS_MAX + 1, -EBADMSG),
	LIE(participants, UINT32_MAX, -EBADMSG),
	LIE(msg_max, 1 << 20, -EBADMSG),
	LIE(msg_max, UINT64_MAX, -EBADMSG),
	LIE(capacity, 0, -EBADMSG),
	LIE(capacity, 1 << 20, -EBADMSG),
	LIE(capacity, UINT64_MAX, -EBADMSG),
	LIE(slots, 0, -EBADMSG),
	LIE(slots, 3, -EBADMSG),
	LIE(slots, 1 << 20, -EBADMSG),
	LIE(slots, UINT64_MAX, -EBADMSG),
	LIE(slot_bytes, 0, -EBADMSG),
	LIE(slot_bytes, 1, -EBADMSG),
	LIE(slot_bytes, UINT64_C(1) << 60, -EBADMSG),
	LIE(control_offset, 0, -EBADMSG),
	LIE(control_offset, UINT64_MAX - 639, -EBADMSG),
};

static void
tell_lies(const struct place *p)
{
	struct object o = object_map(p);
	struct format_header truth, header;

	memcpy(&truth, o.bytes, sizeof(truth));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		header = truth;
		memcpy((unsigned char *)&header + lies[i].offset, &lies[i].value, lies[i].size);
		put_header(&o, header);
		refused(p, &o, lies[i].want);
	}
	put_header(&o, truth);
	object_unmap(&o);
}

TEST_EACH_SPOT(damaged, test_queue_header_field_lies_refused)
{
	struct place p = spot_queue(*at, 0, NULL);

	tell_lies(&p);
	SAME(0, shmq_detach(unit_join(&p, SHMQ_CONSUMER)));
	place_remove(&p);
}

TEST_EACH_SPOT(damaged, test_segment_length_lies_ebadmsg)
{
	static const uint64_t lengths[] = {0, 8193, 1 << 20, UINT64_MAX, UINT64_C(1) << 63};
	struct format_lifecycle *life;
	struct shmq_seg *seg = NULL;
	struct leak_count before;
	struct object o;
	struct place p;

	if (spot_is_sysv(*at))
		return; /* the kernel keeps the length */
	p = spot_segment(*at, 0, NULL);
	o = object_map(&p);
	life = format_lifecycle(o.bytes);
	before = leak_count();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		life->segsz = lengths[i];
		SAME(-EBADMSG, shmq_seg_attach(&seg, p.attach, 0));
	}
	MUST(seg == NULL);
	leak_none_since(before);
	life->segsz = 8192;
	SAME(0, shmq_seg_detach(unit_attach(&p, 0)));
	object_unmap(&o);
	place_remove(&p);
}

/* Removal goes on with a damaged one, as long as it is ours. */
TEST_EACH_SPOT(damaged, test_remove_damaged_works)
{
	struct place p = spot_queue(*at, 0, NULL);
	struct object o = object_map(&p);
	struct shmq_stat st = {.size = sizeof(st)};

	o.bytes[offsetof(struct format_header, capacity)] ^= 0xff;
	SAME(0, shmq_remove(p.attach));
	object_unmap(&o);
	MUST(shmq_stat(p.attach, &st) != 0 || (st.mode & SHMQ_DEST));
	if (p.fd >= 0)
		close(p.fd);
	if (place_is_private())
		SAME(0, place_leftovers());
}

/* Truncation --------------------------------------------------------------------------------- */

static void
cut(const char *path, size_t length)
{
	SAME(0, truncate(path, (off_t)length));
}

static void
restore(const char *path, const struct image *image)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	MUST(fd >= 0);
	SAME(image->length, pwrite(fd, image->bytes, image->length, 0));
	SAME(0, close(fd));
}

static void
refused_at_length(const struct place *p, const char *path, size_t length)
{
	int want = length < 2 * FORMAT_PAGE ? -EPROTONOSUPPORT : -EBADMSG;
	struct object o;

	cut(path, length);
	if (length == 0) {
		struct shmq *q = NULL;

		SAME(want, shmq_attach(&q, p->attach, SHMQ_PRODUCER));
		return;
	}
	o = object_map(p);
	refused(p, &o, want);
	object_unmap(&o);
}

/* At every page boundary, and a byte beside it. */
static void
cut_everywhere(const struct place *p)
{
	struct object o = object_map(p);
	struct image image = image_take(&o);
	char path[256];

	object_unmap(&o);
	object_path(path, sizeof(path), p);
	for (size_t at = 0; at < image.length; at += 4096) {
		refused_at_length(p, path, at);
		restore(path, &image);
		refused_at_length(p, path, at + 1);
		restore(path, &image);
		refused_at_length(p, path, at + 4095);
		restore(path, &image);
	}
	free(image.bytes);
}

TEST_EACH_SPOT(damaged, test_queue_truncated_refused)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 500, .capacity = 60};
	struct place p;

	if (*at != SPOT_SHM && *at != SPOT_FILE)
		return; /* cannot be truncated */
	p = spot_queue(*at, 0, &opts);
	cut_everywhere(&p);
	SAME(0, shmq_detach(unit_join(&p, SHMQ_CONSUMER)));
	place_remove(&p);
}

TEST_EACH_SPOT(damaged, test_segment_truncated_refused)
{
	struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = 5 * 4096};
	struct place p;

	if (*at != SPOT_SHM && *at != SPOT_FILE)
		return; /* cannot be truncated */
	p = spot_segment(*at, 0, &opts);
	cut_everywhere(&p);
	SAME(0, shmq_seg_detach(unit_attach(&p, 0)));
	place_remove(&p);
}

/* A segment that was grown, then cut to what it was created with. */
TEST_EACH_SPOT(damaged, test_segment_shrunken_after_growth_ebadmsg)
{
	struct leak_count before;
	struct shmq_seg *seg;
	struct object o;
	char path[256];
	struct place p;

	if (*at != SPOT_SHM && *at != SPOT_FILE)
		return; /* cannot be resized */
	p = spot_segment(*at, 0, NULL);
	o = object_map(&p);
	seg = unit_attach(&p, 0);
	SAME(0, shmq_seg_resize(seg, 65536));
	SAME(0, shmq_seg_detach(seg));
	object_path(path, sizeof(path), &p);
	cut(path, o.length);
	before = leak_count();
	seg = NULL;
	SAME(-EBADMSG, shmq_seg_attach(&seg, p.attach, 0));
	MUST(seg == NULL);
	leak_none_since(before);
	object_unmap(&o);
	place_remove(&p);
}

/* The side file of a sysv: queue ---------------------------------------------------------------- */

TEST_EACH_SPOT(damaged, test_sysv_queue_other_side_file_exdev)
{
	struct leak_count before;
	struct shmq *q = NULL;
	struct place p;
	struct object o;
	struct format_header truth, header;

	if (!spot_is_sysv(*at))
		return; /* no side file */
	p = spot_queue(*at, 0, NULL);
	o = object_map(&p);
	memcpy(&truth, o.bytes, sizeof(truth));
	before = leak_count();
	header = truth;
	header.side_ino++;
	put_header(&o, header);
	SAME(-EXDEV, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	SAME(-EXDEV, shmq_attach(&q, p.attach, SHMQ_OBSERVER));
	header = truth;
	header.uuid[0]++; /* so the name is of no file */
	put_header(&o, header);
	SAME(-EXDEV, shmq_attach(&q, p.attach, SHMQ_CONSUMER));
	MUST(q == NULL);
	leak_none_since(before);
	put_header(&o, truth);
	SAME(0, shmq_detach(unit_join(&p, SHMQ_PRODUCER)));
	object_unmap(&o);
	place_remove(&p);
}

/* The side file of a queue, its creation byte held as its creator holds it. */
static int
hold_creation(const struct place *p)
{
	struct flock byte = {.l_type = F_WRLCK, .l_start = FORMAT_LOCK_CREATION, .l_len = 1};
	char pattern[64];
	glob_t found;
	int fd;

	snprintf(pattern, sizeof(pattern), "/dev/shm/.shmq-%d-*", object_shmid(p));
	SAME(0, glob(pattern, GLOB_PERIOD, NULL, &found));
	SAME(1, found.gl_pathc);
	fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&found);
	MUST(fd >= 0);
	SAME(0, fcntl(fd, F_OFD_SETLK, &byte));
	return fd;
}

/* As a creator leaves it for a moment, or, if it dies there, for good: all but the magic number. */
TEST_EACH_SPOT(damaged, test_sysv_queue_half_made_eagain_then_enoent)
{
	struct leak_count before = leak_count();
	struct shmq *q = NULL;
	struct place p;
	struct object o;
	uint64_t magic;
	int creator;

	if (!spot_is_sysv(*at))
		return; /* a name is a complete queue */
	p = spot_queue(*at, 0, NULL);
	o = object_map(&p);
	magic = *(uint64_t *)(void *)o.bytes;
	creator = hold_creation(&p);
	shmq_store_relaxed_u64((uint64_t *)(void *)o.bytes, 0);
	SAME(-EAGAIN, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	shmq_store_relaxed_u64((uint64_t *)(void *)o.bytes, magic);
	SAME(0, shmq_detach(unit_join(&p, SHMQ_PRODUCER)));
	shmq_store_relaxed_u64((uint64_t *)(void *)o.bytes, 0);
	SAME(0, shmq_gc(0, NULL, NULL));
	SAME(0, close(creator)); /* it dies */
	SAME(-ENOENT, shmq_attach(&q, p.attach, SHMQ_PRODUCER));
	MUST(q == NULL);
	object_unmap(&o);
	SAME(1, shmq_gc(0, NULL, NULL));
	leak_none_since(before);
	if (place_is_private())
		SAME(0, place_leftovers());
}
