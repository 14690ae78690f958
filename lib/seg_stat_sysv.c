/* SPDX-License-Identifier: MIT */
/* stat of sysv: segments: the kernel tells it all, but for what is inside a queue. */
#include "seg.h"

#include <errno.h>
#include <stdio.h>

/* /proc/sysvipc/shm tells each segment's resident bytes. */
static int64_t
sysv_resident(int id)
{
	FILE *f = fopen("/proc/sysvipc/shm", "re");
	int64_t resident = -1;
	char line[512];
	long rss;
	int found;

	if (!f)
		return -1;
	while (resident < 0 && fgets(line, sizeof(line), f))
		/* The kernel's own text. NOLINTNEXTLINE(cert-err34-c) */
		if (sscanf(line, "%*d %d %*o %*u %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld",
			   &found, &rss) == 2 &&
		    found == id)
			resident = rss;
	fclose(f);
	return resident;
}

void
shmqi_stat_fill_sysv(struct shmq_stat *st, int id, const struct shmid_ds *ds)
{
	st->backend = SHMQ_BACKEND_SYSV;
	st->id = id;
	st->key = ds->shm_perm.__key;
	st->uid = ds->shm_perm.uid;
	st->gid = ds->shm_perm.gid;
	st->cuid = ds->shm_perm.cuid;
	st->cgid = ds->shm_perm.cgid;
	st->mode = ds->shm_perm.mode;
	st->seq = ds->shm_perm.__seq;
	st->segsz = ds->shm_segsz;
	st->atime = ds->shm_atime;
	st->dtime = ds->shm_dtime;
	st->ctime = ds->shm_ctime;
	st->cpid = ds->shm_cpid;
	st->lpid = ds->shm_lpid;
	st->nattch = (int64_t)ds->shm_nattch;
	st->page_size = shmqi_os_page_size();
	st->lock_needed_bytes = (int64_t)shmqi_round_up(ds->shm_segsz, st->page_size);
}

/* What is in RAM. The kernel's list of all segments is walked, so no attach asks for it. */
static void
fill_resident(struct shmq_stat *st, int id)
{
	st->resident_bytes = sysv_resident(id);
	if (st->resident_bytes > st->lock_needed_bytes) /* the kernel's figure of huge pages */
		st->resident_bytes = st->lock_needed_bytes;
	if (st->mode & SHMQ_LOCKED)
		st->locked_bytes = st->resident_bytes;
}

/* The figures of a queue, which take a look inside; only a segment with a side file is one. */
static int
look_inside(struct shmq_stat *st, int id)
{
	struct shmqi_object o = {.fd = -1, .spare = -1, .shmid = id};
	struct format_header header;
	struct shmqi_geometry g;
	char path[SIDE_ROOM];
	void *object;
	int err = shmqi_side_find(id, path);

	if (err != 1)
		return err;
	object = shmat(id, NULL, SHM_RDONLY);
	if (object == (void *)-1)
		return errno == ENOMEM ? -ENOMEM : 0;
	err = shmqi_format_check(object, st->segsz, &header, &g);
	if (err == 0 && g.kind >= 0)
		err = shmqi_side_open(&o, &header);
	if (err == 0 && g.kind >= 0) {
		st->kind = g.kind;
		st->lock_needed_bytes = shmqi_stat_lock_needed(&g);
		st->capacity = (size_t)g.capacity;
		st->msg_max = (size_t)g.msg_max;
		st->page_size = (size_t)g.page_size;
		shmqi_queue_stat(st, &g, object, true, o.spare);
	}
	shmdt(object);
	shmqi_object_close(&o);
	return shmqi_os_untold(err) ? err : 0;
}

int
shmqi_stat_sysv(struct shmq_stat *st, const struct shmqi_address *a)
{
	struct shmid_ds ds;
	int id = shmqi_sysv_id(a);

	if (id < 0)
		return id;
	if (shmctl(id, IPC_STAT, &ds) != 0)
		return shmqi_sysv_error(a, id);
	shmqi_stat_fill_sysv(st, id, &ds);
	fill_resident(st, id);
	return look_inside(st, id);
}

int
shmqi_stat_attached_sysv(struct shmq_stat *st, struct shmq_seg *seg)
{
	int64_t mine = shmqi_os_locked_here(seg->base, seg->mapped_bytes);
	struct shmid_ds ds;

	if (shmctl(seg->shmid, IPC_STAT, &ds) != 0)
		return -errno;
	shmqi_stat_fill_sysv(st, seg->shmid, &ds);
	fill_resident(st, seg->shmid);
	if (seg->queue)
		st->lock_needed_bytes = shmqi_stat_lock_needed(&seg->g);
	st->locked_bytes = mine > st->locked_bytes ? mine : st->locked_bytes;
	if (seg->queue)
		shmqi_queue_stat(st, &seg->g, seg->object, true, shmqi_seg_spare(seg));
	return 0;
}
