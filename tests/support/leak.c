/* SPDX-License-Identifier: MIT */
#include "support/leak.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/process.h"

#define MAPS_ROOM (1 << 20)

extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

bool
leak_thread_sanitizer(void)
{
	void (*const volatile tsan)(void) = __tsan_init;

	return tsan;
}

bool
leak_sanitizer(void)
{
	void (*const volatile asan)(void) = __asan_init;

	return asan || leak_thread_sanitizer();
}

static unsigned
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	MUST(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* No malloc() here: it may map. */
static size_t
read_maps(char *text, size_t room)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	MUST(fd >= 0);
	while ((got = read(fd, text + length, room - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	MUST(length < room - 1);
	text[length] = '\0';
	return length;
}

/* A line is `start-end rwxs ...`. */
static bool
shared(const char *line)
{
	const char *flags = strchr(line, ' ');

	return flags && flags[4] == 's';
}

static unsigned
mappings(bool shared_only)
{
	static char text[MAPS_ROOM];
	unsigned count = 0;

	read_maps(text, sizeof(text));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		count += !shared_only || shared(line);
	return count;
}

struct leak_count
leak_count(void)
{
	return (struct leak_count){
		.descriptors = descriptors(),
		.mappings = mappings(leak_sanitizer()),
	};
}

void
leak_none_since(struct leak_count before)
{
	struct leak_count now = leak_count();

	SAME(before.descriptors, now.descriptors);
	SAME(before.mappings, now.mappings);
}
