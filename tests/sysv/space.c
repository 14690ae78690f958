/* SPDX-License-Identifier: MIT */
#include "space.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/process.h"

static char path[64];

const char *
space_path(void)
{
	return path;
}

static void
empty(void)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name,
				       entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	if (dir)
		closedir(dir);
}

void
space_begin(void)
{
	process_begin();
	strcpy(path, "/dev/shm/shmq-test-sysv-XXXXXX");
	MUST(mkdtemp(path) && chmod(path, 0777) == 0);
	MUST(setenv("SHMQ_SYSV_DIR", path, 1) == 0);
}

void
space_end(void)
{
	empty();
	(void)rmdir(path);
}

void
space_renew(void)
{
	empty();
}

const char *
space_file(int id)
{
	static char file[128], huge[128];
	struct stat index;

	snprintf(file, sizeof(file), "%s/index", path);
	if (stat(file, &index) == 0)
		snprintf(huge, sizeof(huge), "%s/huge/shmid-%d.%lx.%lx", path, id,
			 (unsigned long)index.st_dev, (unsigned long)index.st_ino);
	snprintf(file, sizeof(file), "%s/shmid-%d", path, id);
	return access(huge, F_OK) == 0 ? huge : file;
}

static int
files_in(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		count += strncmp(entry->d_name, "shmid-", 6) == 0;
	if (dir)
		closedir(dir);
	return count;
}

int
space_files(void)
{
	char huge[96];

	snprintf(huge, sizeof(huge), "%s/huge", path);
	return files_in(path) + files_in(huge);
}

static struct shm_info
totals(int *top)
{
	struct shm_info info;

	*top = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
	MUST(*top >= 0);
	return info;
}

void
space_consistent(void)
{
	int top, met = 0;
	struct shm_info info = totals(&top);
	unsigned long pages = 0;

	for (int i = 0; i <= top; i++) {
		struct shmid_ds ds;
		int id = shmctl(i, SHM_STAT, &ds);

		if (id < 0)
			continue;
		met++;
		pages += (ds.shm_segsz + PAGE - 1) / PAGE;
		MUST(access(space_file(id), F_OK) == 0);
		if (ds.shm_perm.__key != IPC_PRIVATE)
			SAME(id, shmget(ds.shm_perm.__key, 0, 0));
	}
	SAME(info.used_ids, met);
	SAME(info.shm_tot, pages);
	SAME(met, space_files());
}

void
space_clear(void)
{
	int top, id;

	(void)totals(&top);
	for (int i = 0; i <= top; i++) {
		struct shmid_ds ds;

		id = shmctl(i, SHM_STAT, &ds);
		if (id >= 0)
			SAME(0, shmctl(id, IPC_RMID, NULL));
	}
	SAME(0, totals(&top).used_ids);
	SAME(0, space_files());
	id = shmget(0x5157, PAGE, IPC_CREAT | IPC_EXCL | 0600);
	MUST(id >= 0);
	SAME(0, shmctl(id, IPC_RMID, NULL));
}

struct shmid_ds
space_stat(int id)
{
	struct shmid_ds ds;

	SAME(0, shmctl(id, IPC_STAT, &ds));
	return ds;
}

long
space_nattch(int id)
{
	return (long)space_stat(id).shm_nattch;
}

int
space_rc(int rc)
{
	return rc < 0 ? -errno : rc;
}

int
space_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

void
space_become(uid_t uid, gid_t gid)
{
	MUST(setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0);
	MUST(setresuid(uid, uid, uid) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}
