/* SPDX-License-Identifier: MIT */
/*
 * Objects that anybody may have made: who only looks at them (stat, and so ls and gc) neither takes
 * long over it, nor allocates their memory, nor is told what is not so.
 */
#include "unit.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"

#define SLOTS (UINT64_C(1) << 30)

TestSuite(hostile_look, .init = unit_begin, .fini = place_end, .timeout = 30);

static struct shmqi_geometry
plan(size_t msg_max, uint64_t slots)
{
	struct shmqi_geometry g = {
		.kind = SHMQ_MPMC,
		.participants = 1,
		.page_size = FORMAT_PAGE,
		.msg_max = msg_max,
		.capacity = slots,
	};

	SAME(0, shmqi_format_plan_queue(&g));
	return g;
}

/* A memfd with that header and nothing else, and its address. */
static int
claim(char address[32], const struct shmqi_geometry *g)
{
	int fd = memfd_create("claim", MFD_CLOEXEC);
	struct format_header *header;

	SAME(0, ftruncate(fd, (off_t)g->total_bytes));
	header = mmap(NULL, FORMAT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(header != MAP_FAILED);
	shmqi_format_init(header, g);
	shmqi_format_publish(header);
	munmap(header, FORMAT_PAGE);
	snprintf(address, 32, "fd:%d", fd);
	return fd;
}

/* To read each slot would take a quarter of an hour: the time limit of this suite ends it. */
Test(hostile_look, test_file_of_holes_stat_is_quick)
{
	struct shmqi_geometry g = plan(65536, SLOTS);
	struct shmq_stat st = {.size = sizeof(st)};
	char address[32];
	int fd = claim(address, &g);

	SAME(0, shmq_stat(address, &st));
	SAME(0, st.depth);
	MUST(st.capacity == SLOTS);
	close(fd);
}

static int
look_on(const struct shmq_participant *row, void *arg)
{
	(void)row;
	(void)arg;
	return 0;
}

/* Those who attached are told by their table; nothing is allocated to tell it. */
Test(hostile_look, test_file_of_holes_participants_allocate_none)
{
	struct shmqi_geometry g = plan(65536, 10000);
	struct stat before, after;
	char address[32];
	int fd = claim(address, &g);

	SAME(0, fstat(fd, &before));
	SAME(0, shmq_participants(address, look_on, NULL));
	SAME(0, fstat(fd, &after));
	MUST(after.st_blocks - before.st_blocks < 10 * (blkcnt_t)(FORMAT_PAGE / 512));
	close(fd);
}

/* Huge pages are never paged out, so they count as locked: these are none. */
Test(hostile_look, test_page_size_of_another_stat_ebadmsg)
{
	struct shmqi_geometry g = plan(8, 8);
	struct shmq_stat st = {.size = sizeof(st)};
	char address[32];
	int fd;

	g.page_size = (size_t)2 << 20;
	SAME(0, shmqi_format_plan_queue(&g));
	fd = claim(address, &g);
	SAME(-EBADMSG, shmq_stat(address, &st));
	close(fd);
}

/* System calls that read, of this process; -1: the kernel does not count them. */
static long
reads(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	char line[64];
	long count = -1;

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "syscr: %ld", &count);
	if (f)
		fclose(f);
	return count;
}

/* Every entry of a full table names a process with locked memory; that is looked for, not often. */
Test(hostile_look, test_table_names_a_process_over_and_over_it_is_asked_seldom)
{
	struct shmq_opts opts = {.size = sizeof(opts), .participants = SHMQ_PARTICIPANTS_MAX};
	struct shmq_stat st = {.size = sizeof(st)};
	struct place p = place_queue(ON_MEMFD, 0, &opts);
	struct object o = object_map(&p);
	long before = reads();

	if (before < 0)
		cr_skip_test("needs /proc/self/io");
	SAME(0, mlock(&st, sizeof(st)));
	for (unsigned i = 0; i < SHMQ_PARTICIPANTS_MAX; i++) {
		format_participants(o.bytes)[i].state = 1 << 16 | SHMQ_PRODUCER;
		format_participants(o.bytes)[i].pid = (uint32_t)getpid();
	}
	SAME(0, shmq_stat(p.attach, &st));
	/* Of each of 64: status and smaps, some 60 KiB in pieces of 1 KiB. */
	MUST(reads() - before < 20000);
	object_unmap(&o);
	place_remove(&p);
}

static int64_t
resident_bytes(int id)
{
	struct shmq_stat st = {.size = sizeof(st)};
	char address[32];

	snprintf(address, sizeof(address), "sysv:id/%d", id);
	SAME(0, shmq_stat(address, &st));
	SAME(SHMQ_MPMC, st.kind); /* it was looked into */
	return st.resident_bytes;
}

/* Give segment `to` the name of the side file of segment `from`; what it was is in `old`. */
static void
take_side_file(char old[128], char name[128], int from, int to)
{
	char pattern[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/dev/shm/.shmq-%d-*", from);
	SAME(0, glob(pattern, GLOB_PERIOD, NULL, &found));
	snprintf(old, 128, "%s", found.gl_pathv[0]);
	snprintf(name, 128, "/dev/shm/.shmq-%d-%s", to, strrchr(old, '-') + 1);
	SAME(0, rename(old, name));
	globfree(&found);
}

/* A queue, of which nobody has ever touched a slot: a stat does not, either. */
Test(hostile_look, test_sysv_without_pages_stat_allocates_none)
{
	struct place p = place_queue(ON_SYSV, 0, NULL);
	int from = object_shmid(&p), to;
	struct shmqi_geometry g = plan(8, 100000);
	struct format_header *header;
	struct object o = object_map(&p);
	char old[128], name[128], address[32];

	to = shmget(IPC_PRIVATE, (size_t)g.total_bytes, IPC_CREAT | 0600);
	header = shmat(to, NULL, 0);
	MUST(header != (void *)-1);
	memcpy(header, o.bytes, sizeof(*header));
	shmqi_format_init(header, &g);
	shmqi_format_publish(header);
	take_side_file(old, name, from, to);
	(void)resident_bytes(to);
	snprintf(address, sizeof(address), "sysv:id/%d", to);
	(void)shmq_participants(address, look_on, NULL);
	/* Tells what the look before has touched. */
	MUST(resident_bytes(to) < 10 * (int64_t)FORMAT_PAGE);
	SAME(0, rename(name, old));
	SAME(0, shmdt(header));
	SAME(0, shmctl(to, IPC_RMID, NULL));
	object_unmap(&o);
	place_remove(&p);
}
