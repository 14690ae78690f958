/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ticks.h"

#define TEXT_MAX 256

double
machine_seconds(void)
{
	return (double)bench_now_ns() / 1e9;
}

/* The first line of a file, or what to say when there is none. */
static void
first_line(const char *path, const char *none, char text[TEXT_MAX])
{
	FILE *file = fopen(path, "re");

	snprintf(text, TEXT_MAX, "%s", none);
	if (!file)
		return;
	if (fgets(text, TEXT_MAX, file))
		text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

/* What follows "key<tab or blanks>:" in a file of such lines. 1: found. */
static int
value_of(const char *path, const char *key, char text[TEXT_MAX])
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(key);
	char line[1024];
	int found = 0;

	while (file && !found && fgets(line, sizeof(line), file)) {
		const char *value = line + length;

		if (strncmp(line, key, length))
			continue;
		value += strspn(value, " \t");
		if (*value != ':')
			continue;
		value += 1 + strspn(value + 1, " \t");
		snprintf(text, TEXT_MAX, "%.*s", (int)strcspn(value, "\n"), value);
		found = 1;
	}
	if (file)
		fclose(file);
	return found;
}

static void
add_file(void (*add)(const char *, const char *), const char *name, const char *path,
	 const char *none)
{
	char text[TEXT_MAX];

	first_line(path, none, text);
	add(name, text);
}

/* One line of a file that a CPU has; 0: there is none. */
static int
cpu_line(int cpu, const char *file, char text[TEXT_MAX])
{
	char path[TEXT_MAX];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
	first_line(path, "", text);
	return text[0] != '\0';
}

/* Is `cpu` in a list like 0-3,8? */
static int
listed(const char *list, int cpu)
{
	int first, last, length;

	while (sscanf(list, "%d%n", &first, &length) == 1) {
		list += length;
		last = first;
		if (sscanf(list, "-%d%n", &last, &length) == 1)
			list += length;
		if (cpu >= first && cpu <= last)
			return 1;
		list += *list == ',';
	}
	return 0;
}

/* The level of the nearest cache that both have; 0: none. */
static int
shared_cache(const int cpus[2])
{
	int nearest = 0;

	for (int i = 0; i < 10; i++) {
		char file[64], text[TEXT_MAX];
		int level;

		snprintf(file, sizeof(file), "cache/index%d/shared_cpu_list", i);
		if (!cpu_line(cpus[0], file, text) || !listed(text, cpus[1]))
			continue;
		snprintf(file, sizeof(file), "cache/index%d/level", i);
		if (!cpu_line(cpus[0], file, text))
			continue;
		level = (int)strtol(text, NULL, 10);
		if (!nearest || level < nearest)
			nearest = level;
	}
	return nearest;
}

const char *
machine_relation(const int cpus[2])
{
	static const char *const caches[] = {NULL, "smt", "l2", "l3", "l4"};
	char text[TEXT_MAX], other[TEXT_MAX];
	int level = shared_cache(cpus);

	if (cpu_line(cpus[0], "topology/thread_siblings_list", text) && listed(text, cpus[1]))
		return "smt";
	if (level > 0 && level < (int)(sizeof(caches) / sizeof(*caches)))
		return caches[level];
	if (!cpu_line(cpus[0], "topology/physical_package_id", text) ||
	    !cpu_line(cpus[1], "topology/physical_package_id", other))
		return "unknown";
	return strcmp(text, other) ? "packages" : "package";
}

/* The two cores in use. */
static void
add_pair(const int cpus[2], void (*add)(const char *, const char *))
{
	static const char governor[] = "cpufreq/scaling_governor";
	char first[TEXT_MAX], second[TEXT_MAX], both[TEXT_MAX * 2 + 4];

	add("pair", machine_relation(cpus));
	if (!cpu_line(cpus[0], governor, first) || !cpu_line(cpus[1], governor, second)) {
		add("governor", "not visible here");
		return;
	}
	snprintf(both, sizeof(both), "%s%s%s", first, strcmp(first, second) ? ", " : "",
		 strcmp(first, second) ? second : "");
	add("governor", both);
}

/* Machines whose ratios may be held against each other: vendor, family, model, number of cores, how near the two in use are. */
static void
add_cpu(const int cpus[2], void (*add)(const char *, const char *))
{
	char model[TEXT_MAX] = "?", vendor[TEXT_MAX] = "cpu", family[TEXT_MAX] = "0";
	char number[TEXT_MAX] = "0", class[TEXT_MAX * 4];

	value_of("/proc/cpuinfo", "model name", model);
	value_of("/proc/cpuinfo", "vendor_id", vendor);
	value_of("/proc/cpuinfo", "cpu family", family);
	value_of("/proc/cpuinfo", "model", number);
	snprintf(class, sizeof(class), "%s-%s-%s-%ldc-%s", vendor, family, number,
		 sysconf(_SC_NPROCESSORS_ONLN), machine_relation(cpus));
	add("cpu", model);
	add("class", class);
}

static void
add_mitigations(void (*add)(const char *, const char *))
{
	static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char all[2048] = "";
	size_t at = 0;

	while (dir && (entry = readdir(dir))) {
		char path[TEXT_MAX * 2], text[TEXT_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		first_line(path, "", text);
		if (strncmp(text, "Mitigation", 10) && strncmp(text, "Vulnerable", 10))
			continue;
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s: %s", at ? "; " : "",
				       entry->d_name, text);
		if (at >= sizeof(all))
			break;
	}
	if (dir)
		closedir(dir);
	add("mitigations", all[0] ? all : "none");
}

static void
add_steal(void (*add)(const char *, const char *))
{
	unsigned long long fields[8] = {0}, sum = 0;
	FILE *file = fopen("/proc/stat", "re");
	char text[TEXT_MAX];

	if (!file)
		return;
	for (int i = 0; i < 8; i++) {
		if (fscanf(file, i ? "%llu" : "cpu %llu", &fields[i]) != 1)
			break;
		sum += fields[i];
	}
	fclose(file);
	snprintf(text, sizeof(text), "%.2f %% since the machine started",
		 sum ? 100.0 * (double)fields[7] / (double)sum : 0);
	add("steal", text);
}

void
machine_describe(const int cpus[2], void (*add)(const char *name, const char *value))
{
	char text[TEXT_MAX] = "?";
	struct utsname system;

	add_cpu(cpus, add);
	add_pair(cpus, add);
	if (!uname(&system)) {
		snprintf(text, sizeof(text), "%s %s", system.sysname, system.release);
		add("kernel", text);
	}
	add_file(add, "smt", "/sys/devices/system/cpu/smt/control", "not visible here");
	add_file(add, "transparent_huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled",
		 "none");
	add_file(add, "shmem_huge_pages", "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
		 "none");
	add_file(add, "cmdline", "/proc/cmdline", "?");
	if (value_of("/proc/meminfo", "HugePages_Total", text))
		add("huge_pages", text);
	add_mitigations(add);
	add_steal(add);
}
