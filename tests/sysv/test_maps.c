/* SPDX-License-Identifier: MIT */
/* What is mapped, told by questions and by text: the same; and names that are, or look, ours. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "namespace.h"
#include "space.h"
#include "support/process.h"

TestSuite(sysv_maps, .init = space_begin, .fini = space_end, .timeout = 60);

#define MANY 100

static int
walk(struct ns_vma all[MANY], bool text)
{
	struct ns_maps maps;
	int n = 0;

	SAME(0, shmqi_ns_maps_open(&maps));
	maps.text = text;
	while (n < MANY && shmqi_ns_maps_next(&maps, &all[n]) == 1)
		n++;
	shmqi_ns_maps_close(&maps);
	return n;
}

static char *
map_file(const char *path, int prot)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char *base;

	MUST(fd >= 0 && ftruncate(fd, 4 * (off_t)PAGE) == 0);
	base = mmap(NULL, 4 * PAGE, prot, MAP_SHARED, fd, 0);
	MUST(base != MAP_FAILED);
	close(fd);
	return base;
}

Test(sysv_maps, questions_and_text_agree)
{
	struct ns_vma asked[MANY], read[MANY];
	char *base = map_file(space_file(7), PROT_READ | PROT_WRITE);

	(void)map_file(space_file(2147483647), PROT_READ);
	MUST(mprotect(base + PAGE, PAGE, PROT_READ) == 0);
	MUST(munmap(base + 3 * PAGE, PAGE) == 0);
	MUST(unlink(space_file(7)) == 0);
	SAME(4, walk(read, true));
	SAME(4, walk(asked, false));
	for (int i = 0; i < 4; i++) {
		SAME(read[i].start, asked[i].start);
		SAME(read[i].end, asked[i].end);
		SAME(read[i].offset, asked[i].offset);
		SAME(read[i].inode, asked[i].inode);
		SAME(read[i].prot, asked[i].prot);
		SAME(read[i].id, asked[i].id);
	}
}

Test(sysv_maps, only_our_names_are_ours)
{
	static const char *const names[] = {"shmid-",	     "shmid-x",		 "shmid-1x",
					    "shmid--1",	     "shmid-2147483648", "xshmid-1",
					    "shmid-1 (dele", "SYSV00000000",	 "index"};
	char long_name[256], path[512];
	struct ns_vma all[MANY];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", space_path(), names[i]);
		(void)map_file(path, PROT_READ);
	}
	memset(long_name, 'n', sizeof(long_name));
	long_name[250] = '\0';
	snprintf(path, sizeof(path), "%s/%s", space_path(), long_name);
	(void)map_file(path, PROT_READ);
	SAME(0, walk(all, false));
	SAME(0, walk(all, true));
	SAME(7, shmqi_ns_name_id("shmid-7"));
	SAME(7, shmqi_ns_name_id("shmid-7 (deleted)"));
	SAME(-1, shmqi_ns_name_id("shmid-7 (deleted) "));
}
