/* SPDX-License-Identifier: MIT */
/* shmq doctor: processors and scheduling. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

void
check_cpus(struct check *check)
{
	cpu_set_t set;
	int mine, all = (int)sysconf(_SC_NPROCESSORS_ONLN);

	if (sched_getaffinity(0, sizeof set, &set) != 0) {
		verdict_set(check, VERDICT_OK, "", "%d online", all);
		return;
	}
	mine = CPU_COUNT(&set);
	if (mine == 1)
		verdict_set(check, VERDICT_WARN,
			    "two ends on one CPU sleep and wake for every message: give them two",
			    "1 of %d for this process", all);
	else
		verdict_set(check, VERDICT_OK, "", "%d of %d for this process", mine, all);
}

void
check_governor(struct check *check)
{
	char governor[64];

	if (!first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor,
			sizeof governor))
		verdict_set(check, VERDICT_OK, "", "not visible (virtual machine?)");
	else if (strcmp(governor, "performance") == 0)
		verdict_set(check, VERDICT_OK, "", "performance");
	else
		verdict_set(check, VERDICT_WARN,
			    "for steady latency: cpupower frequency-set -g performance", "%s",
			    governor);
}

static void
check_cpu_list(struct check *check, const char *path, const char *advice)
{
	char list[128];

	if (!first_line(path, list, sizeof list))
		verdict_set(check, VERDICT_OK, "", "not visible here");
	else if (list[0] == '\0' || strcmp(list, "(null)") == 0)
		verdict_set(check, VERDICT_OK, advice, "none");
	else
		verdict_set(check, VERDICT_OK, "", "%s", list);
}

void
check_isolated(struct check *check)
{
	check_cpu_list(check, "/sys/devices/system/cpu/isolated",
		       "for the last microseconds of jitter: boot with isolcpus= or use cpuset "
		       "partitions, and pin with taskset");
}

void
check_nohz_full(struct check *check)
{
	check_cpu_list(
		check, "/sys/devices/system/cpu/nohz_full",
		"to keep the timer tick off pinned spinning processes: boot with nohz_full=");
}

void
check_realtime(struct check *check)
{
	int privileged = geteuid() == 0;
	struct rlimit limit = {0};

	getrlimit(RLIMIT_RTPRIO, &limit);
	if (privileged)
		verdict_set(check, VERDICT_OK, "", "root may use any");
	else if (limit.rlim_cur == 0)
		verdict_set(check, VERDICT_WARN,
			    "for SCHED_FIFO: LimitRTPRIO= of the systemd unit, or rtprio in "
			    "/etc/security/limits.d",
			    "RLIMIT_RTPRIO is 0");
	else
		verdict_set(check, VERDICT_OK, "", "RLIMIT_RTPRIO is %llu",
			    (unsigned long long)limit.rlim_cur);
}

void
check_rt_throttling(struct check *check)
{
	long long runtime = first_number("/proc/sys/kernel/sched_rt_runtime_us");
	long long period = first_number("/proc/sys/kernel/sched_rt_period_us");

	if (runtime < 0)
		verdict_set(check, VERDICT_OK, "", "off, or not visible here");
	else
		verdict_set(check, VERDICT_OK,
			    "a SCHED_FIFO process that spins is stopped for the rest; leave it on "
			    "unless CPUs are set apart",
			    "real-time processes get %lld of %lld us", runtime, period);
}

void
check_membarrier(struct check *check)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (commands < 0)
		verdict_set(
			check, VERDICT_WARN,
			"sleepers look every millisecond instead; allow membarrier in the seccomp "
			"profile",
			"not available: %s", strerror(errno));
	else if (!(commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED))
		verdict_set(check, VERDICT_WARN,
			    "sleepers look every millisecond instead; use Linux 4.16 or newer",
			    "no GLOBAL_EXPEDITED");
	else
		verdict_set(check, VERDICT_OK, "", "GLOBAL_EXPEDITED");
}
