/* SPDX-License-Identifier: MIT */
/*
 * A main() for a fuzz target without the fuzzer: run it once over every file of a directory.
 *
 * usage: TARGET DIRECTORY. Exit 1 when there is no file to run: a replay of nothing proves nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Returns 1 for a regular file, which has been run. */
static int
replay(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return 0;
	}
	/* One page more, so that an empty file can be mapped too. */
	data = mmap(NULL, (size_t)st.st_size + 1, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return 0;
	printf("%s: %zu bytes\n", name, (size_t)st.st_size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size + 1);
	return 1;
}

int
main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int done = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir)))
		done += replay(dirfd(dir), entry->d_name);
	closedir(dir);
	printf("%d replayed\n", done);
	return done ? 0 : 1;
}
