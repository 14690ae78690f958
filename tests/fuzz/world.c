/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "fuzz_input.h"

#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>

static bool
enter(void)
{
	FILE *f;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0)
		return false;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("shmq-fuzz", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
		return false;
	f = fopen("/proc/sys/kernel/shmmax", "w");
	if (!f)
		return false;
	fprintf(f, "%d\n", FUZZ_WORLD_BYTES);
	return fclose(f) == 0;
}

bool
fuzz_world(void)
{
	static bool asked, own;

	if (!asked)
		own = enter();
	asked = true;
	return own;
}

void
fuzz_world_clear(void)
{
	struct shm_info info;
	int top = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;

	must(fuzz_world() && dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			must(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
	closedir(dir);
	for (int i = 0; i <= top; i++) {
		struct shmid_ds ds;
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
}
