/* SPDX-License-Identifier: MIT */
/* Addresses: every form that is one, and everything that is none. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <unistd.h>

TestSuite(address, .init = unit_begin, .fini = place_end);

static const struct shmq_seg_opts one_page = {.size = sizeof(one_page), .segsz = 4096};

/* Every call that takes an address says `want`, and nothing comes of it. */
static void
all_say(int want, const char *addr)
{
	struct shmq_perm perm = {.size = sizeof(perm), .mode = (mode_t)-1};
	struct leak_count before = leak_count();
	struct shmq_seg *seg = (void *)&perm;
	struct shmq *q = (void *)&perm;
	struct shmq_stat st;

	unit_dirty(&st, sizeof(st));
	SAME(want, shmq_seg_create(addr, &one_page));
	SAME(want, shmq_create(addr, NULL));
	SAME(want, shmq_open(&q, addr, NULL, SHMQ_PRODUCER));
	SAME(want, shmq_seg_attach(&seg, addr, 0));
	SAME(want, shmq_seg_attach_at(&seg, addr, NULL, 0));
	SAME(want, shmq_attach(&q, addr, SHMQ_CONSUMER));
	SAME(want, shmq_stat(addr, &st));
	SAME(want, shmq_set(addr, &perm));
	SAME(want, shmq_remove(addr));
	SAME(want, shmq_lock(addr));
	SAME(want, shmq_unlock(addr));
	MUST(seg == (void *)&perm && q == (void *)&perm);
	MUST(unit_still_dirty(&st, sizeof(st)));
	leak_none_since(before);
}

static const char *const malformed[] = {
	"",
	" ",
	"x",
	"shm",
	"shm:",
	"shm:name",
	"shm:/",
	"shm:/a/b",
	"shm:/a/",
	"shm://",
	"shm:/.",
	"shm:/..",
	"/",
	"//",
	"/a/b",
	"/.",
	"/..",
	"name",
	"SHM:/x",
	" shm:/x",
	"shm :/x",
	"sysv:",
	"sysv",
	"sysv:0",
	"sysv:0x",
	"sysv:0x0",
	"sysv:12x",
	"sysv:08",
	"sysv:0x100000000",
	"sysv:99999999999999999999999",
	"sysv:1 ",
	"sysv:id/",
	"sysv:id/x",
	"sysv:id/-1",
	"sysv:id/+1",
	"sysv:id/ 1",
	"sysv:id/1x",
	"sysv:id/2147483648",
	"sysv:id/0x10",
	"file:",
	"file:x",
	"file:relative/x",
	"file:/",
	"file:/a/",
	"memfd:",
	"memfd",
	"fd:",
	"fd",
	"fd:x",
	"fd:-1",
	"fd:+3",
	"fd: 3",
	"fd:3x",
	"fd:0x3",
	"fd:2147483648",
	"fd:99999999999999999999",
	"dev:",
	"dev:dev/zero",
	"dev:/dev/",
	"dev:/dev/x?size=",
	"dev:/dev/x?size=0",
	"dev:/dev/x?size=4k",
	"dev:/dev/x?size=99999999999999999999",
	"tcp:localhost",
	"shm:/x\n/y",
	":",
	":/x",
};

Test(address, test_address_malformed_einval)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		all_say(-EINVAL, malformed[i]);
}

Test(address, test_address_null_einval)
{
	all_say(-EINVAL, NULL);
}

Test(address, test_address_too_long_einval)
{
	static char text[2 * SHMQ_ADDRESS_MAX];
	static const struct {
		const char *prefix;
		size_t length;
	} longest[] = {
		{"shm:/", 5 + 255},
		{"/", 1 + 255},
		{"memfd:", 6 + 249},
		{"file:/", 5 + 4095},
		{"file:/", SHMQ_ADDRESS_MAX - 1},
		{"sysv:/", 5 + 4095},
		{"shm:/", SHMQ_ADDRESS_MAX - 1},
		{"shm:/", sizeof(text) - 2},
		{"file:/", 5 + 256},
	};

	for (size_t i = 0; i < sizeof(longest) / sizeof(longest[0]); i++) {
		memset(text, 'x', longest[i].length + 1);
		memcpy(text, longest[i].prefix, strlen(longest[i].prefix));
		text[longest[i].length + 1] = '\0';
		all_say(-EINVAL, text);
	}
}

Test(address, test_address_longest_name_works)
{
	char text[5 + 255 + 1];
	struct shmq_stat st = {.size = sizeof(st)};

	memset(text, 'x', sizeof(text));
	memcpy(text, "shm:/", 5);
	text[sizeof(text) - 1] = '\0';
	SAME(0, shmq_seg_create(text, &one_page));
	SAME(0, shmq_stat(text, &st));
	SAME(sizeof(st.address) - 1, strlen(st.address));
	MUST(strncmp(st.address, text, sizeof(st.address) - 1) == 0);
	SAME(0, shmq_remove(text));
}

Test(address, test_address_attach_only_create_enotsup)
{
	struct place p = spot_segment(SPOT_MEMFD, 0, NULL);
	struct leak_count before = leak_count();

	SAME(-ENOTSUP, shmq_seg_create(p.attach, &one_page));
	SAME(-ENOTSUP, shmq_create(p.attach, NULL));
	SAME(-ENOTSUP, shmq_seg_create("sysv:id/0", &one_page));
	SAME(-ENOTSUP, shmq_create("sysv:id/0", NULL));
	leak_none_since(before);
	place_remove(&p);
}

