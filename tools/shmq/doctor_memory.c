/* SPDX-License-Identifier: MIT */
/* shmq doctor: memory. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

#define TMPFS_MAGIC 0x01021994
#define HUGE "/sys/kernel/mm/hugepages/hugepages-"

/* A default queue is the measure of "enough". */
static uint64_t
default_queue_bytes(void)
{
	ssize_t bytes = shmq_footprint(NULL);

	return bytes > 0 ? (uint64_t)bytes : (uint64_t)4 << 20;
}

void
check_memlock(struct check *check)
{
	struct shmq_memlock memlock = {.size = sizeof memlock};
	char needed[TEXT_MAX], limit[TEXT_MAX];
	int err = shmq_memlock(default_queue_bytes(), &memlock);

	text_bytes(needed, memlock.needed_bytes);
	text_bytes(limit, memlock.limit_bytes);
	if (memlock.privileged)
		verdict_set(check, VERDICT_OK, "", "CAP_IPC_LOCK: no limit (RLIMIT_MEMLOCK is %s)",
			    memlock.limit_bytes == UINT64_MAX ? "unlimited" : limit);
	else if (memlock.limit_bytes == UINT64_MAX)
		verdict_set(check, VERDICT_OK, "", "RLIMIT_MEMLOCK is unlimited");
	else if (err)
		verdict_set(check, VERDICT_WARN,
			    "raise it: ulimit -l, LimitMEMLOCK= of the systemd unit, or memlock in "
			    "/etc/security/limits.d",
			    "RLIMIT_MEMLOCK is %s, a locked default queue needs %s", limit, needed);
	else
		verdict_set(check, VERDICT_OK,
			    "larger locked queues need ulimit -l, LimitMEMLOCK= or limits.d",
			    "RLIMIT_MEMLOCK is %s, a locked default queue needs %s", limit, needed);
}

static void
judge_dev_shm(struct check *check, const struct statvfs *fs)
{
	uint64_t avail = (uint64_t)fs->f_bavail * fs->f_frsize;
	const char *noexec = fs->f_flag & ST_NOEXEC ? ", noexec (SHM_EXEC will be refused)" : "";
	char size_text[TEXT_MAX], avail_text[TEXT_MAX];
	struct statfs type;

	text_bytes(avail_text, avail);
	text_bytes(size_text, (uint64_t)fs->f_blocks * fs->f_frsize);
	if (avail < default_queue_bytes())
		verdict_set(
			check, VERDICT_WARN,
			"remove something (shmq ls, shmq gc) or mount -o remount,size=... /dev/shm",
			"only %s of %s free: less than one default queue", avail_text, size_text);
	else if (statfs("/dev/shm", &type) != 0 || type.f_type != TMPFS_MAGIC)
		verdict_set(check, VERDICT_WARN, "mount -t tmpfs tmpfs /dev/shm",
			    "not a tmpfs; %s of %s free", avail_text, size_text);
	else
		verdict_set(check, VERDICT_OK, "", "tmpfs, %s of %s free%s", avail_text, size_text,
			    noexec);
}

void
check_dev_shm(struct check *check)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) != 0)
		verdict_set(check, VERDICT_BAD, "mount -t tmpfs tmpfs /dev/shm", "not there: %s",
			    strerror(errno));
	else if (fs.f_flag & ST_RDONLY)
		verdict_set(check, VERDICT_BAD, "mount -o remount,rw /dev/shm",
			    "mounted read-only");
	else if (access("/dev/shm", W_OK | X_OK) != 0)
		verdict_set(check, VERDICT_BAD, "chmod 1777 /dev/shm", "not writable: %s",
			    strerror(errno));
	else
		judge_dev_shm(check, &fs);
}

