/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "soak.h"
#include "support/leak.h"
#include "support/process.h"

#define LINE_ROOM 512
#define OLD_US 2100000 /* shmq_gc() leaves what is younger than a second, and may be at work */

/* A number of /proc/self/status, in KiB. */
static uint64_t
status_kib(const char *field)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[LINE_ROOM];

	MUST(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0)
			sscanf(line + strlen(field), ": %llu", &kib);
	fclose(file);
	return kib;
}

/* Shared ones are counted; of private ones, which the kernel joins as it likes, the bytes. */
static void
measure_maps(struct soak_holds *holds)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[LINE_ROOM], shared;

	MUST(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		SAME(3, sscanf(line, "%lx-%lx %*3c%c", &start, &end, &shared));
		holds->mappings += shared == 's';
		if (!strstr(line, "[heap]") && !strstr(line, "[stack]") && !leak_sanitizer())
			holds->mapped_bytes += end - start;
	}
	fclose(file);
}

struct soak_holds
soak_holds(void)
{
	struct mallinfo2 heap = mallinfo2();
	struct soak_holds holds = {
		.descriptors = leak_count().descriptors,
		.heap_bytes = leak_sanitizer() ? 0 : heap.uordblks + heap.hblkhd,
		.resident_bytes = status_kib("RssAnon") << 10,
	};

	measure_maps(&holds);
	return holds;
}

struct soak_object
soak_object(const struct place *place)
{
	struct stat st = {.st_ino = 0};

	if (place->on == ON_FILE)
		SAME(0, stat(strchr(place->create, ':') + 1, &st));
	if (place->on == ON_MEMFD)
		SAME(0, fstat(place->fd, &st));
	return (struct soak_object){st.st_dev, st.st_ino};
}

/* The world ---------------------------------------------------------------------------------- */

static bool
is_ours(const struct soak_runner *runners, unsigned n, const struct soak_object *lock)
{
	for (unsigned i = 0; i < n; i++) {
		const struct soak_report *last = &runners[i].last;

		for (unsigned j = 0; j < last->objects; j++)
			if (last->object[j].device == lock->device &&
			    last->object[j].inode == lock->inode)
				return true;
	}
	return false;
}

/* Locks on anything in our /dev/shm, and on the objects that runners tell. */
static uint64_t
locks(const struct soak_runner *runners, unsigned n)
{
	FILE *file = fopen("/proc/locks", "re");
	unsigned major, minor;
	char line[LINE_ROOM];
	uint64_t count = 0;
	unsigned long ino;
	struct stat shm;

	MUST(file != NULL);
	SAME(0, stat("/dev/shm", &shm));
	while (fgets(line, sizeof(line), file)) {
		struct soak_object lock;

		if (sscanf(line, "%*d: %*s %*s %*s %*d %x:%x:%lu", &major, &minor, &ino) != 3)
			continue;
		lock = (struct soak_object){makedev(major, minor), ino};
		count += lock.device == shm.st_dev || is_ours(runners, n, &lock);
	}
	fclose(file);
	return count;
}

static uint64_t
segments(void)
{
	struct shm_info info;

	MUST(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) >= 0);
	return (uint64_t)info.used_ids;
}

static void
show_entries(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	MUST(dir != NULL);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
			fprintf(stderr, "left: %s/%s\n", directory, entry->d_name);
	closedir(dir);
}

void
soak_show_names(void)
{
	show_entries("/dev/shm");
	show_entries(place_directory());
}

struct soak_leftovers
soak_leftovers(const struct soak_runner *runners, unsigned n)
{
	struct soak_leftovers left = {0};
	int found = shmq_gc(0, NULL, NULL);

	MUST(found >= 0);
	left.cleared = (uint64_t)found;
	if (place_leftovers()) {
		usleep(OLD_US);
		found = shmq_gc(0, NULL, NULL);
		MUST(found >= 0);
		left.cleared += (uint64_t)found;
	}
	left.segments = segments();
	left.names = place_leftovers() - left.segments;
	left.bytes = place_used_bytes();
	left.locks = locks(runners, n);
	return left;
}