Test(address, test_address_create_only_attach_einval)
{
	struct leak_count before = leak_count();
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;
	struct shmq_stat st = {.size = sizeof(st)};
	static const char *const nameless[] = {"memfd:label", "sysv:private"};

	for (size_t i = 0; i < 2; i++) {
		SAME(-EINVAL, shmq_seg_attach(&seg, nameless[i], 0));
		SAME(-EINVAL, shmq_attach(&q, nameless[i], SHMQ_PRODUCER));
		SAME(-EINVAL, shmq_open(&q, nameless[i], NULL, SHMQ_PRODUCER));
		SAME(-EINVAL, shmq_stat(nameless[i], &st));
		SAME(-EINVAL, shmq_remove(nameless[i]));
	}
	MUST(!seg && !q);
	leak_none_since(before);
}

/* What cannot be attached because it is not there. */
static void
nothing_there(int want, const char *addr)
{
	struct leak_count before = leak_count();
	struct shmq_perm perm = {.size = sizeof(perm), .mode = 0600};
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(want, shmq_seg_attach(&seg, addr, 0));
	SAME(want, shmq_attach(&q, addr, SHMQ_PRODUCER));
	SAME(want, shmq_attach(&q, addr, SHMQ_OBSERVER));
	SAME(want, shmq_stat(addr, &st));
	SAME(want, shmq_set(addr, &perm));
	SAME(want, shmq_remove(addr));
	SAME(want, shmq_lock(addr));
	SAME(want, shmq_unlock(addr));
	MUST(!seg && !q);
	leak_none_since(before);
}

Test(address, test_address_absent_enoent)
{
	nothing_there(-ENOENT, "shm:/shmq-test-absent");
	nothing_there(-ENOENT, "sysv:0x7fffeeee");
	nothing_there(-ENOENT, "sysv:/no/such/file");
	nothing_there(-ENOENT, "sysv:-1");
	nothing_there(-ENOENT, "file:/no/such/directory/file");
	nothing_there(-ENOENT, "file:/proc/self/status/x");
	nothing_there(-EINVAL, "sysv:id/2147483647");
	nothing_there(-EINVAL, "fd:1000000");
}

Test(address, test_create_directory_absent_enoent)
{
	struct leak_count before = leak_count();

	SAME(-ENOENT, shmq_seg_create("file:/no/such/directory/file", &one_page));
	SAME(-ENOENT, shmq_create("file:/no/such/directory/file", NULL));
	SAME(-ENOENT, shmq_create("file:/proc/self/status/file", NULL));
	SAME(-ENOENT, shmq_create("sysv:/no/such/file", NULL));
	SAME(-ENOENT, shmq_seg_create("sysv:/no/such/file", &one_page));
	leak_none_since(before);
}

/* Created by one form, found by the other, called by its canonical one. */
static void
same_segment(const char *create, const char *attach, const char *canonical)
{
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq_seg *seg = NULL;

	SAME(0, shmq_seg_create(create, &one_page));
	SAME(0, shmq_stat(attach, &st));
	cr_assert_str_eq(st.address, canonical);
	SAME(0, shmq_seg_attach(&seg, attach, 0));
	SAME(0, shmq_seg_stat(seg, &st));
	cr_assert_str_eq(st.address, canonical);
	SAME(0, shmq_seg_find(shmq_seg_base(seg), &st));
	cr_assert_str_eq(st.address, canonical);
	SAME(0, shmq_seg_detach(seg));
	SAME(0, shmq_remove(attach));
}

Test(address, test_address_forms_one_canonical_text)
{
	char by_path[128], by_key[32], path[96], file[128];
	int fd;

	same_segment("/shmq-test-a", "shm:/shmq-test-a", "shm:/shmq-test-a");
	same_segment("shm:/shmq-test-a", "/shmq-test-a", "shm:/shmq-test-a");
	same_segment("shm:/.shmq test,#", "/.shmq test,#", "shm:/.shmq test,#");
	same_segment("sysv:0x51570001", "sysv:1364656129", "sysv:0x51570001");
	same_segment("sysv:0X51570002", "sysv:012125600002", "sysv:0x51570002");
	same_segment("sysv:0xffffffff", "sysv:4294967295", "sysv:0xffffffff");

	snprintf(path, sizeof(path), "%s/key", place_directory());
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	MUST(fd >= 0);
	close(fd);
	snprintf(by_path, sizeof(by_path), "sysv:%s", path);
	snprintf(by_key, sizeof(by_key), "sysv:0x%x", (unsigned)ftok(path, 1));
	same_segment(by_path, by_key, by_key);
	SAME(0, unlink(path));

	snprintf(file, sizeof(file), "file:%s/data", place_directory());
	same_segment(file, file, file);
}

TEST_EACH_SPOT(address, test_address_of_spot_canonical_text)
{
	struct place p = spot_segment(*at, 0, NULL);
	struct shmq_stat st = place_stat(&p);

	cr_assert_str_eq(st.address, p.attach);
	place_remove(&p);
}
