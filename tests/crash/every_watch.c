/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "every.h"
#include "support/process.h"

static int
open_object(const struct place *place)
{
	char path[160] = "/dev/shm";

	if (place->on == ON_MEMFD)
		return place->fd < 0 ? -1 : dup(place->fd);
	if (place->on == ON_FILE)
		return open(place->attach + strlen("file:"), O_RDONLY | O_CLOEXEC);
	strncat(path, place->attach + strlen("shm:"), sizeof(path) - strlen(path) - 1);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void
map_sysv(struct every_watch *watch, const struct place *place)
{
	const char *key = place->attach + strlen("sysv:");
	int id = shmget((key_t)strtoul(key, NULL, 0), 0, 0);
	void *memory = id < 0 ? (void *)-1 : shmat(id, NULL, SHM_RDONLY);
	struct shmid_ds ds;

	if (memory == (void *)-1)
		return;
	SAME(0, shmctl(id, IPC_STAT, &ds));
	watch->memory = memory;
	watch->bytes = ds.shm_segsz;
}

static void
map_object(struct every_watch *watch, const struct place *place)
{
	int fd = open_object(place);
	struct stat st;
	void *memory;

	if (fd < 0)
		return;
	SAME(0, fstat(fd, &st));
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	MUST(memory != MAP_FAILED);
	close(fd);
	watch->memory = memory;
	watch->bytes = (size_t)st.st_size;
}

void
every_watch_open(struct every_watch *watch, const struct place *place)
{
	if (place->on == ON_SYSV)
		map_sysv(watch, place);
	else
		map_object(watch, place);
	if (!watch->memory)
		return;
	watch->copy = malloc(watch->bytes);
	MUST(watch->copy != NULL);
	memcpy(watch->copy, watch->memory, watch->bytes);
}

bool
every_watch_changed(struct every_watch *watch)
{
	if (!watch->memory || memcmp(watch->memory, watch->copy, watch->bytes) == 0)
		return false;
	memcpy(watch->copy, watch->memory, watch->bytes);
	return true;
}

/* Of sysv:, too, this is the detach. */
void
every_watch_close(struct every_watch *watch)
{
	if (watch->memory)
		SAME(0, munmap((void *)(uintptr_t)watch->memory, watch->bytes));
	free(watch->copy);
	*watch = (struct every_watch){0};
}
