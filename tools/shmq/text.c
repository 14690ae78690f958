/* SPDX-License-Identifier: MIT */
/* How sizes, times, people and kinds are written for a reader. */
#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <time.h>

#include "tool.h"

const char *
text_bytes(char buf[TEXT_MAX], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(buf, TEXT_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, TEXT_MAX, "%.1f %s", value, units[unit]);
	return buf;
}

const char *
text_known(char buf[TEXT_MAX], int64_t bytes)
{
	if (bytes >= 0)
		return text_bytes(buf, (uint64_t)bytes);
	snprintf(buf, TEXT_MAX, "-");
	return buf;
}

const char *
text_count(char buf[TEXT_MAX], int64_t count)
{
	if (count < 0)
		snprintf(buf, TEXT_MAX, "-");
	else
		snprintf(buf, TEXT_MAX, "%" PRId64, count);
	return buf;
}

const char *
text_time(char buf[TEXT_MAX], int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || !localtime_r(&when, &tm) ||
	    strftime(buf, TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(buf, TEXT_MAX, "never");
	return buf;
}

const char *
text_user(char buf[TEXT_MAX], uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		snprintf(buf, TEXT_MAX, "%.31s", entry->pw_name);
	else
		snprintf(buf, TEXT_MAX, "%u", (unsigned)uid);
	return buf;
}

const char *
text_group(char buf[TEXT_MAX], gid_t gid)
{
	const struct group *entry = getgrgid(gid);

	if (entry)
		snprintf(buf, TEXT_MAX, "%.31s", entry->gr_name);
	else
		snprintf(buf, TEXT_MAX, "%u", (unsigned)gid);
	return buf;
}

const char *
text_kind(int kind)
{
	switch (kind) {
	case SHMQ_SEGMENT:
		return "segment";
	case SHMQ_SPSC:
		return "spsc";
	case SHMQ_MPSC:
		return "mpsc";
	case SHMQ_MPMC:
		return "mpmc";
	case SHMQ_BROADCAST:
		return "broadcast";
	case SHMQ_LATEST:
		return "latest";
	default:
		return "unknown";
	}
}

const char *
text_backend(int backend)
{
	switch (backend) {
	case SHMQ_BACKEND_SHM:
		return "shm";
	case SHMQ_BACKEND_SYSV:
		return "sysv";
	case SHMQ_BACKEND_FILE:
		return "file";
	case SHMQ_BACKEND_MEMFD:
		return "memfd";
	case SHMQ_BACKEND_FD:
		return "fd";
	case SHMQ_BACKEND_DEV:
		return "dev";
	default:
		return "unknown";
	}
}

void
print_escaped(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (iscntrl(*p))
			fprintf(out, "\\x%02x", *p);
		else
			putc(*p, out);
	}
}
