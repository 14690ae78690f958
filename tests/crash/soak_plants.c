/* SPDX-License-Identifier: MIT */
/* Does the soak find what it looks for? Faults of our own, one in each run of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"
#include "support/process.h"

#define PAGE 4096
#define OUTPUT_ROOM (1 << 16)

/* What it is called, and what the soak says of it. */
static const struct {
	const char *name, *found;
} plants[PLANTS] = {
	[NO_PLANT] = {"none", ""},
	[PLANT_DESCRIPTOR] = {"descriptor", "spsc: descriptors "},
	[PLANT_MAPPING] = {"mapping", "spsc: mappings "},
	[PLANT_MEMORY] = {"memory", "spsc: bytes of heap "},
	[PLANT_NAME] = {"name", "the world: names "},
	[PLANT_SEGMENT] = {"segment", "the world: SysV segments "},
	[PLANT_LOCK] = {"lock", "the world: locks "},
	[PLANT_DRIVER] = {"driver", "driver: bytes of heap "},
	[PLANT_LOST] = {"lost", ": lost\n"},
	[PLANT_TWICE] = {"twice", "repeated, and not held by one killed\n"},
};

const char *
soak_plant_name(enum soak_plant plant)
{
	return plants[plant].name;
}

/* It has a name no longer, but what is mapped holds the lock. */
static void
leave_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK};
	int fd = open("/dev/shm/planted-lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	SAME(0, fcntl(fd, F_OFD_SETLK, &lock));
	MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	SAME(0, unlink("/dev/shm/planted-lock"));
	close(fd);
}

static void
leave_memory(void)
{
	char *volatile kept = malloc(100);

	MUST(kept != NULL);
}

void
soak_plant(enum soak_plant plant)
{
	switch (plant) {
	case PLANT_DESCRIPTOR:
		MUST(dup(STDERR_FILENO) >= 0);
		return;
	case PLANT_MAPPING:
		MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
		return;
	case PLANT_MEMORY:
	case PLANT_DRIVER:
		leave_memory();
		return;
	case PLANT_NAME:
		close(open("/dev/shm/planted-name", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		return;
	case PLANT_SEGMENT:
		MUST(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600) >= 0);
		return;
	case PLANT_LOCK:
		leave_lock();
		return;
	default:
		return;
	}
}

/* The program's output, and its exit status. */
static int
run(const char *program, const char *plant, char *output)
{
	char option[64];
	int ends[2], status;
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	snprintf(option, sizeof(option), "--plant=%s", plant);
	SAME(0, pipe(ends));
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execl(program, program, "--kinds=spsc", "--period=1", option, "0.0003",
		      (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while ((got = read(ends[0], output + length, OUTPUT_ROOM - 1 - length)) > 0)
		length += (size_t)got;
	output[length] = '\0';
	close(ends[0]);
	SAME(pid, waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
soak_find_plants(const char *program)
{
	static char output[OUTPUT_ROOM];
	int missed = 0;

	for (enum soak_plant plant = NO_PLANT; plant < PLANTS; plant++) {
		int status = run(program, plants[plant].name, output);
		bool found;

		if (status == SOAK_SKIPPED)
			return status;
		found = status == (plant != NO_PLANT) && strstr(output, plants[plant].found);
		printf("plant %-12s %s\n", plants[plant].name,
		       !found  ? "MISSED"
		       : plant ? "found"
			       : "nothing found");
		if (!found)
			printf("exit status %d, of which it should say \"%s\":\n%s\n", status,
			       plants[plant].found, output);
		fflush(stdout);
		missed += !found;
	}
	return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}