void
check_sysv(struct check *check)
{
	struct shminfo limits;
	struct shm_info use;
	char shmmax[TEXT_MAX];

	if (shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&limits) < 0 ||
	    shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&use) < 0) {
		verdict_set(check, VERDICT_WARN, "use shm:, or a kernel with CONFIG_SYSVIPC",
			    "no SysV shared memory: %s", strerror(errno));
		return;
	}
	text_bytes(shmmax, limits.shmmax);
	if (limits.shmmax < default_queue_bytes() || (unsigned long)use.used_ids >= limits.shmmni)
		verdict_set(check, VERDICT_WARN,
			    "raise kernel.shmmax and kernel.shmmni with sysctl, or remove segments",
			    "shmmax %s, %d of shmmni %lu segments in use", shmmax, use.used_ids,
			    limits.shmmni);
	else
		verdict_set(check, VERDICT_OK, "", "shmmax %s, %d of shmmni %lu segments in use",
			    limits.shmmax > LONG_MAX ? "no limit" : shmmax, use.used_ids,
			    limits.shmmni);
}

static void
check_huge(struct check *check, const char *pool, const char *advice)
{
	char path[128];
	long long total, available;

	snprintf(path, sizeof path, "%s%s/nr_hugepages", HUGE, pool);
	total = first_number(path);
	snprintf(path, sizeof path, "%s%s/free_hugepages", HUGE, pool);
	available = first_number(path);
	if (total < 0)
		verdict_set(check, VERDICT_OK, "", "not on this machine");
	else if (total == 0)
		verdict_set(check, VERDICT_OK, advice, "none reserved");
	else if (available <= 0)
		verdict_set(check, VERDICT_WARN, advice, "all %lld in use", total);
	else
		verdict_set(check, VERDICT_OK, "", "%lld of %lld free", available, total);
}

void
check_huge_2m(struct check *check)
{
	check_huge(check, "2048kB", "for create --huge 2M: sysctl vm.nr_hugepages=N");
}

void
check_huge_1g(struct check *check)
{
	check_huge(check, "1048576kB",
		   "for create --huge 1G: boot with hugepagesz=1G hugepages=N, or write N to " HUGE
		   "1048576kB/nr_hugepages");
}

/* "always within_size advise [never] deny force" */
void
check_shmem_huge(struct check *check)
{
	char line[128], *chosen;

	if (!first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", line, sizeof line)) {
		verdict_set(check, VERDICT_OK, "", "no transparent huge pages in this kernel");
		return;
	}
	chosen = strchr(line, '[');
	chosen = chosen ? chosen + 1 : line;
	chosen[strcspn(chosen, "]")] = '\0';
	if (strcmp(chosen, "always") == 0 || strcmp(chosen, "force") == 0)
		verdict_set(check, VERDICT_WARN,
			    "khugepaged may move pages under a running queue: echo advise > "
			    "/sys/kernel/mm/transparent_hugepage/shmem_enabled, or lock the queue",
			    "shmem_enabled is %s", chosen);
	else
		verdict_set(check, VERDICT_OK, "", "shmem_enabled is %s", chosen);
}

/* /proc/swaps has a heading, then a line per device. */
void
check_swap(struct check *check)
{
	char line[256];
	FILE *file = fopen("/proc/swaps", "re");
	int devices = -1;

	while (file && fgets(line, sizeof line, file))
		devices++;
	if (file)
		fclose(file);
	if (devices < 0)
		verdict_set(check, VERDICT_OK, "", "not visible here");
	else if (devices == 0)
		verdict_set(check, VERDICT_OK, "", "off");
	else
		verdict_set(
			check, VERDICT_WARN,
			"real-time queues must be locked (create --lock, shmq lock), or swapoff -a",
			"on: %d device%s", devices, devices == 1 ? "" : "s");
}

/* Compaction moves locked pages, too; who touches one just then takes a minor fault (docs/design.md). */
void
check_compaction(struct check *check)
{
	long long moves = first_number("/proc/sys/vm/compact_unevictable_allowed");

	if (moves < 0)
		verdict_set(check, VERDICT_OK, "", "not visible here");
	else if (moves == 0)
		verdict_set(check, VERDICT_OK, "", "locked pages stay where they are");
	else
		verdict_set(check, VERDICT_WARN,
			    "for real-time loops: sysctl vm.compact_unevictable_allowed=0",
			    "the kernel may move locked pages: a rare minor fault");
}
